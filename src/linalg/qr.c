/* QR factorizations of tall matrices: see qr.h. */
#include "qr.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum {
    ROWS_UNIT = 16, /* what the rows of a block are a multiple of */
    /* A block has so many doubles, which the first-level cache holds; but at least FEWEST_ROWS
     * rows, as each block costs some work of its own, and at most MOST_ROWS. */
    BLOCK_DOUBLES = 4096,
    FEWEST_ROWS = 128,
    MOST_ROWS = 1024
};

/* A sum of squares below this has lost digits to underflow, and counts as 0. It stands for no more
 * than rounding errors, as the column itself is at least 2^-400 or was scaled to be. */
#define NO_SQUARES 0x1p-960

qr_source tg__qr_source(const tg_tensor *t, int64_t index)
{
    int64_t offset = 0;
    for (int d = t->ndim - 3; d >= 0; index /= t->shape[d--])
        offset += index % t->shape[d] * t->strides[d];
    const char *data = t->data;
    return (qr_source){t->dtype, data ? data + offset * (int64_t)tg__dtype_size(t->dtype) : NULL,
                       t->strides[t->ndim - 2], t->strides[t->ndim - 1]};
}

qr_source tg__qr_transposed(qr_source s)
{
    return (qr_source){s.dtype, s.data, s.s1, s.s0};
}

/* The doubles that the reflections of a block take: the vectors w without `first`, then `first` and
 * the scale of each. */
static int64_t kept_block(const tall_qr *w)
{
    return w->n * w->rows + 2 * w->n;
}

static int64_t round_up(int64_t rows)
{
    return (rows + ROWS_UNIT - 1) / ROWS_UNIT * ROWS_UNIT;
}

int64_t tg__qr_height(const tall_qr *w)
{
    return round_up(w->m);
}

tall_qr tg__tall_matrix(const problem *p)
{
    const bool tall = p->m >= p->n;
    const qr_source a = tg__qr_source(p->c->in[0], p->index);
    return (tall_qr){.tg = p->c->tg,
                     .a = tall ? a : tg__qr_transposed(a),
                     .m = tall ? p->m : p->n,
                     .n = tall ? p->n : p->m};
}

bool tg__qr_begin(tall_qr *w, bool keep)
{
    const int64_t columns = tg__plus(w->n, w->k), fit = BLOCK_DOUBLES / (columns > 0 ? columns : 1);
    w->rows = fit < FEWEST_ROWS ? FEWEST_ROWS
              : fit > MOST_ROWS ? MOST_ROWS
                                : fit / ROWS_UNIT * ROWS_UNIT;
    if (w->m < w->rows) w->rows = round_up(w->m);
    const int64_t of_r = tg__times(w->n, columns), of_block = tg__times(columns, w->rows),
                  blocks = w->rows ? (w->m + w->rows - 1) / w->rows : 0,
                  of_kept = keep ? tg__times(blocks, tg__plus(tg__times(w->n, w->rows), 2 * w->n))
                                 : 2 * w->n;
    const int64_t doubles = tg__plus(tg__plus(of_r, of_block), tg__plus(of_kept, w->k));
    double *memory = tg__alloc(w->tg, tg__bytes(doubles, sizeof *memory));
    if (!memory) return false;
    w->block = memory; /* first, since this memory is aligned */
    w->kept = keep ? w->block + of_block : NULL;
    w->r = w->block + of_block + of_kept;
    w->squares = w->r + of_r;
    w->powers = NULL;
    return true;
}

/* Copies `count` rows from row i on of a matrix of that many columns, and fills up with zeros. */
static void load_columns(const tall_qr *w, qr_source s, int64_t i, int64_t count, int64_t columns,
                         double *to)
{
    if (columns == 0) return; /* there may be no memory to read */
    const size_t size = tg__dtype_size(s.dtype);
    const char *from = (const char *)s.data + i * s.s0 * (int64_t)size;
    const size_t rest = (size_t)(round_up(count) - count) * sizeof *to;
    if (s.dtype == TG_F64) pick(0, copy, TG_F64)(columns, count, to, w->rows, 1, from, s.s1, s.s0);
    for (int64_t j = 0; j < columns; j++, to += w->rows) {
        if (s.dtype == TG_F32) {
            float column[MOST_ROWS];
            pick(0, copy, TG_F32)(1, count, column, 0, 1, from + j * s.s1 * (int64_t)size, 0, s.s0);
            pick(0, to_f64, TG_F32)(count, to, column);
        }
        memset(to + count, 0, rest);
    }
}

int64_t tg__qr_load(const tall_qr *w, int64_t i)
{
    const int64_t count = w->m - i < w->rows ? w->m - i : w->rows;
    load_columns(w, w->a, i, count, w->n, w->block);
    if (w->k > 0) load_columns(w, w->b, i, count, w->k, w->block + w->n * w->rows);
    for (int64_t j = 0; j < w->n + w->k && w->powers; j++)
        for (int64_t l = 0; l < count && w->powers[j]; l++) {
            double *entry = w->block + j * w->rows + l;
            *entry = ldexp(*entry, w->powers[j]);
        }
    return round_up(count);
}

/* Whether the block from row i on holds row j of a, which becomes row j of R in step j. */
static bool gives_row(const tall_qr *w, int64_t i, int64_t j)
{
    return !w->start && j >= i && j < i + w->rows;
}

/* Exchanges row j of R, which is 0, for row j of a, which is row l of the block. */
static void exchange_rows(const tall_qr *w, int64_t j, int64_t l)
{
    const int64_t columns = w->n + w->k;
    for (int64_t q = j; q < columns; q++)
        tg__swap_rows(1, w->r + j * columns + q, w->block + q * w->rows + l);
}

/* Folds the block from row i on into R. factors takes `first` and the scale of each reflection. */
static void fold(const tall_qr *w, int64_t i, int64_t rows, double *factors)
{
    const int64_t columns = w->n + w->k;
    for (int64_t j = 0; j < w->n; j++) {
        if (gives_row(w, i, j)) exchange_rows(w, j, j - i);
        double *v = w->block + j * w->rows, *top = w->r + j * columns + j, below;
        pick(w->tg->level, dot, TG_F64)(rows, &below, v, v);
        const double norm = sqrt(*top * *top + below), diagonal = *top > 0 ? -norm : norm;
        const double first = below < NO_SQUARES ? 0 : *top - diagonal, scale = first * diagonal;
        factors[2 * j] = first;
        factors[2 * j + 1] = scale;
        if (first == 0) continue;
        *top = diagonal;
        pick(w->tg->level, reflect, TG_F64)(rows, columns - j - 1, v, first, scale, top + 1,
                                            v + w->rows, w->rows);
    }
}

/* R becomes the triangle to which the blocks are added. */
static void begin_triangle(const tall_qr *w)
{
    const int64_t n = w->n, columns = n + w->k;
    memset(w->r, 0, (size_t)(n * columns) * sizeof *w->r);
    for (int64_t i = 0; i < n && w->start; i++)
        for (int64_t j = i; j < n; j++) {
            const double entry = w->start[i * n + j];
            w->r[i * columns + j] = w->powers ? ldexp(entry, w->powers[j]) : entry;
        }
}

static void fold_all(const tall_qr *w)
{
    const int64_t size = w->n * w->rows;
    double *kept = w->kept;
    begin_triangle(w);
    for (int64_t l = 0; l < w->k; l++) w->squares[l] = 0;
    for (int64_t i = 0; i < w->m; i += w->rows) {
        const int64_t rows = tg__qr_load(w, i);
        for (int64_t l = 0; l < w->k; l++) {
            const double *column = w->block + (w->n + l) * w->rows;
            double sum;
            pick(w->tg->level, dot, TG_F64)(rows, &sum, column, column);
            w->squares[l] += sum;
        }
        if (kept) {
            fold(w, i, rows, kept + size);
            memcpy(kept, w->block, (size_t)size * sizeof *kept);
            kept += kept_block(w);
        } else {
            fold(w, i, rows, w->block + (w->n + w->k) * w->rows);
        }
    }
}

/* The greatest |entry| in column j of R, or NaN if an entry is. */
static double size_of_column(const tall_qr *w, int64_t j)
{
    double most = 0;
    for (int64_t i = 0; i <= j; i++) {
        const double size = fabs(w->r[i * (w->n + w->k) + j]);
        if (!(size <= most)) most = size;
    }
    return most;
}

/* Whether the squares of all columns are in the range of a double, as R and the squares of b tell.
 * A column that has only zeros may have underflowed. */
static bool is_in_range(const tall_qr *w)
{
    for (int64_t l = 0; l < w->k; l++)
        if (!(w->squares[l] > 0x1p-800 && w->squares[l] < 0x1p800)) return false;
    for (int64_t j = 0; j < w->n; j++) {
        const double size = size_of_column(w, j);
        if (!(size > 0x1p-400 && size < 0x1p400)) return false;
    }
    return true;
}

static bool find_powers(tall_qr *w, int64_t *row, int64_t *column, bool *scaled)
{
    const int64_t columns = w->n + w->k;
    double *most = tg__alloc(w->tg, tg__bytes(columns, sizeof *most));
    int *powers = tg__alloc(w->tg, tg__bytes(columns, sizeof *powers));
    *row = -1;
    if (!most || !powers) return false;
    for (int64_t j = 0; j < columns; j++) {
        most[j] = 0;
        for (int64_t i = 0; i <= j && w->start; i++)
            most[j] = fmax(most[j], fabs(w->start[i * w->n + j]));
    }
    for (int64_t i = 0; i < w->m; i += w->rows) {
        const int64_t rows = tg__qr_load(w, i);
        for (int64_t l = 0; l < rows; l++)
            for (int64_t j = 0; j < columns; j++) {
                const double size = fabs(w->block[j * w->rows + l]);
                if (!(size <= DBL_MAX) && j < w->n) {
                    *row = i + l;
                    *column = j;
                    return false;
                }
                most[j] = fmax(most[j], size);
            }
    }
    for (int64_t j = 0; j < columns; j++) {
        powers[j] = tg__power(most[j], TG_SQUARES_FIT);
        *scaled = *scaled || powers[j];
    }
    w->powers = powers;
    return true;
}

bool tg__qr_factorize(tall_qr *w, int64_t *row, int64_t *column)
{
    bool scaled = false;
    fold_all(w);
    if (is_in_range(w)) return true;
    if (!find_powers(w, row, column, &scaled)) return false;
    if (scaled) fold_all(w);
    return true;
}

bool tg__qr_factorize_matrix(tall_qr *w, const problem *p)
{
    const bool tall = p->m >= p->n;
    int64_t row, column;
    if (tg__qr_factorize(w, &row, &column)) return true;
    if (row < 0) return false;
    const double entry = tg__load(w->a.dtype, w->a.data, row * w->a.s0 + column * w->a.s1);
    return tg__fail_entry(p, entry, tall ? row : column, tall ? column : row);
}

static double norm_of_column(const tall_qr *w, int64_t j)
{
    double sum = 0;
    for (int64_t i = 0; i <= j; i++) {
        const double entry = w->r[i * (w->n + w->k) + j];
        sum += entry * entry;
    }
    return sqrt(sum);
}

void tg__qr_norms(const tall_qr *w, double *norms)
{
    for (int64_t j = 0; j < w->n; j++) norms[j] = norm_of_column(w, j);
}

int64_t tg__qr_dependent(const tall_qr *w, double tolerance)
{
    for (int64_t j = 0; j < w->n; j++) {
        const double left = fabs(w->r[j * (w->n + w->k) + j]);
        if (!(left > tolerance * norm_of_column(w, j))) return j;
    }
    return w->n;
}

void tg__qr_apply(const tall_qr *w, bool back, double *top, double *y)
{
    const int64_t blocks = w->rows ? (w->m + w->rows - 1) / w->rows : 0;
    for (int64_t l = 0; l < blocks; l++) {
        const int64_t number = back ? blocks - 1 - l : l, i = number * w->rows;
        const int64_t rows = w->m - i < w->rows ? round_up(w->m - i) : w->rows;
        const double *kept = w->kept + number * kept_block(w), *factors = kept + w->n * w->rows;
        for (int64_t step = 0; step < w->n; step++) {
            const int64_t j = back ? w->n - 1 - step : step;
            const bool swaps = gives_row(w, i, j);
            if (swaps && !back) tg__swap_rows(1, top + j, y + j);
            if (factors[2 * j] != 0)
                pick(w->tg->level, reflect, TG_F64)(rows, 1, kept + j * w->rows, factors[2 * j],
                                                    factors[2 * j + 1], top + j, y + i, rows);
            if (swaps && back) tg__swap_rows(1, top + j, y + j);
        }
    }
}

void tg__qr_rows_of_q(const tall_qr *w, int64_t i, double *top)
{
    const int64_t n = w->n, rows = w->m - i < w->rows ? round_up(w->m - i) : w->rows;
    const double *kept = w->kept + i / w->rows * kept_block(w), *factors = kept + n * w->rows;
    memset(w->block, 0, (size_t)(n * w->rows) * sizeof *w->block);
    for (int64_t j = n - 1; j >= 0; j--) {
        if (factors[2 * j] != 0)
            pick(w->tg->level, reflect, TG_F64)(rows, n, kept + j * w->rows, factors[2 * j],
                                                factors[2 * j + 1], top + j * n, w->block, w->rows);
        for (int64_t l = 0; l < n && gives_row(w, i, j); l++)
            tg__swap_rows(1, top + j * n + l, w->block + l * w->rows + j - i);
    }
}

double tg__qr_entry(const tall_qr *w, int64_t i, int64_t j)
{
    const double *row = w->r + i * (w->n + w->k), entry = row[i] < 0 ? -row[j] : row[j];
    return w->powers ? ldexp(entry, -w->powers[j]) : entry;
}

void tg__qr_divide(const tall_qr *w, bool transposed, double *x)
{
    const int64_t n = w->n, columns = n + w->k;
    for (int64_t l = 0; l < n; l++) {
        const int64_t i = transposed ? l : n - 1 - l;
        const double *row = w->r + i * columns;
        if (transposed) {
            x[i] /= row[i];
            for (int64_t j = i + 1; j < n; j++) x[j] -= x[i] * row[j];
        } else {
            for (int64_t j = i + 1; j < n; j++) x[i] -= row[j] * x[j];
            x[i] /= row[i];
        }
    }
}

/* ---- tg_qr_add_rows_. */

static bool add_rows_shape(const call *c, spec *s)
{
    const tg_tensor *r = c->in[0], *rows = c->in[1];
    if (!tg__check_dtype(c, r, tg__is_float(r->dtype))) return false;
    if (r->ndim != 2 || r->shape[0] != r->shape[1])
        return tg__fail(c->tg, TG_ERR_SHAPE, "%s: r is %s, but must be a square matrix",
                        c->op->name, SHOW(r));
    if (rows->dtype != r->dtype)
        return tg__fail(c->tg, TG_ERR_DTYPE, "%s: r is %s and rows are %s; use tg_cast",
                        c->op->name, tg_dtype_name(r->dtype), tg_dtype_name(rows->dtype));
    if (rows->ndim != 2 || rows->shape[1] != r->shape[1])
        return tg__fail(c->tg, TG_ERR_SHAPE, "%s: rows are %s, but must be [m, %lld], as r is %s",
                        c->op->name, SHOW(rows), (long long)r->shape[1], SHOW(r));
    return tg__same_shape(c, s);
}

static double *load_triangle(const call *c, int64_t n)
{
    const tg_tensor *r = c->out;
    double *start = tg__alloc(c->tg, tg__bytes(tg__times(n, n), sizeof *start));
    for (int64_t i = 0; i < n && start; i++)
        for (int64_t j = i; j < n; j++) {
            const double entry = tg__load(r->dtype, r->data, i * r->strides[0] + j * r->strides[1]);
            if (!isfinite(entry))
                return tg__fail(c->tg, TG_ERR_ARGUMENT,
                                "%s: r %s has NaN or an infinity at [%lld, %lld]", c->op->name,
                                SHOW(r), (long long)i, (long long)j);
            start[i * n + j] = entry;
        }
    return start;
}

static void store_triangle(const tall_qr *w, tg_tensor *r)
{
    for (int64_t i = 0; i < w->n; i++)
        for (int64_t j = 0; j < w->n; j++)
            tg__store(r->dtype, r->data, i * r->strides[0] + j * r->strides[1],
                      tg__qr_entry(w, i, j));
}

static bool add_rows_forward(const call *c)
{
    const tg_tensor *rows = c->in[1];
    tall_qr w = {
        .tg = c->tg, .a = tg__qr_source(rows, 0), .m = rows->shape[0], .n = rows->shape[1]};
    int64_t row, column;
    w.start = load_triangle(c, w.n);
    if (!w.start || !tg__qr_begin(&w, false)) return false;
    if (tg__qr_factorize(&w, &row, &column)) {
        store_triangle(&w, c->out);
        return true;
    }
    return row >= 0 &&
           tg__fail(c->tg, TG_ERR_ARGUMENT, "%s: rows %s have NaN or an infinity at [%lld, %lld]",
                    c->op->name, SHOW(rows), (long long)row, (long long)column);
}

static const op_row add_rows_op = {
    .name = "qr_add_rows_", .shape = add_rows_shape, .forward = add_rows_forward};

tg_tensor *tg_qr_add_rows_(tg_tensor *r, tg_tensor *rows)
{
    return tg__apply_in_place(&add_rows_op, 2, (tg_tensor *[]){r, rows}, NULL);
}
