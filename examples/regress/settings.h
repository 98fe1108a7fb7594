/* The command line of regress. */
#ifndef EXAMPLES_SETTINGS_H
#define EXAMPLES_SETTINGS_H

#include "fit.h"
#include "loss.h"

/* What the user has asked for. Text that was not given is NULL, and a number that was not given is
 * 0, but momentum is -1, memory 64 and level
 * 0.95. */
typedef struct settings {
    const char *data, *target, *features, *exclude, *weights, *plot, *plots, *predict, *save, *load,
        *method_name, *missing, *dependent, *loss_name, *separator_name, *decimal_name;
    char separator, decimal; /* of the files; 0 if they are to be guessed */
    double lr, momentum, epochs, batch_size, seed, test_fraction, digits, folds, memory, level;
    fit_method method;
    loss loss;
    bool float64, help, no_intercept, interval, json, drop_missing, drop_dependent, minimum_norm;
} settings;

/* What --help prints: parts of a text, of which C does not allow one so long. The last is NULL. */
extern const char *const settings_help[];

/* Reads the command line. Returns false, and prints a line on stderr, if something in it is wrong.
 */
bool settings_read(settings *set, int argc, char **argv);

/* Whether the fit needs all rows at once. */
bool settings_need_rows(const settings *set);

/* Whether something else than the report is written to standard output. */
bool settings_take_stdout(const settings *set);

#endif
