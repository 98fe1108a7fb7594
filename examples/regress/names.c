#include "names.h"

#include <stdbool.h>
#include <string.h>

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

size_t names_cut(char *text, char **names, size_t max)
{
    size_t n = 0;
    while (text) {
        char *cell;
        text = cut(text, &cell);
        if (!cell) return 0;
        if (n < max) names[n] = cell;
        n++;
    }
    return n;
}

void names_write(FILE *out, const char *name)
{
    if (!name[strcspn(name, ",\"\r\n")] && *name != ' ') {
        fputs(name, out);
        return;
    }
    putc('"', out);
    for (; *name; name++) {
        if (*name == '"') putc('"', out);
        putc(*name, out);
    }
    putc('"', out);
}
