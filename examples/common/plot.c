#include "plot.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH      860
#define HEIGHT     520
#define TOP        52
#define BOTTOM     64
#define LEGEND_ROW 22
#define CHARACTER  7.2 /* the average width of a character of ticks and legend */
#define MAX_LABEL  28  /* the most characters of a label that fit in the legend */

typedef enum mark { POINTS, LINE, DASHES } mark;

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
    series *first, **last;
};

/* An axis maps [low, high] in the data, or in its log10 if the axis is logarithmic, to [start, end]
 * on the page. */
typedef struct axis {
    bool log;
    double low, high, start, end;
    double step; /* between ticks: 1, 2 or 5 times a power of ten */
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

/* The number of bytes of the UTF-8 character at s; 0 if it is none that XML allows. */
static size_t character_length(const unsigned char *s)
{
    static const unsigned long least[] = {0x20, 0x80, 0x800, 0x10000};
    if (*s >= 0xf8 || *s == 127 || (*s >= 0x80 && *s < 0xc0)) return 0;
    size_t more = *s >= 0xf0 ? 3 : *s >= 0xe0 ? 2 : *s >= 0xc0 ? 1 : 0;
    unsigned long code = more ? *s & (0x3fu >> more) : *s;
    for (size_t i = 1; i <= more; i++) {
        if ((s[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (s[i] & 0x3fu);
    }
    bool surrogate = code >= 0xd800 && code < 0xe000;
    return code < least[more] || code > 0x10ffff || surrogate || (code | 1) == 0xffff ? 0
                                                                                      : more + 1;
}

/* Copies at most max characters of UTF-8 text. "..." stands for the rest, and ? for invalid
 * bytes. */
static void copy_text(char *out, const char *text, size_t max)
{
    const unsigned char *s = (const unsigned char *)text;
    for (size_t i = 0; *s && i < max; i++) {
        size_t length = character_length(s);
        if (length)
            memcpy(out, s, length);
        else
            *out = '?', length = 1;
        out += length;
        s += length;
    }
    strcpy(out, *s ? "..." : "");
}

static void add_series(plot *p, mark how, const char *label, const char *color, size_t n,
                       const double *x, const double *y)
{
    if (!p || p->failed) return;
    size_t stride = n / PLOT_MAX_POINTS + 1;
    series *s = malloc(sizeof *s + 2 * (n / stride + 1) * sizeof *s->xy);
    if (!s) {
        p->failed = true;
        return;
    }
    *s = (series){.mark = how, .color = color};
    if (label) copy_text(s->label, label, MAX_LABEL);
    for (size_t i = 0; i < n; i += stride) {
        double v = p->log_y ? log10(y[i]) : y[i];
        if (!isfinite(x[i]) || !isfinite(v)) continue;
        s->xy[2 * s->n] = x[i];
        s->xy[2 * s->n++ + 1] = v;
    }
    *p->last = s;
    p->last = &s->next;
}

void plot_points(plot *p, const char *label, const char *color, size_t n, const double *x,
                 const double *y)
{
    add_series(p, POINTS, label, color, n, x, y);
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

/* An axis for coordinate k (0 for x, 1 for y) that holds all series, with some room at both
 * ends. */
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
    double room = 0.04 * (a.high - a.low);
    if (!(a.high - a.low > 1e-12 * size)) room = size > 0 ? 1e-6 * size : 1;
    a.low -= room;
    a.high += room;
    a.step = nice_step(a.high - a.low, k ? 7 : 8);
    if (log && a.step < 1) a.step = 1;
    return a;
}

static double place(const axis *a, double value)
{
    return a->start + (value - a->low) / (a->high - a->low) * (a->end - a->start);
}

/* How many ticks there are for each step: three on a logarithmic axis of few powers of ten, where 2
 * and 5 times a power of ten are marked as well. */
static int ticks_per_step(const axis *a)
{
    return a->log && a->high - a->low < 3 ? 3 : 1;
}

/* Sets the value and the label of tick i. Returns false beyond the last tick. */
static bool tick(const axis *a, int i, double *value, char label[32])
{
    static const double between[] = {0, 0.301029995663981, 0.698970004336019};
    int per = ticks_per_step(a);
    double whole = floor(a->low / a->step) + i / per;
    *value = whole * a->step + between[i % per] + 0.0;
    double shown = a->log ? pow(10, *value) : *value;
    double size = fmax(fabs(a->low), fabs(a->high));
    int decimals = (int)fmax(0, ceil(-log10(a->step) - 1e-9));
    if (a->log)
        snprintf(label, 32, "%.6g", shown);
    else if (size < 1e6 ? decimals <= 6 : size < 1e10 && decimals <= 2)
        snprintf(label, 32, "%.*f", decimals, shown);
    else
        snprintf(label, 32, "%.*g", (int)fmin(15, ceil(log10(size / a->step)) + 1), shown);
    return *value <= a->high;
}

/* ---- Drawing. */

static void write_text(FILE *out, const char *text, size_t max)
{
    char copy[512];
    copy_text(copy, text, max);
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
    double value;
    char label[32];
    for (int i = 0; tick(a, i, &value, label); i++) {
        if (value < a->low) continue;
        double at = place(a, value);
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

static void draw_series(FILE *out, const series *s, const axis *x, const axis *y)
{
    if (s->mark == POINTS) {
        fprintf(out, "<g fill=\"%s\" fill-opacity=\"0.6\">\n", s->color);
        for (size_t i = 0; i < s->n; i++)
            fprintf(out, "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"3\"/>\n", place(x, s->xy[2 * i]),
                    place(y, s->xy[2 * i + 1]));
        fputs("</g>\n", out);
        return;
    }
    fprintf(out, "<polyline class=\"%s\" stroke=\"%s\" points=\"",
            s->mark == LINE ? "line" : "line dash", s->color);
    for (size_t i = 0; i < s->n; i++)
        fprintf(out, "%.2f,%.2f ", place(x, s->xy[2 * i]), place(y, s->xy[2 * i + 1]));
    fputs("\"/>\n", out);
}

/* Draws the legend to the right of the frame, where it covers nothing. */
static void draw_legend(FILE *out, const plot *p, double left)
{
    int row = 0;
    for (const series *s = p->first; s; s = s->next) {
        if (!*s->label) continue;
        int at = TOP + 12 + LEGEND_ROW * row++;
        if (s->mark == POINTS)
            fprintf(out, "<circle cx=\"%.1f\" cy=\"%d\" r=\"4\" fill=\"%s\" fill-opacity=\"0.7\"/>",
                    left + 13, at, s->color);
        else
            fprintf(out, "<path class=\"%s\" stroke=\"%s\" d=\"M%.1f %dh26\"/>",
                    s->mark == LINE ? "line" : "line dash", s->color, left, at);
        fprintf(out, "<text x=\"%.1f\" y=\"%.1f\">", left + 34, at + 4.5);
        write_text(out, s->label, sizeof s->label);
        fputs("</text>\n", out);
    }
}

static size_t count_characters(const char *text)
{
    size_t n = 0;
    for (; *text; text++) n += (*text & 0xc0) != 0x80;
    return n;
}

static double legend_width(const plot *p)
{
    size_t longest = 0;
    for (const series *s = p->first; s; s = s->next) {
        size_t n = count_characters(s->label);
        if (n > longest) longest = n;
    }
    return longest ? 60 + CHARACTER * (double)longest : 20;
}

static double tick_width(const axis *a)
{
    double value;
    char label[32];
    size_t longest = 0;
    for (int i = 0; tick(a, i, &value, label); i++)
        if (value >= a->low && strlen(label) > longest) longest = strlen(label);
    return CHARACTER * 1.1 * (double)longest;
}

/* Reduces the number of ticks until their labels do not touch. */
static void space_ticks(axis *a)
{
    for (int n = 7; n > 1; n--) {
        double gap = a->step / (a->high - a->low) * fabs(a->end - a->start);
        if (tick_width(a) + 12 < gap) return;
        a->step = nice_step(a->high - a->low, n);
    }
}

static void draw(FILE *out, const plot *p)
{
    axis x = fit_axis(p, 0, false), y = fit_axis(p, 1, p->log_y);
    x.start = 52 + tick_width(&y);
    x.end = WIDTH - legend_width(p);
    y.start = HEIGHT - BOTTOM;
    y.end = TOP;
    space_ticks(&x);
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
            "height=\"%d\" "
            "font-family=\"Helvetica, Arial, sans-serif\" font-size=\"13\" fill=\"#222\">\n"
            "<style>.grid{stroke:#e4e4e4}.line{fill:none;stroke-width:2;stroke-linejoin:round}"
            ".dash{stroke-dasharray:7 5}</style>\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT);
    draw_ticks(out, &x, &y, false);
    draw_ticks(out, &y, &x, true);
    for (const series *s = p->first; s; s = s->next) draw_series(out, s, &x, &y);
    fprintf(out, "<path d=\"M%.1f %.1fV%.1fH%.1f\" fill=\"none\" stroke=\"#444\"/>\n", x.start,
            y.end, y.start, x.end);
    draw_legend(out, p, x.end + 16);

    double middle = (x.start + x.end) / 2;
    fprintf(out, "<text x=\"%.1f\" y=\"30\" font-size=\"18\" text-anchor=\"middle\">", middle);
    write_text(out, p->title, 64);
    fprintf(out, "</text>\n<text x=\"%.1f\" y=\"%d\" font-size=\"15\" text-anchor=\"middle\">",
            middle, HEIGHT - 18);
    write_text(out, p->x_label, 64);
    fprintf(out,
            "</text>\n<text transform=\"translate(24 %.1f) rotate(-90)\" font-size=\"15\" "
            "text-anchor=\"middle\">",
            (y.start + y.end) / 2);
    write_text(out, p->y_label, 48);
    fputs("</text>\n</svg>\n", out);
}

bool plot_save(plot *p, const char *path)
{
    bool saved = false;
    errno = ENOMEM;
    if (p && !p->failed) {
        FILE *out = fopen(path, "w");
        if (out) {
            draw(out, p);
            saved = !ferror(out);
            saved = fclose(out) == 0 && saved;
        }
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
