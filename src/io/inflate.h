/* Decoding of deflated data (RFC 1951), in pieces of any length. Every stream that zlib decodes is
 * decoded, and every stream that zlib refuses is refused. */
#ifndef TG_INFLATE_H
#define TG_INFLATE_H

#include "source.h"

enum {
    INFLATE_WINDOW = 1 << 15,     /* how far back a match may lie */
    INFLATE_FULL = 3 * (1 << 15), /* decoding pauses when the output has that many bytes */
    INFLATE_INPUT = 1 << 14,      /* how many bytes are read at a time */
    INFLATE_PADDING = 16,         /* how many zeros stand behind the end of the input */
    INFLATE_FAST = 10,            /* codes of up to that many bits are found in a table */
    INFLATE_RATIO = 258 * 8 / 2,  /* the most bytes that one deflated byte stands for: matches of
                                     258 bytes, at two bits each */
};

/* A set of Huffman codes. */
typedef struct huffman {
    uint32_t fast[1 << INFLATE_FAST]; /* by the next bits of the input: an entry, as entry_of makes
                                         it, with the length of the code; 0 for a longer code */
    uint16_t counts[16];              /* how many codes have that length */
    uint16_t symbols[288];            /* in the order of their codes */
    bool distances;                   /* the symbols are distances, else literals and lengths */
} huffman;

/* The input, of which `bits` holds the next n_bits bits, the first one lowest. */
typedef struct bit_reader {
    uint64_t bits;
    unsigned n_bits;
    const unsigned char *next, *end; /* what follows these bits in the buffer */
} bit_reader;

typedef struct inflater {
    source *from;
    uint64_t at, left; /* the part of the source that is not in the buffer yet */
    size_t padding;    /* how many zeros stand behind the input in the buffer: 0 or all of them */
    bit_reader reader;
    enum { INFLATE_HEADER, INFLATE_STORED, INFLATE_CODES, INFLATE_ENDED } state;
    bool last;            /* this block is the last one */
    bool fixed;           /* the codes are the fixed ones */
    unsigned stored;      /* how many bytes of a stored block are left */
    const char *problem;  /* NULL: none. If the source could not be read, this error is recorded */
    size_t given, filled; /* the bytes of `out` that were handed out, and that were decoded */
    huffman symbols, distances;
    unsigned char in[8 + 8 + INFLATE_INPUT + INFLATE_PADDING];
    unsigned char out[INFLATE_FULL + 258 + 8];
} inflater;

/* tg__little of eight bytes, without a loop: compilers make one load of it. */
TG_INLINE uint64_t tg__little64(const unsigned char *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
           (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
           (uint64_t)p[7] << 56;
}

/* Begins to decode that many bytes of the source. */
void tg__inflate_begin(inflater *f, source *from, uint64_t at, uint64_t packed);
/* Decodes the next n bytes. Returns how many there were: fewer than n at the end of the stream, and
 * at a problem, of which f->problem tells. At the end, the whole input must have been used. */
size_t tg__inflate(inflater *f, void *out, size_t n);

#endif
