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

/* Fits the model, and makes of it all but predictions. */
static int fit_and_report(job *j)
{
    int status = split_rows(j);
    if (status == DONE) status = find_fit(j);
    if (status == DONE) status = check_folds(j);
    if (status != DONE || !tg_ok(j->tg)) return status;
    report(j);
    status = cross_validate(j);
    if (status == FAILED || (j->set.save && save_fit(j) != DONE) || draw(j) != DONE) return FAILED;
    return status;
}

static int work(job *j)
{
    j->tg = tg_open(NULL);
    tg_manual_seed(j->tg, (uint64_t)j->set.seed);
    int status = j->set.load ? load_fit(j) : read_data(j);
    if (status == DONE && j->set.predict) status = read_new(j);
    if (j->to_predict.values)
        j->new_rows = make_features(j, j->to_predict.values, j->to_predict.n, j->terms.n_inputs);
    if (status == DONE && !j->set.load) status = fit_and_report(j);
    const bool fitted = status == DONE || status == NOT_CONVERGED;
    if (fitted && tg_ok(j->tg) && j->set.json)
        write_json(j);
    else if (fitted && tg_ok(j->tg) && j->set.predict)
        write_predictions(j);
    if (!tg_ok(j->tg)) {
        fprintf(stderr, "regress: %s\n", j->tg ? tg_error(j->tg) : "out of memory");
        return FAILED;
    }
    return status == DONE && !j->fit.converged ? NOT_CONVERGED : status;
}

static void end_job(job *j)
{
    tg_csv_close(j->file);
    tg_close(j->tg);
    terms_free(&j->terms);
    free(j->rows.values);
    free(j->to_predict.values);
    free(j->loaded_target);
}

int main(int argc, char **argv)
{
    job j = {0};
    if (!settings_read(&j.set, argc, argv)) return USAGE;
    int status = DONE;
    if (j.set.help) {
        for (int i = 0; settings_help[i]; i++) fputs(settings_help[i], stdout);
    } else {
        j.report = settings_take_stdout(&j.set) ? stderr : stdout;
        status = work(&j);
        end_job(&j);
    }
    if (status != FAILED && (fflush(stdout) || ferror(stdout))) {
        fprintf(stderr, "regress: standard output: %s\n", strerror(errno));
        return FAILED;
    }
    return status;
}
