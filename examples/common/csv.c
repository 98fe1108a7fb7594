#include "csv.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Characters of a cell in a message: enough to recognise it, few enough for a line of a
 * terminal. */
#define SHOWN 40

/* Writes a message to file->error and returns false. line is 0 if the error is not in one line. */
static bool fail(csv *file, size_t line, const char *format, ...)
{
    const size_t room = sizeof file->error;
    size_t skip = strlen(file->path) > 255 ? strlen(file->path) - 255 : 0;
    int n = snprintf(file->error, room, "%s:", file->path + skip);
    if (line) n += snprintf(file->error + n, room - (size_t)n, "%zu:", line);
    file->error[n++] = ' ';
    va_list args;
    va_start(args, format);
    vsnprintf(file->error + n, room - (size_t)n, format, args);
    va_end(args);
    return false;
}

bool csv_fail(csv *file, const char *format, ...)
{
    char message[400];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    for (char *c = message; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127) *c = '?';
    return fail(file, file->line, "%s", message);
}

/* The text of a cell for a message: shortened, and without control characters. */
static const char *shown(const char *cell, char buffer[SHOWN + 4])
{
    size_t n = 0;
    for (; n < SHOWN && cell[n]; n++)
        buffer[n] = (unsigned char)cell[n] < ' ' || cell[n] == 127 ? '?' : cell[n];
    strcpy(buffer + n, cell[n] ? "..." : "");
    return buffer;
}

/* Doubles the capacity of an array whose elements have `size` bytes. Returns NULL if memory
 * fails. */
static void *grow(void *array, size_t *capacity, size_t size)
{
    if (*capacity > PTRDIFF_MAX / 2 || (size && *capacity > PTRDIFF_MAX / 2 / size)) return NULL;
    size_t more = *capacity ? 2 * *capacity : 16;
    array = realloc(array, more * (size ? size : 1));
    if (array) *capacity = more;
    return array;
}

static bool append(csv *file, size_t n, int c)
{
    if (n == CSV_MAX_LINE)
        return fail(file, file->line, "the line is longer than %d bytes", CSV_MAX_LINE);
    if (n == file->text_capacity) {
        char *text = grow(file->text, &file->text_capacity, 1);
        if (!text) return fail(file, file->line, "out of memory");
        file->text = text;
    }
    file->text[n] = (char)c;
    return true;
}

/* Reads the next line, which ends with \n, \r\n or \r. Returns false on error, and without an error
 * at the end of the file. */
static bool read_line(csv *file)
{
    file->line++;
    size_t n = 0;
    int c = getc(file->stream);
    if (c == EOF && !ferror(file->stream)) return false;
    for (; c != EOF && c != '\n' && c != '\r'; c = getc(file->stream)) {
        if (c == 0) return fail(file, file->line, "a zero byte: this is not a text file");
        if (!append(file, n++, c)) return false;
    }
    if (ferror(file->stream)) return fail(file, file->line, "%s", strerror(errno));
    if (c == '\r' && (c = getc(file->stream)) != '\n') ungetc(c, file->stream);
    return append(file, n, 0);
}

/* Cuts off the cell at the beginning of line, in place, and sets *cell to it, or to NULL if its
 * quotes are wrong. Returns where the next cell begins, or NULL if this was the last. */
static char *cut(char *line, char **cell)
{
    line += strspn(line, " \t");
    if (*line != '"') {
        char *end = line + strcspn(line, ",");
        char *next = *end ? end + 1 : NULL;
        while (end > line && (end[-1] == ' ' || end[-1] == '\t')) end--;
        *end = 0;
        *cell = line;
        return next;
    }
    char *out = *cell = line++;
    for (; *line && (*line != '"' || line[1] == '"'); *out++ = *line++) line += *line == '"';
    bool closed = *line++ == '"';
    if (closed) line += strspn(line, " \t");
    if (!closed || (*line && *line != ',')) {
        *cell = NULL;
        return NULL;
    }
    char *next = *line ? line + 1 : NULL;
    *out = 0;
    return next;
}

size_t csv_split(char *line, char **cells, size_t max)
{
    size_t n = 0;
    while (line) {
        char *cell;
        line = cut(line, &cell);
        if (!cell) return 0;
        if (n < max) cells[n] = cell;
        n++;
    }
    return n;
}

/* Reads the next line that is not blank and cuts it into cells. Returns false on error and at the
 * end of the file. */
static bool read_cells(csv *file)
{
    do {
        if (!read_line(file)) return false;
        if (file->line == 1 && !strncmp(file->text, "\xEF\xBB\xBF", 3))
            memmove(file->text, file->text + 3, strlen(file->text) - 2);
    } while (!file->text[strspn(file->text, " \t")]);

    size_t commas = 0;
    for (const char *s = file->text; *s; s++) commas += *s == ',';
    while (file->cell_capacity <= commas) {
        char **cells = grow(file->cells, &file->cell_capacity, sizeof *cells);
        if (!cells) return fail(file, file->line, "out of memory");
        file->cells = cells;
    }
    file->n_cells = csv_split(file->text, file->cells, file->cell_capacity);
    if (!file->n_cells)
        return fail(file, file->line, "a quote is not closed, or text follows the closing one");
    return true;
}

static bool is_missing(const char *cell)
{
    static const char *const marks[] = {"", "NA", "NaN", "nan", "null", "NULL", ".", "-"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (!strcmp(cell, marks[i])) return true;
    return false;
}

static csv_kind parse(const char *cell, double *value)
{
    char *end;
    if (is_missing(cell)) return CSV_MISSING;
    *value = strtod(cell, &end);
    if (end == cell || *end) return CSV_TEXT;
    if (!isfinite(*value)) return CSV_INFINITE;
    return cell[strspn(cell, "+-.0123456789eE")] ? CSV_TEXT : CSV_NUMBER; /* strtod takes 0x10 */
}

/* Compares two elements of `sorted`, for qsort and bsearch. */
static int compare_names(const void *a, const void *b)
{
    return strcmp(**(char **const *)a, **(char **const *)b);
}

/* Checks that no two columns have one name, and that the line of names is not a row of data. */
static bool check_names(csv *file)
{
    size_t numbers = 0;
    double value;
    char buffer[SHOWN + 4];
    for (size_t i = 0; i < file->n_columns; i++) {
        if (!*file->names[i]) return fail(file, file->line, "column %zu has no name", i + 1);
        const csv_kind kind = parse(file->names[i], &value);
        numbers += kind == CSV_NUMBER || kind == CSV_INFINITE;
    }
    if (numbers == file->n_columns)
        return fail(file, file->line, "no header: the first line must name the columns");

    for (size_t i = 0; i < file->n_columns; i++) file->sorted[i] = &file->names[i];
    qsort(file->sorted, file->n_columns, sizeof *file->sorted, compare_names);
    for (size_t i = 1; i < file->n_columns; i++)
        if (!compare_names(&file->sorted[i - 1], &file->sorted[i]))
            return fail(file, file->line, "two columns are named '%s'",
                        shown(*file->sorted[i], buffer));
    return true;
}

bool csv_open(csv *file, const char *path)
{
    *file = (csv){.path = path};
    errno = 0;
    file->stream = fopen(path, "rb");
    if (!file->stream) return fail(file, 0, "%s", strerror(errno));
    if (!read_cells(file))
        return *file->error ? false : fail(file, 1, "the file is empty: no header");

    /* The names keep the memory of their line; the rows are read into new memory. */
    file->n_columns = file->n_cells;
    file->names = malloc(file->n_columns * sizeof *file->names + CSV_MAX_LINE);
    file->sorted = malloc(file->n_columns * sizeof *file->sorted);
    if (!file->names || !file->sorted) return fail(file, file->line, "out of memory");
    char *text = (char *)(file->names + file->n_columns);
    for (size_t i = 0; i < file->n_columns; i++) {
        file->names[i] = strcpy(text, file->cells[i]);
        text += strlen(text) + 1;
    }
    return check_names(file);
}

size_t csv_find(csv *file, const char *name)
{
    char buffer[SHOWN + 4], all[300] = "";
    size_t i = 0, n = 0;
    char *key = (char *)(uintptr_t)name, **key_at = &key;
    char ***found =
        bsearch(&key_at, file->sorted, file->n_columns, sizeof *file->sorted, compare_names);
    if (found) return (size_t)(*found - file->names);
    for (; i < file->n_columns && n < sizeof all - SHOWN - 12; i++) {
        n += (size_t)sprintf(all + n, i ? ", %s" : "%s", shown(file->names[i], buffer));
    }
    if (i < file->n_columns) strcpy(all + n, ", ...");
    fail(file, 1, "no column '%s'; there is %s", shown(name, buffer), all);
    return file->n_columns;
}

bool csv_next(csv *file)
{
    if (*file->error || !read_cells(file)) return false;
    return file->n_cells == file->n_columns ||
           fail(file, file->line, "%zu cells in a row, where the header has %zu", file->n_cells,
                file->n_columns);
}

csv_kind csv_cell(const csv *file, size_t column, double *value)
{
    return parse(file->cells[column], value);
}

const char *csv_text(const csv *file, size_t column)
{
    return file->cells[column];
}

bool csv_refuse(csv *file, size_t column)
{
    char name[SHOWN + 4], cell[SHOWN + 4];
    const char *text = file->cells[column];
    double value;
    file->is_missing = is_missing(text);
    shown(file->names[column], name);
    if (!*text) return fail(file, file->line, "column '%s' is empty", name);
    return fail(file, file->line, "column '%s': '%s' is not a %s", name, shown(text, cell),
                parse(text, &value) == CSV_TEXT ? "number" : "finite number");
}

bool csv_end(csv *file)
{
    if (*file->error) return false;
    if (file->n_rows) return true;
    if (file->n_dropped) return fail(file, 0, "a value is missing in every row");
    return fail(file, file->line, "no rows after the header");
}

typedef enum taken { TAKEN, DROPPED, WRONG } taken;

/* Writes the chosen cells of the current line to row, as numbers. */
static taken take_row(csv *file, const size_t *columns, size_t n, double *row)
{
    taken result = TAKEN;
    for (size_t j = 0; j < n; j++) {
        const csv_kind kind = csv_cell(file, columns[j], &row[j]);
        if (kind == CSV_MISSING && file->drop_missing)
            result = DROPPED;
        else if (kind != CSV_NUMBER) {
            csv_refuse(file, columns[j]);
            return WRONG;
        }
    }
    return result;
}

double *csv_read(csv *file, const size_t *columns, size_t n)
{
    double *values = NULL;
    size_t capacity = 0; /* in rows */
    file->n_rows = file->n_dropped = 0;
    while (csv_next(file)) {
        if (file->n_rows == capacity) {
            double *more = grow(values, &capacity, n * sizeof *values);
            if (!more) {
                fail(file, file->line, "out of memory");
                break;
            }
            values = more;
        }
        taken row = take_row(file, columns, n, values + file->n_rows * n);
        file->n_rows += row == TAKEN;
        file->n_dropped += row == DROPPED;
    }
    if (csv_end(file)) return values;
    free(values);
    return NULL;
}

void csv_close(csv *file)
{
    if (file->stream) fclose(file->stream);
    free(file->names);
    free(file->sorted);
    free(file->cells);
    free(file->text);
    file->stream = NULL;
    file->names = file->cells = NULL;
    file->sorted = NULL;
    file->text = NULL;
}

void csv_write(FILE *out, const char *cell)
{
    if (!cell[strcspn(cell, ",\"\r\n")] && *cell != ' ') {
        fputs(cell, out);
        return;
    }
    putc('"', out);
    for (; *cell; cell++) {
        if (*cell == '"') putc('"', out);
        putc(*cell, out);
    }
    putc('"', out);
}
