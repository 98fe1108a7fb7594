#include "options.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static option *find(option *options, int n, const char *arg, size_t length)
{
    for (int i = 0; i < n; i++)
        if (strlen(options[i].name) == length && !strncmp(options[i].name, arg, length))
            return &options[i];
    return NULL;
}

/* Stores the value of an option. Returns false if it is of another kind or out of range. */
static bool store(const option *o, const char *value)
{
    if (o->kind == OPTION_TEXT) {
        *(const char **)o->value = value;
        return *value != 0;
    }
    char *end;
    double number = strtod(value, &end);
    if (end == value || *end || !(number >= o->low && number < o->high)) return false;
    if (o->kind == OPTION_WHOLE && number != floor(number)) return false;
    *(double *)o->value = number;
    return true;
}

static void complain_value(const option *o, const char *value)
{
    fprintf(stderr, "regress: %s: '%.60s' will not do", o->name, value);
    if (o->kind != OPTION_TEXT)
        fprintf(stderr, ": it takes a %snumber, at least %.6g and less than %.6g",
                o->kind == OPTION_WHOLE ? "whole " : "", o->low, o->high);
    fputc('\n', stderr);
}

/* Reads the option at argv[i]. Returns how many arguments it took, 0 if it is wrong. */
static int read_option(option *options, int n, char **argv, int i)
{
    const char *arg = argv[i];
    size_t length = strcspn(arg, "=");
    option *o = find(options, n, arg, length);
    const char *value = arg[length] ? arg + length + 1 : NULL;
    if (!o) {
        fprintf(stderr, "regress: unknown option %.60s (--help lists them)\n", arg);
        return 0;
    }
    if (o->given) {
        fprintf(stderr, "regress: %s is given twice\n", o->name);
        return 0;
    }
    o->given = true;
    if (o->kind == OPTION_FLAG) {
        if (value) fprintf(stderr, "regress: %s takes no value\n", o->name);
        *(bool *)o->value = true;
        return !value;
    }
    int taken = value ? 1 : 2;
    if (!value) value = argv[i + 1];
    if (!value) {
        fprintf(stderr, "regress: %s needs a value\n", o->name);
        return 0;
    }
    if (store(o, value)) return taken;
    complain_value(o, value);
    return 0;
}

bool options_read(option *options, int n, int argc, char **argv, const char **file)
{
    bool only_files = false;
    *file = NULL;
    for (int i = 1; i < argc;) {
        const char *arg = argv[i];
        if (!only_files && !strcmp(arg, "--")) {
            only_files = true;
            i++;
        } else if (!only_files && arg[0] == '-' && arg[1]) {
            int taken = read_option(options, n, argv, i);
            if (!taken) return false;
            i += taken;
        } else if (*file) {
            fprintf(stderr, "regress: one file at a time: '%.60s' is too many\n", arg);
            return false;
        } else {
            *file = arg;
            i++;
        }
    }
    return true;
}
