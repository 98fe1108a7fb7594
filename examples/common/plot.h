/* Plots for a browser: points and lines in one frame, written as an SVG file. */
#ifndef EXAMPLES_PLOT_H
#define EXAMPLES_PLOT_H

#include <stdbool.h>
#include <stddef.h>

/* Colours that stay apart for colour-blind readers (Okabe and Ito). */
#define PLOT_BLACK  "#000000"
#define PLOT_GREY   "#8c8c8c"
#define PLOT_BLUE   "#0072b2"
#define PLOT_SKY    "#56b4e9"
#define PLOT_GREEN  "#009e73"
#define PLOT_ORANGE "#e69f00"
#define PLOT_RED    "#d55e00"

/* More points than this are thinned out evenly. */
#define PLOT_MAX_POINTS 4000

typedef struct plot plot;

/* The texts, and colours below, must stay valid; labels of a series are copied. NULL, which the
 * others ignore, when memory fails. log_y: a logarithmic y axis, on which only positive values are
 * shown. */
plot *plot_new(const char *title, const char *x_label, const char *y_label, bool log_y);

/* The values are copied. label NULL: not in the legend. */
void plot_points(plot *p, const char *label, const char *color, size_t n, const double *x,
                 const double *y);
void plot_line(plot *p, const char *label, const char *color, size_t n, const double *x,
               const double *y);
void plot_dashes(plot *p, const char *label, const char *color, size_t n, const double *x,
                 const double *y);

/* Writes the file and frees the plot. False, with errno set, when memory or the file failed. */
bool plot_save(plot *p, const char *path);

#endif
