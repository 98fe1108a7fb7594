/* The program that export writes: its memory, loops, elementwise operations, and the text around
 * them. */
#include "program.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

/* ---- Text. */

/* Notes the helper of that name, and those that its text uses. */
static void need_helpers(program *g, const char *s)
{
    while ((s = strstr(s, "NAME_")) != NULL) {
        s += strlen("NAME_");
        int number;
        const size_t length = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_");
        const char *body = tg__helper(s, length, &number);
        if (!body || g->helpers >> number & 1) continue;
        g->helpers |= UINT64_C(1) << number;
        need_helpers(g, body);
    }
}

/* Writes s, in which NAME becomes the name of the program and a tab four spaces. */
static void put_named(const program *g, const char *s)
{
    while (*s) {
        const bool is_name = !strncmp(s, "NAME", 4);
        if (is_name || *s == '\t')
            fputs(is_name ? g->name : "    ", g->file);
        else
            fputc(*s, g->file);
        s += is_name ? 4 : 1;
    }
}

void tg__emit(program *g, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (g->dry) {
        need_helpers(g, line);
        return;
    }
    if (*line == '\t') fprintf(g->file, "%*s", 4 * (g->depth + 1), "");
    put_named(g, line + (*line == '\t'));
}

/* Writes a float in hexadecimal digits, which give it back exactly. printf's "%a" would write the
 * decimal point of the locale. */
static text float_text(float x)
{
    text t;
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint32_t exponent = bits >> 23 & 255, digits = (bits & 0x7fffff) << 1;
    const char *sign = bits >> 31 ? "-" : "";
    if (exponent == 255) {
        snprintf(t.s, sizeof t.s, "%s", digits ? "NAN" : *sign ? "-INFINITY" : "INFINITY");
        return t;
    }
    char fraction[8];
    snprintf(fraction, sizeof fraction, "%06lx", (unsigned long)digits);
    for (size_t n = 6; n > 0 && fraction[n - 1] == '0'; n--) fraction[n - 1] = 0;
    const int power = exponent ? (int)exponent - 127 : digits ? -126 : 0;
    snprintf(t.s, sizeof t.s, "%s0x%d%s%sp%df", sign, exponent != 0, *fraction ? "." : "", fraction,
             power);
    return t;
}

/* A number in an expression: in parentheses if it is negative, and in decimal if it is a small
 * integer. */
static text number_text(double value)
{
    const float x = (float)value;
    text t = float_text(x);
    if (x >= 0 && x < 10000 && x == (float)(int)x && !signbit(x))
        snprintf(t.s, sizeof t.s, "%d.0f", (int)x);
    if (*t.s != '-') return t;
    text in_parentheses;
    snprintf(in_parentheses.s, sizeof in_parentheses.s, "(%.*s)", (int)sizeof t.s - 3, t.s);
    return in_parentheses;
}

/* ---- Constant arrays. */

typedef struct array {
    struct array *next;
    int number;
    const void *data;
    tg_dtype dtype;
    int ndim;
    int64_t numel, shape[TG_MAX_DIMS], strides[TG_MAX_DIMS];
} array;

/* Makes *r the array with the elements at data in this order. Two requests of the same elements are
 * answered by one array. */
static void constant_ref(program *g, const location *p, int ndim, const int64_t *shape,
                         const int64_t *strides, ref *r)
{
    array **at = &g->arrays;
    int number = 0;
    for (; *at; at = &(*at)->next, number++)
        if ((*at)->data == p->data && (*at)->dtype == p->dtype &&
            tg__same_sizes(ndim, shape, (*at)->ndim, (*at)->shape) &&
            tg__same_sizes(ndim, strides, (*at)->ndim, (*at)->strides))
            break;
    array *a = *at;
    if (!a && (a = *at = tg__alloc(g->tg, sizeof *a)) != NULL) {
        *a = (array){.number = number,
                     .data = p->data,
                     .dtype = p->dtype,
                     .ndim = ndim,
                     .numel = tg__numel(ndim, shape)};
        memcpy(a->shape, shape, (size_t)ndim * sizeof *shape);
        memcpy(a->strides, strides, (size_t)ndim * sizeof *strides);
    }
    if (!a) g->failed = true;
    snprintf(r->array, sizeof r->array, "NAME_c%d", number);
    r->offset = 0;
}

static void put_array(program *g, const array *a)
{
    tg__emit(g, "\nstatic const float NAME_c%d[%d] = {", a->number, (int)a->numel);
    for (int64_t i = 0; i < a->numel; i++) {
        int64_t at = 0, rest = i;
        for (int d = a->ndim - 1; d >= 0; rest /= a->shape[d--])
            at += rest % a->shape[d] * a->strides[d];
        tg__emit(g, "%s%s,", i % 8 ? " " : "\n    ",
                 float_text((float)tg__load(a->dtype, a->data, at)).s);
    }
    tg__emit(g, "\n};\n");
}

/* ---- Buffers. */

/* The next buffer in the order of requests, which is the same in both passes. */
static buffer *next_buffer(program *g, int64_t size)
{
    if (g->dry) {
        buffer *b = tg__alloc(g->tg, sizeof *b);
        if (!b) {
            g->failed = true;
            return NULL;
        }
        *b = (buffer){NULL, size, 0, g->step, g->step};
        if (g->next_buffer)
            g->next_buffer->next = b;
        else
            g->buffers = b;
        return g->next_buffer = b;
    }
    buffer *b = g->next_buffer;
    TG_CHECK(b->size == size);
    g->next_buffer = b->next;
    return b;
}

static void use_buffer(const program *g, buffer *b, ref *r)
{
    strcpy(r->array, "NAME_work");
    r->offset = b ? b->at : 0;
    if (b) b->last = g->step > b->last ? g->step : b->last;
}

/* Gives each buffer the lowest address at which it overlaps no earlier one that is needed at the
 * same time. Returns the size of all. */
static int64_t place_buffers(buffer *all)
{
    int64_t size = 0;
    for (buffer *b = all; b; b = b->next) {
        for (const buffer *o = all; o != b;) {
            const bool apart = o->last < b->first || b->last < o->first ||
                               o->at + o->size <= b->at || b->at + b->size <= o->at;
            if (!apart) b->at = o->at + o->size;
            o = apart ? o->next : all;
        }
        if (size < b->at + b->size) size = b->at + b->size;
    }
    return size;
}

/* ---- Places of elements. */

static bool is_contiguous_place(int ndim, const int64_t *shape, const int64_t *strides)
{
    int64_t step = 1;
    for (int d = ndim - 1; d >= 0; d--) {
        if (shape[d] != 1 && strides[d] != step) return false;
        step *= shape[d];
    }
    return true;
}

/* Whether the results of n are written to the output of the program itself. */
static bool is_output(const program *g, const node *n)
{
    const location *p = &g->net->output;
    return n == p->node && n->number > 0 && p->offset == 0 &&
           tg__numel(p->ndim, p->shape) == n->numel &&
           is_contiguous_place(p->ndim, p->shape, p->strides);
}

/* Sets array and offset. */
static void find_result(program *g, const node *n, ref *r)
{
    r->offset = 0;
    if (n->number == 0)
        strcpy(r->array, "in");
    else if (is_output(g, n))
        strcpy(r->array, "out");
    else
        use_buffer(g, n->buffer, r);
}

ref tg__ref(program *g, const location *p)
{
    ref r = {.ndim = p->ndim};
    memcpy(r.shape, p->shape, sizeof r.shape);
    memcpy(r.strides, p->strides, sizeof r.strides);
    if (p->node) {
        find_result(g, p->node, &r);
        r.offset += p->offset;
        return r;
    }
    for (int d = 0; d < r.ndim; d++)
        if (!r.strides[d]) r.shape[d] = 1;
    constant_ref(g, p, r.ndim, r.shape, r.strides, &r);
    tg__strides(r.ndim, r.shape, r.strides);
    for (int d = 0; d < r.ndim; d++)
        if (!p->strides[d]) r.strides[d] = 0;
    return r;
}

ref tg__result(program *g, node *n)
{
    ref r = {.ndim = n->ndim};
    memcpy(r.shape, n->shape, sizeof r.shape);
    tg__strides(n->ndim, n->shape, r.strides);
    if (!is_output(g, n) && !n->shares) {
        buffer *b = next_buffer(g, n->numel);
        if (g->dry) n->buffer = b;
    }
    find_result(g, n, &r);
    return r;
}

ref tg__room(program *g, int64_t size)
{
    ref r = {.ndim = 1, .shape = {size}, .strides = {1}};
    use_buffer(g, next_buffer(g, size), &r);
    return r;
}

ref tg__arranged(program *g, const location *p, int ndim, const int64_t *shape,
                 const int64_t *strides, bool dense)
{
    ref r = {.ndim = ndim};
    for (int d = 0; d < ndim; d++) r.shape[d] = dense || strides[d] || d == ndim - 1 ? shape[d] : 1;
    const bool in_place = dense ? is_contiguous_place(ndim, shape, strides)
                                : ndim == 0 || r.shape[ndim - 1] == 1 || strides[ndim - 1] == 1;
    if (p->node && in_place) {
        find_result(g, p->node, &r);
        r.offset += p->offset;
        memcpy(r.strides, strides, (size_t)ndim * sizeof *strides);
        return r;
    }
    tg__strides(ndim, r.shape, r.strides);
    if (p->node) {
        const ref room = tg__room(g, tg__numel(ndim, r.shape));
        ref from = {.offset = 0};
        find_result(g, p->node, &from);
        from.offset += p->offset;
        strcpy(r.array, room.array);
        r.offset = room.offset;
        tg__copy_elements(g, ndim, r.shape, &r, r.strides, &from, strides);
    } else {
        constant_ref(g, p, ndim, r.shape, strides, &r);
    }
    for (int d = 0; d < ndim; d++)
        if (r.shape[d] != shape[d]) r.strides[d] = 0;
    return r;
}

ref tg__contiguous_ref(program *g, const location *p)
{
    return tg__arranged(g, p, p->ndim, p->shape, p->strides, true);
}

/* ---- Loops. */

loops tg__loops(int ndim, const int64_t *shape)
{
    loops l = {.ndim = ndim};
    memcpy(l.shape, shape, (size_t)ndim * sizeof *shape);
    return l;
}

void tg__take_strides(loops *l, const int64_t *strides)
{
    for (int d = 0, before = -1; d < l->ndim; d++) {
        if (l->shape[d] == 1) continue;
        if (before >= 0 && strides[before] != strides[d] * l->shape[d]) l->apart[before] = true;
        before = d;
    }
}

void tg__broadcast_strides(const loops *l, const ref *r, int64_t *strides)
{
    for (int d = 0; d < l->ndim; d++) {
        const int own = d - (l->ndim - r->ndim);
        strides[d] = own < 0 || r->shape[own] == 1 ? 0 : r->strides[own];
    }
}

/* The loop behind the one that ends at dimension d: returns its last dimension, whose stride is
 * that of the loop, and sets *size to the number of its iterations. d is -1 before the first loop,
 * and ndim is returned behind the last. */
static int next_loop(const loops *l, int d, int64_t *size)
{
    *size = 1;
    int last = l->ndim;
    for (d++; d < l->ndim; d++) {
        if (l->shape[d] == 1) continue;
        *size *= l->shape[d];
        last = d;
        if (l->apart[d]) break;
    }
    return last;
}

void tg__open_loops(program *g, const loops *l, bool brace)
{
    int64_t size, next_size;
    int i = 0;
    for (int d = next_loop(l, -1, &size), next; d < l->ndim; d = next, size = next_size, i++) {
        next = next_loop(l, d, &next_size);
        tg__emit(g, "\tfor (int i%d = 0; i%d < %d; i%d++)%s\n", i, i, (int)size, i,
                 brace && next == l->ndim ? " {" : "");
        g->depth++;
    }
}

void tg__close_loops(program *g, const loops *l, bool brace)
{
    int64_t size;
    int open = 0;
    for (int d = next_loop(l, -1, &size); d < l->ndim; d = next_loop(l, d, &size)) open++;
    g->depth -= open;
    if (brace && open) {
        g->depth += open - 1;
        tg__emit(g, "\t}\n");
        g->depth -= open - 1;
    }
}

text tg__variable(const loops *l, int dim)
{
    text t = {"0"};
    int64_t size;
    int i = 0;
    for (int d = next_loop(l, -1, &size); d < l->ndim; d = next_loop(l, d, &size), i++)
        if (d == dim) snprintf(t.s, sizeof t.s, "i%d", i);
    return t;
}

/* The index of an element, as "12 + 4 * i0 + i1". */
static text index_text(const loops *l, const ref *r, const int64_t *strides)
{
    text t = {""};
    size_t n = 0;
    int64_t size;
    int i = 0;
    if (r->offset) n = (size_t)snprintf(t.s, sizeof t.s, "%lld", (long long)r->offset);
    for (int d = next_loop(l, -1, &size); d < l->ndim; d = next_loop(l, d, &size), i++) {
        if (!strides[d]) continue;
        const char *plus = n ? " + " : "";
        const size_t room = sizeof t.s - n;
        n += (size_t)(strides[d] == 1 ? snprintf(t.s + n, room, "%si%d", plus, i)
                                      : snprintf(t.s + n, room, "%s%lld * i%d", plus,
                                                 (long long)strides[d], i));
    }
    if (!n) strcpy(t.s, "0");
    return t;
}

text tg__element(const loops *l, const ref *r, const int64_t *strides)
{
    text t;
    snprintf(t.s, sizeof t.s, "%s[%.200s]", r->array, index_text(l, r, strides).s);
    return t;
}

text tg__pointer(const loops *l, const ref *r, const int64_t *strides)
{
    text t;
    const text index = index_text(l, r, strides);
    const bool first = !strcmp(index.s, "0");
    snprintf(t.s, sizeof t.s, "%s%s%.200s", r->array, first ? "" : " + ", first ? "" : index.s);
    return t;
}

void tg__copy_elements(program *g, int ndim, const int64_t *shape, const ref *to,
                       const int64_t *to_strides, const ref *from, const int64_t *from_strides)
{
    loops l = tg__loops(ndim, shape);
    tg__take_strides(&l, to_strides);
    tg__take_strides(&l, from_strides);
    tg__open_loops(g, &l, false);
    tg__emit(g, "\t%s = %s;\n", tg__element(&l, to, to_strides).s,
             tg__element(&l, from, from_strides).s);
    tg__close_loops(g, &l, false);
}

/* ---- Elementwise operations. Neighbours with results of one shape share a loop, in which a value
 * that no later step reads needs no memory. */

static bool is_elementwise(const node *n)
{
    return n->form && n->form->text;
}

/* Whether operand p is, in each iteration of a loop over the elements of n's result, the element
 * with the same index. */
static bool is_same_element(const location *p, const node *n)
{
    return p->offset == 0 && tg__same_sizes(p->ndim, p->shape, n->ndim, n->shape) &&
           is_contiguous_place(p->ndim, p->shape, p->strides);
}

/* Whether n can join the loop that begins with first: it is elementwise, its result has the same
 * shape, and of each value that the loop makes it reads only the element of the same iteration. */
static bool joins(const node *first, const node *n)
{
    if (!is_elementwise(n) || !tg__same_sizes(first->ndim, first->shape, n->ndim, n->shape))
        return false;
    for (int i = 0; i < n->n; i++)
        if (n->in[i].node && n->in[i].node->number >= first->number &&
            !is_same_element(&n->in[i], first))
            return false;
    return true;
}

static node *last_in_loop(node *first)
{
    node *last = first;
    while (last->next && joins(first, last->next)) last = last->next;
    return last;
}

/* The buffer of an operand that is read for the last time in the loop from first to last, and in
 * each iteration only at the element of this iteration: the result can be written over it. NULL if
 * there is none. */
static buffer *buffer_to_take_over(const node *first, const node *last)
{
    for (const node *n = first; n != last->next; n = n->next)
        for (int i = 0; i < n->n; i++) {
            const node *from = n->in[i].node;
            bool fits = from && from->buffer && from->number < first->number &&
                        from->last_use <= last->number && from->numel == first->numel;
            for (const node *m = first; m != last->next && fits; m = m->next)
                for (int j = 0; j < m->n; j++) {
                    fits &= m->in[j].node != from || is_same_element(&m->in[j], first);
                    fits &= !(m->buffer && m->buffer == from->buffer);
                }
            if (fits) return from->buffer;
        }
    return NULL;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.';
}

/* Whether the letter at c stands for an operand or a number: it is no part of a word. */
static bool is_alone(const char *form, const char *c)
{
    return (c == form || !is_word(c[-1])) && !is_word(c[1]);
}

/* How often the text of an operation has operand i, as x or the i-th of the letters a, b and c. */
static int count_uses(const char *form, int i)
{
    int uses = 0;
    for (const char *c = form; *c; c++)
        uses += is_alone(form, c) && (*c == "abcd"[i] || (*c == 'x' && i == 0));
    return uses;
}

/* Whether operand i of n is an element of an array, in the loop that begins with first. */
static bool is_loaded(const node *first, const node *n, int i)
{
    const location *p = &n->in[i];
    const bool in_loop = p->node && p->node->number >= first->number;
    const bool is_number = !p->node && tg__numel(p->ndim, p->shape) == 1;
    return !in_loop && !is_number && count_uses(n->form->text, i) > 0;
}

/* What stands in the text for operand i of n: a number, a value that the loop has made, or an
 * element. An element that the text has twice gets a name, for which a line is written. */
static text operand_text(program *g, const loops *l, const node *first, const node *n, int i)
{
    text t = {""};
    const location *p = &n->in[i];
    if (i == n->n) return number_text(n->a[0].f); /* of an operation on a tensor and a number */
    if (!p->node && tg__numel(p->ndim, p->shape) == 1)
        return number_text(tg__load(p->dtype, p->data, 0));
    if (p->node && p->node->number >= first->number)
        snprintf(t.s, sizeof t.s, "v%d", p->node->number);
    if (!is_loaded(first, n, i)) return t;
    int64_t strides[TG_MAX_DIMS];
    const ref r = tg__ref(g, p);
    tg__broadcast_strides(l, &r, strides);
    const text element = tg__element(l, &r, strides);
    if (count_uses(n->form->text, i) < 2) return element;
    snprintf(t.s, sizeof t.s, "%c%d", "abcd"[i], n -> number);
    tg__emit(g, "\tconst float %s = %s;\n", t.s, element.s);
    return t;
}

/* The expression of n, whose operands have these texts. */
static void put_expression(program *g, const node *n, const text *operands)
{
    const char *form = n->form->text;
    char line[1024];
    size_t length = 0;
    for (const char *c = form; *c; c++) {
        const bool alone = is_alone(form, c);
        const text number = number_text(n->a[*c == 't'].f);
        const char *put = !alone                   ? NULL
                          : strchr("st", *c)       ? number.s
                          : *c == 'x' || *c == 'a' ? operands[0].s
                          : *c == 'b'              ? operands[1].s
                          : *c == 'c'              ? operands[2].s
                          : *c == 'd'              ? operands[3].s
                                                   : NULL;
        length += (size_t)(put ? snprintf(line + length, sizeof line - length, "%.200s", put)
                               : snprintf(line + length, sizeof line - length, "%c", *c));
    }
    tg__emit(g, "\tconst float v%d = %s;\n", n->number, line);
}

static void put_statement(program *g, const loops *l, const node *first, const node *n)
{
    text operands[4];
    const bool has_number = strstr(n->op, "_scalar") != NULL;
    for (int i = 0; i < n->n + has_number && i < 4; i++)
        operands[i] = operand_text(g, l, first, n, i);
    put_expression(g, n, operands);
}

static void write_loop(program *g, node *first, const node *last)
{
    loops l = tg__loops(first->ndim, first->shape);
    int64_t strides[TG_MAX_DIMS];
    for (const node *n = first; n != last->next; n = n->next)
        for (int i = 0; i < n->n; i++) {
            if (!is_loaded(first, n, i)) continue;
            const ref r = tg__ref(g, &n->in[i]);
            tg__broadcast_strides(&l, &r, strides);
            tg__take_strides(&l, strides);
        }
    for (node *n = first; n != last->next && g->dry; n = n->next) {
        if (n->last_use <= last->number || is_output(g, n)) continue;
        n->buffer = buffer_to_take_over(first, last);
        n->shares = n->buffer != NULL;
    }
    tg__open_loops(g, &l, true);
    for (const node *n = first; n != last->next; n = n->next) put_statement(g, &l, first, n);
    for (node *n = first; n != last->next; n = n->next) {
        if (n->last_use <= last->number) continue;
        const ref r = tg__result(g, n);
        tg__emit(g, "\t%s = v%d;\n", tg__element(&l, &r, r.strides).s, n->number);
    }
    tg__close_loops(g, &l, true);
}

/* ---- The whole program. */

/* Writes a comment with the operations and their modules, whose names may have any characters. */
static void put_comment(program *g, const node *first, const node *last)
{
    const char *path = NULL;
    tg__emit(g, "\t/* ");
    for (const node *n = first; n != last->next; n = n->next) {
        char module[200];
        snprintf(module, sizeof module, "%s", path == n->path ? "" : n->path);
        for (char *c = module; *c; c++)
            if (!is_word(*c) && !strchr(" ():", *c)) *c = '_';
        tg__emit(g, "%s%s%s", n == first ? "" : ", ", module, n->op);
        path = n->path;
    }
    tg__emit(g, " */\n");
}

static void write_steps(program *g)
{
    g->step = 0;
    g->next_buffer = g->dry ? NULL : g->buffers;
    for (node *n = g->net->first->next, *last; n; n = last->next, g->step++) {
        last = is_elementwise(n) ? last_in_loop(n) : n;
        if (g->step) tg__emit(g, "\n");
        put_comment(g, n, last);
        if (is_elementwise(n))
            write_loop(g, n, last);
        else
            n->form->write(g, n);
    }
    const location *p = &g->net->output;
    if (is_output(g, p->node)) return;
    ref out = {.array = "out"}, from = tg__ref(g, p);
    int64_t strides[TG_MAX_DIMS];
    tg__strides(p->ndim, p->shape, strides);
    tg__emit(g, "\n");
    tg__copy_elements(g, p->ndim, p->shape, &out, strides, &from, from.strides);
}

static void put_shape(program *g, int ndim, const int64_t *shape)
{
    for (int d = 0; d < ndim; d++) tg__emit(g, d ? ", %lld" : "%lld", (long long)shape[d]);
}

/* Writes the comment of the program and its declarations. */
static void put_declarations(program *g, int64_t work, int64_t weights)
{
    const node *input = g->net->first;
    const location *output = &g->net->output;
    tg__emit(g, "/* NAME: a trained network, written by libtinygrad " TG_VERSION ".\n *\n"
                " * NAME_predict computes out [");
    put_shape(g, output->ndim, output->shape);
    tg__emit(g, "] from in [");
    put_shape(g, input->ndim, input->shape);
    tg__emit(
        g,
        "], which do not overlap.\n"
        " * It has %lld bytes of constants, and works in %lld bytes of static memory, so that "
        "only\n"
        " * one call may run at a time. Define NAME_DECLARE to include the declarations alone. "
        "*/\n",
        (long long)weights * 4, (long long)work * 4);
    tg__emit(g,
             "#ifndef NAME_INPUT\n"
             "#define NAME_INPUT %lld /* floats of in */\n"
             "#define NAME_OUTPUT %lld /* floats of out */\n"
             "#define NAME_WORK_BYTES %lld\n",
             (long long)input->numel, (long long)tg__numel(output->ndim, output->shape),
             (long long)work * 4);
    tg__emit(g, "#ifdef __cplusplus\n"
                "extern \"C\"\n"
                "#endif\n"
                "void NAME_predict(const float *in, float *out);\n"
                "#endif\n\n");
}

/* Writes what stands before the functions of the program: headers, the refusal of options under
 * which the bits would differ, and the macros of fused multiply-add. */
static void put_preamble(program *g)
{
    tg__emit(g, "#ifndef NAME_DECLARE\n"
                "#define NAME_DECLARE\n\n"
                "#include <float.h>\n"
                "#include <math.h>\n"
                "#include <stdint.h>\n"
                "#include <string.h>\n\n");
    tg__emit(g, "#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || "
                "defined(__RECIPROCAL_MATH__) || \\\n"
                "    defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && "
                "__FINITE_MATH_ONLY__)\n"
                "#error \"This file cannot be compiled with -ffast-math or a part of it.\"\n"
                "#endif\n"
                "#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16\n"
                "#error \"Floats are computed in a wider type: use -msse2 -mfpmath=sse or "
                "-fexcess-precision=fast.\"\n"
                "#endif\n");
    tg__emit(g,
             "/* The compiler must not join products and sums to fused operations on its own. */\n"
             "#if defined(__clang__) || !defined(__GNUC__)\n"
             "#pragma STDC FP_CONTRACT OFF\n"
             "#else\n"
             "#pragma GCC push_options\n"
             "#pragma GCC optimize(\"fp-contract=off\")\n"
             "#endif\n");
    tg__emit(
        g,
        "/* a * b + c: rounded once, as in libtinygrad, where the target has the instruction. */\n"
        "#if defined(__FP_FAST_FMAF) || defined(__FMA__) || defined(__ARM_FEATURE_FMA)\n"
        "#define NAME_FMA(a, b, c) fmaf(a, b, c)\n"
        "#else\n"
        "#define NAME_FMA(a, b, c) ((a) * (b) + (c))\n"
        "#endif\n");
    tg__emit(g, "#if defined(__FP_FAST_FMA) || defined(__FMA__) || defined(__aarch64__)\n"
                "#define NAME_FMA64(a, b, c) fma(a, b, c)\n"
                "#else\n"
                "#define NAME_FMA64(a, b, c) ((a) * (b) + (c))\n"
                "#endif\n");
}

static void write_program(program *g, int64_t work)
{
    int64_t weights = 0;
    for (const array *a = g->arrays; a; a = a->next) weights += a->numel;
    put_declarations(g, work, weights);
    put_preamble(g);
    for (int i = 0; tg__helper_text(i); i++) {
        if (!(g->helpers >> i & 1)) continue;
        fputc('\n', g->file);
        put_named(g, tg__helper_text(i));
    }
    for (const array *a = g->arrays; a; a = a->next) put_array(g, a);
    if (work) tg__emit(g, "\nstatic float NAME_work[%lld];\n", (long long)work);
    tg__emit(g, "\nvoid NAME_predict(const float *in, float *out)\n{\n");
    write_steps(g);
    tg__emit(g, "}\n\n"
                "#if defined(__GNUC__) && !defined(__clang__)\n"
                "#pragma GCC pop_options\n"
                "#endif\n"
                "#endif\n");
}

bool tg__generate(tg_context *tg, network *net, const char *name, FILE *file)
{
    program g = {.tg = tg, .net = net, .name = name, .file = file, .dry = true};
    write_steps(&g);
    if (g.failed) return false;
    const int64_t work = place_buffers(g.buffers);
    if (work > INT32_MAX)
        return tg__fail(tg, TG_ERR_SHAPE, "export_c: the program would need %lld floats of memory",
                        (long long)work);
    g.dry = false;
    write_program(&g, work);
    return !ferror(file) || tg__fail(tg, TG_ERR_IO, "export_c: the file could not be written");
}
