/* Predictions for the rows of another file. */
#include <stdio.h>

#include "regress.h"

int read_new(job *j)
{
    csv file;
    bool found = csv_open(&file, j->set.predict);
    for (size_t i = 0; found && i < j->columns.n_features; i++) {
        j->indices[i] = csv_find(&file, j->columns.names[i]);
        found = j->indices[i] < file.n_columns;
    }
    if (found) j->new_values = csv_read(&file, j->indices, j->columns.n_features);
    j->n_new = file.n_rows;
    if (!j->new_values) complain(file.error);
    csv_close(&file);
    return j->new_values ? DONE : FAILED;
}

void write_predictions(job *j)
{
    const double *y = values_of(line_predict(&j->fit.line, j->new_rows));
    if (!y) return;
    const int digits = j->set.digits > 0                           ? (int)j->set.digits
                       : j->set.float64 || j->set.method == FIT_LS ? 15
                                                                   : 9;
    csv_write(stdout, j->set.target);
    putchar('\n');
    for (size_t i = 0; i < j->n_new; i++) printf("%.*g\n", digits, y[i]);
}
