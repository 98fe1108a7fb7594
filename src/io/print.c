/* Tensors as text, as PyTorch writes them. */
#include "../ops/op.h"

#include <math.h>
#include <string.h>

/* PyTorch's default print options, and the room for one element. */
enum { PRINT_LINE = 80, PRINT_EDGE = 3, PRINT_THRESHOLD = 1000, PRINT_ELEMENT = 32 };
static const char print_prefix[] = "tensor(";
enum { PRINT_INDENT = sizeof print_prefix - 1 };

/* ---- Where the text goes: to a file, or to a buffer as far as that reaches. */

typedef struct text_sink {
    FILE *file;
    char *buffer;
    size_t size;
    size_t length; /* of all the text so far */
    size_t column; /* in the last line */
    bool failed;
} text_sink;

static void put_text(text_sink *s, const char *text)
{
    size_t n = strlen(text);
    if (s->file) {
        s->failed = s->failed || fwrite(text, 1, n, s->file) != n;
    } else if (s->length < s->size) {
        size_t room = s->size - s->length;
        memcpy(s->buffer + s->length, text, n < room ? n : room);
    }
    s->length += n;
    s->column += n;
}

static void put_times(text_sink *s, int times, const char *text)
{
    for (int i = 0; i < times; i++) put_text(s, text);
}

static void start_line(text_sink *s, int line_ends, int indent)
{
    put_times(s, line_ends, "\n");
    s->column = 0;
    put_times(s, indent, " ");
}

/* ---- The elements that are shown, in row-major order. */

typedef struct shown_element {
    const tg_tensor *t;
    int64_t at; /* offset of the element */
    int64_t index[TG_MAX_DIMS];
    bool skipped; /* the last step left some out */
} shown_element;

static shown_element first_shown(const tg_tensor *t)
{
    return (shown_element){.t = t};
}

/* Steps on, over the middle of long dimensions of a large tensor. Returns how many dimensions ended
 * before the new element; all of them: there is none. */
static int next_shown(shown_element *e)
{
    const tg_tensor *t = e->t;
    for (int d = t->ndim - 1; d >= 0; d--) {
        int64_t hidden = t->numel > PRINT_THRESHOLD ? t->shape[d] - 2 * PRINT_EDGE : 0;
        e->skipped = hidden > 0 && e->index[d] == PRINT_EDGE - 1;
        int64_t step = e->skipped ? hidden + 1 : 1;
        e->index[d] += step;
        e->at += step * t->strides[d];
        if (e->index[d] < t->shape[d]) return t->ndim - 1 - d;
        e->at -= e->index[d] * t->strides[d];
        e->index[d] = 0;
    }
    return t->ndim;
}

/* ---- One form and one width for all of them. */

typedef struct print_style {
    bool integral; /* floating, but whole numbers: "1." */
    bool scientific;
    int width;
} print_style;

static double real_value(const shown_element *e)
{
    return tg__load(e->t->dtype, e->t->data, e->at);
}

/* Zeros, infinities and NaNs have no say in form and width, even if they stick out. */
static bool sets_style(const shown_element *e)
{
    if (tg__is_whole(e->t->dtype)) return true;
    double x = real_value(e);
    return isfinite(x) && x != 0;
}

static void choose_form(const tg_tensor *t, print_style *style)
{
    double least = INFINITY, greatest = 0;
    style->integral = true;
    shown_element e = first_shown(t);
    do {
        if (!sets_style(&e)) continue;
        double x = fabs(real_value(&e));
        least = fmin(least, x);
        greatest = fmax(greatest, x);
        if (x != floor(x)) style->integral = false;
    } while (next_shown(&e) < t->ndim);
    style->scientific = greatest / least > 1000 || greatest > 1e8 || least < 1e-4;
}

static void real_text(double x, const print_style *style, char *text)
{
    if (isnan(x)) {
        strcpy(text, "nan"); /* printf may add a sign */
    } else if (isinf(x)) {
        strcpy(text, x < 0 ? "-inf" : "inf");
    } else {
        const char *form = style->scientific ? "%.4e" : style->integral ? "%.0f." : "%.4f";
        snprintf(text, PRINT_ELEMENT, form, x);
        tg__use_point(text);
    }
}

static void element_text(const shown_element *e, const print_style *style, char *text)
{
    switch (e->t->dtype) {
    case TG_F32:
    case TG_F64: real_text(real_value(e), style, text); break;
    case TG_I64:
        snprintf(text, PRINT_ELEMENT, "%lld", (long long)((const int64_t *)e->t->data)[e->at]);
        break;
    case TG_BOOL: strcpy(text, ((const uint8_t *)e->t->data)[e->at] ? "True" : "False"); break;
    }
}

static print_style choose_style(const tg_tensor *t)
{
    print_style style = {.width = 1};
    if (!tg__is_whole(t->dtype)) choose_form(t, &style);
    shown_element e = first_shown(t);
    do {
        char text[PRINT_ELEMENT];
        if (!sets_style(&e)) continue;
        element_text(&e, &style, text);
        int length = (int)strlen(text);
        if (length > style.width) style.width = length;
    } while (next_shown(&e) < t->ndim);
    return style;
}

/* ---- The text. */

typedef struct print_rows {
    int ndim;
    int64_t per_line; /* elements */
    int64_t item;     /* of the row */
} print_rows;

/* Between two items, where so many dimensions ended. */
static void put_separator(text_sink *s, print_rows *rows, int ended)
{
    rows->item = ended ? 0 : rows->item + 1;
    put_text(s, ",");
    if (rows->item % rows->per_line != 0)
        put_text(s, " ");
    else
        start_line(s, ended ? ended : 1, PRINT_INDENT + rows->ndim - ended);
}

static void put_element(text_sink *s, const shown_element *e, const print_style *style)
{
    char text[PRINT_ELEMENT];
    element_text(e, style, text);
    put_times(s, style->width - (int)strlen(text), " ");
    put_text(s, text);
}

static void put_elements(text_sink *s, const tg_tensor *t)
{
    print_style style = choose_style(t);
    int per_line = (PRINT_LINE - (PRINT_INDENT + t->ndim - 1)) / (style.width + 2);
    print_rows rows = {.ndim = t->ndim, .per_line = per_line};
    shown_element e = first_shown(t);
    put_times(s, t->ndim, "[");
    put_element(s, &e, &style);
    for (int ended; (ended = next_shown(&e)) < t->ndim;) {
        put_times(s, ended, "]");
        if (e.skipped) {
            put_separator(s, &rows, ended);
            put_text(s, ended ? "..." : " ...");
        }
        put_separator(s, &rows, ended);
        put_times(s, ended, "[");
        put_element(s, &e, &style);
    }
    put_times(s, t->ndim, "]");
}

static void put_suffix(text_sink *s, const char *before, const char *value, const char *after)
{
    put_text(s, ",");
    if (s->column + 1 + strlen(before) + strlen(value) + strlen(after) > PRINT_LINE)
        start_line(s, 1, PRINT_INDENT);
    else
        put_text(s, " ");
    put_text(s, before);
    put_text(s, value);
    put_text(s, after);
}

static void put_size(text_sink *s, const tg_tensor *t)
{
    char *size = SHOW(t);
    size[strlen(size) - 1] = 0;
    put_suffix(s, "size=(", size + 1, ")");
}

static void put_tensor(text_sink *s, const tg_tensor *t)
{
    bool empty = t->numel == 0;
    put_text(s, print_prefix);
    if (empty)
        put_text(s, "[]");
    else
        put_elements(s, t);
    s->column += 2; /* as PyTorch counts the line on which the elements end */
    if (empty && t->ndim != 1) put_size(s, t);
    if (t->dtype != t->context->default_dtype && (empty || !tg__is_whole(t->dtype)))
        put_suffix(s, "dtype=torch.", tg_dtype_name(t->dtype), "");
    if (priv(t)->record)
        put_suffix(s, "grad_fn=<", priv(t)->record->op->grad_name, ">");
    else if (t->requires_grad)
        put_suffix(s, "requires_grad=True", "", "");
    put_text(s, ")");
}

static bool printable(const tg_tensor *t, const char *op)
{
    if (!t) return false;
    tg_tensor *self = &priv(t)->pub;
    return tg__check_inputs(op, 1, &self);
}

bool tg_print(FILE *file, const tg_tensor *t)
{
    if (!printable(t, "print")) return false;
    if (!file) return tg__fail(t->context, TG_ERR_ARGUMENT, "print: the file is NULL");
    text_sink s = {.file = file};
    put_tensor(&s, t);
    put_text(&s, "\n");
    return !s.failed || tg__fail(t->context, TG_ERR_IO, "print: the file could not be written");
}

size_t tg_snprint(char *buffer, size_t size, const tg_tensor *t)
{
    text_sink s = {.buffer = buffer, .size = buffer ? size : 0};
    if (printable(t, "snprint")) put_tensor(&s, t);
    if (s.size > 0) s.buffer[s.length < s.size ? s.length : s.size - 1] = 0;
    return s.length;
}
