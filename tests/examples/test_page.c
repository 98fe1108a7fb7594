/* The pages examples/README.md and README.ko.md. Every value that they give is printed by the
 * program that they name, and every line of C is one of that program, in the same order. Values are
 * in blocks "text", which tests/golden/lecture.py compares with PyTorch, and "console". */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "program.h"

#define SIZE   65536
#define FOLDER TEST_ROOT "/examples/"

/* How far a reader of the page has come. */
typedef struct reader {
    char program[64];                 /* the one that was named last, "" before the first */
    char printed[SIZE], source[SIZE]; /* its output and source, see squeeze */
    const char *after;                /* where in the output the next value must come */
    const char *after_line;           /* where in the source the next line of the block must come */
    int values, lines;                /* how many were found */
} reader;

/* Removes white space and comments. */
static void squeeze(char *text)
{
    char *out = text;
    for (const char *s = text; *s; s++) {
        const char *end = !strncmp(s, "/*", 2) ? strstr(s, "*/") : NULL;
        if (end)
            s = end + 1;
        else if (!strchr(" \t\n", *s))
            *out++ = *s;
    }
    *out = 0;
}

/* The header of a table names a program: "C: NAME.c</th>". */
static void meet_program(reader *r, const char *line)
{
    char name[64];
    const char *at = strstr(line, "<th>C: ");
    if (!at || sscanf(at, "<th>C: %63[a-z_].c</th>", name) != 1 || !strcmp(name, r->program))
        return;
    char path[512];
    strcpy(r->program, name);
    assert_int_equal(program_run(r->printed, SIZE, name), 0);
    program_read(FOLDER "common/lecture.c", r->source, SIZE / 2);
    const size_t n = strlen(r->source);
    snprintf(path, sizeof path, FOLDER "%s.c", name);
    program_read(path, r->source + n, SIZE - n);
    squeeze(r->source);
    r->after = r->printed;
}

static void check_value(reader *r, const char *line)
{
    const char *at = r->after;
    const size_t n = strlen(line);
    while (at && (strncmp(at, line, n) != 0 || at[n] != '\n'))
        if ((at = strchr(at, '\n'))) at++;
    if (!at) fail_msg("%s does not print, after what came before:\n%s", r->program, line);
    r->after = at + n;
    r->values++;
}

static void check_line(reader *r, const char *line)
{
    char code[256];
    snprintf(code, sizeof code, "%s", line);
    squeeze(code);
    const char *at = strstr(r->after_line, code);
    if (!at) fail_msg("%s.c has not, after what came before:\n%s", r->program, line);
    r->after_line = at + strlen(code);
    r->lines++;
}

static bool next_line(const char **text, char line[256])
{
    if (!**text) return false;
    const size_t n = strcspn(*text, "\n");
    snprintf(line, 256, "%.*s", (int)n, *text);
    *text += n + ((*text)[n] == '\n');
    return true;
}

/* Reads a page. Copies its blocks of code and values to blocks. */
static void read_page(const char *path, reader *r, char blocks[SIZE])
{
    static char page[SIZE];
    char line[256], kind[16] = "";
    program_read(path, page, SIZE);
    memset(r, 0, sizeof *r);
    *blocks = 0;
    for (const char *at = page; next_line(&at, line);) {
        if (!strncmp(line, "```", 3)) {
            snprintf(kind, sizeof kind, "%.15s", line + 3);
            r->after_line = r->source;
            continue;
        }
        if (!*kind) meet_program(r, line);
        if (!strcmp(kind, "text") || !strcmp(kind, "console")) check_value(r, line);
        if (!strcmp(kind, "c")) check_line(r, line);
        if (*kind) strcat(strcat(blocks, line), "\n");
    }
}

static void test_values_and_lines(void **state)
{
    (void)state;
    static char english[SIZE], korean[SIZE];
    static reader r;
    read_page(FOLDER "README.md", &r, english);
    assert_true(r.values > 40 && r.lines > 100);
    read_page(FOLDER "README.ko.md", &r, korean);
    assert_string_equal(english, korean);
}

/* Both pages name every example. */
static void test_examples_are_listed(void **state)
{
    (void)state;
    static char page[SIZE], names[SIZE];
    static const char *const paths[] = {FOLDER "README.md", FOLDER "README.ko.md"};
    assert_int_equal(program_run(names, SIZE, "cd " FOLDER " && ls -d *.c */"), 0);
    for (int i = 0; i < 2; i++) {
        char name[256];
        program_read(paths[i], page, SIZE);
        for (const char *at = names; next_line(&at, name);)
            if (!strstr(page, name)) fail_msg("%s: no %s", paths[i], name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_and_lines),
        cmocka_unit_test(test_examples_are_listed),
    };
    return cmocka_run_group_tests(tests, program_setup, program_teardown);
}
