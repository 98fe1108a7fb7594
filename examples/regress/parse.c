/* Reads terms as --features writes them, and writes them for another program to read. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "regress.h"
#include "terms.h"

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
        while (v->how <= FACTOR &&
               (!transform_names[v->how] || strcmp(transform_names[v->how], v->column)))
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
        if (!terms_add_variable(t, &v, next)) return fail_memory(p);
    } while (take(p, '*'));
    if (*p->at && *p->at != ',') return fail(p, "an operator is missing");
    if (!terms_write_name(t, next)) return fail_memory(p);
    for (size_t i = 0; i + 1 < t->n; i++) twice |= same_term(&t->all[i], next);
    if (!twice) return true;
    fprintf(stderr, "%s: '%.60s' is named before, or is the target\n", p->where, next->name);
    p->status = USAGE;
    return false;
}

int terms_parse(terms *t, const char *where, const char *text, const char *target)
{
    size_t most = 1;
    for (const char *s = text; *s; s++) most += *s == ',' || *s == '*';
    t->text = malloc(strlen(text) + 1);
    parser p = {.where = where, .at = text, .out = t->text, .t = t, .status = DONE};
    if (!t->text || !terms_reserve(t, most)) return complain("regress: out of memory");
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
            const char *f = plain ? "" : transform_names[v->how];
            out += sprintf(out, "%s%s%s", k ? "*" : i ? ", " : "", f, *f ? "(" : "");
            out = write_column(out, v->column);
            if (*f) *out++ = ')';
            if (v->power != 1) out += sprintf(out, "^%.17g", v->power);
        }
    return text;
}
