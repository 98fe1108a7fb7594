/* The parts of the CSV reader. A file is read in blocks to a buffer, which always has a 0 behind
 * its data. A row is a record: it may have several lines, because of line ends in quotes.
 *
 *     buffer            at                           end            room
 *     +-----------------+----------------------------+--+-----------+
 *     | rows that were  | whole rows, and the        | 0|           |  and as much again, for
 *     | read            | beginning of another one   |  |           |  the text of a cell
 *     +-----------------+----------------------------+--+-----------+
 *
 * When the cursor meets this 0 before the end of the file, the row is not whole: what has been read
 * of it is thrown away, more data is read, and the row begins again. */
#ifndef TG_CSV_H
#define TG_CSV_H

#include "../context/memory.h"
#include "decimal.h"

enum {
    CSV_BLOCK = 1 << 17,   /* the least room of a buffer */
    CSV_LONGEST = 1 << 20, /* the most bytes of a row */
    CSV_SHOWN = 40         /* the most bytes of a cell in a message */
};

/* What can be wrong with a file. The kinds of cells come first; the last two are not wrong. */
typedef enum csv_trouble_kind {
    CSV_NO_NUMBER,   /* text where a number was expected */
    CSV_NOT_FINITE,  /* infinite, or too large */
    CSV_GROUPED,     /* a number with separators of thousands */
    CSV_OTHER_POINT, /* a number with a comma where the file has decimal points, or the reverse */
    CSV_MISSING,
    CSV_CELL_COUNT, /* a row has too few or too many cells */
    CSV_LEVELS,     /* a column has too many different texts */
    CSV_OPEN_QUOTE,
    CSV_AFTER_QUOTE, /* text follows the closing quote */
    CSV_TOO_LONG,
    CSV_ZERO_BYTE,
    CSV_UNREADABLE, /* the system says why */
    CSV_MEMORY,
    CSV_NUMBER, /* a cell with a number */
    CSV_FINE
} csv_trouble_kind;

/* A cell as it lies in the buffer, without the quotes around it. */
typedef struct csv_cell {
    const char *text;
    size_t n;
    bool quoted, doubled; /* doubled: it has doubled quotes */
} csv_cell;

typedef struct csv_trouble {
    csv_trouble_kind kind;
    int64_t line, column;
    csv_cell cell;
    int64_t cells; /* of the row, for CSV_CELL_COUNT */
    int error;     /* errno, for CSV_UNREADABLE */
} csv_trouble;

/* The different texts of a column. */
typedef struct csv_levels {
    int64_t column, place; /* in the file, and among the chosen columns */
    int64_t n, room, last; /* last: the level of the row before */
    const char **names;
    int32_t *order; /* the levels, sorted by name */
    csv_cell cell;  /* of the row that is being read */
} csv_levels;

typedef struct csv_reader {
    tg_csv pub;
    tg_csv_options o;
    const char *op; /* the function that the program called, for messages */
    FILE *file;
    char *buffer;
    size_t room, at, end;
    bool ended;               /* the file ends at `end` */
    bool zero;                /* the file has a zero byte at `end` */
    bool spaced;              /* the separator is a space: any number of spaces and tabs */
    int64_t lines;            /* how many lines lie before `at` */
    int64_t header_line;      /* the line of the names */
    int64_t needed_cells;     /* how many cells a row has at least */
    unsigned char kinds[256]; /* of bytes, see csv_cells.c */
    void *table;              /* the memory for names, sorted, is_text and slots */
    size_t table_bytes;
    const char **names, ***sorted; /* sorted: pointers to the elements of names, by name */
    bool *is_text;
    int32_t *slots; /* for each column, -1 or twice its place among the chosen ones; or 1 more than
                       twice its place among `levels`, if it is read as text */
    int32_t n_chosen, n_levels;
    csv_levels *levels;
    csv_trouble trouble;
    char path[256]; /* its end, for messages */
} csv_reader;

/* ---- Cells, in csv_cells.c. */

typedef enum csv_step {
    CSV_MORE, /* a cell was read, and the row goes on */
    CSV_LAST, /* the last cell of the row was read */
    CSV_CUT,  /* more of the file must be read first */
    CSV_WRONG /* r->trouble says what is wrong */
} csv_step;

void tg__csv_separate(csv_reader *r, char separator);
/* Reads the cell at *at, moves *at behind it and its separator or line end, and adds the line ends
 * that it contains to *lines. */
csv_step tg__csv_cell(csv_reader *r, const char **at, csv_cell *cell, int64_t *lines);
/* The text of a cell, behind the data of the buffer. It stays until the next call. */
const char *tg__csv_text(csv_reader *r, const csv_cell *cell);
/* Reads more of the file behind r->end, and moves what lies there from r->at to the beginning of
 * the buffer. False: r->trouble. */
bool tg__csv_refill(csv_reader *r);
/* Reads the next row that is not blank to `row`, unless it is left out because a value is missing.
 * CSV_LAST: a row or the end of the file has been read; *read tells how many rows. */
csv_step tg__csv_row(csv_reader *r, double *row, int64_t *read);

/* ---- What cells mean, in csv_guess.c. */

/* What a cell is, with this decimal point. *value is set for CSV_NUMBER. */
csv_trouble_kind tg__csv_classify(const char *text, char point, double *value);
/* If text is a number with separators of thousands, writes it without them to plain, which has room
 * for CSV_SHOWN bytes, and with the decimal point `point`. Returns the decimal point that it has in
 * the text, ' ' if it has none, or 0 if it is no such number. */
char tg__csv_ungroup(const char *text, char point, char *plain);
/* Reads the beginning of the file: chooses separator and decimal point, unless they are given, and
 * reads the names. False: an error is recorded. */
bool tg__csv_begin(csv_reader *r);
/* The column with that name; -1 if there is none, -2 if there are two. */
int64_t tg__csv_find(csv_reader *r, const char *name);

/* Records r->trouble as the error. Returns false. */
bool tg__csv_fail(csv_reader *r);
/* Records an error in a line, or in the whole file if line is 0. Returns false. */
bool tg__csv_refuse(csv_reader *r, int64_t line, const char *message);

#endif
