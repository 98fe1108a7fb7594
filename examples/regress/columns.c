#include "columns.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../common/utf8.h"

/* The room for a cell, in bytes. A longer name is cut. */
#define CELL 64

struct columns {
    size_t n, cells, capacity;
    const char *const *headings;
    char (*text)[CELL]; /* the cells, line by line */
};

columns *columns_new(size_t n, const char *const *headings)
{
    columns *table = malloc(sizeof *table);
    if (table) *table = (columns){.n = n, .headings = headings};
    return table;
}

/* The places that a terminal takes for UTF-8 text: two for a letter of Chinese, Japanese or Korean,
 * one for another. */
static size_t width(const char *text)
{
    static const unsigned long wide[][2] = {{0x1100, 0x115f},   {0x2e80, 0xa4cf},  {0xac00, 0xd7a3},
                                            {0xf900, 0xfaff},   {0xff00, 0xff60},  {0xffe0, 0xffe6},
                                            {0x1f300, 0x1faff}, {0x20000, 0x3fffd}};
    size_t n = 0;
    for (const unsigned char *s = (const unsigned char *)text; *s; n++) {
        unsigned long letter = *s < 0x80 ? *s : *s & (*s < 0xe0 ? 0x1f : *s < 0xf0 ? 0x0f : 0x07);
        while ((*++s & 0xc0) == 0x80) letter = letter << 6 | (*s & 0x3f);
        for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
            n += letter >= wide[i][0] && letter <= wide[i][1];
    }
    return n;
}

void columns_put(columns *table, const char *format, ...)
{
    if (!table) return;
    if (table->cells == table->capacity) {
        size_t more = table->capacity ? 2 * table->capacity : 64;
        void *text = realloc(table->text, more * sizeof *table->text);
        if (!text) return;
        table->text = text;
        table->capacity = more;
    }
    va_list args;
    va_start(args, format);
    char text[CELL + 1];
    vsnprintf(text, sizeof text, format, args);
    utf8_show(text, table->text[table->cells++], CELL);
    va_end(args);
}

/* What stands before the decimal point: all, where there is none. */
static size_t before_point(const char *cell)
{
    return strcspn(cell, ".e");
}

/* The places that a column needs before and from its decimal points. */
static void measure(const columns *table, size_t column, size_t *before, size_t *after)
{
    *before = *after = 0;
    for (size_t i = column; i < table->cells; i += table->n) {
        const char *cell = table->text[i];
        size_t left = column ? before_point(cell) : width(cell);
        size_t right = column ? strlen(cell) - left : 0;
        if (left > *before) *before = left;
        if (right > *after) *after = right;
    }
    const char *heading = table->headings[column];
    if (strlen(heading) > *before + *after) *before = strlen(heading) - *after;
}

/* A line, of the headings or of the cells in row. */
static void write_line(const columns *table, size_t (*places)[2], char (*row)[CELL], FILE *out)
{
    for (size_t j = 0; j < table->n; j++) {
        int before = (int)places[j][0], after = (int)places[j][1];
        const char *cell = row ? row[j] : table->headings[j];
        int left = (int)before_point(cell);
        if (!j)
            fprintf(out, "%s%*s", cell, before - (int)width(cell), "");
        else if (!row)
            fprintf(out, "  %*s", before + after, cell);
        else
            fprintf(out, "  %*.*s%-*s", before, left, cell, j + 1 < table->n ? after : 0,
                    cell + left);
    }
    putc('\n', out);
}

void columns_write(columns *table, FILE *out)
{
    if (!table) return;
    size_t(*places)[2] = malloc(table->n * sizeof *places);
    if (places) {
        for (size_t j = 0; j < table->n; j++) measure(table, j, &places[j][0], &places[j][1]);
        write_line(table, places, NULL, out);
        for (size_t i = 0; i + table->n <= table->cells; i += table->n)
            write_line(table, places, table->text + i, out);
    }
    free(places);
    free(table->text);
    free(table);
}
