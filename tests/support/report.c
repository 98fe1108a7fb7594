#include "report.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "program.h"

char text[SIZE];

void expect_status(const char *command, int status)
{
    int got = program_run(text, SIZE, command);
    if (got != status) fail_msg("%s: exit status %d, not %d:\n%s", command, got, status, text);
}

void expect_text(const char *part)
{
    if (!strstr(text, part)) fail_msg("no \"%s\" in\n%s", part, text);
}

/* The number after a word at the start of a line, or after a comma and a blank. */
double number_after(const char *word)
{
    size_t n = strlen(word);
    for (const char *s = text; (s = strstr(s, word)); s += n)
        if ((s == text || s[-1] == '\n' || !strncmp(s - 2, ", ", 2)) && s[n] == ' ')
            return strtod(s + n, NULL);
    fail_msg("no %s in\n%s", word, text);
    return NAN;
}

/* The cell of a row of the table of coefficients: 0 is the coefficient. */
double cell_of(const char *row, int column)
{
    const char *line = text;
    size_t n = strlen(row);
    while (strncmp(line, row, n) || line[n] != ' ') {
        line = strchr(line, '\n');
        if (!line++) fail_msg("no row %s in\n%s", row, text);
    }
    char *end = (char *)(uintptr_t)(line + n);
    double value = strtod(end, &end);
    while (column--) value = strtod(end, &end);
    return value;
}

void expect_cell(const char *row, int column, double value, double relative)
{
    double got = cell_of(row, column);
    if (!(fabs(got - value) <= relative * fabs(value)))
        fail_msg("%s, column %d: %.15g, not %.15g:\n%s", row, column, got, value, text);
}

void expect_number(const char *word, double value, double relative)
{
    double got = number_after(word);
    if (!(fabs(got - value) <= relative * fabs(value)))
        fail_msg("%s: %.15g, not %.15g:\n%s", word, got, value, text);
}

/* The number after a phrase in the lines below the table. */
static double number_at(const char *phrase)
{
    const char *lines = strstr(text, "\nresidual standard error ");
    const char *at = lines ? strstr(lines, phrase) : NULL;
    if (!at) fail_msg("no \"%s\" in\n%s", phrase, text);
    return strtod(at + strlen(phrase), NULL);
}

static void expect_close(const char *what, double got, double value)
{
    if (!(fabs(got - value) <= 1e-10 * fabs(value)))
        fail_msg("%s: %.15g, not %.15g:\n%s", what, got, value, text);
}

/* The numbers of a golden line after its first words. */
static void read_numbers(const char *line, double *values, int n)
{
    char *end = (char *)(uintptr_t)line;
    for (int i = 0; i < n; i++) values[i] = strtod(end, &end);
}

void expect_golden_fit(const char *line)
{
    static const char *const phrases[] = {
        "standard error ", " on ", "R2 ", "adjusted ", ") ", "\nF(", "p = ", "likelihood ", "AIC "};
    double values[9];
    read_numbers(line, values, 9);
    for (int i = 0; i < 9; i++) expect_close(phrases[i], number_at(phrases[i]), values[i]);
}

void expect_golden_coefficient(const char *line)
{
    char name[64];
    int used = 0;
    double values[6];
    assert_int_equal(sscanf(line, "%63s%n", name, &used), 1);
    read_numbers(line + used, values, 6);
    for (int i = 0; i < 6; i++) expect_close(name, cell_of(name, i), values[i]);
}

/* The lines from the names to "end" as a file. */
void copy_data(FILE *golden, const char *path)
{
    char line[1024];
    FILE *data = fopen(path, "w");
    assert_non_null(data);
    while (fgets(line, sizeof line, golden) && strcmp(line, "end\n")) fputs(line, data);
    fclose(data);
}

void write_text(const char *path, const char *bytes)
{
    program_write(path, bytes, strlen(bytes));
}
