/* Reads rows to a triangle: see stream.h.
 *
 * Until the last row is read, factors may get more levels. A block has columns for all levels that
 * are known, with none left out. A level that comes late has zeros in all rows before: the triangle
 * gets columns of zeros, and no row is read again. In the end the columns of the model are chosen
 * from those of the triangle, whose products are the same as those of all rows. */
#define _POSIX_C_SOURCE 200809L /* S_ISREG */

#include "stream.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "twofold.h"

enum { MOST_TRIANGLES = 63, MOST_PASSES = 3 };

/* The columns of a block: one of ones, if there is an intercept, then the features, and the target.
 */
typedef struct columns_of_block {
    size_t ones, n;                /* how many are of ones, and all */
    size_t *first;                 /* of each term, the column of its first feature */
    double *center, *least, *most; /* of each column; what is subtracted, and the extremes */
    double *block;
} columns_of_block;

typedef struct stream {
    job *j;
    columns_of_block to;
    int64_t rows;
    twofold weight, log_weights;
    bool too_large; /* whether there was a number that cannot be computed with */
    /* Each time that a triangle gets rows its rounding errors grow. Triangles of as many blocks are
     * joined in pairs, so that the errors grow only as the logarithm of the blocks. If bit i of
     * `blocks` is set, triangle i has 2^i of them. */
    int64_t blocks;
    tg_tensor *triangles[MOST_TRIANGLES];
} stream;

/* ---- The columns of a block. */

static void free_columns(columns_of_block *c)
{
    free(c->first);
    free(c->center);
    free(c->block);
    *c = (columns_of_block){0};
}

/* Makes room for columns of the terms' features. */
static bool make_columns(const job *j, columns_of_block *c)
{
    const terms *t = &j->terms;
    *c = (columns_of_block){.ones = !j->set.no_intercept};
    c->n = c->ones + t->n_features + 1;
    c->first = calloc(t->n, sizeof *c->first);
    c->center = calloc(c->n, 3 * sizeof *c->center);
    c->block = calloc(terms_block(t->n_variables), c->n * sizeof *c->block);
    if (!c->first || !c->center || !c->block) return false;
    c->least = c->center + c->n;
    c->most = c->least + c->n;
    for (size_t i = t->n_features; i-- > 0;) c->first[t->features[i].term] = c->ones + i;
    return true;
}

/* The column of a feature whose levels are codes. */
static size_t column_of(const stream *s, const feature *f)
{
    return s->to.first[f->term] + terms_code(&s->j->terms, &s->j->terms.all[f->term], f->levels);
}

/* A triangle whose column i is that of number places[i] of another, or zeros. */
static tg_tensor *spread_triangle(tg_tensor *from, const size_t *places, size_t width)
{
    const size_t n = (size_t)from->shape[0];
    tg_tensor *to = tg_zeros(from->context, TG_F64, TG_SHAPE((int64_t)width, (int64_t)width));
    const double *old = from->data;
    double *r = to ? to->data : NULL;
    for (size_t i = 0; r && i < n; i++)
        for (size_t k = i; k < n; k++) r[places[i] * width + places[k]] = old[i * n + k];
    return to;
}

/* Moves what is known of the columns before to those of now. */
static bool move_columns(stream *s, const columns_of_block *old, const feature *features)
{
    columns_of_block *c = &s->to;
    size_t *places = calloc(old->n, sizeof *places);
    for (size_t i = old->ones; places && i + 1 < old->n; i++)
        places[i] = column_of(s, &features[i - old->ones]);
    if (places) places[old->n - 1] = c->n - 1;
    for (size_t i = 0; places && i < old->n; i++) {
        c->center[places[i]] = old->center[i];
        c->least[places[i]] = old->least[i];
        c->most[places[i]] = old->most[i];
    }
    for (int i = 0; places && i < MOST_TRIANGLES; i++) {
        tg_tensor *r = s->triangles[i];
        if (!r) continue;
        s->triangles[i] = spread_triangle(r, places, c->n);
        tg_release(r);
    }
    free(places);
    return places && tg_ok(s->j->tg);
}

/* Makes columns for the levels that are known now, and sets them to what they were before. */
static int widen(stream *s)
{
    terms *t = &s->j->terms;
    feature *features = t->features;
    columns_of_block old = s->to;
    int status = terms_expand_codes(t);
    if (status == DONE) {
        const bool fits = make_columns(s->j, &s->to) && (!old.n || move_columns(s, &old, features));
        if (!fits) status = complain("regress: out of memory");
        free_columns(&old);
    }
    if (t->features != features) free(features);
    return status;
}

/* ---- Rows. */

/* Writes a row of a block. */
static void fill_row(stream *s, const double *variables, double *row)
{
    const job *j = s->j;
    const columns_of_block *c = &s->to;
    const double weight = j->set.weights ? variables[j->terms.n_inputs + 1] : 1;
    if (c->ones) row[0] = 1;
    terms_fill_row(&j->terms, variables, row + c->ones);
    row[c->n - 1] = variables[j->terms.n_inputs];
    for (size_t i = 0; i < c->n; i++) {
        if (!s->rows || row[i] < c->least[i]) c->least[i] = row[i];
        if (!s->rows || row[i] > c->most[i]) c->most[i] = row[i];
        s->too_large |= !(fabs(row[i]) < TOO_LARGE);
        row[i] -= c->center[i];
        if (j->set.weights) row[i] *= sqrt(weight);
    }
    s->rows++;
    add(&s->weight, weight);
    if (j->set.weights) add(&s->log_weights, log(weight));
}

/* Joins a block, which is in a scope, with the triangles. */
static void join_block(stream *s, tg_tensor *block)
{
    int i = 0;
    tg_tensor *r = triangle(block);
    for (; s->blocks >> i & 1; i++) r = tg_qr_add_rows_(s->triangles[i], r);
    tg_release(s->triangles[i]);
    s->triangles[i] = tg_keep(r);
    s->blocks++;
}

/* Adds rows with these variables, which are no more than a block. */
static int add_block(stream *s, const double *variables, size_t rows)
{
    tg_context *tg = s->j->tg;
    const int64_t width = (int64_t)s->to.n;
    for (size_t i = 0; i < rows; i++)
        fill_row(s, variables + i * s->j->terms.n_variables, s->to.block + i * s->to.n);
    if (s->too_large || !rows) return DONE;
    tg_scope_begin(tg);
    join_block(s, tg_wrap_f64(tg, TG_SHAPE((int64_t)rows, width), TG_CONTIGUOUS, s->to.block));
    tg_scope_end(tg);
    return tg_ok(tg) ? DONE : FAILED;
}

/* Chooses what is subtracted from columns: a value near the mean of the rows that were kept. Where
 * these are a share p of all, the mean of all is at most sqrt(1 / p) standard deviations away, so
 * that the triangle loses few digits even if the rows are sorted. A level that comes late has no
 * rows here; columns of factors keep the center 0. */
static bool choose_centers(stream *s)
{
    job *j = s->j;
    const terms *t = &j->terms;
    enum { ENOUGH = 4096 };
    const size_t step = 1 + j->rows.n / ENOUGH, n = (j->rows.n + step - 1) / step;
    if (!s->to.ones) return true;
    tg_scope_begin(j->tg);
    tg_tensor *all = tg_wrap_f64(j->tg, TG_SHAPE((int64_t)j->rows.n, (int64_t)t->n_variables),
                                 TG_CONTIGUOUS, j->rows.values);
    tg_tensor *y = tg_slice(tg_narrow(all, 1, (int64_t)t->n_inputs, 1), 0, 0, (int64_t)j->rows.n,
                            (int64_t)step);
    tg_tensor *x = make_features(j, j->rows.values, n, step * t->n_variables);
    const double *center = values_of(near_means(x)), *y_center = values_of(near_means(y));
    for (size_t i = 0; center && i < t->n_features; i++)
        if (!terms_has_factor(t, &t->all[t->features[i].term])) s->to.center[i + 1] = center[i];
    if (y_center) s->to.center[s->to.n - 1] = *y_center;
    tg_scope_end(j->tg);
    return tg_ok(j->tg);
}

/* Adds the rows that were kept. */
static int add_kept(stream *s)
{
    const job *j = s->j;
    const size_t n = j->terms.n_variables, block = terms_block(n);
    int status = widen(s);
    if (status == DONE && !choose_centers(s)) status = FAILED;
    for (size_t i = 0; status == DONE && i < j->rows.n; i += block)
        status =
            add_block(s, j->rows.values + i * n, j->rows.n - i < block ? j->rows.n - i : block);
    return status;
}

/* Adds the other rows of the file, which are read to where the first ones were kept. */
static int add_others(stream *s)
{
    job *j = s->j;
    terms *t = &j->terms;
    const size_t block = terms_block(t->n_variables);
    int status = DONE;
    for (size_t rows = block; status == DONE && rows == block;) {
        if (!terms_read_block(t, j->file, t->n_variables, false, j->rows.values, &rows))
            return FAILED;
        if (terms_width(t) > t->n_features) status = widen(s);
        if (status == DONE) status = add_block(s, j->rows.values, rows);
    }
    return status;
}

/* ---- The end. */

/* The triangle of all rows. */
static tg_tensor *join_all(const stream *s)
{
    const int64_t width = (int64_t)s->to.n;
    tg_tensor *all = tg_zeros(s->j->tg, TG_F64, TG_SHAPE(width, width));
    for (int i = 0; i < MOST_TRIANGLES; i++)
        if (s->blocks >> i & 1) all = tg_qr_add_rows_(all, s->triangles[i]);
    return all;
}

/* The column of a feature of the model, whose levels are places. */
static size_t place_of(const stream *s, const feature *f)
{
    const terms *t = &s->j->terms;
    const term *of = &t->all[f->term];
    feature coded = *f;
    for (size_t k = 0; k < of->n; k++) {
        const variable *v = &t->variables[of->variables[k]];
        if (v->how == FACTOR) coded.levels[k] = v->levels.sorted[f->levels[k]].code;
    }
    return column_of(s, &coded);
}

/* Sets the sums from the columns at these places. */
static void set_sums(const stream *s, const size_t *places, int64_t n)
{
    job *j = s->j;
    const columns_of_block *c = &s->to;
    const int64_t width = (int64_t)c->n, ones = (int64_t)c->ones, k = n - ones - 1;
    tg_tensor *all = join_all(s), *chosen = tg_zeros(j->tg, TG_F64, TG_SHAPE(width, n)),
              *about = tg_zeros(j->tg, TG_F64, TG_SHAPE(3, n));
    if (!all || !chosen || !about) return;
    const double *from = all->data;
    double *r = chosen->data, *of = about->data;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t l = 0; l < width; l++) r[l * n + i] = from[l * width + (int64_t)places[i]];
        of[i] = c->center[places[i]];
        of[n + i] = c->least[places[i]];
        of[2 * n + i] = c->most[places[i]];
    }
    j->range = (sample){.x = tg_narrow(tg_narrow(about, 0, 1, 2), 1, ones, k),
                        .y = tg_narrow(tg_narrow(about, 0, 1, 2), 1, n - 1, 1)};
    j->sums = (row_sums){.rows = s->rows,
                         .joins = s->blocks,
                         .triangle = s->too_large ? NULL : triangle(chosen),
                         .center = tg_contiguous(tg_narrow(tg_narrow(about, 0, 0, 1), 1, ones, k)),
                         .y_center = of[n - 1],
                         .weight = s->weight.high + s->weight.low,
                         .log_weights = s->log_weights.high + s->log_weights.low};
}

/* Makes the features of the model, and chooses their columns. */
static int settle(stream *s)
{
    job *j = s->j;
    terms *t = &j->terms;
    feature *coded = t->features;
    j->n_rows = s->rows;
    int status = settle_terms(j);
    const size_t n = s->to.ones + t->n_features + 1;
    size_t *places = status == DONE ? calloc(n, sizeof *places) : NULL;
    for (size_t i = 0; places && i < t->n_features; i++)
        places[s->to.ones + i] = place_of(s, &t->features[i]);
    if (places) {
        places[n - 1] = s->to.n - 1;
        set_sums(s, places, (int64_t)n);
    } else if (status == DONE) {
        status = complain("regress: out of memory");
    }
    free(places);
    if (t->features != coded) free(coded);
    return status == DONE && !tg_ok(j->tg) ? FAILED : status;
}

int stream_rows(job *j)
{
    stream s = {.j = j};
    int status = add_kept(&s);
    if (status == DONE) status = add_others(&s);
    if (status == DONE) status = settle(&s);
    free_columns(&s.to);
    free(j->rows.values);
    j->rows = (row_values){0};
    return status;
}

/* ---- Reading again. */

/* Sums of residuals, and of their products with the columns, in twice the precision. */
typedef struct residuals {
    const job *j;
    double *features;  /* of a row */
    twofold *x;        /* the columns of the row, less their centers */
    twofold *gradient; /* of the coefficients of `exact` */
    twofold squares;
    int64_t rows;
} residuals;

/* Adds the residual of a row with these variables. */
static void add_residual(residuals *s, const double *variables)
{
    const job *j = s->j;
    const size_t k = j->terms.n_features, ones = !j->set.no_intercept;
    const double *center = j->exact.line.center->data, *b = j->exact.solution->data;
    const double weight = j->set.weights ? variables[j->terms.n_inputs + 1] : 1;
    twofold rest = difference(variables[j->terms.n_inputs], j->exact.y_center);
    terms_fill_row(&j->terms, variables, s->features);
    for (size_t i = 0; i < ones + k; i++) {
        s->x[i] = i < ones ? (twofold){1, 0} : difference(s->features[i - ones], center[i - ones]);
        add_product(&rest, -b[i], s->x[i].high);
        rest.low -= b[i] * s->x[i].low;
    }
    const double high = weight * rest.high, low = fma(weight, rest.high, -high) + weight * rest.low;
    for (size_t i = 0; i < ones + k; i++) {
        add_product(&s->gradient[i], high, s->x[i].high);
        s->gradient[i].low += low * s->x[i].high + high * s->x[i].low;
    }
    add_product(&s->squares, high, rest.high);
    s->squares.low += low * rest.high + high * rest.low;
    s->rows++;
}

/* Adds the residuals of all rows of the file. */
static int add_residuals(residuals *s, tg_csv *file, double *values)
{
    terms t = s->j->terms; /* reading counts rows in it */
    const size_t n = t.n_variables, block = terms_block(n);
    if (terms_find_columns(&t, file, n) != DONE || !terms_choose(&t, file, n)) return FAILED;
    for (size_t rows = block; rows == block;) {
        if (!terms_read_block(&t, file, n, true, values, &rows)) return FAILED;
        for (size_t i = 0; i < rows; i++) add_residual(s, values + i * n);
    }
    if (s->rows == s->j->sums.rows) return DONE;
    fprintf(stderr, "%s: the file has changed while it was read\n", s->j->set.data);
    return FAILED;
}

/* Corrects the exact fit by sums. */
static int correct(job *j, const residuals *s)
{
    const int64_t k = least_squares_size(&j->exact);
    tg_tensor *gradient = tg_empty(j->tg, TG_F64, TG_SHAPE(k, 1));
    double *g = gradient ? gradient->data : NULL;
    for (int64_t i = 0; g && i < k; i++) g[i] = s->gradient[i].high + s->gradient[i].low;
    const double squares = s->squares.high + s->squares.low;
    return g && least_squares_correct(gradient, squares, &j->exact) ? DONE : FAILED;
}

static int read_again(job *j)
{
    const size_t k = (size_t)least_squares_size(&j->exact), n = j->terms.n_variables;
    double *values = calloc(terms_block(n), n * sizeof *values);
    residuals s = {.j = j,
                   .features = calloc(k, sizeof *s.features),
                   .x = calloc(k, sizeof *s.x),
                   .gradient = calloc(k, sizeof *s.gradient)};
    tg_csv *file = file_open(j->tg, j->set.data, &j->set,
                             j->set.drop_missing ? TG_MISSING_DROP : TG_MISSING_ERROR);
    int status = file ? DONE : FAILED;
    if (file && (!values || !s.features || !s.x || !s.gradient))
        status = complain("regress: out of memory");
    if (status == DONE) status = add_residuals(&s, file, values);
    if (status == DONE) status = correct(j, &s);
    tg_csv_close(file);
    free(values);
    free(s.features);
    free(s.x);
    free(s.gradient);
    return status;
}

/* Whether all digits that are printed are certain: of the coefficients, and of the residual
 * standard error, which is, once the file was read again. */
static bool is_certain(const job *j)
{
    const least_squares *exact = &j->exact;
    const double digits = j->set.digits > 0 ? j->set.digits : j->set.json ? 17 : 7;
    const double share = 0.5 * pow(10, -fmin(digits, 13));
    tg_tensor *misses = tg_mul_scalar(exact->unit_errors, exact->doubt);
    tg_tensor *most = tg_mul_scalar(tg_abs(exact->coefficients), share);
    return tg_item(tg_all(tg_le(misses, most))) != 0 &&
           (exact->correction > 0 || exact->doubt <= share * sqrt(exact->squares));
}

/* Standard input may be a file, but the program does not know where in it the rows began. */
static bool can_read_again(const char *path)
{
    struct stat about;
    return strcmp(path, "/dev/stdin") != 0 && stat(path, &about) == 0 && S_ISREG(about.st_mode);
}

int stream_refine(job *j)
{
    least_squares best = j->exact;
    int status = DONE;
    for (int pass = 0; pass < MOST_PASSES && status == DONE && !is_certain(j); pass++) {
        j->once = !can_read_again(j->set.data);
        if (j->once) break;
        status = read_again(j);
        if (j->exact.doubt < best.doubt) best = j->exact;
    }
    j->exact = best;
    return status;
}
