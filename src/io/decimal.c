/* From decimal text to the nearest double. Few digits make an integer and a power of ten that are
 * both exact, and one product rounds them (Clinger, How to read floating point numbers accurately,
 * 1990). More digits are multiplied by a power of ten of 64 bits, with a known error; if the result
 * may then lie on either side of the point half-way between two doubles, the number is compared
 * with that point in integers of any length. */
#include "decimal.h"

#include <math.h>
#include <stdlib.h>

/* The powers of ten that a double holds exactly. */
enum { TENS = 22, DIGITS = 19 }; /* DIGITS is how many digits a uint64_t always holds */
static const double tens[TENS + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                      1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* The first 64 bits of 10^(20 k) for k from -18, rounded to nearest. */
enum { LEAST_POWER = -18 };
static const uint64_t powers[] = {
    0x89bf722840327f82, 0xbaaee17fa23ebf76, 0xfd00b897478238d1, 0xab70fe17c79ac6ca,
    0xe858ad248f5c22ca, 0x9d71ac8fada6c9b5, 0xd5605fcdcf32e1d7, 0x9096ea6f3848984f,
    0xc3f490aa77bd60fd, 0x84c8d4dfd2c63f3b, 0xb3f4e093db73a093, 0xf3e2f893dec3f126,
    0xa54394fe1eedb8ff, 0xdff9772470297ebd, 0x97c560ba6b0919a6, 0xcdb02555653131b6,
    0x8b61313bbabce2c6, 0xbce5086492111aeb, 0x8000000000000000, 0xad78ebc5ac620000,
    0xeb194f8e1ae525fd, 0x9f4f2726179a2245, 0xd7e77a8f87daf7fc, 0x924d692ca61be758,
    0xc646d63501a1511e, 0x865b86925b9bc5c2, 0xb616a12b7fe617aa, 0xf6c69a72a3989f5c,
    0xa738c6bebb12d16d, 0xe2a0b5dc971f303a, 0x9991a6f3d6bf1766, 0xd01fef10a657842c,
    0x8d07e33455637eb3, 0xbf21e44003acdd2d,
};

/* The digits of a number, from the first one to the exponent. */
typedef struct decimal {
    const char *digits;
    char point;
    int exponent; /* the number that is written behind the "e" */
} decimal;

TG_INLINE bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* ---- The comparison in long integers. */

/* A number with BIG_DIGITS digits, which are as many as can matter, is less than 10^BIG_DIGITS. It
 * is compared with a number of its own size, and each of the two has less than 3000 bits. */
enum { BIG_DIGITS = 800, BIG_LIMBS = 96 };
typedef struct big {
    int n;
    uint32_t limb[BIG_LIMBS]; /* the lowest first */
} big;

/* b = b * factor + add */
static void multiply_big(big *b, uint32_t factor, uint32_t add)
{
    uint64_t carry = add;
    for (int i = 0; i < b->n; i++) {
        carry += (uint64_t)b->limb[i] * factor;
        b->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry) b->limb[b->n++] = (uint32_t)carry;
}

static void scale_big(big *b, uint32_t factor, int times)
{
    while (times-- > 0) multiply_big(b, factor, 0);
}

static void shift_big(big *b, int bits)
{
    const int limbs = bits / 32;
    scale_big(b, 2, bits % 32);
    for (int i = b->n - 1; i >= 0; i--) b->limb[i + limbs] = b->limb[i];
    for (int i = 0; i < limbs; i++) b->limb[i] = 0;
    b->n += limbs;
}

static int compare_big(const big *a, const big *b)
{
    if (a->n != b->n) return a->n < b->n ? -1 : 1;
    for (int i = a->n - 1; i >= 0; i--)
        if (a->limb[i] != b->limb[i]) return a->limb[i] < b->limb[i] ? -1 : 1;
    return 0;
}

/* Makes b and *exponent such that the number is b x 10^*exponent. Where there are more than
 * BIG_DIGITS digits, one digit 1 stands for the others, unless all of them are 0. */
static void read_digits(const decimal *d, big *b, int *exponent)
{
    int n = 0;
    bool fraction = false, more = false;
    *exponent = d->exponent;
    for (const char *p = d->digits; is_digit(*p) || (*p == d->point && !fraction); p++) {
        if (*p == d->point) {
            fraction = true;
        } else if (n < BIG_DIGITS) {
            n += n || *p != '0';
            multiply_big(b, 10, (uint32_t)(*p - '0'));
            *exponent -= fraction;
        } else {
            more |= *p != '0';
            *exponent += !fraction;
        }
    }
    if (!more) return;
    multiply_big(b, 10, 1);
    --*exponent;
}

/* Compares a number with middle x 2^power. */
static int compare_with(const decimal *d, uint64_t middle, int power)
{
    big a = {0}, b = {2, {(uint32_t)middle, (uint32_t)(middle >> 32)}};
    int exponent;
    if (!b.limb[1]) b.n = 1;
    read_digits(d, &a, &exponent);
    scale_big(exponent < 0 ? &b : &a, 5, abs(exponent));
    power -= exponent; /* 10^exponent = 5^exponent x 2^exponent */
    shift_big(power < 0 ? &a : &b, abs(power));
    return compare_big(&a, &b);
}

/* ---- Scaling with a known error. */

static int leading_zeros(uint64_t x)
{
#if defined(__GNUC__)
    return __builtin_clzll(x);
#else
    int n = 0;
    for (; !(x >> 63); x <<= 1) n++;
    return n;
#endif
}

/* The upper 64 bits of a product. */
static uint64_t upper_half(uint64_t a, uint64_t b)
{
    const uint64_t a1 = a >> 32, a0 = (uint32_t)a, b1 = b >> 32, b0 = (uint32_t)b;
    const uint64_t middle = a1 * b0 + (a0 * b0 >> 32), rest = a0 * b1 + (uint32_t)middle;
    return a1 * b1 + (middle >> 32) + (rest >> 32);
}

/* An unsigned number: bits x 2^power, whose first bit is 1. */
typedef struct scaled_decimal {
    uint64_t bits;
    int power;
} scaled_decimal;

static void normalize_decimal(scaled_decimal *x)
{
    const int n = leading_zeros(x->bits);
    x->bits <<= n;
    x->power -= n;
}

/* w x 10^q for q from -343 to 308. The bits are less than 1 too large, and less than 7 too small.
 * To see this, let e be by how much they are too small after each step. A product of 64 bits is cut
 * off, which makes e up to 1 larger, and normalizing it doubles e: after the first one, 0 <= e < 2.
 * The power in the table is wrong by 1/2 at most: after the second one, -1 < e < 7. */
static scaled_decimal scale_decimal(uint64_t w, int q)
{
    const int k = (q - 20 * LEAST_POWER) / 20 + LEAST_POWER;
    scaled_decimal x = {w, 0}, ten = {(uint64_t)tens[q - 20 * k], 0};
    normalize_decimal(&x);
    normalize_decimal(&ten);
    x.bits = upper_half(x.bits, ten.bits);
    x.power += ten.power + 64;
    normalize_decimal(&x);
    x.bits = upper_half(x.bits, powers[k - LEAST_POWER]);
    x.power += (int)floor(20 * k * 3.3219280948873623) + 1; /* log2(10) */
    normalize_decimal(&x);
    return x;
}

/* The nearest double of the number d, which is at least w x 10^q and, if `cut`, less than
 * (w + 1) x 10^q, else equal to it. */
static double nearest_double(const decimal *d, uint64_t w, int q, bool cut)
{
    if (w == 0 || q < -343) return 0;
    if (q > 308) return INFINITY;
    scaled_decimal x = scale_decimal(w, q);
    /* If digits are cut, w has DIGITS of them, so that normalizing makes each unit of w at most 16
     * bits, and the two products can double that twice. */
    const uint64_t doubt = cut ? 72 : 8;
    /* The last bit of a double has the value 2^-1074 or more. */
    int last = x.power < -1074 - 11 ? -1074 - x.power : 11;
    if (last > 64 + 63) return 0;
    if (last > 64) {
        x.bits >>= last - 64;
        x.power += last - 64;
        last = 64;
    }
    const uint64_t half = (uint64_t)1 << (last - 1), rest = x.bits & (half - 1 + half);
    uint64_t bits = last == 64 ? 0 : x.bits >> last;
    if (rest > half + 1) {
        bits++;
    } else if (rest + doubt >= half) {
        const int sign = compare_with(d, 2 * bits + 1, x.power + last - 1);
        bits += sign > 0 || (sign == 0 && bits % 2);
    }
    return ldexp((double)bits, x.power + last);
}

/* ---- Reading. */

/* Appends digits to *w, which may overflow. */
TG_INLINE const char *append_digits(const char *p, uint64_t *w)
{
    uint64_t digits = *w;
    for (; is_digit(*p); p++) digits = 10 * digits + (uint64_t)(*p - '0');
    *w = digits;
    return p;
}

/* Reads more than DIGITS digits. Leading zeros do not count. */
static double read_long_decimal(const decimal *d)
{
    uint64_t w = 0;
    int q = d->exponent, n = 0;
    bool fraction = false, cut = false;
    for (const char *p = d->digits; is_digit(*p) || (*p == d->point && !fraction); p++) {
        if (*p == d->point) {
            fraction = true;
        } else if (n < DIGITS) {
            w = 10 * w + (uint64_t)(*p - '0');
            n += w > 0;
            q -= fraction;
        } else {
            cut = true;
            q += !fraction;
        }
    }
    return nearest_double(d, w, q, cut);
}

/* Reads the exponent behind an "e", if digits are there, and returns where it ends. */
static const char *read_exponent(const char *e, int *exponent)
{
    enum { HUGE_EXPONENT = 100000000 };
    const char *p = e + 1;
    const bool negative = *p == '-';
    p += negative || *p == '+';
    if (!is_digit(*p)) return e;
    for (; is_digit(*p); p++)
        if (*exponent < HUGE_EXPONENT) *exponent = 10 * *exponent + (*p - '0');
    if (negative) *exponent = -*exponent;
    return p;
}

const char *tg__read_decimal(const char *text, char point, double *value)
{
    const char *p = text;
    const bool negative = *p == '-';
    p += negative || *p == '+';
    decimal d = {p, point, 0};
    uint64_t w = 0;
    p = append_digits(p, &w);
    int64_t n = p - d.digits, fraction = 0;
    if (*p == point) {
        const char *first = ++p;
        p = append_digits(p, &w);
        fraction = p - first;
    }
    n += fraction;
    if (n == 0) return NULL;
    if ((*p | 32) == 'e') p = read_exponent(p, &d.exponent);
    const int64_t q = d.exponent - fraction;
    double x;
    if (n > DIGITS)
        x = read_long_decimal(&d);
    else if (w >> 53 || q < -TENS || q > TENS)
        x = nearest_double(&d, w, (int)q, false);
    else
        x = q < 0 ? (double)w / tens[-q] : (double)w * tens[q];
    *value = negative ? -x : x;
    return p;
}
