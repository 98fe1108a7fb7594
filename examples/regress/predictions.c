/* Predictions for the rows of another file. */
#include <stdio.h>

#include "regress.h"

int read_new(job *j)
{
    csv file;
    const size_t n = j->terms.n_inputs;
    int status = csv_open(&file, j->set.predict) ? terms_find_columns(&j->terms, &file, n)
                                                 : complain(file.error);
    if (status == DONE) {
        j->new_values = terms_read(&j->terms, &file, n, true);
        if (!j->new_values) status = complain(file.error);
    }
    j->n_new = file.n_rows;
    csv_close(&file);
    return status;
}

void write_predictions(job *j)
{
    const double *y = values_of(predict(j, j->new_rows));
    if (!y) return;
    const int digits = j->set.digits > 0                           ? (int)j->set.digits
                       : j->set.float64 || j->set.method == FIT_LS ? 15
                                                                   : 9;
    csv_write(stdout, j->set.target);
    putchar('\n');
    for (size_t i = 0; i < j->n_new; i++) printf("%.*g\n", digits, y[i]);
}
