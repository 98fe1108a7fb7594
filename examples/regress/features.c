/* Makes the features of terms: which levels of a factor have one, their names, and their values. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "regress.h"
#include "terms.h"

static bool is_factor(const terms *t, size_t i)
{
    return t->variables[i].how == FACTOR;
}

/* Whether a term has all variables of another but the one at `but`. */
static bool covers(const term *cover, const term *other, size_t but)
{
    for (size_t i = 0; i < other->n; i++) {
        size_t k = 0;
        while (k < cover->n && cover->variables[k] != other->variables[i]) k++;
        if (i != but && k == cover->n) return false;
    }
    return true;
}

/* Whether a term comes before the term i: products stand in the order of their length, as in R. */
static bool is_before(const terms *t, size_t before, size_t i)
{
    const size_t n = t->all[before].n;
    return n < t->all[i].n || (n == t->all[i].n && before < i);
}

/* A factor in a product needs all its levels if no term before covers the rest of the product, as
 * the features of the other levels would then have nothing to be compared with. This is the rule of
 * R. */
static bool needs_all_levels(const terms *t, size_t i, size_t k)
{
    bool covered = t->all[i].n == 1;
    for (size_t l = 0; l < t->n && !covered; l++)
        covered = is_before(t, l, i) && covers(&t->all[l], &t->all[i], k);
    return !covered;
}

/* Without an intercept, the first factor of all takes its part. */
static void choose_coding(terms *t, bool intercept)
{
    bool *first = NULL;
    size_t first_at = 0;
    for (size_t i = 0; i < t->n; i++)
        for (size_t k = 0; k < t->all[i].n; k++) {
            if (!is_factor(t, t->all[i].variables[k])) continue;
            t->all[i].full[k] = needs_all_levels(t, i, k);
            if (first && (i == first_at || !is_before(t, i, first_at))) continue;
            first = &t->all[i].full[k];
            first_at = i;
        }
    if (!intercept && first) *first = true;
}

/* How many features a factor of a term makes, or 1 for a variable that is none. */
static size_t count(const terms *t, const term *of, size_t i)
{
    if (!is_factor(t, of->variables[i])) return 1;
    return t->variables[of->variables[i]].levels.n - !of->full[i];
}

/* The name of a feature, such as x*group=B. */
static char *name_feature(const terms *t, const feature *f)
{
    const term *of = &t->all[f->term];
    char *name = make_text("%s", "");
    for (size_t i = 0; i < of->n; i++) {
        const variable *v = &t->variables[of->variables[i]];
        const bool factor = v->how == FACTOR;
        char *longer =
            make_text("%s%s%s%s%s", name ? name : "", i ? "*" : "", v->name, factor ? "=" : "",
                      factor ? v->levels.sorted[f->levels[i]].name : "");
        free(name);
        name = longer;
    }
    return name;
}

/* Makes the features of a term, without names. The level of its first factor changes fastest, as in
 * R. */
static void expand_term(terms *t, size_t term_index, size_t n)
{
    const term *of = &t->all[term_index];
    for (size_t k = 0; k < n; k++) {
        feature *f = &t->features[t->n_made++];
        *f = (feature){.term = term_index};
        size_t rest = k;
        for (size_t i = 0; i < of->n; i++) {
            const size_t some = count(t, of, i);
            f->levels[i] = rest % some + !of->full[i];
            rest /= some;
        }
    }
}

/* How many features a term makes; MAX_FEATURES if more. */
static size_t count_all(const terms *t, const term *of)
{
    size_t n = 1;
    for (size_t i = 0; i < of->n && n < MAX_FEATURES; i++) n *= count(t, of, i);
    return n < MAX_FEATURES ? n : MAX_FEATURES;
}

/* Whether a term has a factor twice, whose levels would exclude each other. */
static bool repeats_factor(const terms *t, const term *of)
{
    for (size_t i = 0; i < of->n; i++)
        for (size_t k = 0; k < i; k++)
            if (of->variables[i] == of->variables[k] && is_factor(t, of->variables[i])) return true;
    return false;
}

/* Checks that a term makes features, and not too many. */
static bool term_is_good(const terms *t, const term *of)
{
    const bool repeats = repeats_factor(t, of);
    if (!repeats && count_all(t, of) < MAX_FEATURES) return true;
    if (repeats)
        fprintf(stderr,
                "regress: --features: '%.60s' has a factor twice, which is the factor itself\n",
                of->name);
    else
        fprintf(stderr,
                "regress: --features: '%.60s' makes %d features or more, which is too many\n",
                of->name, MAX_FEATURES);
    return false;
}

/* Makes the features of all terms, without names. */
static int expand(terms *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (!term_is_good(t, &t->all[i])) return FAILED;
        n += count_all(t, &t->all[i]);
    }
    t->n_features = t->n_made = 0;
    t->features = calloc(n + 1, sizeof *t->features);
    if (!t->features) return complain("regress: out of memory");
    for (size_t i = 0; i < t->n; i++) expand_term(t, i, count_all(t, &t->all[i]));
    t->n_features = t->n_made;
    return DONE;
}

int terms_expand(terms *t, bool intercept)
{
    choose_coding(t, intercept);
    if (expand(t) != DONE) return FAILED;
    for (size_t i = 0; i < t->n_made; i++)
        if (!(t->features[i].name = name_feature(t, &t->features[i])))
            return complain("regress: out of memory");
    return DONE;
}

int terms_expand_codes(terms *t)
{
    for (size_t i = 0; i < t->n; i++)
        for (size_t k = 0; k < t->all[i].n; k++) t->all[i].full[k] = true;
    return expand(t);
}

/* The levels of a variable that is known so far; 1 if it is no factor. */
static size_t count_levels(const terms *t, size_t i)
{
    return is_factor(t, i) ? t->variables[i].levels.n : 1;
}

size_t terms_width(const terms *t)
{
    size_t width = 0;
    for (size_t i = 0; i < t->n; i++) {
        size_t n = 1;
        for (size_t k = 0; k < t->all[i].n && n < MAX_FEATURES; k++)
            n *= count_levels(t, t->all[i].variables[k]);
        width += n;
    }
    return width;
}

bool terms_has_factor(const terms *t, const term *of)
{
    bool has = false;
    for (size_t i = 0; i < of->n; i++) has |= is_factor(t, of->variables[i]);
    return has;
}

size_t terms_code(const terms *t, const term *of, const size_t *codes)
{
    size_t n = 0;
    for (size_t k = of->n; k-- > 0;) {
        const size_t some = count_levels(t, of->variables[k]);
        n = n * some + (some > 1 ? codes[k] : 0);
    }
    return n;
}

void terms_fill_row(const terms *t, const double *variables, double *row)
{
    for (size_t j = 0; j < t->n_features; j++) {
        const feature *f = &t->features[j];
        const term *of = &t->all[f->term];
        double product = 1;
        for (size_t i = 0; i < of->n; i++) {
            const double value = variables[of->variables[i]];
            product *= is_factor(t, of->variables[i]) ? value == (double)f->levels[i] : value;
        }
        row[j] = product;
    }
}

void terms_drop(terms *t, size_t index)
{
    const feature dropped = t->features[index];
    memmove(t->features + index, t->features + index + 1,
            (t->n_made - index - 1) * sizeof *t->features);
    t->features[t->n_made - 1] = dropped;
    t->n_features--;
}
