/* Saves a fit: see saved.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/whole_file.h"
#include "names.h"
#include "numbers.h"
#include "regress.h"
#include "saved.h"

static void put_text(FILE *out, const char *text)
{
    putc(',', out);
    names_write(out, text);
}

static void put_number(FILE *out, double value)
{
    char text[32];
    fprintf(out, ",%s", number_text(value, text));
}

static void put_loss_number(FILE *out, const loss *l)
{
    char text[32];
    if (l->kind == LOSS_HUBER || l->kind == LOSS_QUANTILE)
        fprintf(out, ":%s", number_text(l->number, text));
}

static void put_levels(FILE *out, const variable *v)
{
    if (v->how != FACTOR) return;
    fputs("levels", out);
    put_text(out, v->name);
    fputs(v->levels.numbers ? ",numbers" : ",text", out);
    for (size_t i = 0; i < v->levels.n; i++) {
        const level *l = &v->levels.sorted[i];
        if (v->levels.numbers)
            put_number(out, l->number);
        else
            put_text(out, l->name);
    }
    putc('\n', out);
}

static void put_coefficients(FILE *out, const job *j)
{
    const double *center = values_of(j->fit.line.center), *slope = values_of(j->fit.line.slope);
    if (j->exact.intercept) {
        fputs("coefficient,intercept", out);
        put_number(out, line_intercept(&j->fit.line));
        putc('\n', out);
    }
    for (size_t i = 0; center && slope && i < j->terms.n_features; i++) {
        fputs("coefficient", out);
        put_text(out, j->terms.features[i].name);
        put_number(out, slope[i]);
        put_number(out, center[i]);
        putc('\n', out);
    }
}

/* What prediction intervals need. */
static void put_scatter(FILE *out, const least_squares *exact)
{
    fprintf(out, SAVED_FREEDOM ",%" PRId64 "\n" SAVED_SQUARES, least_squares_freedom(exact));
    put_number(out, exact->squares);
    putc('\n', out);
    const double *r = values_of(exact->triangle);
    const int64_t k = r ? exact->triangle->shape[0] : 0;
    for (int64_t i = 0; i < k; i++) {
        fputs("triangle", out);
        for (int64_t l = i; l < k; l++) put_number(out, r[i * k + l]);
        putc('\n', out);
    }
}

static void put_fit(FILE *out, const job *j, const char *features)
{
    fprintf(out, SAVED_NAME ",%d\ntarget", SAVED_VERSION);
    put_text(out, j->set.target);
    fprintf(out, "\nloss,%s", loss_name(&j->set.loss));
    put_loss_number(out, &j->set.loss);
    const variable *target = target_variable(j);
    if (target->how == FACTOR) {
        fputs("\nclasses", out);
        for (size_t i = 0; i < 2; i++) put_text(out, target->levels.sorted[i].name);
    }
    fputs("\nfeatures", out);
    put_text(out, features);
    putc('\n', out);
    for (size_t i = 0; i < j->terms.n_inputs; i++) put_levels(out, &j->terms.variables[i]);
    fprintf(out, "intercept,%s\nlevel", j->exact.intercept ? "yes" : "no");
    put_number(out, j->fit.line.level);
    putc('\n', out);
    put_coefficients(out, j);
    if (loss_is_exact(&j->set.loss) && !j->kept) put_scatter(out, &j->exact);
}

uint32_t saved_checksum(uint32_t sum, char byte)
{
    if (byte == '\r') return sum;
    sum = ~sum ^ (unsigned char)byte;
    for (int i = 0; i < 8; i++) sum = sum >> 1 ^ (sum & 1 ? 0xedb88320u : 0);
    return ~sum;
}

/* Copies what was written, and adds its checksum. */
static void put_checked(FILE *out, FILE *written)
{
    uint32_t sum = 0;
    rewind(written);
    for (int c; (c = getc(written)) != EOF; putc(c, out)) sum = saved_checksum(sum, (char)c);
    fprintf(out, "end,%08" PRIx32 "\n", sum);
}

int save_fit(const job *j)
{
    char *features = terms_text(&j->terms);
    if (!features) return complain("regress: out of memory");
    FILE *draft = tmpfile();
    whole_file *file = draft ? whole_file_open(j->set.save) : NULL;
    if (file) {
        put_fit(draft, j, features);
        put_checked(whole_file_stream(file), draft);
    }
    const bool saved = whole_file_close(file);
    if (draft) fclose(draft);
    free(features);
    if (saved) return DONE;
    fprintf(stderr, "%s: %s\n", j->set.save, strerror(errno));
    return FAILED;
}
