/* Reading CSV files: the buffer, cells and rows. */
#include "csv.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* What a byte is outside quotes. */
enum { INSIDE = 0, BLANK = 1, SEPARATOR = 2, END = 4 };

void tg__csv_separate(csv_reader *r, char separator)
{
    memset(r->kinds, INSIDE, sizeof r->kinds);
    r->kinds[' '] = r->kinds['\t'] = BLANK;
    r->kinds[0] = r->kinds['\n'] = r->kinds['\r'] = END;
    r->spaced = separator == ' ';
    if (!r->spaced) r->kinds[(unsigned char)separator] = SEPARATOR;
    r->pub.separator = separator;
}

static unsigned kind_of(const csv_reader *r, char c)
{
    return r->kinds[(unsigned char)c];
}

static const char *skip_blanks(const csv_reader *r, const char *p)
{
    while (kind_of(r, *p) == BLANK) p++;
    return p;
}

/* Records what is wrong in this many lines behind the last row. */
static csv_step note_wrong(csv_reader *r, csv_trouble_kind kind, int64_t lines)
{
    r->trouble = (csv_trouble){.kind = kind, .line = r->lines + lines + 1};
    return CSV_WRONG;
}

/* ---- The buffer. */

static int64_t count_lines(const char *p, const char *end)
{
    int64_t n = 0;
    for (; p < end; p++) n += *p == '\n' || (*p == '\r' && p[1] != '\n');
    return n;
}

/* Makes room behind r->end. The data moves to the beginning of the buffer, or to one twice as
 * large if it fills more than half of this one. */
static bool make_room(csv_reader *r)
{
    const size_t n = r->end - r->at;
    char *old = r->buffer;
    const size_t old_room = r->room;
    if (2 * n >= r->room) {
        const size_t room = r->room ? 2 * r->room : CSV_BLOCK;
        char *buffer = tg__take(r->pub.context, 2 * room);
        if (!buffer) return false;
        r->buffer = buffer;
        r->room = room;
    }
    if (n) memmove(r->buffer, old + r->at, n);
    if (old && old != r->buffer) tg__give(r->pub.context, old, 2 * old_room);
    r->end = n;
    r->at = 0;
    return true;
}

bool tg__csv_refill(csv_reader *r)
{
    const int64_t lines = r->buffer ? count_lines(r->buffer + r->at, r->buffer + r->end) : 0;
    if (r->zero) return note_wrong(r, CSV_ZERO_BYTE, lines) != CSV_WRONG;
    if (r->end - r->at > 2 * CSV_LONGEST) return note_wrong(r, CSV_TOO_LONG, 0) != CSV_WRONG;
    if (!make_room(r)) return note_wrong(r, CSV_MEMORY, lines) != CSV_WRONG;
    char *more = r->buffer + r->end;
    errno = 0;
    const size_t wanted = r->room - r->end - 1, n = fread(more, 1, wanted, r->file);
    if (n < wanted && ferror(r->file)) {
        note_wrong(r, CSV_UNREADABLE, lines);
        r->trouble.error = errno;
        clearerr(r->file);
        return false;
    }
    r->ended = n < wanted;
    const char *zero = memchr(more, 0, n);
    r->zero = zero != NULL;
    if (zero) r->ended = false;
    r->end += zero ? (size_t)(zero - more) : n;
    r->buffer[r->end] = 0;
    return true;
}

/* ---- Cells. */

static bool at_end(const csv_reader *r, const char *p)
{
    return p == r->buffer + r->end;
}

/* Whether what follows p is not known yet. */
static bool is_cut(const csv_reader *r, const char *p)
{
    return !r->ended && (at_end(r, p) || (*p == '\r' && at_end(r, p + 1)));
}

/* Finds the end of a cell behind the opening quote. */
static csv_step quoted_cell(csv_reader *r, const char **at, csv_cell *cell, int64_t *lines)
{
    const char *first = *at + 1, *p = first, *end = r->buffer + r->end;
    *cell = (csv_cell){.text = first, .quoted = true};
    for (;; p += 2) {
        p = memchr(p, '"', (size_t)(end - p));
        if (!p && r->ended) return note_wrong(r, CSV_OPEN_QUOTE, *lines);
        if (!p || is_cut(r, p + 1)) return CSV_CUT;
        if (p[1] != '"') break;
        cell->doubled = true;
    }
    cell->n = (size_t)(p - first);
    *lines += count_lines(first, p);
    *at = p + 1;
    return CSV_MORE;
}

static csv_step unclosed_or_cut(csv_reader *r, const csv_cell *cell, int64_t lines)
{
    return cell->quoted && r->end - r->at > CSV_LONGEST ? note_wrong(r, CSV_OPEN_QUOTE, lines)
                                                        : CSV_CUT;
}

csv_step tg__csv_cell(csv_reader *r, const char **at, csv_cell *cell, int64_t *lines)
{
    const char *p = skip_blanks(r, *at);
    if (*p == '"') {
        const int64_t opened = *lines;
        const csv_step step = quoted_cell(r, &p, cell, lines);
        if (step == CSV_CUT) return unclosed_or_cut(r, cell, opened);
        if (step == CSV_WRONG) return step;
    } else {
        const char *first = p, *last = p;
        const unsigned ends = r->spaced ? END | BLANK : END | SEPARATOR;
        for (; !(kind_of(r, *p) & ends); p++)
            if (kind_of(r, *p) != BLANK) last = p + 1;
        *cell = (csv_cell){.text = first, .n = (size_t)(last - first)};
    }
    const char *behind = skip_blanks(r, p);
    if (is_cut(r, behind)) return CSV_CUT;
    if (kind_of(r, *behind) == END) {
        *at = behind + (*behind == '\r' && behind[1] == '\n') + !at_end(r, behind);
        return CSV_LAST;
    }
    if (r->spaced ? behind == p : kind_of(r, *behind) != SEPARATOR)
        return note_wrong(r, CSV_AFTER_QUOTE, *lines);
    *at = behind + !r->spaced;
    return CSV_MORE;
}

const char *tg__csv_text(csv_reader *r, const csv_cell *cell)
{
    char *text = r->buffer + r->room, *out = text;
    memcpy(text, cell->text, cell->n);
    text[cell->n] = 0;
    if (!cell->doubled) return text;
    for (const char *p = text; *p; p++) {
        *out++ = *p;
        p += *p == '"';
    }
    *out = 0;
    return text;
}

/* ---- Levels. */

/* Doubles the room for levels. */
static bool grow_levels(tg_context *tg, csv_levels *l)
{
    const int64_t room = l->room ? 2 * l->room : 16;
    const size_t size = sizeof *l->names + sizeof *l->order;
    const char **names = tg__take(tg, (size_t)room * size);
    if (!names) return false;
    int32_t *order = (int32_t *)(void *)(names + room);
    if (l->room) {
        memcpy(names, l->names, (size_t)l->n * sizeof *names);
        memcpy(order, l->order, (size_t)l->n * sizeof *order);
        tg__give(tg, l->names, (size_t)l->room * size);
    }
    l->names = names;
    l->order = order;
    l->room = room;
    return true;
}

/* Makes text a level, the one at this place in the order of names. */
static csv_trouble_kind add_level(csv_reader *r, csv_levels *l, int64_t place, const char *text)
{
    tg_context *tg = r->pub.context;
    if (l->n == r->o.max_levels) return CSV_LEVELS;
    if (l->n == l->room && !grow_levels(tg, l)) return CSV_MEMORY;
    const size_t bytes = strlen(text) + 1;
    char *name = tg__take(tg, bytes);
    if (!name) return CSV_MEMORY;
    l->names[l->n] = memcpy(name, text, bytes);
    memmove(l->order + place + 1, l->order + place, (size_t)(l->n - place) * sizeof *l->order);
    l->order[place] = (int32_t)l->n;
    l->last = l->n++;
    return CSV_FINE;
}

/* Sets l->last to the level of the cell. */
static csv_trouble_kind find_level(csv_reader *r, csv_levels *l)
{
    const char *text = tg__csv_text(r, &l->cell);
    if (l->n && !strcmp(l->names[l->last], text)) return CSV_FINE;
    int64_t low = 0, high = l->n;
    while (low < high) {
        const int64_t middle = (low + high) / 2;
        const int sign = strcmp(l->names[l->order[middle]], text);
        if (sign == 0) {
            l->last = l->order[middle];
            return CSV_FINE;
        }
        if (sign < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return add_level(r, l, low, text);
}

/* ---- Rows. */

/* The row that is being read. */
typedef struct csv_row {
    const char *at;
    double *values;
    int64_t lines;       /* how many line ends it has had so far */
    int64_t cells;       /* how many cells have been read */
    bool is_blank;       /* all of them are empty */
    bool is_dropped;     /* a value is missing */
    bool is_long;        /* there is text in a cell behind the last column */
    csv_trouble trouble; /* the first one in a cell */
} csv_row;

/* Reads cells for as long as they are what most cells are: numbers between separators. Returns
 * CSV_LAST at the end of the row, else CSV_MORE at the first other cell. */
static csv_step plain_cells(const csv_reader *r, csv_row *row)
{
    const char *p = row->at, point = r->pub.decimal;
    const int64_t columns = r->pub.n_columns;
    const char separator = r->pub.separator;
    for (int64_t c = row->cells; c < columns; row->cells = ++c, row->at = p) {
        const int32_t slot = r->slots[c];
        while (*p == ' ') p++;
        const char *end = p;
        if (slot >= 0 && !(slot & 1)) {
            double *value = row->values + slot / 2;
            end = tg__read_decimal(p, point, value);
            if (!end || !(*value - *value == 0)) return CSV_MORE;
        } else if (slot < 0 && *p != '"') {
            while (!(r->kinds[(unsigned char)*end] & ~(unsigned)BLANK) &&
                   !(r->spaced && kind_of(r, *end) == BLANK))
                end++;
        }
        if (end == p) return CSV_MORE;
        p = end;
        if (r->spaced && kind_of(r, *p) == BLANK) {
            p = skip_blanks(r, p);
            if (kind_of(r, *p) == END) return CSV_MORE;
        } else if (*p == separator) {
            p++;
        } else if (*p == '\n' || (*p == '\r' && p[1] == '\n')) {
            row->at = p + 1 + (*p == '\r');
            row->cells = c + 1;
            row->is_blank = false;
            return CSV_LAST;
        } else {
            return CSV_MORE;
        }
        row->is_blank = false;
    }
    return CSV_MORE;
}

static void note_trouble(csv_row *row, const csv_reader *r, csv_trouble_kind kind,
                         const csv_cell *cell)
{
    if (row->trouble.kind != CSV_FINE) return;
    row->trouble = (csv_trouble){
        .kind = kind, .line = r->lines + row->lines + 1, .column = row->cells, .cell = *cell};
}

static void take_cell(csv_reader *r, csv_row *row, const csv_cell *cell)
{
    const int64_t c = row->cells;
    if (cell->n || cell->quoted) row->is_blank = false;
    if (c >= r->pub.n_columns) {
        row->is_long |= cell->n > 0;
        return;
    }
    const int32_t slot = r->slots[c];
    if (slot < 0) return;
    csv_levels *levels = slot & 1 ? &r->levels[slot / 2] : NULL;
    double *value = row->values + (levels ? levels->place : slot / 2);
    const csv_trouble_kind kind = tg__csv_classify(tg__csv_text(r, cell), r->pub.decimal, value);
    if (levels) levels->cell = *cell;
    if (kind == CSV_MISSING && r->o.missing != TG_MISSING_ERROR) {
        row->is_dropped |= r->o.missing == TG_MISSING_DROP;
        *value = NAN;
        if (levels) levels->cell.text = NULL;
    } else if (kind == CSV_MISSING || (kind != CSV_NUMBER && !levels)) {
        note_trouble(row, r, kind, cell);
    }
}

/* Reads all cells of a row. */
static csv_step read_cells(csv_reader *r, csv_row *row)
{
    csv_step step;
    do {
        csv_cell cell;
        step = plain_cells(r, row);
        if (step == CSV_LAST) break;
        const int64_t lines = row->lines;
        step = tg__csv_cell(r, &row->at, &cell, &row->lines);
        if (step == CSV_CUT || step == CSV_WRONG) return step;
        const int64_t after = row->lines;
        row->lines = lines; /* a message names the line in which the cell begins */
        take_cell(r, row, &cell);
        row->lines = after;
        row->cells++;
    } while (step == CSV_MORE);
    const int64_t cells = row->cells; /* those of columns without a name may be left out */
    for (; row->cells < r->pub.n_columns; row->cells++) take_cell(r, row, &(csv_cell){.text = ""});
    row->cells = cells;
    return step;
}

/* Gives the cells of text in a row that is complete the numbers of their levels. */
static csv_step set_levels(csv_reader *r, csv_row *row)
{
    for (int32_t i = 0; i < r->n_levels; i++) {
        csv_levels *l = &r->levels[i];
        if (!l->cell.text) continue;
        const csv_trouble_kind kind = find_level(r, l);
        if (kind != CSV_FINE) {
            row->cells = l->column;
            note_trouble(row, r, kind, &l->cell);
            r->trouble = row->trouble;
            return CSV_WRONG;
        }
        row->values[l->place] = (double)l->last;
    }
    return CSV_LAST;
}

/* Checks a row whose cells were read, and goes on to the one behind it. */
static csv_step end_row(csv_reader *r, csv_row *row, int64_t *read)
{
    if ((size_t)(row->at - r->buffer) - r->at > CSV_LONGEST) return note_wrong(r, CSV_TOO_LONG, 0);
    if (!row->is_blank && (row->cells < r->needed_cells || row->is_long)) {
        note_wrong(r, CSV_CELL_COUNT, 0);
        r->trouble.cells = row->cells;
        return CSV_WRONG;
    }
    if (!row->is_blank && row->trouble.kind != CSV_FINE) {
        r->trouble = row->trouble;
        return CSV_WRONG;
    }
    const bool is_read = !row->is_blank && !row->is_dropped;
    if (is_read && set_levels(r, row) == CSV_WRONG) return CSV_WRONG;
    r->lines += row->lines + 1;
    r->at = (size_t)(row->at - r->buffer);
    *read = is_read;
    r->pub.rows += is_read;
    r->pub.dropped += row->is_dropped && !row->is_blank;
    if (!row->is_blank) r->pub.line = r->lines;
    return CSV_LAST;
}

csv_step tg__csv_row(csv_reader *r, double *values, int64_t *read)
{
    *read = 0;
    while (*read == 0) {
        if (r->at == r->end && r->ended) return CSV_LAST;
        csv_row row = {.at = r->buffer + r->at,
                       .values = values,
                       .is_blank = true,
                       .trouble = {.kind = CSV_FINE}};
        csv_step step = read_cells(r, &row);
        if (step == CSV_LAST) step = end_row(r, &row, read);
        if (step == CSV_WRONG) return step;
        if (step != CSV_CUT) continue;
        if (r->end - r->at > CSV_LONGEST) return note_wrong(r, CSV_TOO_LONG, 0);
        if (!tg__csv_refill(r)) return CSV_WRONG;
    }
    return CSV_LAST;
}
