/* Printing: tensors as text, with the layout and the digits of PyTorch's repr. */
#include "../ops/op.h"

#include <math.h>
#include <string.h>

/* The default print options of PyTorch (linewidth, edgeitems, threshold), and the room for the text
 * of one element. */
enum { PRINT_LINE = 80, PRINT_EDGE = 3, PRINT_THRESHOLD = 1000, PRINT_ELEMENT = 32 };
static const char print_prefix[] = "tensor(";
enum { PRINT_INDENT = sizeof print_prefix - 1 };

/* ---- The text goes to a file, or to a buffer as long as that has room. */

typedef struct text_sink {
    FILE *file;
    char *buffer;
    size_t size;
    size_t length; /* how long all the text so far is, also what the buffer had no room for */
    size_t column; /* how long its last line is */
    bool failed;   /* the file could not be written */
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

static void put_repeated(text_sink *s, int times, const char *text)
{
    for (int i = 0; i < times; i++) put_text(s, text);
}

static void start_line(text_sink *s, int line_ends, int indent)
{
    put_repeated(s, line_ends, "\n");
    s->column = 0;
    put_repeated(s, indent, " ");
}

/* ---- The elements that are shown, in row-major order. Of a tensor of more than PRINT_THRESHOLD
 * elements only the first and last PRINT_EDGE of each dimension are. */

typedef struct shown_element {
    const tg_tensor *t;
    int64_t at; /* the offset of the element in the storage */
    int64_t index[TG_MAX_DIMS];
    bool skipped_some; /* there are elements between this one and the one before that are not shown
                        */
} shown_element;

static shown_element first_shown(const tg_tensor *t)
{
    return (shown_element){.t = t};
}

/* Goes on to the next element that is shown. Returns how many dimensions have ended before it,
 * which is how many brackets close; ndim if there is no further element. */
static int next_shown(shown_element *e)
{
    const tg_tensor *t = e->t;
    for (int d = t->ndim - 1; d >= 0; d--) {
        int64_t hidden = t->numel > PRINT_THRESHOLD ? t->shape[d] - 2 * PRINT_EDGE : 0;
        e->skipped_some = hidden > 0 && e->index[d] == PRINT_EDGE - 1;
        int64_t step = e->skipped_some ? hidden + 1 : 1;
        e->index[d] += step;
        e->at += step * t->strides[d];
        if (e->index[d] < t->shape[d]) return t->ndim - 1 - d;
        e->at -= e->index[d] * t->strides[d];
        e->index[d] = 0;
    }
    return t->ndim;
}

/* ---- All elements have one notation and one width. */

typedef struct print_style {
    bool integral;   /* all floating elements are whole numbers, which are written as "1." */
    bool scientific; /* all are written as "1.0000e+00" */
    int width;
} print_style;

/* Whether elements are real numbers, which real_text writes. */
static bool is_real(tg_dtype dtype)
{
    switch (dtype) {
    case TG_F32:
    case TG_F64: return true;
    case TG_I64:
    case TG_BOOL: break;
    }
    return false;
}

static double real_value(const shown_element *e)
{
    return tg__load(e->t->dtype, e->t->data, e->at);
}

/* Whether the element counts when notation and width are chosen. As in PyTorch, zeros, infinities
 * and NaNs do not, even where they are wider than the others. */
static bool sets_style(const shown_element *e)
{
    if (!is_real(e->t->dtype)) return true;
    double x = real_value(e);
    return isfinite(x) && x != 0;
}

static void choose_notation(const tg_tensor *t, print_style *style)
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
        strcpy(text, "nan"); /* printf may write "-nan" */
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
    if (is_real(t->dtype)) choose_notation(t, &style);
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
    int64_t per_line; /* how many elements fit in a line */
    int64_t item;     /* the number of the element or "..." in its row */
} print_rows;

/* Writes what stands between two elements if that many dimensions have ended between them. */
static void put_separator(text_sink *s, print_rows *rows, int dims_ended)
{
    rows->item = dims_ended ? 0 : rows->item + 1;
    put_text(s, ",");
    if (rows->item % rows->per_line != 0)
        put_text(s, " ");
    else
        start_line(s, dims_ended ? dims_ended : 1, PRINT_INDENT + rows->ndim - dims_ended);
}

static void put_element(text_sink *s, const shown_element *e, const print_style *style)
{
    char text[PRINT_ELEMENT];
    element_text(e, style, text);
    put_repeated(s, style->width - (int)strlen(text), " ");
    put_text(s, text);
}

static void put_elements(text_sink *s, const tg_tensor *t)
{
    print_style style = choose_style(t);
    int per_line = (PRINT_LINE - (PRINT_INDENT + t->ndim - 1)) / (style.width + 2);
    print_rows rows = {.ndim = t->ndim, .per_line = per_line};
    shown_element e = first_shown(t);
    put_repeated(s, t->ndim, "[");
    put_element(s, &e, &style);
    for (int dims_ended; (dims_ended = next_shown(&e)) < t->ndim;) {
        put_repeated(s, dims_ended, "]");
        if (e.skipped_some) {
            put_separator(s, &rows, dims_ended);
            put_text(s, dims_ended ? "..." : " ...");
        }
        put_separator(s, &rows, dims_ended);
        put_repeated(s, dims_ended, "[");
        put_element(s, &e, &style);
    }
    put_repeated(s, t->ndim, "]");
}

static void put_keyword(text_sink *s, const char *before, const char *value, const char *after)
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
    put_keyword(s, "size=(", size + 1, ")");
}

static void put_tensor(text_sink *s, const tg_tensor *t)
{
    bool empty = t->numel == 0;
    put_text(s, print_prefix);
    if (empty)
        put_text(s, "[]");
    else
        put_elements(s, t);
    s->column += 2; /* PyTorch counts two more columns when it decides whether the rest fits */
    if (empty && t->ndim != 1) put_size(s, t);
    if (t->dtype != t->context->default_dtype && (empty || is_real(t->dtype)))
        put_keyword(s, "dtype=torch.", tg_dtype_name(t->dtype), "");
    if (priv(t)->record)
        put_keyword(s, "grad_fn=<", priv(t)->record->grad_name, ">");
    else if (t->requires_grad)
        put_keyword(s, "requires_grad=True", "", "");
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
