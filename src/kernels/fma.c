/* a * b + c with a single rounding, for targets that lack the instruction and whose libm may round
 * twice. float32 uses +, - and * of doubles, float64 uses integers. Both assume that the CPU rounds
 * to nearest, ties to even. */
#include "kernels.h"

#include <math.h>
#include <string.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

static uint64_t bits_of_double(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static double double_of_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The product of two floats is exact in double. The sum in double is rounded to odd: where it is
 * inexact and its last bit is 0, it becomes its neighbour on the side of the rounding error. A sum
 * that lies beside the middle between two floats is then never rounded to that middle. For this
 * reason rounding to double and then to float gives what one rounding gives (Boldo and Melquiond,
 * 2008), since double has at least two bits more than twice those of float. */
float tg__fused_f32(float a, float b, float c)
{
    const double product = (double)a * (double)b, sum = product + (double)c;
    const double addend = (double)c, lost = TG_ROUNDING_ERROR(product, addend, sum);
    uint64_t bits = bits_of_double(sum);
    if ((lost > 0 || lost < 0) && !(bits & 1)) bits += (lost > 0) == (sum > 0) ? 1 : UINT64_MAX;
    return (float)double_of_bits(bits);
}

/* An unsigned number of 128 bits. Its last bit is sticky: it is 1 if a 1 was ever shifted out. */
typedef struct wide {
    uint64_t high, low;
} wide;

static wide shift_left(wide w, int n)
{
    if (n >= 64) return (wide){w.low << (n - 64), 0};
    return n ? (wide){w.high << n | w.low >> (64 - n), w.low << n} : w;
}

static wide shift_right(wide w, int n)
{
    if (n == 0) return w;
    if (n >= 128) return (wide){0, (w.high | w.low) != 0};
    if (n >= 64) {
        const uint64_t out = w.low | (n > 64 ? w.high << (128 - n) : 0);
        return (wide){0, w.high >> (n - 64) | (out != 0)};
    }
    return (wide){w.high >> n,
                  w.high << (64 - n) | w.low >> n | (uint64_t)(w.low << (64 - n) != 0)};
}

static wide add_wide(wide a, wide b)
{
    const uint64_t low = a.low + b.low;
    return (wide){a.high + b.high + (low < a.low), low};
}

static wide subtract_wide(wide a, wide b)
{
    return (wide){a.high - b.high - (a.low < b.low), a.low - b.low};
}

static bool is_less(wide a, wide b)
{
    return a.high < b.high || (a.high == b.high && a.low < b.low);
}

static wide multiply(uint64_t a, uint64_t b)
{
    const uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    const uint64_t middle = a1 * b0 + (a0 * b0 >> 32), other = a0 * b1 + (uint32_t)middle;
    return (wide){a1 * b1 + (middle >> 32) + (other >> 32), other << 32 | (uint32_t)(a0 * b0)};
}

/* |x| = m 2^e, with an m of exactly 53 bits, for an x that is finite and not 0. */
typedef struct scaled {
    uint64_t m;
    int e;
} scaled;

static scaled take_apart(double x)
{
    const uint64_t bits = bits_of_double(x), m = bits & 0xfffffffffffff;
    const int e = (int)(bits >> 52 & 0x7ff);
    if (e > 0) return (scaled){m | 1ull << 52, e - 1075};
    scaled s = {m, -1074}; /* subnormal */
    for (; !(s.m >> 52); s.e--) s.m <<= 1;
    return s;
}

/* +-w 2^e, rounded to double, for a w whose highest bit is set. */
static double put_together(wide w, int e, bool negative)
{
    const uint64_t sign = (uint64_t)negative << 63, m = w.high | (w.low != 0);
    int exponent = e + 127 + 1023, drop = 11; /* the bits of m that rounding drops */
    if (exponent < 1) {
        drop += 1 - exponent;
        exponent = 1;
    }
    if (drop > 64) return double_of_bits(sign);
    const uint64_t kept = drop < 64 ? m >> drop : 0, rest = m << (64 - drop), half = 1ull << 63;
    const uint64_t rounded = kept + (rest > half || (rest == half && kept & 1));
    const uint64_t bits = ((uint64_t)(exponent - 1) << 52) + rounded, infinite = 0x7ffull << 52;
    return double_of_bits(sign | (exponent > 2046 || bits > infinite ? infinite : bits));
}

/* p is the product, of 106 bits, with two zero bits after them; q is c, shifted to the exponent of
 * p. If bits are shifted out of p or q, the other one is far greater and ends in zeros, so that the
 * last bit of the sum still tells on which side of a tie the exact sum lies. */
double tg__fused_f64(double a, double b, double c)
{
    if (!isfinite(a) || !isfinite(b) || a == 0 || b == 0) return a * b + c;
    if (c == 0) return a * b;
    if (!isfinite(c)) return c;
    const scaled x = take_apart(a), y = take_apart(b), z = take_apart(c);
    wide p = shift_left(multiply(x.m, y.m), 2), q = {0, z.m};
    bool negative = signbit(a) != signbit(b);
    const bool differ = negative != (signbit(c) != 0);
    enum {
        ROOM = 73
    }; /* c, of 53 bits, may be shifted so far and leave the two highest bits free */
    const int e = x.e + y.e - 2, ahead = z.e - e, up = ahead < ROOM ? ahead : ROOM;
    q = ahead > 0 ? shift_left(q, up) : shift_right(q, -ahead);
    if (ahead > up) p = shift_right(p, ahead - up);
    if (differ && is_less(p, q)) {
        const wide swapped = p;
        p = q;
        q = swapped;
        negative = !negative;
    }
    wide sum = differ ? subtract_wide(p, q) : add_wide(p, q);
    if (!(sum.high | sum.low)) return 0;
    int shifted = ahead > up ? ahead - up : 0;
    for (int n = 64; n > 0; n /= 2) {
        if (sum.high >> (64 - n)) continue;
        sum = shift_left(sum, n);
        shifted -= n;
    }
    return put_together(sum, e + shifted, negative);
}
