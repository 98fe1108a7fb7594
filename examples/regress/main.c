/* regress fits a line, or a plane, to a CSV file, by least squares or by training as in the
 * lecture. See --help. */
#include "regress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int complain(const char *what)
{
    fprintf(stderr, "%s\n", what);
    return FAILED;
}

const double *values_of(tg_tensor *t)
{
    return tg_data_f64(tg_contiguous(t));
}

static int work(job *j)
{
    int status = read_data(j);
    if (status == DONE && j->set.predict) status = read_new(j);
    if (status != DONE) return status;

    j->tg = tg_open(NULL);
    tg_manual_seed(j->tg, (uint64_t)j->set.seed);
    if (j->new_values) j->new_rows = make_features(j, j->new_values, j->n_new, j->terms.n_inputs);
    status = split_rows(j);
    if (status == DONE) status = find_fit(j);
    if (status == DONE && tg_ok(j->tg)) {
        report(j);
        status = cross_validate(j);
        if (j->set.predict) write_predictions(j);
        if (draw(j) != DONE) status = FAILED;
    }
    if (!tg_ok(j->tg)) {
        fprintf(stderr, "regress: %s\n", j->tg ? tg_error(j->tg) : "out of memory");
        return FAILED;
    }
    return status == DONE && !j->fit.converged ? NOT_CONVERGED : status;
}

static void end_job(job *j)
{
    tg_close(j->tg);
    csv_close(&j->file);
    terms_free(&j->terms);
    free(j->values);
    free(j->new_values);
}

int main(int argc, char **argv)
{
    job j = {0};
    if (!settings_read(&j.set, argc, argv)) return USAGE;
    int status = DONE;
    if (j.set.help) {
        for (int i = 0; settings_help[i]; i++) fputs(settings_help[i], stdout);
    } else {
        j.report = j.set.predict ? stderr : stdout;
        status = work(&j);
        end_job(&j);
    }
    if (fflush(stdout) || ferror(stdout)) {
        fprintf(stderr, "regress: standard output: %s\n", strerror(errno));
        return FAILED;
    }
    return status;
}
