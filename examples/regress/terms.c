/* Builds terms, finds their columns, and frees them. */
#include "terms.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "regress.h"

const char *const transform_names[] = {
    [LOG] = "log", [SQRT] = "sqrt", [EXP] = "exp", [FACTOR] = "factor"};

char *make_text(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = malloc((size_t)n + 1);
    va_start(args, format);
    if (text) vsnprintf(text, (size_t)n + 1, format, args);
    va_end(args);
    return text;
}

/* The name of a variable as it is written, but without quotes. */
static char *write_variable(const variable *v)
{
    char power[32] = "";
    const char *f = transform_names[v->how];
    if (v->power != 1) snprintf(power, sizeof power, "^%.15g", v->power);
    return make_text("%s%s%s%s%s", f ? f : "", f ? "(" : "", v->column, f ? ")" : "", power);
}

bool terms_add_variable(terms *t, const variable *v, term *in)
{
    size_t i = 0;
    for (; i < t->n_variables; i++) {
        const variable *old = &t->variables[i];
        if (v->how == old->how && v->power == old->power && !strcmp(v->column, old->column)) break;
    }
    in->variables[in->n++] = i;
    if (i < t->n_variables) return true;
    t->variables[i] = *v;
    t->variables[i].name = write_variable(v);
    t->n_variables++;
    return t->variables[i].name != NULL;
}

bool terms_write_name(const terms *t, term *named)
{
    for (size_t i = 0; i < named->n; i++) {
        const char *factor = t->variables[named->variables[i]].name;
        char *name = i ? make_text("%s*%s", named->name, factor) : make_text("%s", factor);
        free(named->name);
        named->name = name;
        if (!name) return false;
    }
    return true;
}

bool terms_reserve(terms *t, size_t n)
{
    t->all = calloc(n, sizeof *t->all);
    t->variables = calloc(n + 2, sizeof *t->variables);
    return t->all && t->variables;
}

int terms_of_all_columns(terms *t, const tg_csv *file, const char *const *without, size_t n_without)
{
    bool fits = terms_reserve(t, (size_t)file->n_columns);
    for (int64_t i = 0; fits && i < file->n_columns; i++) {
        bool left_out = !*file->names[i];
        for (size_t k = 0; k < n_without; k++) left_out |= !strcmp(file->names[i], without[k]);
        if (left_out) continue;
        const size_t k = t->n_inputs++;
        t->variables[k] = (variable){.column = file->names[i], .power = 1};
        t->variables[k].name = make_text("%s", file->names[i]);
        t->all[k] = (term){.n = 1, .variables = {k}};
        t->n = t->n_variables = t->n_inputs;
        fits = t->variables[k].name && terms_write_name(t, &t->all[k]);
    }
    return fits ? DONE : complain("regress: out of memory");
}

void terms_append(terms *t, const char *column, role part)
{
    t->variables[t->n_variables++] = (variable){.column = column, .power = 1, .role = part};
}

int terms_find_columns(terms *t, tg_csv *file, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        variable *v = &t->variables[i];
        v->index = tg_csv_find(file, v->column);
        if (v->index < 0) return file_complain(file->context, false);
    }
    return DONE;
}

void terms_free(terms *t)
{
    for (size_t i = 0; i < t->n_variables; i++) {
        free(t->variables[i].name);
        levels_free(&t->variables[i].levels);
    }
    for (size_t i = 0; i < t->n; i++) free(t->all[i].name);
    for (size_t i = 0; i < t->n_made; i++) free(t->features[i].name);
    free(t->variables);
    free(t->all);
    free(t->features);
    free(t->text);
    *t = (terms){0};
}
