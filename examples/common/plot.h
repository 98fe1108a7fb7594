/* Plots of points and lines in one frame, written as an SVG file, which a browser shows. */
#ifndef EXAMPLES_PLOT_H
#define EXAMPLES_PLOT_H

#include <stdbool.h>
#include <stddef.h>

/* Colours that colour-blind readers can distinguish (Okabe and Ito). */
#define PLOT_BLACK  "#000000"
#define PLOT_GREY   "#8c8c8c"
#define PLOT_BLUE   "#0072b2"
#define PLOT_SKY    "#56b4e9"
#define PLOT_GREEN  "#009e73"
#define PLOT_ORANGE "#e69f00"
#define PLOT_RED    "#d55e00"

/* Of a series of more points or rings, only so many are drawn, and those with the least and the
 * greatest y. The picture says how many it shows. */
#define PLOT_MAX_POINTS 4000

typedef struct plot plot;

/* Makes a plot. The strings given here, and colours given below, must stay valid; labels of series
 * are copied. If log_y, the y axis is logarithmic, shows only positive values, and has
 * a tick at both ends. Returns NULL if
 * memory fails; the other functions ignore a plot that is NULL. */
plot *plot_new(const char *title, const char *x_label, const char *y_label, bool log_y);

/* Adds a series. The values are copied. If label is NULL, the series is not in the legend. */
void plot_points(plot *p, const char *label, const char *color, size_t n, const double *x,
                 const double *y);
void plot_rings(plot *p, const char *label, const char *color, size_t n, const double *x,
                const double *y);
void plot_line(plot *p, const char *label, const char *color, size_t n, const double *x,
               const double *y);
void plot_dashes(plot *p, const char *label, const char *color, size_t n, const double *x,
                 const double *y);

/* Writes the file and frees the plot. Returns false, with errno set, if memory or the file
 * fails. */
bool plot_save(plot *p, const char *path);

#endif
