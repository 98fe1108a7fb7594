/* How each operation is written in C. */
#include "program.h"
#include "../ops/passes.h"
#include "../ops/pool.h"

#include <math.h>
#include <string.h>

/* ---- Elementwise operations. Their texts come from elementwise.def: the macros below make of a
 * value there an expression of the program. */

#define T                                            float
#define WRAP(v)                                      v
#define ABS(v)                                       fabsf(v)
#define SQRT(v)                                      sqrtf(v)
#define EXP(v)                                       NAME_exp(v)
#define LOG(v)                                       NAME_log(v)
#define SIGMOID(v)                                   NAME_sigmoid(v)
#define TANH(v)                                      NAME_tanh(v)
#define ERF(v)                                       NAME_erf(v)
#define FMA(a, b, c)                                 NAME_FMA(a, b, c)
#define WHOLE(function, v)                           function##f(v)
#define OWN(function, ...)                           (float)NAME_##function##_wide(__VA_ARGS__)
#define CLAMP(v, low, high)                          NAME_min(NAME_max(v, low), high)
#define TYPED(function)                              NAME_##function
#define TEXT(...)                                    #__VA_ARGS__
#define TEXT_unary(value)                            TEXT(value)
#define TEXT_binary(value)                           TEXT(value)
#define TEXT_map1(value)                             TEXT(value)
#define TEXT_map2(value)                             TEXT(value)
#define TEXT_map3(value)                             TEXT(value)
#define TEXT_compare(value)                          "(" TEXT(value) ") ? 1.0f : 0.0f"
#define ELEMENTWISE(kind, name, dtypes, made, value) {#name, TEXT_##kind(value), NULL, NULL},

/* log(1 + exp(-|v|)) */
#define LOG1P_EXP(v) "(float)NAME_log1p_wide((double)NAME_exp(-fabsf(" v ")))"

/* ---- Why a call cannot be written. */

static const char *refuse_cast(const call *c)
{
    return c->out->dtype == TG_F32 ? NULL : "to another dtype than float32 has no form in C";
}

/* The powers that need no logarithm, as in elementwise.inc and binary.c. */
static const char *refuse_power(const call *c)
{
    static const double exponents[] = {2, 1, 3, -1, -2, 0.5, -0.5};
    for (size_t i = 0; c->n == 1 && i < sizeof exponents / sizeof *exponents; i++)
        if (c->a[0].f == exponents[i]) return NULL;
    return "has a form in C for the exponents 1, 2, 3, -1, -2, 0.5 and -0.5 alone";
}

static const char *refuse_sum_of_losses(const call *c)
{
    return c->a[MAP_RESULT].i == MAP_ELEMENTS
               ? NULL
               : "as a sum or mean has no form in C; use TG_NONE, then tg_sum or tg_mean";
}

static const char *refuse_pool(const call *c)
{
    for (int i = 0; i < POOL_CEIL; i++)
        if (c->a[i].i > INT32_MAX) return "has a number too large for C programs";
    return NULL;
}

static const c_form forms[] = {
    {"pow", "NAME_power(a, b)", NULL, refuse_power},
    {"l1_loss", "fabsf(a - b)", NULL, refuse_sum_of_losses},
#include "../kernels/elementwise.def"
    /* The operands of rsub, gt and ge are those of sub, lt and le in reverse order. */
    {"rsub", "b - a", NULL, NULL},
    {"gt", "(b < a) ? 1.0f : 0.0f", NULL, NULL},
    {"ge", "(b <= a) ? 1.0f : 0.0f", NULL, NULL},
    {"where", "a != 0 ? b : c", NULL, NULL},
    {"clone", "a", NULL, NULL},
    {"copy", "a", NULL, NULL},
    {"cast", "a", NULL, refuse_cast},
    {"sub_alpha", "a + b * s", NULL, NULL},
    {"hardtanh", "NAME_min(NAME_max(a, s), t)", NULL, NULL},
    {"elu", "(a <= 0 ? (float)NAME_expm1_wide((double)NAME_min(a, 0)) * s : a) * t", NULL, NULL},
    {"softplus", "a * s > t ? a : ((a * s < 0 ? 0 : a * s) + " LOG1P_EXP("a * s") ") / s", NULL,
     NULL},
    {"logsigmoid", "-((a > 0 ? 0 : -a) + " LOG1P_EXP("a") ")", NULL, NULL},
    {"silu", "a * NAME_sigmoid(a)", NULL, NULL},
    {"mish", "a * NAME_tanh((a < 0 ? 0 : a) + " LOG1P_EXP("a") ")", NULL, NULL},
    {"gelu_tanh", "a * ((NAME_tanh((a + a * a * a * 0x1.6e4e26p-5f) * 0x1.988454p-1f) + 1) * 0.5f)",
     NULL, NULL},
    {"normalize_channels", "(a - b) * c + d", NULL, NULL},

    {"linear", NULL, tg__write_linear, NULL},
    {"matmul", NULL, tg__write_matmul, NULL},
    {"conv2d", NULL, tg__write_conv, refuse_pool},
    {"max_pool2d", NULL, tg__write_max_pool, refuse_pool},
    {"avg_pool2d", NULL, tg__write_avg_pool, refuse_pool},
    {"softmax", NULL, tg__write_softmax, NULL},
    {"log_softmax", NULL, tg__write_softmax, NULL},
    {"sum", NULL, tg__write_sum, tg__refuse_sum},
    {"mean", NULL, tg__write_sum, tg__refuse_sum},
    {"layer_norm", NULL, tg__write_layer_norm, NULL},
    {"batch_norm", NULL, NULL, tg__refuse_center},
    {"center", NULL, tg__write_center, tg__refuse_center},
    {"inverse_deviation", NULL, tg__write_center, tg__refuse_center},
    {"cat", NULL, tg__write_cat, NULL},
    {"stack", NULL, tg__write_cat, NULL},
};

#undef T
#undef WRAP
#undef ABS
#undef SQRT
#undef EXP
#undef LOG
#undef SIGMOID
#undef TANH
#undef ERF
#undef FMA
#undef WHOLE
#undef OWN
#undef CLAMP
#undef TYPED
#undef TEXT
#undef TEXT_unary
#undef TEXT_map1
#undef TEXT_map2
#undef TEXT_map3
#undef TEXT_binary
#undef TEXT_compare
#undef LOG1P_EXP
#undef ELEMENTWISE

/* Whether the functions that a text calls can be written. */
static bool has_helpers(const char *s)
{
    while ((s = strstr(s, "NAME_")) != NULL) {
        int number;
        s += strlen("NAME_");
        const size_t length = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_");
        if (!tg__helper(s, length, &number)) return false;
    }
    return true;
}

const c_form *tg__c_form(const char *op)
{
    static const char *const variants[] = {"", "_", "_scalar", "_scalar_"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        const size_t n = strlen(forms[i].name);
        if (strncmp(op, forms[i].name, n)) continue;
        for (size_t v = 0; v < sizeof variants / sizeof *variants; v++)
            if (!strcmp(op + n, variants[v]) && (!forms[i].text || has_helpers(forms[i].text)))
                return &forms[i];
    }
    return NULL;
}
