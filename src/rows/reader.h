/* Reading blocks of rows from a source, ahead of the threads that compute them.
 *
 * A thread reads the blocks in their order into a ring of three parts. A part holds consecutive
 * blocks, as many as are computed at a time and as 1 MB holds, so that threads seldom wait for one
 * another:
 *
 *     | blocks 12, 13, 14, 15 | blocks 16, 17 ... being read | blocks 8 to 11 being computed |
 *
 * A part is overwritten when all of its blocks are done. Threads must take blocks in their order.
 * All blocks below the one that a thread waits for are then read and being computed, and once they
 * are done there is room for it. */
#ifndef TG_READER_H
#define TG_READER_H

#include "../context/posix_threads.h"
#include "../tensor/tensor.h"

enum { READER_PARTS = 3, READER_PART_BYTES = 1 << 20 };

typedef struct reader {
    tg_context *tg; /* of the caller, for memory */
    int64_t depth;  /* of the scope in which the reader was made */
    tg_row_source source;
    size_t *row_bytes; /* of each tensor */
    void **to;         /* where each tensor of the block goes that is being read */
    unsigned char *ring;
    size_t ring_bytes;
    /* The call under way. What follows `ahead` is changed under the lock alone. */
    int64_t first_row;   /* the number in the source of the first row that is read */
    int64_t rows;        /* how many are read */
    int64_t block_rows;  /* of a block, the last one excepted */
    size_t block_bytes;  /* of a block in the ring */
    int64_t blocks;      /* how many blocks these are */
    int64_t part_blocks; /* how many of them a part holds */
    bool ahead;          /* a thread reads; else who needs a block reads it */
    bool stop;
    int64_t read;               /* how many blocks were read */
    int64_t left[READER_PARTS]; /* how many blocks of a part are not done yet */
    int waiting;                /* how many threads wait for a change */
    const char *problem;        /* why block number `read` could not be read, or NULL */
#ifdef TG_THREADS
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
#endif
} reader;

/* Makes a reader in the current scope. NULL with the error in tg. */
reader *tg__make_reader(tg_context *tg, const tg_row_source *source);

/* Begins to read `rows` rows of the source, from first_row on, where `at_a_time` blocks are
 * computed at a time. tg__end_reading must follow, if there is no error. */
bool tg__begin_reading(reader *r, int64_t first_row, int64_t rows, int64_t block_rows,
                       int64_t at_a_time);
/* Waits until block k is there. Returns NULL, or the problem that has ended the reading at this or
 * a lower block. */
const char *tg__await_block(reader *r, int64_t k);
/* The rows of tensor i in block k. */
void *tg__block_rows(const reader *r, int64_t k, int i);
/* Lets block k be overwritten. */
void tg__leave_block(reader *r, int64_t k);
/* No further block is needed: those who wait for one get a problem. */
void tg__stop_reading(reader *r);
/* Ends the reading. No thread may be waiting for a block. */
void tg__end_reading(reader *r);

#endif
