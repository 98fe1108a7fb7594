/* How the kernels cut matrix products into parts. The callers need to know, because the parts
 * decide how much scratch memory a kernel works in. */
#ifndef TG_PRODUCT_H
#define TG_PRODUCT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An element of a product is a sum of k terms. Up to MATMUL_WHOLE terms are added one after the
 * other. More terms are cut into blocks of MATMUL_BLOCK, whose sums are added; after every
 * MATMUL_SUMMED terms the rounding error is compensated. matmul.inc says more. */
enum {
    MATMUL_WHOLE = 1024,
    MATMUL_BLOCK = 128,
    MATMUL_SUMMED = 2048,
    MATMUL_ROWS = 2 * MATMUL_BLOCK, /* in a packed block of b; or half as many, twice as long */
    MATMUL_ROW_BYTES = 1536,        /* in a row of a packed block of b */
    MATMUL_SUMS = 1 << 20           /* elements of c at a time, where k is cut into blocks */
};

/* The fewest and the most rows that a tile has at any level. */
enum { MATMUL_FEWEST_ROWS = 4, MATMUL_MOST_ROWS = 8 };

/* Whether a product of m rows and n columns, of k terms each, is computed as dot products whatever
 * its strides: it has few elements, and they are sums of many terms. */
static inline bool tg__matmul_is_dots(int64_t m, int64_t n, int64_t k)
{
    enum { FEW = 8, LONG = 16 };
    return k >= LONG && ((m == 1 && n <= FEW) || (n == 1 && m <= FEW));
}

/* Whether tiles of tile_rows rows read b in place, as it lies in memory; else b is packed. An
 * element has `size` bytes, and b1 is the stride between the columns of b. */
static inline bool tg__matmul_in_place(size_t size, int tile_rows, int64_t m, int64_t n, int64_t k,
                                       int64_t b1)
{
    enum { SMALL = 65536 };
    return k == 0 || (b1 == 1 && (m <= 2 * tile_rows ||
                                  (n <= SMALL && k <= SMALL && n * k <= SMALL / (int64_t)size)));
}

#endif
