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
    /* The most rows of a packed block of b, and the bytes in each; or half as many rows have twice
     * the length. */
    MATMUL_ROWS = 2 * MATMUL_BLOCK,
    MATMUL_ROW_BYTES = 1536,
    MATMUL_SUMS = 1 << 20 /* elements of c at a time, where k is cut into blocks */
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

/* Whether tiles of tile_rows rows read the whole b in place, as it lies in memory: the second-level
 * cache holds it. Else it is taken in blocks, which are packed. An element has `size` bytes, and b1
 * is the stride between the columns of b. Where tiles have the fewest rows, a row of b in a tile
 * ends in the middle of a cache line. The other half of the line is fetched, too, so that the cache
 * holds only a b of half the size. */
static inline bool tg__matmul_in_place(size_t size, int tile_rows, int64_t m, int64_t n, int64_t k,
                                       int64_t b1)
{
    enum { HALF = 1 << 19 };
    const int64_t small = tile_rows == MATMUL_FEWEST_ROWS ? HALF : 2 * HALF;
    return k == 0 || (b1 == 1 && (m <= 2 * tile_rows ||
                                  (n <= small && k <= small && n * k <= small / (int64_t)size)));
}

/* ---- Products of patches: see patch_product in kernels.h. */

/* PATCH_TILE is a multiple of the columns of every tile. A packed block has at most PATCH_BLOCK
 * bytes, or PATCH_TILE columns if these take more. Dot products have at most PATCH_DOTS terms. */
enum { PATCH_BLOCK = 3 << 17, PATCH_TILE = 48, PATCH_DOTS = 1 << 18 };

/* PLANE_MOST is the most positions of a plane that plane_product takes for PLANE_DOTS. The kernel
 * reads and masks the positions of a plane up to a multiple of PLANE_STEP. */
enum { PLANE_MOST = 1 << 13, PLANE_STEP = 64 };

/* How many of the k terms of an element are packed together: the rows of a packed block. */
static inline int64_t tg__patch_rows(int64_t k, int64_t length)
{
    return length ? length : k > MATMUL_WHOLE ? MATMUL_BLOCK : k < MATMUL_ROWS ? k : MATMUL_ROWS;
}

/* The columns of a packed block of so many rows. They are a multiple of the columns of every tile.
 */
static inline int64_t tg__patch_columns(size_t size, int64_t rows)
{
    const int64_t tiles = PATCH_BLOCK / (int64_t)size / rows / PATCH_TILE;
    return (tiles > 0 ? tiles : 1) * PATCH_TILE;
}

/* The elements of scratch memory for a product of patches, at any level. It is enough for fewer
 * columns and, if the length is k, for a smaller length, too. */
static inline int64_t tg__patch_scratch(size_t size, int64_t m, int64_t n, int64_t k,
                                        int64_t length)
{
    const int64_t rows = tg__patch_rows(k, length), line = 64 / (int64_t)size;
    const int64_t tile = rows * PATCH_TILE, most = PATCH_BLOCK / (int64_t)size;
    const int64_t wide = most > tile ? most : tile;
    const int64_t width = n < tg__patch_columns(size, rows) ? n : tg__patch_columns(size, rows);
    const int64_t sums = k <= MATMUL_SUMMED || length ? 0 : m * width;
    const int64_t blocks =
        MATMUL_MOST_ROWS * (rows + line) + line + sums + (rows * n < wide ? rows * n : wide);
    const int64_t plain = k + (m > n ? m : n);
    const int64_t narrow = m <= 2 * line ? m * k : 0; /* the other matrix, if it is packed whole */
    const int64_t most_used = blocks > plain ? blocks : plain;
    return narrow > most_used ? narrow : most_used;
}

#endif
