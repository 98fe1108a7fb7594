/* The reduction of angles that are so large that many bits of pi matter. */
#include "level.h"

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

/* The bits of 2/pi. The first word has those before the point, which are zeros. */
static const uint64_t two_over_pi[] = {
    0x0000000000000000, 0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041,
    0xfe5163abdebbc561, 0xb7246e3a424dd2e0, 0x06492eea09d1921c, 0xfe1deb1cb129a73e,
    0xe88235f52ebb4484, 0xe99c7026b45f7e41, 0x3991d639835339f4, 0x9c845f8bbdf9283b,
    0x1ff897ffde05980f, 0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d,
    0x7527bac7ebe5f17b, 0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08, 0x56033046fc7b6bab};

/* a b + *carry. Returns the low word and sets *carry to the high one. */
static uint64_t multiply_word(uint64_t a, uint64_t b, uint64_t *carry)
{
    const uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    const uint64_t middle = a1 * b0 + (a0 * b0 >> 32), other = a0 * b1 + (uint32_t)middle;
    const uint64_t low = other << 32 | (uint32_t)(a0 * b0), sum = low + *carry;
    *carry = a1 * b1 + (middle >> 32) + (other >> 32) + (sum < low);
    return sum;
}

/* |x| is m 2^e with an integer m of 53 bits. The number of quarter turns in x, 2/pi times x, is
 * needed modulo 4, and only some bits of 2/pi have an influence on that (Payne and Hanek): a bit
 * before number `at` has a weight of 4 or more in 2/pi times 2^e. Of the bits that are left, 192
 * are enough: those behind them change the number of quarter turns by less than 2^-137, and no
 * such number of a double lies closer to an integer than 2^-62. */
double tg__reduce_far_angle(double x, double *low, uint64_t *n)
{
    uint64_t bits, word[3], carry = 0;
    memcpy(&bits, &x, sizeof bits);
    const uint64_t m = (bits & 0xfffffffffffff) | 0x10000000000000;
    const unsigned at = (unsigned)(bits >> 52 & 0x7ff) - 1075 + 62, shift = at % 64;
    for (int i = 2; i >= 0; i--) {
        const uint64_t *w = two_over_pi + at / 64 + i;
        word[i] = multiply_word(m, shift ? w[0] << shift | w[1] >> (64 - shift) : w[0], &carry);
    }
    /* The last bit of the first word stands for 2^-62. The nearest integer is subtracted, and the
     * rest is made positive. */
    *n = (word[0] + (UINT64_C(1) << 61)) >> 62;
    word[0] -= *n << 62;
    const uint64_t negative = 0 - (word[0] >> 63);
    for (int i = 0; i < 3; i++) word[i] ^= negative; /* up to 1 in the last of 192 bits */
    int exponent = -62;
    for (; !(word[0] >> 63); exponent--) {
        word[0] = word[0] << 1 | word[1] >> 63;
        word[1] = word[1] << 1 | word[2] >> 63;
        word[2] <<= 1;
    }
    const double half_pi = 0x1.921fb54442d18p0, half_pi_low = 0x1.1a62633145c07p-54;
    const double sign = (bits >> 63) == (negative & 1) ? 1 : -1, unit = ldexp(sign, exponent + 11);
    const double high = unit * (double)(word[0] >> 11);
    const double rest = unit * 0x1p-53 * (double)(word[0] << 53 >> 11 | word[1] >> 22);
    const double r = high * half_pi;
    const double error = TG_FMA64(high, half_pi, -r) + (high * half_pi_low + rest * half_pi);
    if (bits >> 63) *n = 0 - *n;
    const double sum = r + error;
    *low = error - (sum - r);
    return sum;
}
