/* Reads the data sets in tests/golden, whose form certified.py and nist_nonlinear.py tell there. */
#ifndef NIST_SETS_H
#define NIST_SETS_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { VALUES_AT_MOST = 1024 };

typedef struct set {
    char name[32];
    int rows, columns, n;     /* columns of x; n parameters */
    double y[VALUES_AT_MOST]; /* one for each row */
    double x[VALUES_AT_MOST]; /* row by row */
    double start[2][16];      /* of a nonlinear set */
} set;

static inline void read_values(FILE *file, int n, double *values)
{
    for (int i = 0; i < n; i++)
        if (fscanf(file, "%lf", &values[i]) != 1) exit(1);
}

/* Whether there is one more set. */
static inline bool read_set(FILE *file, bool linear, set *s)
{
    double ignored[16] = {0};
    if (fscanf(file, " set %31s %d %d", s->name, &s->rows, &s->columns) != 3) return false;
    s->n = s->columns;
    if (!linear && fscanf(file, "%d", &s->n) != 1) exit(1);
    if (s->rows * s->columns > VALUES_AT_MOST || s->n > 16) exit(1);
    for (int i = 0; i < s->rows; i++) {
        read_values(file, 1, &s->y[i]);
        read_values(file, s->columns, &s->x[i * s->columns]);
    }
    for (int i = 0; i < (linear ? 3 : 5); i++) { /* the lines behind the rows */
        if (linear && fscanf(file, "%*s") != 0) exit(1);
        read_values(file, i < 4 ? s->n : 2, !linear && i < 2 ? s->start[i] : ignored);
    }
    return true;
}

/* A line for nist.py: the parameters, and their standard errors where they are known. `converged`
 * is what the program says of itself. */
static inline void print_fit(const set *s, int start, const char *by, bool converged,
                             const double *parameters, const double *errors)
{
    printf("%s %d %s %s", s->name, start + 1, by, converged ? "converged" : "failed");
    for (int i = 0; i < s->n; i++) printf(" %.17g", parameters[i]);
    for (int i = 0; errors && i < s->n; i++) printf(" %.17g", errors[i]);
    printf("\n");
}

#endif
