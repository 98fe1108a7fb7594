/* Rows (rows.h) that memory need not hold: they are read block by block from files, or from a
 * function of the program. They are used like those of tg_rows_new, and results have the bits that
 * the same rows in tensors give. Each call reads all rows once.
 *
 * Files are read by the threads that compute the blocks, while the system reads ahead; memory is
 * that of a block for each thread. A function of the program is called by a thread of the library
 * for the next blocks while others are computed, also if the context has one thread. Its blocks
 * take some 3 MB, or three times as much as the blocks that are computed at a time, if that is
 * more. Where there are no threads, the function is called when a block is needed. */
#ifndef TINYGRAD_ROW_SOURCES_H
#define TINYGRAD_ROW_SOURCES_H

#include "files.h"
#include "rows.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What each row has of one of the tensors: TG_SHAPE() is a number, TG_SHAPE(28, 28) an image. */
typedef struct tg_row_type {
    tg_dtype dtype; /* of the tensor */
    tg_shape shape; /* of a row */
} tg_row_type;

/* Rows that a function of the program reads or makes. */
typedef struct tg_row_source {
    int64_t rows;             /* how many there are, at least 1 */
    int n;                    /* of how many tensors a block consists */
    const tg_row_type *types; /* of each of them */
    /* Writes rows first to first + n - 1 of each tensor to `out`, row-major, and returns NULL, or a
     * text that says why it cannot, such as "the connection is closed". It is called for one block
     * at a time, in the order of the blocks, but from other threads than the caller's, which have
     * 256 KB of stack. It must not use the context of the rows. The text must last until the call
     * of the library that needs the rows has returned. */
    const char *(*read)(void *user, int64_t first, int64_t n, void *const *out);
    void *user; /* the first argument of read */
} tg_row_source;

/* Makes rows of a source, in the current scope, with the options of tg_rows_new. The source is
 * copied, with its types, but not what `user` points to. If `read` returns a text, the error of the
 * call is TG_ERR_IO: "backward_rows: rows 2048 to 3071: the connection is closed".
 *
 *     static const char *read(void *user, int64_t first, int64_t n, void *const *out)
 *     {
 *         float *x = out[0], *y = out[1];
 *         for (int64_t i = 0; i < n; i++) ... row first + i: x[2 * i], x[2 * i + 1], y[i] ...
 *         return NULL;
 *     }
 *     ...
 *     const tg_row_type types[] = {{TG_F32, TG_SHAPE(2)}, {TG_F32, TG_SHAPE(1)}};
 *     const tg_row_source source = {100000000, 2, types, read, NULL};
 *     tg_rows *rows = tg_rows_from_source(tg, &source, TG_ROWS(.module = net));
 */
TG_API tg_rows *tg_rows_from_source(tg_context *tg, const tg_row_source *source,
                                    const tg_rows_options *options);

/* Makes rows of .npy files, one for each tensor of a block, which must have the same number of
 * rows. The files stay open until the end of the scope. Elements of other types than the dtypes are
 * converted as TG_LOAD(.convert = true) does it, and either byte order is read. An array of two or
 * more dimensions in Fortran order, whose rows do not lie together, is TG_ERR_IO. A file that
 * becomes shorter while it is read is an error of the call that reads it. */
TG_API tg_rows *tg_rows_from_npy(tg_context *tg, int n, const char *const *paths,
                                 const tg_rows_options *options);

/* A file that has nothing but rows of numbers, with the least significant byte first. */
typedef struct tg_raw_rows {
    const char *path; /* of the file */
    tg_stored type;   /* of the elements, which are converted as those of a .npy file are */
    tg_shape shape;   /* of a row */
    uint64_t offset;  /* 0; how many bytes precede the first row */
} tg_raw_rows;

/* Makes rows of such files, one for each tensor of a block. Bytes that do not make a whole row at
 * the end of a file are TG_ERR_IO. */
TG_API tg_rows *tg_rows_from_raw(tg_context *tg, int n, const tg_raw_rows *files,
                                 const tg_rows_options *options);

#ifdef __cplusplus
}
#endif

#endif
