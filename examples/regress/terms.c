/* Reads the terms of --features. */
#include "terms.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "regress.h"

static const char *const functions[] = {
    [LOG] = "log", [SQRT] = "sqrt", [EXP] = "exp", [FACTOR] = "factor"};

/* What is left to read, and where the next name of a column is written. */
typedef struct parser {
    const char *where, *at;
    char *out;
    terms *t;
    int status;
} parser;

static bool fail(parser *p, const char *problem)
{
    char rest[61];
    p->status = USAGE;
    snprintf(rest, sizeof rest, "%s", p->at);
    for (char *s = rest; *s; s++)
        if ((unsigned char)*s < ' ') *s = '?'; /* the message is one line */
    if (*rest)
        fprintf(stderr, "%s: %s before '%s'\n", p->where, problem, rest);
    else
        fprintf(stderr, "%s: %s at the end\n", p->where, problem);
    return false;
}

static bool fail_memory(parser *p)
{
    p->status = complain("regress: out of memory");
    return false;
}

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

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void skip_blanks(parser *p)
{
    while (is_blank(*p->at)) p->at++;
}

/* Takes a character, and the blanks after it, if it comes next. */
static bool take(parser *p, char c)
{
    if (*p->at != c) return false;
    p->at++;
    skip_blanks(p);
    return true;
}

/* Reads a name in quotes, where "" stands for a quote. */
static bool read_quoted(parser *p)
{
    const char *from = p->at++;
    for (; *p->at && (*p->at != '"' || p->at[1] == '"'); *p->out++ = *p->at++)
        p->at += *p->at == '"';
    if (!*p->at) {
        p->at = from;
        return fail(p, "a quote is not closed");
    }
    p->at++;
    return true;
}

/* Reads a name, which ends before an operator unless it is in quotes. */
static const char *read_name(parser *p)
{
    const char *name = p->out;
    if (*p->at == '"') {
        if (!read_quoted(p)) return NULL;
    } else {
        const size_t n = strcspn(p->at, ",*^()\"");
        memcpy(p->out, p->at, n);
        p->at += n;
        p->out += n;
        while (p->out > name && is_blank(p->out[-1])) p->out--;
    }
    skip_blanks(p);
    if (p->out == name) return fail(p, "a name is missing"), NULL;
    *p->out++ = 0;
    return name;
}

static bool read_power(parser *p, variable *v)
{
    char *end;
    const bool group = take(p, '(');
    v->power = strtod(p->at, &end);
    if (end == p->at || !isfinite(v->power)) return fail(p, "a power is missing");
    if (v->power == 0) return fail(p, "a power is 0, which makes a constant,");
    if (v->how == FACTOR) return fail(p, "a factor has no power");
    p->at = end;
    skip_blanks(p);
    return !group || take(p, ')') || fail(p, "a ) is missing");
}

/* Reads the name of a column, or a function of one, and a power. */
static bool read_variable(parser *p, variable *v)
{
    *v = (variable){.power = 1};
    const char *from = p->at;
    const bool quoted = *from == '"';
    v->column = read_name(p);
    if (!v->column) return false;
    if (!quoted && *p->at == '(') {
        while (v->how <= FACTOR && (!functions[v->how] || strcmp(functions[v->how], v->column)))
            v->how++;
        if (v->how > FACTOR) {
            p->at = from;
            return fail(p, "there is no such function, only log, sqrt, exp and factor,");
        }
        take(p, '(');
        v->column = read_name(p);
        if (!v->column) return false;
        if (!take(p, ')')) return fail(p, "a ) is missing");
    }
    return !take(p, '^') || read_power(p, v);
}

/* The name of a variable as it is written, but without quotes. */
static char *write_variable(const variable *v)
{
    char power[32] = "";
    const char *f = functions[v->how];
    if (v->power != 1) snprintf(power, sizeof power, "^%.15g", v->power);
    return make_text("%s%s%s%s%s", f ? f : "", f ? "(" : "", v->column, f ? ")" : "", power);
}

/* Adds a variable to a term, and to the variables unless it is one of them. */
static bool add_variable(terms *t, const variable *v, term *in)
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

static bool write_name(const terms *t, term *named)
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

static int compare(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* Whether two terms are products of the same variables, in whatever order. */
static bool same_term(const term *a, const term *b)
{
    term x = *a, y = *b;
    qsort(x.variables, x.n, sizeof *x.variables, compare);
    qsort(y.variables, y.n, sizeof *y.variables, compare);
    return x.n == y.n && !memcmp(x.variables, y.variables, x.n * sizeof *x.variables);
}

static bool read_term(parser *p, const char *target)
{
    terms *t = p->t;
    term *next = &t->all[t->n++];
    bool twice = false;
    do {
        variable v;
        if (next->n == MAX_PRODUCT) return fail(p, "a product has more than 8 variables");
        if (!read_variable(p, &v)) return false;
        twice |= !strcmp(v.column, target);
        if (!add_variable(t, &v, next)) return fail_memory(p);
    } while (take(p, '*'));
    if (*p->at && *p->at != ',') return fail(p, "an operator is missing");
    if (!write_name(t, next)) return fail_memory(p);
    for (size_t i = 0; i + 1 < t->n; i++) twice |= same_term(&t->all[i], next);
    if (!twice) return true;
    fprintf(stderr, "%s: '%.60s' is named before, or is the target\n", p->where, next->name);
    p->status = USAGE;
    return false;
}

/* Makes room for n terms, and for the target and the weights among the variables. */
static bool reserve(terms *t, size_t n)
{
    t->all = calloc(n, sizeof *t->all);
    t->variables = calloc(n + 2, sizeof *t->variables);
    return t->all && t->variables;
}

int terms_parse(terms *t, const char *where, const char *text, const char *target)
{
    size_t most = 1;
    for (const char *s = text; *s; s++) most += *s == ',' || *s == '*';
    t->text = malloc(strlen(text) + 1);
    parser p = {.where = where, .at = text, .out = t->text, .t = t, .status = DONE};
    if (!t->text || !reserve(t, most)) return complain("regress: out of memory");
    skip_blanks(&p);
    while (read_term(&p, target) && take(&p, ',')) {
    }
    t->n_inputs = t->n_variables;
    return p.status;
}

/* Writes a name as the parser reads it. Returns the end of it. */
static char *write_column(char *out, const char *name)
{
    const size_t n = strlen(name);
    if (n && !name[strcspn(name, ",*^()\"")] && !is_blank(name[0]) && !is_blank(name[n - 1]))
        return strcpy(out, name) + n;
    *out++ = '"';
    for (; *name; *out++ = *name++)
        if (*name == '"') *out++ = '"';
    *out++ = '"';
    *out = 0;
    return out;
}

char *terms_text(const terms *t)
{
    size_t room = 1;
    for (size_t i = 0; i < t->n; i++)
        for (size_t k = 0; k < t->all[i].n; k++)
            room += 2 * strlen(t->variables[t->all[i].variables[k]].column) + 64;
    char *text = calloc(room, 1), *out = text;
    for (size_t i = 0; text && i < t->n; i++)
        for (size_t k = 0; k < t->all[i].n; k++) {
            const variable *v = &t->variables[t->all[i].variables[k]];
            const bool plain = v->how == PLAIN || !strcmp(v->name, v->column);
            const char *f = plain ? "" : functions[v->how];
            out += sprintf(out, "%s%s%s", k ? "*" : i ? ", " : "", f, *f ? "(" : "");
            out = write_column(out, v->column);
            if (*f) *out++ = ')';
            if (v->power != 1) out += sprintf(out, "^%.17g", v->power);
        }
    return text;
}

int terms_of_all_columns(terms *t, const tg_csv *file, const char *const *without, size_t n_without)
{
    bool fits = reserve(t, (size_t)file->n_columns);
    for (int64_t i = 0; fits && i < file->n_columns; i++) {
        bool left_out = !*file->names[i];
        for (size_t k = 0; k < n_without; k++) left_out |= !strcmp(file->names[i], without[k]);
        if (left_out) continue;
        const size_t k = t->n_inputs++;
        t->variables[k] = (variable){.column = file->names[i], .power = 1};
        t->variables[k].name = make_text("%s", file->names[i]);
        t->all[k] = (term){.n = 1, .variables = {k}};
        t->n = t->n_variables = t->n_inputs;
        fits = t->variables[k].name && write_name(t, &t->all[k]);
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
        if (v->index < 0) return file_complain(file->context);
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
