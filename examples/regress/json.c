/* The report and the predictions as JSON, for programs: all numbers have all their digits. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "../common/utf8.h"
#include "numbers.h"
#include "regress.h"
#include "statistics.h"

/* Where the next value goes: after a comma or not, and how deep in objects and lists. The members
 * of the outermost object, and the items of the lists in it, get lines of their own. */
typedef struct writer {
    FILE *out;
    int depth;
    bool first;
} writer;

/* ---- Values. A key is NULL in a list. */

static void put_text(writer *w, const char *text)
{
    putc('"', w->out);
    for (const char *s = text; *s;) {
        const size_t length = utf8_length(s);
        if (*s == '"' || *s == '\\')
            fprintf(w->out, "\\%c", *s++);
        else if (length)
            fprintf(w->out, "%.*s", (int)length, s), s += length;
        else if ((unsigned char)*s < 0x80)
            fprintf(w->out, "\\u%04x", (unsigned)*s++);
        else
            fputs("\\ufffd", w->out), s++;
    }
    putc('"', w->out);
}

static void begin_value(writer *w, const char *key)
{
    if (w->depth) fputs(w->first ? "" : ",", w->out);
    if (w->depth == 1 || (w->depth == 2 && !key))
        fprintf(w->out, "\n%*s", w->depth, "");
    else if (w->depth && !w->first)
        putc(' ', w->out);
    w->first = false;
    if (!key) return;
    put_text(w, key);
    fputs(": ", w->out);
}

static void begin(writer *w, const char *key, char bracket)
{
    begin_value(w, key);
    putc(bracket, w->out);
    w->depth++;
    w->first = true;
}

static void end(writer *w, char bracket)
{
    w->depth--;
    w->first = false;
    if (!w->depth) putc('\n', w->out);
    putc(bracket, w->out);
}

static void put_number(writer *w, const char *key, double value)
{
    char text[32];
    begin_value(w, key);
    fputs(isfinite(value) ? number_text(value, text) : "null", w->out);
}

static void put_name(writer *w, const char *key, const char *text)
{
    begin_value(w, key);
    put_text(w, text);
}

static void put_flag(writer *w, const char *key, bool flag)
{
    begin_value(w, key);
    fputs(flag ? "true" : "false", w->out);
}

/* ---- The report. */

static void put_model(writer *w, const job *j)
{
    static const char *const methods[] = {"least squares", "sgd", "lbfgs"};
    const loss *l = &j->set.loss;
    const terms *t = &j->terms;
    const variable *target = target_variable(j);
    if (target->how == FACTOR) {
        begin(w, "classes", '[');
        for (size_t i = 0; i < 2; i++) put_name(w, NULL, target->levels.sorted[i].name);
        end(w, ']');
    }
    put_name(w, "loss", loss_name(l));
    if (l->kind == LOSS_HUBER || l->kind == LOSS_QUANTILE) put_number(w, "loss_number", l->number);
    put_number(w, "l2", l->l2);
    put_name(w, "method",
             l->kind == LOSS_QUANTILE ? "simplex"
             : !loss_is_exact(l)      ? "newton"
                                      : methods[j->set.method]);
    put_name(w, "dtype", j->set.float64 || j->set.method == FIT_LS ? "float64" : "float32");
    put_flag(w, "intercept", !j->set.no_intercept);
    put_flag(w, "minimum_norm", j->kept != NULL);
    if (j->set.weights) put_name(w, "weights", j->set.weights);
    put_number(w, "rows_without_weight", (double)t->n_weightless);
    put_number(w, "rows_with_missing_values", (double)j->file->dropped);
    begin(w, "dropped_features", '[');
    for (size_t i = t->n_features; i < t->n_made; i++) put_name(w, NULL, t->features[i].name);
    end(w, ']');
    put_number(w, "condition_number", least_squares_condition(&j->exact));
}

static void put_training(writer *w, const job *j)
{
    const fit *f = &j->fit;
    put_flag(w, "converged", f->converged);
    if (j->set.method == FIT_LS && loss_is_exact(&j->set.loss)) return;
    put_number(w, "steps", (double)f->epochs);
    put_number(w, "largest_miss", f->misses ? f->miss : NAN);
    if (j->set.method != FIT_SGD) return;
    put_number(w, "lr", f->lr);
    put_number(w, "momentum", f->momentum);
}

static void put_coefficients(writer *w, const job *j)
{
    const fit *f = &j->fit;
    put_number(w, "level", j->set.level);
    begin(w, "coefficients", '[');
    for (int64_t i = 0; f->coefficients && i < f->coefficients->numel; i++) {
        const double value = tg_get(f->coefficients, TG_INDEX(i));
        const double error = f->errors ? tg_get(f->errors, TG_INDEX(i)) : NAN;
        const test of = test_coefficient(j, value, f->converged ? error : NAN);
        begin(w, NULL, '{');
        put_name(w, "name", name_of(j, i));
        put_number(w, "value", value);
        put_number(w, "miss", f->misses ? tg_get(f->misses, TG_INDEX(i)) : NAN);
        put_number(w, "standard_error", error);
        put_number(w, loss_is_likelihood(&j->set.loss) ? "z" : "t", of.t);
        put_number(w, "p", of.p);
        put_number(w, "lower", of.lower);
        put_number(w, "upper", of.upper);
        end(w, '}');
    }
    end(w, ']');
}

static void put_statistics(writer *w, const job *j)
{
    const statistics s = find_statistics(j);
    put_number(w, "degrees_of_freedom", s.freedom);
    if (loss_is_exact(&j->set.loss)) {
        put_number(w, "residual_standard_error", s.error);
        put_number(w, "r2", s.r2);
        put_number(w, "adjusted_r2", s.adjusted_r2);
        put_number(w, "f", s.f);
        put_number(w, "f_degrees_of_freedom", s.f_freedom);
        put_number(w, "f_p", s.f_p);
    } else {
        put_number(w, "loss_sum", s.loss);
    }
    if (loss_is_likelihood(&j->set.loss)) {
        put_number(w, "null_deviance", s.null_deviance);
        put_number(w, "null_degrees_of_freedom", s.null_freedom);
        put_number(w, "deviance", s.deviance);
    }
    put_number(w, "log_likelihood", s.log_likelihood);
    put_number(w, "aic", s.aic);
}

static void put_quality(writer *w, const job *j, const char *key, const sample *rows, int64_t n)
{
    const loss_kind kind = j->set.loss.kind;
    const quality q = find_quality(j, rows);
    begin(w, key, '{');
    put_number(w, "rows", (double)n);
    if (kind == LOSS_MSE) {
        put_number(w, "rmse", q.rmse);
        put_number(w, "r2", q.r2);
    } else {
        put_number(w, "mean_loss", q.mean_loss);
    }
    if (kind == LOSS_POISSON) put_number(w, "mean_deviance", q.mean_deviance);
    if (kind == LOSS_QUANTILE) put_number(w, "above", q.above);
    if (kind == LOSS_LOGISTIC) put_number(w, "right", q.right);
    end(w, '}');
}

static void put_folds(writer *w, const job *j)
{
    const folds *f = &j->folds;
    const loss_kind kind = j->set.loss.kind;
    if (!f->n) return;
    begin(w, "folds", '{');
    put_number(w, "n", (double)f->n);
    put_number(w,
               kind == LOSS_MSE       ? "rmse"
               : kind == LOSS_POISSON ? "mean_deviance"
                                      : "mean_loss",
               f->mean);
    put_number(w, "least", f->low);
    put_number(w, "greatest", f->high);
    put_number(w, "not_converged", f->missed);
    end(w, '}');
}

static void put_predictions(writer *w, const job *j)
{
    const double *y = values_of(predict(j, j->new_rows));
    const double *margins = j->set.interval ? values_of(interval_margins(j, j->new_rows)) : NULL;
    begin(w, "predictions", '[');
    for (size_t i = 0; y && i < j->to_predict.n; i++) {
        if (!margins) {
            put_number(w, NULL, y[i]);
            continue;
        }
        begin(w, NULL, '{');
        put_number(w, "value", y[i]);
        put_number(w, "lower", y[i] - margins[i]);
        put_number(w, "upper", y[i] + margins[i]);
        end(w, '}');
    }
    end(w, ']');
}

void write_json(const job *j)
{
    writer w = {.out = stdout};
    begin(&w, NULL, '{');
    put_number(&w, "regress", 1);
    put_name(&w, "target", j->set.target);
    if (!j->set.load) {
        put_model(&w, j);
        put_training(&w, j);
        put_coefficients(&w, j);
        put_statistics(&w, j);
        put_quality(&w, j, "trained", &j->train, j->exact.rows);
        if (j->held.x) put_quality(&w, j, "held_out", &j->held, j->held.y->numel);
        put_folds(&w, j);
    }
    if (j->set.predict) put_predictions(&w, j);
    end(&w, '}');
    putc('\n', stdout);
}
