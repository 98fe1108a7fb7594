#include "plot.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"
#include "whole_file.h"

#define WIDTH      860
#define HEIGHT     520
#define TOP        52
#define BOTTOM     64
#define LEGEND_ROW 22
#define CHARACTER  7.2 /* the average width of a character of ticks and legend */
#define MAX_LABEL  28  /* the most characters of a label that fit in the legend */
#define MAX_TICKS  32

typedef enum mark { POINTS, RINGS, LINE, DASHES } mark;

typedef struct series {
    struct series *next;
    mark mark;
    const char *color;
    char label[4 * MAX_LABEL + 8];
    size_t n;
    double xy[]; /* x, y, x, y, ... */
} series;

struct plot {
    const char *title, *x_label, *y_label;
    bool log_y, failed;
    size_t n_given, n_shown; /* points and rings */
    series *first, **last;
};

/* An axis maps [low, high] in the data, or in its log10 if the axis is logarithmic, to [start, end]
 * on the page. */
typedef struct axis {
    bool log;
    double low, high, start, end;
    double step; /* between ticks, if it is the same everywhere: 1, 2 or 5 times a power of ten */
    int n_ticks;
    double ticks[MAX_TICKS]; /* in the data */
} axis;

/* ---- Collecting the data. */

plot *plot_new(const char *title, const char *x_label, const char *y_label, bool log_y)
{
    plot *p = malloc(sizeof *p);
    if (!p) return NULL;
    *p = (plot){.title = title, .x_label = x_label, .y_label = y_label, .log_y = log_y};
    p->last = &p->first;
    return p;
}

/* The widths of average characters that a character of so many bytes takes. From three bytes on,
 * most are those of Chinese, Japanese and Korean. */
static size_t character_width(size_t length)
{
    return length < 3 ? 1 : 2;
}

/* Copies UTF-8 text of at most `room` average characters. "..." stands for the rest, and ? for
 * invalid bytes. */
static void copy_text(char *out, const char *text, size_t room)
{
    const char *s = text;
    while (*s) {
        size_t length = utf8_length(s);
        if (character_width(length) > room) break;
        room -= character_width(length);
        if (length)
            memcpy(out, s, length);
        else
            *out = '?', length = 1;
        out += length;
        s += length;
    }
    strcpy(out, *s ? "..." : "");
}

/* Adds point i, unless the axes do not show it. */
static void add_point(const plot *p, series *s, const double *x, const double *y, size_t i)
{
    const double v = p->log_y ? log10(y[i]) : y[i];
    if (!isfinite(x[i]) || !isfinite(v)) return;
    s->xy[2 * s->n] = x[i];
    s->xy[2 * s->n++ + 1] = v;
}

/* Adds one point, drawn at random, of each of PLOT_MAX_POINTS stretches. Points at regular
 * distances could all be of one hour of the day. The least and the greatest y are added, because
 * the reader looks for outliers. */
static void add_sample(const plot *p, series *s, size_t n, const double *x, const double *y)
{
    size_t low = 0, high = 0;
    for (size_t i = 0; i < n; i++) {
        if (y[i] < y[low] || isnan(y[low])) low = i;
        if (y[i] > y[high] || isnan(y[high])) high = i;
    }
    uint32_t random = 1;
    for (size_t k = 0; k < PLOT_MAX_POINTS; k++) {
        const size_t from = (size_t)((double)n / PLOT_MAX_POINTS * (double)k);
        random = random * 1664525 + 1013904223; /* Numerical Recipes, ranqd1 */
        const size_t i = from + (size_t)((double)n / PLOT_MAX_POINTS * random / 4294967296);
        if (i != low && i != high && i < n) add_point(p, s, x, y, i);
    }
    add_point(p, s, x, y, low);
    if (high != low) add_point(p, s, x, y, high);
}

static void add_series(plot *p, mark how, const char *label, const char *color, size_t n,
                       const double *x, const double *y)
{
    if (!p || p->failed) return;
    const bool scattered = how == POINTS || how == RINGS;
    const bool sampled = scattered && n > PLOT_MAX_POINTS;
    series *s = malloc(sizeof *s + 2 * (sampled ? PLOT_MAX_POINTS + 2 : n) * sizeof *s->xy);
    if (!s) {
        p->failed = true;
        return;
    }
    *s = (series){.mark = how, .color = color};
    if (label) copy_text(s->label, label, MAX_LABEL);
    if (sampled) add_sample(p, s, n, x, y);
    for (size_t i = 0; i < n && !sampled; i++) add_point(p, s, x, y, i);
    if (scattered) p->n_given += n, p->n_shown += s->n;
    *p->last = s;
    p->last = &s->next;
}

void plot_points(plot *p, const char *label, const char *color, size_t n, const double *x,
                 const double *y)
{
    add_series(p, POINTS, label, color, n, x, y);
}

void plot_rings(plot *p, const char *label, const char *color, size_t n, const double *x,
                const double *y)
{
    add_series(p, RINGS, label, color, n, x, y);
}

void plot_line(plot *p, const char *label, const char *color, size_t n, const double *x,
               const double *y)
{
    add_series(p, LINE, label, color, n, x, y);
}

void plot_dashes(plot *p, const char *label, const char *color, size_t n, const double *x,
                 const double *y)
{
    add_series(p, DASHES, label, color, n, x, y);
}

/* ---- Axes. */

/* The step that cuts range into about n parts and is 1, 2 or 5 times a power of ten. */
static double nice_step(double range, int n)
{
    double raw = range / n;
    double power = pow(10, floor(log10(raw)));
    double lead = raw / power;
    return power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
}

/* Puts a tick on every multiple of a step that cuts [low, high], which is in the data, into about n
 * parts. If outside, one more stands beyond each end. */
static void put_even_ticks(axis *a, double low, double high, int n, bool outside)
{
    a->step = nice_step(high - low, n);
    a->n_ticks = 0;
    const double first = outside ? floor(low / a->step) : ceil(low / a->step);
    const double last = outside ? ceil(high / a->step) : floor(high / a->step);
    for (double i = first; i <= last && a->n_ticks < MAX_TICKS; i++)
        a->ticks[a->n_ticks++] = i * a->step + 0.0;
}

/* Puts ticks at powers of ten, with `step` between their exponents, and at 2 and 5 times each power
 * if `between`. */
static void put_power_ticks(axis *a, double step, bool between)
{
    static const double factors[] = {1, 2, 5};
    const int per = between ? 3 : 1;
    a->n_ticks = 0;
    for (int i = 0; a->n_ticks < MAX_TICKS; i++) {
        const double exponent = (floor(a->low / step) + floor(i / per)) * step;
        const double value = factors[i % per] * pow(10, exponent);
        if (a->n_ticks == 1 && log10(value) <= a->low) a->n_ticks = 0;
        a->ticks[a->n_ticks++] = value;
        if (log10(value) >= a->high) break;
    }
}

/* Puts about n ticks on a linear axis. A logarithmic axis is made longer, to begin and to end with
 * a tick: between its ticks, a value is hard to read, and beyond them it cannot be read at all. */
static void put_ticks(axis *a, int n)
{
    if (!a->log) {
        put_even_ticks(a, a->low, a->high, n, false);
        return;
    }
    const double decades = a->high - a->low;
    if (decades < 0.6)
        put_even_ticks(a, pow(10, a->low), pow(10, a->high), n, true);
    else
        put_power_ticks(a, decades < 5 ? 1 : fmax(1, nice_step(decades, n)), decades < 5);
    a->low = fmin(a->low, log10(a->ticks[0]));
    a->high = fmax(a->high, log10(a->ticks[a->n_ticks - 1]));
}

/* An axis for coordinate k (0 for x, 1 for y) that holds all series. A linear one has some room at
 * both ends. */
static axis fit_axis(const plot *p, int k, bool log)
{
    axis a = {.log = log, .low = INFINITY, .high = -INFINITY};
    for (const series *s = p->first; s; s = s->next) {
        for (size_t i = 0; i < s->n; i++) {
            a.low = fmin(a.low, s->xy[2 * i + (size_t)k]);
            a.high = fmax(a.high, s->xy[2 * i + (size_t)k]);
        }
    }
    if (!(a.low <= a.high)) a.low = 0, a.high = 1;
    double size = fmax(fabs(a.low), fabs(a.high));
    double room = log ? 0 : 0.04 * (a.high - a.low);
    if (!(a.high - a.low > 1e-12 * size)) room = !log && size > 0 ? 0.05 * size : 0.05;
    a.low -= room;
    a.high += room;
    put_ticks(&a, k ? 7 : 8);
    return a;
}

/* Where a value stands that is logarithmic if the axis is. */
static double place(const axis *a, double value)
{
    return a->start + (value - a->low) / (a->high - a->low) * (a->end - a->start);
}

static double place_tick(const axis *a, int i)
{
    return place(a, a->log ? log10(a->ticks[i]) : a->ticks[i]);
}

static void label_tick(const axis *a, int i, char label[32])
{
    const double value = a->ticks[i];
    if (!(a->step > 0)) { /* powers of ten */
        snprintf(label, 32, "%.6g", value);
        return;
    }
    const double size = fmax(fabs(a->ticks[0]), fabs(a->ticks[a->n_ticks - 1]));
    const int decimals = (int)fmax(0, ceil(-log10(a->step) - 1e-9));
    if (size < 1e6 ? decimals <= 6 : size < 1e10 && decimals <= 2)
        snprintf(label, 32, "%.*f", decimals, value);
    else
        snprintf(label, 32, "%.*g", (int)fmin(15, ceil(log10(size / a->step)) + 1), value);
}

/* ---- Drawing. */

/* Writes text of at most `room` average characters of the size of ticks and legend. */
static void write_text(FILE *out, const char *text, size_t room)
{
    char copy[512];
    copy_text(copy, text, room < sizeof copy / 4 - 4 ? room : sizeof copy / 4 - 4);
    for (const char *s = copy; *s; s++) {
        if (*s == '&')
            fputs("&amp;", out);
        else if (*s == '<')
            fputs("&lt;", out);
        else if (*s == '>')
            fputs("&gt;", out);
        else
            putc(*s, out);
    }
}

static void draw_ticks(FILE *out, const axis *a, const axis *across, bool vertical)
{
    char label[32];
    for (int i = 0; i < a->n_ticks; i++) {
        const double at = place_tick(a, i);
        label_tick(a, i, label);
        if (vertical)
            fprintf(out,
                    "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>"
                    "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                    across->start, at, across->end, across->start - 8, at + 4.5, label);
        else
            fprintf(out,
                    "<path class=\"grid\" d=\"M%.1f %.1fV%.1f\"/>"
                    "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n",
                    at, across->start, across->end, at, across->start + 20, label);
    }
}

static const char *class_of(const series *s)
{
    static const char *const classes[] = {"point", "ring", "line", "line dash"};
    return classes[s->mark];
}

static void draw_series(FILE *out, const series *s, const axis *x, const axis *y)
{
    if (s->mark == POINTS || s->mark == RINGS) {
        fprintf(out, "<g class=\"%s\" color=\"%s\"%s>\n", class_of(s), s->color,
                s->n > 1000 ? " opacity=\"0.6\"" : "");
        for (size_t i = 0; i < s->n; i++)
            fprintf(out, "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"%s\"/>\n", place(x, s->xy[2 * i]),
                    place(y, s->xy[2 * i + 1]), s->n > 1000 ? "2" : "3");
        fputs("</g>\n", out);
        return;
    }
    fprintf(out, "<polyline class=\"%s\" color=\"%s\" points=\"", class_of(s), s->color);
    for (size_t i = 0; i < s->n; i++)
        fprintf(out, "%.2f,%.2f ", place(x, s->xy[2 * i]), place(y, s->xy[2 * i + 1]));
    fputs("\"/>\n", out);
}

/* Draws the legend to the right of the frame, where it covers nothing. */
static void draw_legend(FILE *out, const plot *p, double left, double top)
{
    double at = top + 12;
    for (const series *s = p->first; s; s = s->next) {
        if (!*s->label) continue;
        if (s->mark == POINTS || s->mark == RINGS)
            fprintf(out, "<circle class=\"%s\" color=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>",
                    class_of(s), s->color, left + 13, at);
        else
            fprintf(out, "<path class=\"%s\" color=\"%s\" d=\"M%.1f %.1fh26\"/>", class_of(s),
                    s->color, left, at);
        fprintf(out, "<text x=\"%.1f\" y=\"%.1f\">", left + 34, at + 4.5);
        write_text(out, s->label, MAX_LABEL + 3);
        fputs("</text>\n", out);
        at += LEGEND_ROW;
    }
}

static double text_width(const char *text)
{
    size_t n = 0;
    for (const char *s = text; *s;) {
        const size_t length = utf8_length(s);
        n += character_width(length);
        s += length ? length : 1;
    }
    return CHARACTER * (double)n;
}

static double legend_width(const plot *p)
{
    double widest = 0;
    for (const series *s = p->first; s; s = s->next) widest = fmax(widest, text_width(s->label));
    return widest > 0 ? 60 + widest : 20;
}

static double tick_width(const axis *a)
{
    char label[32];
    double widest = 0;
    for (int i = 0; i < a->n_ticks; i++) {
        label_tick(a, i, label);
        widest = fmax(widest, text_width(label));
    }
    return 1.1 * widest;
}

/* Reduces the number of ticks of a linear axis until their labels do not touch. */
static void space_ticks(axis *a)
{
    for (int n = 7; n > 1; n--) {
        double gap = a->step / (a->high - a->low) * fabs(a->end - a->start);
        if (tick_width(a) + 12 < gap) return;
        put_ticks(a, n);
    }
}

/* Draws text of this size in the middle between two places, which are far enough apart to hold it.
 * The format sets the position. */
static void draw_centered(FILE *out, const char *text, int size, double from, double to,
                          const char *format, double x, double y)
{
    fputs("<text ", out);
    fprintf(out, format, x, y);
    fprintf(out, " font-size=\"%d\" text-anchor=\"middle\">", size);
    write_text(out, text, (size_t)(fabs(to - from) / CHARACTER * 13 / size));
    fputs("</text>\n", out);
}

/* Says below the title that not all points are drawn. */
static void draw_note(FILE *out, const plot *p, double x, double y)
{
    fprintf(out,
            "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" fill=\"#555\">"
            "%zu of %zu points are shown</text>\n",
            x, y, p->n_shown, p->n_given);
}

static void draw(FILE *out, const plot *p)
{
    const bool partial = p->n_shown < p->n_given;
    axis x = fit_axis(p, 0, false), y = fit_axis(p, 1, p->log_y);
    x.start = 52 + tick_width(&y);
    x.end = WIDTH - legend_width(p);
    y.start = HEIGHT - BOTTOM;
    y.end = TOP + (partial ? 18 : 0);
    space_ticks(&x);
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
            "height=\"%d\" "
            "font-family=\"Helvetica, Arial, sans-serif\" font-size=\"13\" fill=\"#222\">\n"
            "<style>.grid{stroke:#e4e4e4}.point{fill:currentColor;fill-opacity:.6}"
            ".ring{fill:none;stroke:currentColor;stroke-width:1.6}"
            ".line{fill:none;stroke:currentColor;stroke-width:2;stroke-linejoin:round}"
            ".dash{stroke-dasharray:7 5}</style>\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT);
    draw_ticks(out, &x, &y, false);
    draw_ticks(out, &y, &x, true);
    for (const series *s = p->first; s; s = s->next) draw_series(out, s, &x, &y);
    fprintf(out, "<path d=\"M%.1f %.1fV%.1fH%.1f\" fill=\"none\" stroke=\"#444\"/>\n", x.start,
            y.end, y.start, x.end);
    draw_legend(out, p, x.end + 16, y.end);

    const double middle = (x.start + x.end) / 2;
    static const char *const upright = "x=\"%.1f\" y=\"%.1f\"";
    draw_centered(out, p->title, 18, x.start, x.end, upright, middle, 30);
    if (partial) draw_note(out, p, middle, 50);
    draw_centered(out, p->x_label, 15, x.start, x.end, upright, middle, HEIGHT - 18);
    draw_centered(out, p->y_label, 15, y.start, y.end,
                  "transform=\"translate(%.1f %.1f) rotate(-90)\"", 24, (y.start + y.end) / 2);
    fputs("</svg>\n", out);
}

bool plot_save(plot *p, const char *path)
{
    bool saved = false;
    errno = ENOMEM;
    if (p && !p->failed) {
        whole_file *file = whole_file_open(path);
        if (file) draw(whole_file_stream(file), p);
        saved = whole_file_close(file);
    }
    int reason = errno;
    for (series *s = p ? p->first : NULL, *next; s; s = next) {
        next = s->next;
        free(s);
    }
    free(p);
    errno = reason;
    return saved;
}
