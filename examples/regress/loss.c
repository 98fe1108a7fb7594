#include "loss.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"mse", "huber", "quantile", "logistic", "poisson"};
enum { NAMES = sizeof names / sizeof *names };

/* Reads the number after the name, which is a colon and the number, or nothing. */
static bool read_number(const char *where, const char *text, loss *l)
{
    const bool quantile = l->kind == LOSS_QUANTILE;
    char *end = NULL;
    if (*text) l->number = strtod(text + 1, &end);
    const bool read = !*text || (end > text + 1 && !*end);
    if (quantile ? *text && read && l->number > 0 && l->number < 1
                 : read && l->number > 0 && l->number < 1e100)
        return true;
    fprintf(stderr, "%s: '%s%.40s' %s\n", where, names[l->kind], text,
            quantile ? "needs a probability between 0 and 1, as in quantile:0.9"
                     : "needs a positive number, as in huber:1.5");
    return false;
}

bool loss_read(const char *where, const char *text, loss *l)
{
    *l = (loss){LOSS_MSE, 1, 0};
    if (!text) return true;
    const size_t n = strcspn(text, ":");
    for (int i = 0; i < NAMES; i++) {
        if (strlen(names[i]) != n || strncmp(text, names[i], n) != 0) continue;
        l->kind = (loss_kind)i;
        if (l->kind == LOSS_HUBER || l->kind == LOSS_QUANTILE)
            return read_number(where, text + n, l);
        if (text[n]) break;
        return true;
    }
    fprintf(stderr, "%s: '%.60s' is none of mse, huber:DELTA, quantile:P, logistic and poisson\n",
            where, text);
    return false;
}

const char *loss_name(const loss *l)
{
    return names[l->kind];
}

bool loss_is_exact(const loss *l)
{
    return l->kind == LOSS_MSE && l->l2 == 0;
}

bool loss_is_likelihood(const loss *l)
{
    return l->kind == LOSS_LOGISTIC || l->kind == LOSS_POISSON;
}

static tg_tensor *quantile_loss(tg_tensor *eta, tg_tensor *y, double p)
{
    tg_tensor *above = tg_sub(y, eta);
    return tg_maximum(tg_mul_scalar(above, p), tg_mul_scalar(above, p - 1));
}

tg_tensor *loss_of_rows(const loss *l, tg_tensor *eta, tg_tensor *y)
{
    const tg_loss_options *each = TG_LOSS(.reduction = TG_NONE, .delta = l->number);
    switch (l->kind) {
    case LOSS_MSE: return tg_mul_scalar(tg_mse_loss(eta, y, TG_NONE), 0.5);
    case LOSS_HUBER: return tg_huber_loss(eta, y, each);
    case LOSS_QUANTILE: return quantile_loss(eta, y, l->number);
    case LOSS_LOGISTIC: return tg_binary_cross_entropy_with_logits(eta, y, each);
    case LOSS_POISSON: return tg_poisson_nll_loss(eta, y, each);
    }
    return NULL;
}

tg_tensor *loss_prediction(const loss *l, tg_tensor *eta)
{
    return l->kind == LOSS_LOGISTIC ? tg_sigmoid(eta) : l->kind == LOSS_POISSON ? tg_exp(eta) : eta;
}

/* Of poisson it is y - y log(y), at eta = log(y). */
tg_tensor *loss_floor(const loss *l, tg_tensor *y)
{
    if (l->kind != LOSS_POISSON) return tg_zeros_like(y);
    tg_tensor *none = tg_le_scalar(y, 0);
    return tg_sub(y, tg_mul(y, tg_log(tg_masked_fill(y, none, 1))));
}
