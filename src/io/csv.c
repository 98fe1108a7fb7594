/* Reading CSV files: the functions of the library, and its messages. */
#include "csv.h"

#include "../ops/op.h"
#include "source.h"

#include <errno.h>
#include <string.h>

tg_csv_options tg_csv_defaults(void)
{
    return (tg_csv_options){TG_CSV_DEFAULTS};
}

/* ---- Messages. */

static const char *shorten(const char *text, size_t n, char *shown)
{
    return tg__shorten(text, n, shown, CSV_SHOWN + 4);
}

/* Appends the names of columns, as many as fit. */
static void list_names(const csv_reader *r, char *list, size_t room)
{
    size_t n = 0;
    *list = 0;
    for (int64_t i = 0; i < r->pub.n_columns; i++) {
        char shown[CSV_SHOWN + 4];
        const char *name = r->names[i];
        if (!*name) continue;
        shorten(name, strlen(name), shown);
        const size_t more = strlen(shown) + 2;
        if (n + more + 6 > room) {
            strcpy(list + n, ", ...");
            return;
        }
        n += (size_t)sprintf(list + n, n ? ", %s" : "%s", shown);
    }
}

static bool refuse_file(csv_reader *r, tg_status status, int64_t line, const char *message)
{
    char place[24] = "";
    if (line) snprintf(place, sizeof place, "%lld: ", (long long)line);
    return tg__fail(r->pub.context, status, "%s: %s:%s%s%s", r->op, r->path, line ? "" : " ", place,
                    message);
}

bool tg__csv_refuse(csv_reader *r, int64_t line, const char *message)
{
    return refuse_file(r, TG_ERR_IO, line, message);
}

/* What is wrong with a cell, behind the name of its column. */
static void describe_cell(csv_reader *r, const char *shown, char *text, size_t room)
{
    const char point = r->pub.decimal, other = point == '.' ? ',' : '.';
    char plain[CSV_SHOWN];
    switch (r->trouble.kind) {
    case CSV_MISSING:
        snprintf(text, room, *shown ? ": '%s' is a missing value" : " is empty%s", shown);
        break;
    case CSV_NOT_FINITE: snprintf(text, room, ": '%s' is not a finite number", shown); break;
    case CSV_GROUPED:
        if (tg__csv_ungroup(tg__csv_text(r, &r->trouble.cell), point, plain) == ' ' &&
            strchr(shown, other))
            snprintf(text, room,
                     ": '%s' may have separators of thousands: write %s; or, if '%c' is the "
                     "decimal point, give .decimal = '%c'",
                     shown, plain, other, other);
        else
            snprintf(text, room, ": '%s' has separators of thousands: write %s", shown, plain);
        break;
    case CSV_OTHER_POINT:
        snprintf(text, room,
                 ": '%s' is not a number, as the decimal point is '%c'; .decimal = '%c' reads it",
                 shown, point, other);
        break;
    case CSV_LEVELS:
        snprintf(text, room, ": '%s' is one text more than the %lld that .max_levels allows", shown,
                 (long long)r->o.max_levels);
        break;
    default:
        snprintf(text, room, ": '%s' is not a number%s", shown,
                 r->is_text[r->trouble.column]
                     ? "; tg_csv_read reads text (TG_CSV_TEXT), and tg_read_csv can leave the "
                       "column out (.columns)"
                     : "");
    }
}

static void describe_column(csv_reader *r, char *text, size_t room)
{
    const csv_trouble *t = &r->trouble;
    char shown[CSV_SHOWN + 4];
    const char *name = r->names[t->column];
    if (*name)
        snprintf(text, room, "column '%s'", shorten(name, strlen(name), shown));
    else
        snprintf(text, room, "column %lld", (long long)t->column + 1);
    const char *cell = tg__csv_text(r, &t->cell);
    const size_t n = strlen(text);
    describe_cell(r, shorten(cell, strlen(cell), shown), text + n, room - n);
}

bool tg__csv_fail(csv_reader *r)
{
    const csv_trouble *t = &r->trouble;
    char text[400] = "";
    switch (t->kind) {
    case CSV_CELL_COUNT:
        snprintf(text, sizeof text, "%lld %s in a row, where the header has %lld",
                 (long long)t->cells, t->cells == 1 ? "cell" : "cells",
                 (long long)r->pub.n_columns);
        break;
    case CSV_OPEN_QUOTE: strcpy(text, "the quote that opens here is not closed"); break;
    case CSV_AFTER_QUOTE: strcpy(text, "text follows the closing quote of a cell"); break;
    case CSV_TOO_LONG:
        snprintf(text, sizeof text, "the line is longer than %d bytes", CSV_LONGEST);
        break;
    case CSV_ZERO_BYTE: strcpy(text, "a zero byte: this is not a text file in UTF-8"); break;
    case CSV_UNREADABLE: snprintf(text, sizeof text, "%s", strerror(t->error)); break;
    case CSV_MEMORY: strcpy(text, "out of memory"); break;
    default: describe_column(r, text, sizeof text);
    }
    r->pub.is_missing = t->kind == CSV_MISSING;
    if (r->pub.is_missing) strcat(text, "; .missing = TG_MISSING_DROP leaves such rows out");
    return refuse_file(r, t->kind == CSV_MEMORY ? TG_ERR_MEMORY : TG_ERR_IO, t->line, text);
}

/* ---- Opening and closing. */

static bool check_options(tg_context *tg, const char *op, tg_csv_options *o)
{
    if (o->decimal && o->decimal != '.' && o->decimal != ',')
        return tg__fail(tg, TG_ERR_ARGUMENT, "%s: decimal is %d, but must be '.', ',' or 0", op,
                        o->decimal);
    if (o->separator && (strchr("\"\r\n.", o->separator) || o->separator == o->decimal))
        return tg__fail(tg, TG_ERR_ARGUMENT,
                        "%s: separator is %d, but must be none of \", a line end, a point and the "
                        "decimal point",
                        op, o->separator);
    if ((unsigned)o->missing > TG_MISSING_NAN)
        return tg__fail(tg, TG_ERR_ARGUMENT,
                        "%s: missing is %d, but must be TG_MISSING_ERROR, TG_MISSING_DROP or "
                        "TG_MISSING_NAN",
                        op, (int)o->missing);
    if (o->max_levels == 0) o->max_levels = 1000;
    return tg__check_number(tg, op, "max_levels", o->max_levels, 1, INT32_MAX, NULL);
}

static csv_reader *open_reader(tg_context *tg, const char *op, const char *path,
                               const tg_csv_options *options)
{
    tg_csv_options o = options ? *options : tg_csv_defaults();
    if (!tg || !tg__ready(tg)) return NULL;
    if (!path) return tg__fail(tg, TG_ERR_ARGUMENT, "%s: the path is NULL", op);
    if (!check_options(tg, op, &o)) return NULL;
    csv_reader *r = tg__take(tg, sizeof *r);
    if (!r) return tg__fail(tg, TG_ERR_MEMORY, "%s: out of memory", op);
    *r = (csv_reader){.pub = {.context = tg}, .o = o, .op = op, .file = o.file};
    const size_t n = strlen(path), room = sizeof r->path - 1;
    const bool is_stdin = !o.file && !strcmp(path, "-");
    strcpy(r->path, is_stdin ? "standard input" : path + (n > room ? n - room : 0));
    r->pub.path = r->path;
    errno = 0;
    if (!r->file) r->file = is_stdin ? stdin : fopen(path, "rb");
    if (r->file ? tg__csv_begin(r) : tg__csv_refuse(r, 0, strerror(errno))) return r;
    tg_csv_close(&r->pub);
    return NULL;
}

tg_csv *tg_csv_open(tg_context *tg, const char *path, const tg_csv_options *options)
{
    csv_reader *r = open_reader(tg, "csv_open", path, options);
    return r ? &r->pub : NULL;
}

static void free_levels(tg_context *tg, csv_levels *l)
{
    for (int64_t i = 0; i < l->n; i++)
        tg__give(tg, (char *)(uintptr_t)l->names[i], strlen(l->names[i]) + 1);
    if (l->room) tg__give(tg, l->names, (size_t)l->room * (sizeof *l->names + sizeof *l->order));
}

void tg_csv_close(tg_csv *csv)
{
    csv_reader *r = (csv_reader *)csv;
    if (!r) return;
    tg_context *tg = r->pub.context;
    if (r->file && r->file != r->o.file && r->file != stdin) fclose(r->file);
    for (int32_t i = 0; i < r->n_levels; i++) free_levels(tg, &r->levels[i]);
    if (r->n_levels) tg__give(tg, r->levels, (size_t)r->n_levels * sizeof *r->levels);
    if (r->buffer) tg__give(tg, r->buffer, 2 * r->room);
    if (r->table) tg__give(tg, r->table, r->table_bytes);
    tg__give(tg, r, sizeof *r);
}

/* ---- Columns. */

/* Makes room for the levels of one more column. */
static bool add_levels(csv_reader *r, int64_t column)
{
    tg_context *tg = r->pub.context;
    const size_t bytes = (size_t)r->n_levels * sizeof *r->levels;
    csv_levels *levels = tg__take(tg, bytes + sizeof *levels);
    if (!levels) return refuse_file(r, TG_ERR_MEMORY, 0, "out of memory");
    if (bytes) {
        memcpy(levels, r->levels, bytes);
        tg__give(tg, r->levels, bytes);
    }
    levels[r->n_levels++] = (csv_levels){.column = column, .place = r->n_chosen};
    r->levels = levels;
    return true;
}

/* The column with that name; -1 with the error. */
static int64_t find_name(csv_reader *r, const char *name)
{
    char text[400], shown[CSV_SHOWN + 4], list[300];
    const int64_t column = tg__csv_find(r, name);
    if (column >= 0) return column;
    shorten(name, strlen(name), shown);
    list_names(r, list, sizeof list);
    if (column == -2)
        snprintf(text, sizeof text, "two columns are named '%s'", shown);
    else
        snprintf(text, sizeof text, "no column '%s'; there is %s", shown, list);
    refuse_file(r, TG_ERR_ARGUMENT, r->header_line, text);
    return -1;
}

int64_t tg_csv_find(tg_csv *csv, const char *name)
{
    csv_reader *r = (csv_reader *)csv;
    if (!r) return -1;
    r->op = "csv_find";
    if (name) return find_name(r, name);
    tg__fail(r->pub.context, TG_ERR_ARGUMENT, "csv_find: the name is NULL");
    return -1;
}

static bool choose_column(csv_reader *r, int64_t column, tg_csv_kind kind)
{
    char text[100];
    const char *why = r->slots[column] >= 0 ? "already" : "after rows were read";
    if (r->slots[column] >= 0 || r->pub.rows + r->pub.dropped > 0) {
        snprintf(text, sizeof text, "column %lld is chosen %s", (long long)column, why);
        return refuse_file(r, TG_ERR_ARGUMENT, 0, text);
    }
    if (kind == TG_CSV_TEXT && !add_levels(r, column)) return false;
    r->slots[column] = kind == TG_CSV_TEXT ? 2 * (r->n_levels - 1) + 1 : 2 * r->n_chosen;
    r->n_chosen++;
    return true;
}

bool tg_csv_choose(tg_csv *csv, int64_t column, tg_csv_kind kind)
{
    csv_reader *r = (csv_reader *)csv;
    if (!r || !tg__ready(r->pub.context)) return false;
    tg_context *tg = r->pub.context;
    r->op = "csv_choose";
    if (column < 0 || column >= r->pub.n_columns)
        return tg__fail(tg, TG_ERR_INDEX, "csv_choose: column %lld, where %s has %lld columns",
                        (long long)column, r->path, (long long)r->pub.n_columns);
    if ((unsigned)kind > TG_CSV_TEXT)
        return tg__fail(tg, TG_ERR_ARGUMENT,
                        "csv_choose: kind is %d, but must be TG_CSV_NUMBER or TG_CSV_TEXT",
                        (int)kind);
    return choose_column(r, column, kind);
}

const char *const *tg_csv_levels(const tg_csv *csv, int64_t column, int64_t *n)
{
    const csv_reader *r = (const csv_reader *)csv;
    if (n) *n = 0;
    for (int32_t i = 0; r && n && i < r->n_levels; i++) {
        if (r->levels[i].column != column) continue;
        *n = r->levels[i].n;
        return r->levels[i].names;
    }
    return NULL;
}

/* ---- Reading. */

/* Reads rows until there are so many, or the file ends, or a row is wrong. */
static int64_t read_rows(csv_reader *r, int64_t rows, double *out)
{
    int64_t n = 0, read = 1;
    r->pub.is_missing = false;
    while (n < rows && read) {
        const bool fine = tg__csv_row(r, out + n * r->n_chosen, &read) == CSV_LAST;
        if (!fine && n == 0) tg__csv_fail(r);
        n += read;
    }
    return n;
}

int64_t tg_csv_read(tg_csv *csv, int64_t rows, double *out)
{
    csv_reader *r = (csv_reader *)csv;
    if (!r || !tg__ready(r->pub.context)) return 0;
    r->op = "csv_read";
    if (rows < 0 || (!out && r->n_chosen))
        return tg__fail(r->pub.context, TG_ERR_ARGUMENT, "csv_read: %s",
                        rows < 0 ? "the number of rows is negative" : "out is NULL") != NULL;
    return read_rows(r, rows, out);
}

/* Cuts off the first name of a list, which is written like a row of a file, in place. Returns the
 * rest of the list, or NULL if this was the last name. */
static char *cut_name(char *list, char **name)
{
    list += strspn(list, " ");
    char *out = *name = list;
    bool quoted = false;
    for (; *list && (quoted || *list != ','); list++) {
        if (*list != '"') {
            *out++ = *list;
            continue;
        }
        if (quoted && list[1] == '"')
            *out++ = *list++;
        else
            quoted = !quoted;
    }
    char *rest = *list ? list + 1 : NULL;
    while (out > *name && out[-1] == ' ') out--;
    *out = 0;
    return rest;
}

static bool choose_columns(csv_reader *r)
{
    if (!r->o.columns) {
        for (int64_t i = 0; i < r->pub.n_columns; i++)
            if (!choose_column(r, i, TG_CSV_NUMBER)) return false;
        return true;
    }
    const size_t bytes = strlen(r->o.columns) + 1;
    tg_context *tg = r->pub.context;
    char *list = tg__alloc(tg, bytes), *name, *rest = list;
    if (!list) return false;
    memcpy(list, r->o.columns, bytes);
    while (rest) {
        rest = cut_name(rest, &name);
        const int64_t column = find_name(r, name);
        if (column < 0 || !choose_column(r, column, TG_CSV_NUMBER)) return false;
    }
    return true;
}

/* The most rows that can follow: one for each line, and for as many bytes as a row has cells. 0 if
 * this is not known, as the file cannot be read twice or has quotes, in which there may be lines.
 * The spare half of the buffer is used. */
static int64_t count_rows(csv_reader *r)
{
    fpos_t here;
    char *spare = r->buffer + r->room, before = '\n';
    const char *p = r->buffer + r->at;
    size_t n = r->end - r->at;
    int64_t lines = 0, bytes = 0;
    bool quoted = false;
    if (r->zero || fgetpos(r->file, &here) != 0) return 0;
    for (; n > 0 && !quoted; p = spare) {
        lines += p[0] == '\r' || (p[0] == '\n' && before != '\r');
        for (size_t i = 1; i < n; i++) lines += p[i] == '\r' || (p[i] == '\n' && p[i - 1] != '\r');
        before = p[n - 1];
        bytes += (int64_t)n;
        quoted = memchr(p, '"', n) != NULL;
        n = fread(spare, 1, r->room, r->file);
    }
    clearerr(r->file);
    if (fsetpos(r->file, &here) != 0 || quoted) return 0;
    lines += before != '\r' && before != '\n';
    bytes = (bytes + 1) / r->needed_cells;
    return lines < bytes ? lines : bytes;
}

/* Reads rows to a tensor until it is full or the file ends. Returns how many. */
static int64_t fill(csv_reader *r, tg_tensor *rows)
{
    int64_t n = 0;
    for (int64_t more = 1; rows && more && n < rows->shape[0]; n += more)
        more = read_rows(r, rows->shape[0] - n, (double *)rows->data + n * r->n_chosen);
    return n;
}

static tg_tensor *make_rows(csv_reader *r, int64_t depth, int64_t rows)
{
    return tg__new_at(r->pub.context, depth, TG_F64, 2, (int64_t[]){rows, r->n_chosen});
}

/* Reads the rows of a file that has no more than so many, to the scope around this one. */
static tg_tensor *read_counted(csv_reader *r, int64_t most, int64_t *n)
{
    tg_context *tg = r->pub.context;
    tg_tensor *all = make_rows(r, tg->depth - 1, most);
    *n = fill(r, all);
    if (*n == most) return all;
    tg_tensor *some = *n && tg__ready(tg) ? tg_keep(tg_narrow(all, 0, 0, *n)) : NULL;
    tg_release(all);
    return some;
}

/* Reads the rows of another file, to parts of which each is as large as all before it together. */
static tg_tensor *read_parts(csv_reader *r, int64_t *n)
{
    enum { PARTS = 48, FIRST = 1024 };
    tg_context *tg = r->pub.context;
    tg_tensor *parts[PARTS];
    int64_t counts[PARTS], rows = FIRST, at = 0;
    int used = 0;
    for (*n = 0; used < PARTS && *n == (used ? rows : 0); used++) {
        rows = used ? 2 * *n : FIRST;
        parts[used] = make_rows(r, tg->depth, rows - *n);
        counts[used] = fill(r, parts[used]);
        *n += counts[used];
    }
    tg_tensor *all = *n && tg__ready(tg) ? make_rows(r, tg->depth - 1, *n) : NULL;
    for (int i = 0; i < used && all; at += counts[i++])
        memcpy((double *)all->data + at * r->n_chosen, parts[i]->data,
               (size_t)(counts[i] * r->n_chosen) * sizeof(double));
    return all;
}

/* Reads the chosen columns to one tensor. */
static tg_tensor *read_all_rows(csv_reader *r)
{
    const int64_t most = count_rows(r);
    int64_t n = 0;
    tg_tensor *all = most ? read_counted(r, most, &n) : read_parts(r, &n);
    if (n == 0 && tg__ready(r->pub.context))
        refuse_file(r, TG_ERR_IO, r->lines,
                    r->pub.dropped ? "a value is missing in every row"
                                   : "no rows after the header");
    return all;
}

tg_tensor *tg_read_csv(tg_context *tg, const char *path, const tg_csv_options *options)
{
    csv_reader *r = open_reader(tg, "read_csv", path, options);
    if (!r) return NULL;
    tg_scope_begin(tg);
    tg_tensor *all = choose_columns(r) ? read_all_rows(r) : NULL;
    tg_scope_end(tg);
    tg_csv_close(&r->pub);
    return all;
}
