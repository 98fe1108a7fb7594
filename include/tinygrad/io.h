/* Printing, and reading of CSV files. */
#ifndef TINYGRAD_IO_H
#define TINYGRAD_IO_H

#include <stdio.h>

#include "options.h"
#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Printing, as PyTorch prints: 4 decimals, aligned columns, scientific form where the range
 * asks for it, a summary with "..." above 1000 elements, dtype where it is not the default
 * (tg_set_default_dtype), grad_fn or requires_grad. The decimal point is "." in every locale. */

/* Writes t, and a newline, to file. Works while an error is pending, and needs no memory. NULL for
 * file is TG_ERR_ARGUMENT. A failed write is TG_ERR_IO; what the stream still buffers is seen to
 * fail by fflush or fclose. */
TG_API bool tg_print(FILE *file, const tg_tensor *t);

/* Writes t, without a newline, to at most size bytes of buffer, the closing 0 included. Returns the
 * length of the whole text, as snprintf does, so that buffer NULL and size 0 measures. On failure
 * it returns 0, with "" in the buffer. Works while an error is pending, and needs no memory. */
TG_API size_t tg_snprint(char *buffer, size_t size, const tg_tensor *t);

/* ---- Files of comma-separated values: text in UTF-8 (or another code that contains ASCII) whose
 * first line has the names of the columns.
 *
 * A line ends with LF, CRLF or CR and has at most 1 MiB. A cell may stand in quotes, and may then
 * contain separators, line ends and doubled quotes; spaces around a cell do not count. Lines that
 * are blank or have only separators are left out. So are a byte order mark and, before the names,
 * a line such as "sep=;", which names the separator. Empty cells may follow the last column. If
 * each row has one cell more than there are names, the first column has no name, as in what R
 * writes, unless it might be the first half of a number with a decimal comma; what pandas writes
 * has the name "".
 *
 * A number is decimal, as in -12.5e-3, and becomes the nearest double in any locale. A cell is
 * missing if it is empty or is NA, NaN, nan, null, NULL, a point or a dash. A number with
 * separators of thousands is an error.
 *
 * Messages show the file and the line, as in "csv_read: data.csv:3: column 'y': 'three' is not a
 * number". A file that cannot be read, or has such an error, is TG_ERR_IO. */

/* What is done about a missing value. */
typedef enum tg_missing {
    TG_MISSING_ERROR = 0, /* it is an error */
    TG_MISSING_DROP,      /* its row is left out, if its column is read */
    TG_MISSING_NAN        /* it becomes NaN */
} tg_missing;

/* The options of tg_read_csv and tg_csv_open. */
typedef struct tg_csv_options {
    char separator;      /* 0: guessed from the first lines; ',', ';', '\t', ' ' or another. The
                            separator ' ' means one or more spaces or tabs */
    char decimal;        /* 0: guessed from the first lines; the decimal point, '.' or ',' */
    tg_missing missing;  /* TG_MISSING_ERROR: what is done about missing values */
    int64_t max_levels;  /* 0: 1000; how many different texts a column of text may have */
    const char *columns; /* NULL: all of them; the names of the columns that tg_read_csv reads, with
                            commas between them, quoted as in a file. tg_csv_open ignores it */
    FILE *file;          /* NULL; a stream to read, which stays open. The path is then only a name
                            in messages */
} tg_csv_options;

/* Internal: the defaults with which TG_CSV begins in C; see options.h. */
#define TG_CSV_DEFAULTS .separator = 0, .file = NULL
/* A pointer to options of a CSV file, of which these are changed: TG_CSV(.separator = ';'). */
#define TG_CSV(...)                                                                                \
    TG_BEGIN_OPTIONS(tg_csv_options, tg_csv_defaults(), TG_CSV_DEFAULTS, __VA_ARGS__)
/* The default options, which stand beside the members. */
TG_API tg_csv_options tg_csv_defaults(void);

/* Reads a file of numbers, and makes a float64 tensor (rows, columns) of all its columns or of
 * those that options->columns names, in their order there. The path "-" is standard input. A file
 * without rows is an error, and so is a column of text, which tg_csv_read can read. */
TG_API tg_tensor *tg_read_csv(tg_context *tg, const char *path, const tg_csv_options *options);

/* An open CSV file, for a file that has text or is larger than memory. Only the library writes to
 * the members. */
typedef struct tg_csv {
    tg_context *context;      /* in which errors are recorded */
    const char *path;         /* as messages show it: its end, or "standard input" */
    int64_t n_columns;        /* how many columns there are */
    const char *const *names; /* their names; "" for a column without one */
    const bool *is_text;      /* whether the first value of a column, among the first rows, is text;
                                 false if all are missing there */
    char separator, decimal;  /* as they were guessed or given */
    bool is_missing;          /* whether the last call failed because a value is missing */
    int64_t line;             /* the line in which the last row that was read ends, from 1 */
    int64_t rows;             /* how many rows were read */
    int64_t dropped;          /* how many were left out because a value is missing */
} tg_csv;

/* Opens a file and reads the names of its columns. The path "-" is standard input. The file must be
 * closed by tg_csv_close before the context is. A file that is empty, UTF-16 or compressed is an
 * error that says so, and so is one whose first line has only numbers. */
TG_API tg_csv *tg_csv_open(tg_context *tg, const char *path, const tg_csv_options *options);

/* Returns the column with that name, also while an error is pending. If there is none, or if there
 * are two, returns -1 with the error, TG_ERR_ARGUMENT. */
TG_API int64_t tg_csv_find(tg_csv *csv, const char *name);

/* How tg_csv_read reads a column. */
typedef enum tg_csv_kind {
    TG_CSV_NUMBER = 0, /* as numbers */
    TG_CSV_TEXT        /* as text: the number that is read is its place in tg_csv_levels */
} tg_csv_kind;

/* Makes the column the next one of those that tg_csv_read reads. It must not be chosen already, and
 * no row may have been read. */
TG_API bool tg_csv_choose(tg_csv *csv, int64_t column, tg_csv_kind kind);

/* Reads the next rows, at most that many, and writes the chosen cells of each to `out`, row after
 * row. Returns how many rows it has read: fewer than asked for before the end of the file or before
 * a row that is wrong, and 0 at the end and on failure, which tg_ok tells apart. A call that fails
 * has read nothing, and the next one fails in the same way. The other columns may contain anything.
 * Memory is that of a few lines and of the levels, however long the file is. While an error is
 * pending, nothing is read.
 *
 *     tg_csv *csv = tg_csv_open(tg, "data.csv", NULL);
 *     tg_csv_choose(csv, tg_csv_find(csv, "x"), TG_CSV_NUMBER);
 *     tg_csv_choose(csv, tg_csv_find(csv, "y"), TG_CSV_NUMBER);
 *     double block[1000 * 2];
 *     for (int64_t n; (n = tg_csv_read(csv, 1000, block)) > 0;)
 *         ... n rows of two numbers ...
 *     tg_csv_close(csv);
 */
TG_API int64_t tg_csv_read(tg_csv *csv, int64_t rows, double *out);

/* The different texts of a column that was chosen as text, in the order in which they were first
 * read: tg_csv_read gives their numbers in this list. Sets *n to how many there are so far. The
 * list is valid until the next call of tg_csv_read. NULL, with *n = 0, for another column. */
TG_API const char *const *tg_csv_levels(const tg_csv *csv, int64_t column, int64_t *n);

/* Closes the file and frees the struct. NULL is ignored. Works while an error is pending. */
TG_API void tg_csv_close(tg_csv *csv);

#ifdef __cplusplus
}
#endif

#endif
