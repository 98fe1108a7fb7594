/* Loads a saved fit: see saved.h. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/utf8.h"
#include "regress.h"
#include "saved.h"

#define WHERE 300

/* The text of the file, of which the current line is cut into cells in place. */
typedef struct reader {
    const char *path;
    char *text, *at, *end;
    uint32_t checksum; /* of what stands before the last line */
    size_t line;       /* the number of the current line, and of its first one if it has several */
    size_t next_line;  /* the number of the next one */
    char **cells;      /* the word that the line begins with is the first */
    size_t n_cells, capacity;
} reader;

/* Prints a message, without control characters that a cell may have brought into it. */
static bool fail(const reader *r, const char *format, ...)
{
    char message[400];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    fprintf(stderr, "%s:", r->path);
    if (r->line) fprintf(stderr, "%zu:", r->line);
    fprintf(stderr, " %s\n", utf8_show(message, message, sizeof message));
    return false;
}

/* The line, for messages of others. */
static const char *where_is(const reader *r, char where[WHERE])
{
    snprintf(where, WHERE, "%.255s:%zu", r->path, r->line);
    return where;
}

static bool fail_memory(const reader *r)
{
    return fail(r, "out of memory");
}

/* ---- Lines and cells. */

static void find_checksum(reader *r)
{
    const char *last = r->end - 1;
    while (last > r->text && last[-1] != '\n') last--;
    r->checksum = 0;
    for (const char *p = r->text; p < last; p++) r->checksum = saved_checksum(r->checksum, *p);
}

/* Reads all of a file. One that is another from its first bytes on is not read to its end. */
static bool read_all(reader *r, FILE *file)
{
    size_t n = 0, capacity = 0, some;
    do {
        if (n + 1 >= capacity) {
            capacity = capacity ? 2 * capacity : 65536;
            char *more = realloc(r->text, capacity);
            if (!more) return fail_memory(r);
            r->text = more;
        }
        some = fread(r->text + n, 1, capacity - n - 1, file);
        n += some;
        if (n && strncmp(r->text, SAVED_NAME ",", n < 8 ? n : 8) != 0) {
            r->line = 1;
            return fail(r, "this is no fit that regress has saved");
        }
    } while (some);
    if (ferror(file)) return fail(r, "%s", strerror(errno));
    if (!n) return fail(r, "the file is empty");
    r->text[n] = 0;
    if (memchr(r->text, 0, n)) return fail(r, "a zero byte: this is not a text file");
    r->at = r->text;
    r->end = r->text + n;
    find_checksum(r);
    return true;
}

static bool open_file(reader *r, const char *path)
{
    *r = (reader){.path = path, .next_line = 1};
    FILE *file = fopen(path, "rb");
    if (!file) return fail(r, "%s", strerror(errno));
    const bool done = read_all(r, file);
    fclose(file);
    return done;
}

static void close_file(reader *r)
{
    free(r->text);
    free(r->cells);
}

static bool add_cell(reader *r, char *cell)
{
    if (r->n_cells == r->capacity) {
        r->capacity = r->capacity ? 2 * r->capacity : 64;
        char **more = realloc(r->cells, r->capacity * sizeof *more);
        if (!more) return fail_memory(r);
        r->cells = more;
    }
    r->cells[r->n_cells++] = cell;
    return true;
}

/* Takes the quotes off the cell at r->at, in place, and moves behind it. */
static bool cut_quotes(reader *r)
{
    char *out = r->at++;
    for (; *r->at && (*r->at != '"' || r->at[1] == '"'); *out++ = *r->at++) {
        r->at += *r->at == '"';
        r->next_line += *r->at == '\n';
    }
    if (!*r->at) return fail(r, "a quote is not closed");
    r->at++;
    *out = 0;
    return !*r->at || strchr(",\r\n", *r->at) || fail(r, "text follows a closing quote");
}

/* Cuts the next line. A file whose last line is not "end" was cut off, whatever its last line has.
 */
static bool next_line(reader *r)
{
    r->line = r->next_line++;
    r->n_cells = 0;
    if (r->at == r->end) return fail(r, "the file ends before its line 'end': it was cut off");
    for (char stop = ','; stop == ',';) {
        char *cell = r->at;
        if (*cell == '"') {
            if (!cut_quotes(r)) return false;
        }
        r->at += strcspn(r->at, ",\r\n");
        stop = *r->at;
        if (stop) *r->at++ = 0;
        if (stop == '\r' && *r->at == '\n') r->at++;
        if (!add_cell(r, cell)) return false;
    }
    return true;
}

/* Cuts the next line, which must begin with this word and have from `least` to `most` cells. */
static bool expect(reader *r, const char *word, size_t least, size_t most)
{
    if (!next_line(r)) return false;
    if (strcmp(r->cells[0], word) != 0)
        return fail(r, "'%s' is expected, and not '%.40s'", word, r->cells[0]);
    if (r->n_cells >= least && r->n_cells <= most) return true;
    return fail(r, "'%s' has %zu cells, not %zu", word, r->n_cells, least);
}

/* Whether the next line begins with a word. */
static bool comes_next(const reader *r, const char *word)
{
    const size_t n = strlen(word);
    return !strncmp(r->at, word, n) && r->at[n] == ',';
}

static bool read_number(const reader *r, size_t cell, double *value)
{
    const char *text = r->cells[cell];
    char *end;
    *value = strtod(text, &end);
    if (end != text && !*end && isfinite(*value) && !text[strspn(text, "+-.0123456789eE")])
        return true;
    return fail(r, "'%.40s' is no number", text);
}

static bool expect_number(reader *r, const char *word, double *value)
{
    return expect(r, word, 2, 2) && read_number(r, 1, value);
}

/* ---- The parts of a fit. */

static bool read_head(reader *r, job *j)
{
    if (!expect(r, SAVED_NAME, 2, 2)) return false;
    char version[16];
    snprintf(version, sizeof version, "%d", SAVED_VERSION);
    if (strcmp(r->cells[1], version) != 0)
        return fail(r, "version %.20s of the format is unknown: this program reads version %s",
                    r->cells[1], version);
    if (!expect(r, "target", 2, 2)) return false;
    j->set.target = j->loaded_target = make_text("%s", r->cells[1]);
    if (!j->set.target) return fail_memory(r);
    if (!expect(r, "loss", 2, 2)) return false;
    char where[WHERE];
    if (!loss_read(where_is(r, where), r->cells[1], &j->set.loss)) return false;
    return !comes_next(r, "classes") || expect(r, "classes", 3, 3);
}

/* The variable that is written like this and can be a factor. NULL if there is none. */
static variable *find_factor(const terms *t, const char *name)
{
    for (size_t i = 0; i < t->n_inputs; i++) {
        variable *v = &t->variables[i];
        const bool factor = v->how == FACTOR || (v->how == PLAIN && v->power == 1);
        if (factor && !v->levels.n && !strcmp(v->name, name)) return v;
    }
    return NULL;
}

static bool read_levels(reader *r, const terms *t)
{
    if (!expect(r, "levels", 4, MAX_LEVELS + 3)) return false;
    variable *v = find_factor(t, r->cells[1]);
    if (!v) return fail(r, "'%.40s' is no factor of the features", r->cells[1]);
    v->how = FACTOR;
    v->levels.numbers = !strcmp(r->cells[2], "numbers");
    if (!v->levels.numbers && strcmp(r->cells[2], "text") != 0)
        return fail(r, "'%.40s' is neither text nor numbers", r->cells[2]);
    for (size_t i = 3; i < r->n_cells; i++) {
        double number = 0;
        if (v->levels.numbers && !read_number(r, i, &number)) return false;
        if (levels_find(&v->levels, r->cells[i], number) < v->levels.n)
            return fail(r, "'%.40s' is named twice", r->cells[i]);
        if (!levels_add(&v->levels, r->cells[i], number)) return fail_memory(r);
    }
    return true;
}

static bool read_terms(reader *r, job *j)
{
    char where[WHERE];
    terms *t = &j->terms;
    if (!expect(r, "features", 2, 2)) return false;
    if (terms_parse(t, where_is(r, where), r->cells[1], j->set.target) != DONE) return false;
    while (comes_next(r, "levels"))
        if (!read_levels(r, t)) return false;
    for (size_t i = 0; i < t->n_inputs; i++) {
        t->variables[i].decided = true;
        if (t->variables[i].how == FACTOR && !t->variables[i].levels.n)
            return fail(r, "the levels of '%.40s' do not follow", t->variables[i].name);
    }
    if (!expect(r, "intercept", 2, 2)) return false;
    j->exact.intercept = !strcmp(r->cells[1], "yes");
    if (!j->exact.intercept && strcmp(r->cells[1], "no") != 0)
        return fail(r, "'%.40s' is neither yes nor no", r->cells[1]);
    return terms_expand(t, j->exact.intercept) == DONE;
}

/* Reads the coefficients of the features that are in use. The terms can make others, which had been
 * found dependent. */
static bool read_coefficients(reader *r, job *j)
{
    terms *t = &j->terms;
    const int64_t room = (int64_t)t->n_features;
    tg_tensor *center = tg_zeros(j->tg, TG_F64, TG_SHAPE(1, room)),
              *slope = tg_zeros(j->tg, TG_F64, TG_SHAPE(room, 1));
    double intercept;
    if (!center || !slope) return false;
    if (j->exact.intercept && (!expect(r, "coefficient", 3, 3) || !read_number(r, 2, &intercept)))
        return false;
    size_t k = 0;
    for (; comes_next(r, "coefficient"); k++) {
        if (!expect(r, "coefficient", 4, 4)) return false;
        while (k < t->n_features && strcmp(t->features[k].name, r->cells[1]) != 0) terms_drop(t, k);
        if (k == t->n_features)
            return fail(r, "'%.40s' is none of the features, or not in their order", r->cells[1]);
        if (!read_number(r, 2, (double *)slope->data + k) ||
            !read_number(r, 3, (double *)center->data + k))
            return false;
    }
    if (!k) return expect(r, "coefficient", 4, 4);
    while (t->n_features > k) terms_drop(t, k);
    j->fit.line.center = tg_narrow(center, 1, 0, (int64_t)k);
    j->fit.line.slope = tg_narrow(slope, 0, 0, (int64_t)k);
    return true;
}

static bool read_triangle(reader *r, job *j)
{
    const size_t k = j->terms.n_features + (size_t)j->exact.intercept;
    tg_tensor *triangle = tg_zeros(j->tg, TG_F64, TG_SHAPE((int64_t)k, (int64_t)k));
    for (size_t i = 0; triangle && i < k; i++) {
        if (!expect(r, "triangle", k - i + 1, k - i + 1)) return false;
        double *row = (double *)triangle->data + i * k;
        for (size_t l = i; l < k; l++)
            if (!read_number(r, l - i + 1, row + l)) return false;
        if (row[i] == 0) return fail(r, "the diagonal of the triangle has a 0");
    }
    j->exact.triangle = triangle;
    return triangle != NULL;
}

static bool read_scatter(reader *r, job *j)
{
    double freedom;
    least_squares *exact = &j->exact;
    if (!expect_number(r, SAVED_FREEDOM, &freedom)) return false;
    if (freedom < 0 || freedom > 1e15 || freedom != floor(freedom))
        return fail(r, "'%.40s' is no number of degrees of freedom", r->cells[1]);
    if (!expect_number(r, SAVED_SQUARES, &exact->squares)) return false;
    if (exact->squares < 0) return fail(r, "'%.40s' is negative", r->cells[1]);
    exact->line = j->fit.line;
    exact->features = (int64_t)j->terms.n_features;
    exact->rows = (int64_t)freedom + least_squares_size(exact);
    return read_triangle(r, j);
}

/* Reads the last line. */
static bool read_end(reader *r)
{
    char sum[16];
    if (!expect(r, "end", 2, 2)) return false;
    snprintf(sum, sizeof sum, "%08" PRIx32, r->checksum);
    if (r->at != r->end) {
        r->line++;
        return fail(r, "text follows the line 'end'");
    }
    if (!strcmp(r->cells[1], sum)) return true;
    return fail(r, "the checksum is wrong: the file was changed after regress saved it");
}

static bool read_fit(reader *r, job *j)
{
    if (!read_head(r, j) || !read_terms(r, j)) return false;
    if (!expect_number(r, "level", &j->fit.line.level) || !read_coefficients(r, j)) return false;
    const bool scatter = comes_next(r, SAVED_FREEDOM);
    if ((scatter && !read_scatter(r, j)) || !read_end(r)) return false;
    if (!scatter && j->set.interval) {
        r->line = 0;
        return fail(r, "this fit has no prediction intervals: only least squares of independent "
                       "features has them");
    }
    j->fit.converged = true;
    return true;
}

int load_fit(job *j)
{
    reader r;
    const bool loaded = open_file(&r, j->set.load) && read_fit(&r, j);
    close_file(&r);
    return loaded ? DONE : FAILED;
}
