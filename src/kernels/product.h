/* How the kernels cut matrix products, which decides the memory that they work in. */
#ifndef TG_PRODUCT_H
#define TG_PRODUCT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Up to MATMUL_WHOLE terms are added one after the other; more of them in blocks, whose sums are
 * added up to MATMUL_SUMMED terms, and then with compensation. */
enum {
    MATMUL_WHOLE = 1024,
    MATMUL_BLOCK = 128,
    MATMUL_SUMMED = 2048,
    MATMUL_PANEL = 1536,  /* bytes in a row of b that is packed, of which there is a block */
    MATMUL_SUMS = 1 << 20 /* elements of c that are worked on together where there are blocks */
};

/* The rows that a tile has at any level. */
enum { MATMUL_FEWEST_ROWS = 4, MATMUL_MOST_ROWS = 8 };

/* Whether a product is a few dots that are long enough for lanes, in any layout. */
static inline bool tg__matmul_is_dots(int64_t m, int64_t n, int64_t k)
{
    enum { FEW = 8, LONG = 16 };
    return k >= LONG && ((m == 1 && n <= FEW) || (n == 1 && m <= FEW));
}

/* Whether a product takes b as it lies, for tiles of so many rows; else it packs b. */
static inline bool tg__matmul_in_place(size_t size, int tile_rows, int64_t m, int64_t n, int64_t k,
                                       int64_t b1)
{
    enum { SMALL = 65536 };
    return k == 0 || (b1 == 1 && (m <= 2 * tile_rows ||
                                  (n <= SMALL && k <= SMALL && n * k <= SMALL / (int64_t)size)));
}

#endif
