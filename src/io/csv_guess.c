/* Reading CSV files: what a cell is, and what the first lines tell of the file. */
#include "csv.h"

#include <stdlib.h>
#include <string.h>

/* The rows that are looked at: for the separator, and for a first value in each column. */
enum { SAMPLE = 50, LONG_SAMPLE = 1000 };

/* ---- Cells. */

static bool is_missing(const char *text)
{
    static const char marks[][5] = {"", "NA", "NaN", "nan", "null", "NULL", ".", "-"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (!strcmp(text, marks[i])) return true;
    return false;
}

static bool is_infinity(const char *text)
{
    static const char name[] = "infinity";
    text += *text == '-' || *text == '+';
    size_t n = 0;
    while (n < 8 && (text[n] | 32) == name[n]) n++;
    return !text[n] && (n == 3 || n == 8);
}

static bool is_number(const char *text, char point, double *value)
{
    const char *end = tg__read_decimal(text, point, value);
    return end && !*end;
}

static size_t count_digits(const char *p)
{
    return strspn(p, "0123456789");
}

/* The length of the mark that stands at p between groups of digits, or 0. The last three are
 * spaces of UTF-8. */
static size_t mark_length(const char *p)
{
    static const char marks[][4] = {",", ".", "'", " ", "\xc2\xa0", "\xe2\x80\xaf", "\xe2\x80\x89"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (!strncmp(p, marks[i], strlen(marks[i]))) return strlen(marks[i]);
    return 0;
}

char tg__csv_ungroup(const char *text, char point, char *plain)
{
    const char *p = text, *mark = NULL;
    char found = ' ';
    size_t mark_bytes = 0, last = 0;
    if (strlen(text) >= CSV_SHOWN) return 0;
    if (*p == '-' || *p == '+') *plain++ = *p++;
    for (;;) {
        const size_t n = count_digits(p);
        if (n < 1 + (mark != NULL) || n > 3) return 0;
        memcpy(plain, p, n);
        plain += n;
        p += n;
        last = n;
        if (!mark) mark_bytes = mark_length(mark = p);
        if (!mark_bytes) return 0;
        if (strncmp(p, mark, mark_bytes) != 0) break;
        p += mark_bytes;
    }
    if (last != 3 || p == mark) return 0;
    if (*p == ',' || *p == '.') {
        found = *p++;
        *plain++ = point;
        const size_t n = count_digits(p);
        memcpy(plain, p, n);
        plain += n;
        p += n;
    }
    *plain = 0;
    return *p ? 0 : found;
}

csv_trouble_kind tg__csv_classify(const char *text, char point, double *value)
{
    char plain[CSV_SHOWN];
    if (is_number(text, point, value)) return *value - *value == 0 ? CSV_NUMBER : CSV_NOT_FINITE;
    if (is_missing(text)) return CSV_MISSING;
    if (is_infinity(text)) return CSV_NOT_FINITE;
    if (tg__csv_ungroup(text, point, plain)) return CSV_GROUPED;
    return is_number(text, point == '.' ? ',' : '.', value) ? CSV_OTHER_POINT : CSV_NO_NUMBER;
}

/* ---- The first rows. */

/* Where a walk over rows is, and how many lines it has gone through. */
typedef struct csv_walk {
    const char *at;
    int64_t lines;
} csv_walk;

/* Calls visit for each cell of the next row, with its number in the row. Returns how many cells
 * there are: 0 in a blank line, -1 if the row cannot be read, or if the buffer does not have all of
 * it. */
typedef void visit_cell(csv_reader *r, int64_t number, const csv_cell *cell, void *state);
static int64_t walk_row(csv_reader *r, csv_walk *w, visit_cell *visit, void *state)
{
    csv_step step;
    int64_t n = 0;
    bool is_blank = true;
    do {
        csv_cell cell;
        step = tg__csv_cell(r, &w->at, &cell, &w->lines);
        if (step == CSV_CUT || step == CSV_WRONG) return -1;
        is_blank &= !cell.n && !cell.quoted;
        if (visit) visit(r, n, &cell, state);
        n++;
    } while (step == CSV_MORE);
    w->lines++;
    return is_blank ? 0 : n;
}

static bool has_more(const csv_reader *r, const csv_walk *w)
{
    return w->at < r->buffer + r->end;
}

/* Walks over the first rows behind `at`. */
static void walk_rows(csv_reader *r, const char *at, int n, visit_cell *visit, void *state)
{
    csv_walk w = {at, 0};
    for (int rows = 0; rows < n && has_more(r, &w); rows++)
        if (walk_row(r, &w, visit, state) < 0) return;
}

/* How many cells the rows have, with one separator. */
typedef struct census {
    int64_t names;     /* how many there are in the first row */
    int64_t rows;      /* the rows behind it */
    int64_t same;      /* those with as many cells as names */
    int64_t one_more;  /* those with one more */
    int64_t labelled;  /* those that begin with a quote or with text that has no spaces in it */
    int64_t last_full; /* those whose last cell is not empty */
} census;

typedef struct row_census {
    bool labelled, last_full;
} row_census;

static void look_at_cell(csv_reader *r, int64_t number, const csv_cell *cell, void *state)
{
    row_census *row = state;
    double value;
    if (number == 0)
        row->labelled = cell->quoted ||
                        (!r->spaced && !is_number(tg__csv_text(r, cell), r->pub.decimal, &value));
    row->last_full = cell->n > 0;
}

/* Counts the cells of the names, at `at`, and of the rows behind them. */
static census take_census(csv_reader *r, const char *at, char separator)
{
    tg__csv_separate(r, separator);
    csv_walk w = {at, 0};
    census c = {.names = walk_row(r, &w, NULL, NULL)};
    while (c.rows < SAMPLE && c.names > 0 && has_more(r, &w)) {
        row_census row = {0};
        const int64_t n = walk_row(r, &w, look_at_cell, &row);
        if (n < 0) break;
        if (n == 0) continue;
        c.rows++;
        c.same += n == c.names;
        c.one_more += n == c.names + 1;
        c.labelled += row.labelled;
        c.last_full += row.last_full;
    }
    return c;
}

/* Whether the first column has no name: each row has one cell more than there are names. If the
 * separator is a comma, the cell may also come from a decimal comma, and if there is a single name,
 * from a space or the like in a number; the first column must then have text. */
static bool lacks_a_name(const csv_reader *r, const census *c)
{
    const bool plain = c->names > 1 && r->pub.separator != ',';
    return c->rows > 0 && c->one_more == c->rows && c->last_full > 0 &&
           (plain || c->labelled == c->rows);
}

/* The separator that cuts most of the first rows into as many cells as there are names. */
static char guess_separator(csv_reader *r, const char *at)
{
    static const char candidates[] = "\t;, ";
    char best = ',';
    double most = -1;
    for (const char *s = candidates; *s; s++) {
        const census c = take_census(r, at, *s);
        const bool unnamed = lacks_a_name(r, &c);
        if (c.names < 2 && !unnamed) continue;
        const double share =
            (double)(unnamed ? c.one_more : c.same) / (double)(c.rows ? c.rows : 1);
        if (share > most) {
            most = share;
            best = *s;
        }
    }
    return best;
}

/* How many numbers of the first rows can have only one decimal point. */
typedef struct points {
    int64_t points, commas;
} points;

/* 1,234 may be a number with a decimal comma or one with a separator of thousands; it does not
 * count, unless the latter would begin with 0. */
static void look_for_point(csv_reader *r, int64_t number, const csv_cell *cell, void *state)
{
    const char *text = tg__csv_text(r, cell);
    char plain[CSV_SHOWN];
    double value;
    points *p = state;
    (void)number;
    const char found = tg__csv_ungroup(text, '.', plain);
    if (found == '.' || (!found && is_number(text, '.', &value) && strchr(text, '.')))
        p->points++;
    else if (found == ',' || ((!found || plain[*plain == '-'] == '0') &&
                              is_number(text, ',', &value) && strchr(text, ',')))
        p->commas++;
}

static char guess_point(csv_reader *r, const char *at)
{
    points p = {0, 0};
    walk_rows(r, at, SAMPLE, look_for_point, &p);
    return p.commas && !p.points ? ',' : '.';
}

/* ---- The names. */

typedef struct name_list {
    const char **names; /* NULL: the bytes are counted */
    char *text;
    size_t bytes;
    int64_t first, named; /* the column of the first name; how many columns up to the last name */
    int64_t numbers, others; /* how many names are numbers, and how many are other text */
} name_list;

static void take_name(csv_reader *r, int64_t number, const csv_cell *cell, void *state)
{
    name_list *l = state;
    const char *text = tg__csv_text(r, cell);
    const size_t bytes = strlen(text) + 1;
    double value;
    l->bytes += bytes;
    if (!l->names) return;
    l->names[l->first + number] = memcpy(l->text, text, bytes);
    l->text += bytes;
    if (bytes > 1) l->named = l->first + number + 1;
    l->numbers += is_number(text, r->pub.decimal, &value);
    l->others += !is_number(text, r->pub.decimal, &value);
}

/* Compares two elements of `sorted`, for qsort and bsearch. */
static int compare_names(const void *a, const void *b)
{
    return strcmp(**(const char **const *)a, **(const char **const *)b);
}

static void look_for_text(csv_reader *r, int64_t number, const csv_cell *cell, void *state)
{
    bool *is_seen = state;
    double value;
    if (number >= r->pub.n_columns || is_seen[number]) return;
    const csv_trouble_kind kind = tg__csv_classify(tg__csv_text(r, cell), r->pub.decimal, &value);
    is_seen[number] = kind != CSV_MISSING;
    r->is_text[number] = kind == CSV_NO_NUMBER;
}

/* Cuts the table from one piece of memory: for each column a name, its place in the order of names,
 * a slot, whether it is text, and a mark for the search for text; and then the text of the names.
 */
static bool make_name_table(csv_reader *r, int64_t columns, name_list *l)
{
    const size_t n = (size_t)columns;
    const size_t each = sizeof *r->names + sizeof *r->sorted + sizeof *r->slots + 2 * sizeof(bool);
    r->table_bytes = n * each + l->bytes + 1;
    r->table = tg__take(r->pub.context, r->table_bytes);
    if (!r->table) {
        r->trouble = (csv_trouble){.kind = CSV_MEMORY, .line = r->lines + 1};
        return tg__csv_fail(r);
    }
    r->names = r->table;
    r->sorted = (const char ***)(void *)(r->names + n);
    r->slots = (int32_t *)(void *)(r->sorted + n);
    r->is_text = (bool *)(r->slots + n);
    memset(r->is_text, 0, 2 * n * sizeof(bool));
    l->text = (char *)(r->is_text + 2 * n);
    *l->text = 0;
    l->names = r->names;
    r->names[0] = l->text++; /* "", unless the first column has a name */
    r->pub.n_columns = columns;
    r->pub.names = r->names;
    r->pub.is_text = r->is_text;
    return true;
}

/* Reads the names, whose row begins at r->at and has that many cells. */
static bool read_names(csv_reader *r, int64_t cells, bool unnamed)
{
    name_list l = {.first = unnamed};
    csv_walk count = {r->buffer + r->at, 0}, w = count;
    walk_row(r, &count, take_name, &l);
    if ((size_t)(count.at - r->buffer) - r->at > CSV_LONGEST || cells >= INT32_MAX / 2) {
        r->trouble = (csv_trouble){.kind = CSV_TOO_LONG, .line = r->lines + 1};
        return tg__csv_fail(r);
    }
    if (!make_name_table(r, cells + unnamed, &l)) return false;
    walk_row(r, &w, take_name, &l);
    r->needed_cells = l.named > 0 ? l.named : 1;
    r->header_line = r->lines + 1;
    r->pub.line = r->lines += w.lines;
    r->at = (size_t)(w.at - r->buffer);
    if (!l.others)
        return tg__csv_refuse(r, r->header_line, "no header: the first line must name the columns");
    for (int64_t i = 0; i < r->pub.n_columns; i++) {
        r->slots[i] = -1;
        r->sorted[i] = &r->names[i];
    }
    qsort(r->sorted, (size_t)r->pub.n_columns, sizeof *r->sorted, compare_names);
    walk_rows(r, w.at, LONG_SAMPLE, look_for_text, r->is_text + r->pub.n_columns);
    return true;
}

int64_t tg__csv_find(csv_reader *r, const char *name)
{
    const char **key = &name, ***last = r->sorted + r->pub.n_columns - 1;
    const char ***at =
        bsearch(&key, r->sorted, (size_t)r->pub.n_columns, sizeof *r->sorted, compare_names);
    if (!at) return -1;
    const bool twice =
        (at > r->sorted && !compare_names(at - 1, at)) || (at < last && !compare_names(at, at + 1));
    return twice ? -2 : *at - r->names;
}

/* ---- The beginning. */

/* What a file is that begins with certain bytes, and what to do with it. */
static const struct {
    const char *bytes, *message;
} formats[] = {
    {"\xff\xfe", "UTF-16 text: save the file as UTF-8 (iconv -f UTF-16 -t UTF-8 converts it)"},
    {"\xfe\xff", "UTF-16 text: save the file as UTF-8 (iconv -f UTF-16 -t UTF-8 converts it)"},
    {"\x1f\x8b", "a file compressed by gzip: unpack it (gunzip), or read what gunzip -c writes"},
    {"PK\3\4", "a zip archive, such as a workbook of Excel (.xlsx): save it as CSV (UTF-8)"},
};

static bool begins_with(const csv_reader *r, const char *bytes)
{
    const size_t n = strlen(bytes);
    return r->end - r->at >= n && !memcmp(r->buffer + r->at, bytes, n);
}

/* Goes behind a line such as sep=; and returns the separator that it names, or else 0. */
static char read_separator_line(csv_reader *r)
{
    const char *line = r->buffer + r->at;
    const bool quoted = *line == '"';
    if (strncmp(line + quoted, "sep=", 4) != 0) return 0;
    const char *p = line + quoted + 5;
    if (!p[-1] || (quoted && *p++ != '"') || (*p != '\r' && *p != '\n')) return 0;
    r->at = (size_t)(p + 1 + (*p == '\r' && p[1] == '\n') - r->buffer);
    r->lines = 1;
    return line[4 + quoted];
}

/* Whether the buffer has the names and a row, if these have no line ends in quotes; or as much as a
 * row can have. */
static bool has_sample(const csv_reader *r)
{
    const char *at = r->buffer + r->at;
    int lines = 0;
    for (; lines < 2; lines++) {
        at += strcspn(at, "\r\n");
        if (!*at) break;
        at += strspn(at, "\r\n");
    }
    return r->ended || r->zero || lines == 2 || (lines == 1 && r->end - r->at > CSV_LONGEST);
}

static bool read_sample(csv_reader *r)
{
    do {
        if (!tg__csv_refill(r)) return false;
    } while (!has_sample(r));
    return true;
}

/* Goes behind blank lines. */
static void skip_blank_lines(csv_reader *r)
{
    const char *p = r->buffer + r->at;
    for (; *p && strchr(" \t\r\n", *p); p++) {
        if (*p != '\n' && (*p != '\r' || p[1] == '\n')) continue;
        r->lines++;
        r->at = (size_t)(p + 1 - r->buffer);
    }
    if (!*p && r->ended) r->at = r->end;
}

/* Goes behind what may stand before the names; false if the file is not text. */
static bool read_preamble(csv_reader *r)
{
    if (!read_sample(r)) return tg__csv_fail(r);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (begins_with(r, formats[i].bytes)) return tg__csv_refuse(r, 0, formats[i].message);
    if (begins_with(r, "\xEF\xBB\xBF")) r->at += 3;
    const char separator = read_separator_line(r);
    if (!r->o.separator) r->o.separator = separator;
    return true;
}

/* Reads more, because the names cannot be read. False if that cannot help. */
static bool read_more(csv_reader *r)
{
    const char *at = r->buffer + r->at;
    int64_t lines = 0;
    csv_cell cell;
    csv_step step;
    do step = tg__csv_cell(r, &at, &cell, &lines);
    while (step == CSV_MORE);
    if (step == CSV_LAST) return tg__csv_refuse(r, r->lines + 1, "no column has a name");
    return (step == CSV_CUT && tg__csv_refill(r)) || tg__csv_fail(r);
}

bool tg__csv_begin(csv_reader *r)
{
    if (!read_preamble(r)) return false;
    for (;;) {
        skip_blank_lines(r);
        if (r->at == r->end && r->ended)
            return tg__csv_refuse(r, 1, "the file is empty: no header");
        const char *at = r->buffer + r->at;
        r->pub.decimal = r->o.decimal ? r->o.decimal : '.';
        const census c =
            take_census(r, at, r->o.separator ? r->o.separator : guess_separator(r, at));
        if (c.names > 0) {
            csv_walk w = {at, 0};
            walk_row(r, &w, NULL, NULL);
            if (!r->o.decimal) r->pub.decimal = guess_point(r, w.at);
            return read_names(r, c.names, lacks_a_name(r, &c));
        }
        if (!read_more(r)) return false;
    }
}
