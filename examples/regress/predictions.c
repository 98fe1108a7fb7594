/* Predictions for the rows of another file. */
#include <math.h>
#include <stdio.h>

#include "names.h"
#include "numbers.h"
#include "regress.h"

int read_new(job *j)
{
    const size_t n = j->terms.n_inputs;
    tg_csv *file = file_open(j->tg, j->set.predict, &j->set, TG_MISSING_ERROR);
    int status = file ? terms_find_columns(&j->terms, file, n) : FAILED;
    if (status == DONE && !terms_read(&j->terms, file, n, true, INFINITY, &j->to_predict))
        status = FAILED;
    tg_csv_close(file);
    return status;
}

/* Writes a number with all its digits, unless --digits was given. */
static void put(const job *j, double value)
{
    char text[32];
    if (isnan(value))
        fputs("NA", stdout);
    else if (j->set.digits > 0)
        printf("%.*g", (int)j->set.digits, value);
    else
        fputs(number_text(value, text), stdout);
}

void write_predictions(const job *j)
{
    const double *y = values_of(predict(j, j->new_rows));
    const double *margins = j->set.interval ? values_of(interval_margins(j, j->new_rows)) : NULL;
    if (!tg_ok(j->tg)) return;
    names_write(stdout, j->set.target);
    fputs(margins ? ",lower,upper\n" : "\n", stdout);
    for (size_t i = 0; i < j->to_predict.n; i++) {
        put(j, y[i]);
        for (int side = -1; margins && side <= 1; side += 2) {
            putchar(',');
            put(j, y[i] + side * margins[i]);
        }
        putchar('\n');
    }
}
