#include "inflate.h"

#include <string.h>

/* An entry describes a symbol: its code's length in bits 0 to 3, the number of extra bits in bits 4
 * to 7, and in bits 16 to 31 the literal, or the least length or distance. */
enum { LITERAL = 1 << 8, END_OF_BLOCK = 1 << 9 };

static const char DATA_CUT[] = "the deflated data is cut";
static const char NO_CODE[] = "the deflated data has a code that does not exist";

static bool refuse_data(inflater *f, const char *problem)
{
    if (!f->problem) f->problem = problem;
    return false;
}

/* ---- Bits. */

/* Reads more of the input behind what is left of it in the buffer, which is less than 8 bytes. The
 * bytes of which `bits` still has bits stay before it, since a stored block steps back to them. The
 * input is padded by zeros behind its end; what needs more than these has used bits that do not
 * exist. */
static bool read_input(inflater *f)
{
    bit_reader *b = &f->reader;
    const ptrdiff_t kept = b->end - b->next, back = (ptrdiff_t)b->n_bits / 8;
    unsigned char *more = f->in + 8 + kept;
    const size_t n = f->left < INFLATE_INPUT ? (size_t)f->left : INFLATE_INPUT;
    if (f->padding) return refuse_data(f, DATA_CUT);
    memmove(f->in + 8 - back, b->next - back, (size_t)(back + kept));
    if (!tg__source_read(f->from, f->at, more, n)) return refuse_data(f, DATA_CUT);
    f->at += n;
    f->left -= n;
    more += n;
    if (n < INFLATE_INPUT) {
        memset(more, 0, INFLATE_PADDING);
        f->padding = INFLATE_PADDING;
    }
    b->next = f->in + 8;
    b->end = more + f->padding;
    return true;
}

/* Makes n_bits at least 56. The bits above n_bits may be set already, to what follows in the
 * buffer; to set them again does not change them. */
TG_INLINE bool fill_bits(inflater *f, bit_reader *b)
{
    if (b->end - b->next < 8) {
        f->reader = *b;
        if (!read_input(f)) return false;
        *b = f->reader;
    }
    b->bits |= tg__little64(b->next) << b->n_bits;
    b->next += (63 - b->n_bits) >> 3;
    b->n_bits |= 56;
    return true;
}

/* The same where speed does not matter. */
static TG_NOINLINE bool need_bits(inflater *f)
{
    return fill_bits(f, &f->reader);
}

/* Takes the next n bits, which fill_bits has provided. */
TG_INLINE unsigned take_bits(bit_reader *b, unsigned n)
{
    const unsigned bits = (unsigned)(b->bits & ((UINT64_C(1) << n) - 1));
    b->bits >>= n;
    b->n_bits -= n;
    return bits;
}

/* Goes back to the first byte of which no bit was taken. */
static void step_back(bit_reader *b)
{
    b->next -= (ptrdiff_t)b->n_bits / 8;
    b->bits = b->n_bits = 0;
}

/* ---- Huffman codes. */

/* The entry of a symbol, without the length of its code; 0 for a symbol that means nothing. */
static uint32_t entry_of(const huffman *h, unsigned symbol)
{
    unsigned extra = 0, least;
    if (h->distances) {
        if (symbol > 29) return 0;
        if (symbol > 3) extra = symbol / 2 - 1;
        least = 1 + (symbol > 3 ? (2 + symbol % 2) << extra : symbol);
    } else {
        if (symbol < 256) return LITERAL | symbol << 16;
        if (symbol == 256) return END_OF_BLOCK;
        if (symbol > 285) return 0;
        if (symbol > 264 && symbol < 285) extra = (symbol - 261) / 4;
        least = symbol == 285 ? 258 : 3 + (extra ? (4 + (symbol - 1) % 4) << extra : symbol - 257);
    }
    return extra << 4 | least << 16;
}

/* Decodes a code bit by bit: a long one, or one that does not exist, for which the result is 0.
 * Codes of one length are consecutive numbers, with their first bit highest. */
static TG_NOINLINE uint32_t find_code(const huffman *h, uint64_t bits)
{
    int code = 0, first = 0, index = 0;
    for (unsigned length = 1; length < 16; length++, bits >>= 1) {
        const int n = h->counts[length];
        code = code << 1 | (int)(bits & 1);
        if (code - first < n) {
            const uint32_t entry = entry_of(h, h->symbols[index + code - first]);
            return entry ? entry | length : 0;
        }
        index += n;
        first = (first + n) << 1;
    }
    return 0;
}

/* Makes the codes of n symbols from their lengths, of which 0 means that a symbol has none. Codes
 * must be complete. If `lone` is set, there may also be none, or a single one of one bit. */
static bool make_codes(huffman *h, const unsigned char *lengths, unsigned n, bool lone)
{
    unsigned next[16] = {0}, code = 0, i = 0;
    int unused = 1;
    memset(h->counts, 0, sizeof h->counts);
    memset(h->fast, 0, sizeof h->fast);
    for (unsigned s = 0; s < n; s++) h->counts[lengths[s]]++;
    lone = lone && (h->counts[0] == n || (h->counts[0] == n - 1 && h->counts[1] == 1));
    h->counts[0] = 0;
    for (int length = 1; length < 16; length++) {
        unused = 2 * unused - h->counts[length];
        if (unused < 0) return false;
        next[length] = next[length - 1] + h->counts[length - 1];
    }
    if (unused > 0 && !lone) return false;
    for (unsigned s = 0; s < n; s++)
        if (lengths[s]) h->symbols[next[lengths[s]]++] = (uint16_t)s;
    for (unsigned length = 1; length <= INFLATE_FAST; length++, code <<= 1)
        for (unsigned end = i + h->counts[length]; i < end; i++, code++) {
            const uint32_t entry = entry_of(h, h->symbols[i]);
            unsigned reversed = 0;
            for (unsigned bit = 0; bit < length; bit++)
                reversed |= (code >> bit & 1) << (length - 1 - bit);
            for (; entry && reversed < 1 << INFLATE_FAST; reversed += 1u << length)
                h->fast[reversed] = entry | length;
        }
    return true;
}

TG_INLINE uint32_t take_code(const huffman *h, bit_reader *b)
{
    uint32_t entry = h->fast[b->bits & ((1 << INFLATE_FAST) - 1)];
    if (!entry) entry = find_code(h, b->bits);
    take_bits(b, entry & 15);
    return entry;
}

static bool make_fixed(inflater *f)
{
    unsigned char lengths[288];
    memset(lengths, 8, 144);
    memset(lengths + 144, 9, 112);
    memset(lengths + 256, 7, 24);
    memset(lengths + 280, 8, 8);
    make_codes(&f->symbols, lengths, 288, false);
    memset(lengths, 5, 32);
    return make_codes(&f->distances, lengths, 32, false);
}

/* Reads the lengths of n codes, which are coded themselves. */
static bool read_lengths(inflater *f, unsigned char *lengths, unsigned n)
{
    for (unsigned i = 0; i < n;) {
        if (!need_bits(f)) return false;
        const uint32_t entry = take_code(&f->symbols, &f->reader);
        if (!entry) return refuse_data(f, NO_CODE);
        const unsigned symbol = entry >> 16;
        unsigned times = 1, value = symbol;
        if (symbol > 15) {
            value = 0;
            if (symbol == 16) {
                if (i == 0)
                    return refuse_data(f, "the deflated data repeats the length before the first");
                value = lengths[i - 1];
            }
            times = symbol == 18 ? 11 + take_bits(&f->reader, 7)
                                 : 3 + take_bits(&f->reader, symbol - 14);
        }
        if (times > n - i) return refuse_data(f, "the deflated data repeats too many lengths");
        memset(lengths + i, (int)value, times);
        i += times;
    }
    return true;
}

static bool read_codes(inflater *f)
{
    static const unsigned char order[19] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                            11, 4,  12, 3, 13, 2, 14, 1, 15};
    unsigned char lengths[286 + 30] = {0};
    const unsigned symbols = 257 + take_bits(&f->reader, 5);
    const unsigned distances = 1 + take_bits(&f->reader, 5);
    const unsigned n = 4 + take_bits(&f->reader, 4);
    if (symbols > 286 || distances > 30)
        return refuse_data(f, "a block of the deflated data has too many codes");
    for (unsigned i = 0; i < n; i++) {
        if (!need_bits(f)) return false;
        lengths[order[i]] = (unsigned char)take_bits(&f->reader, 3);
    }
    if (!make_codes(&f->symbols, lengths, 19, false))
        return refuse_data(f, "the codes for lengths are not complete");
    memset(lengths, 0, 19);
    if (!read_lengths(f, lengths, symbols + distances)) return false;
    if (lengths[256] == 0) return refuse_data(f, "a block has no code for its end");
    if (!make_codes(&f->symbols, lengths, symbols, true) ||
        !make_codes(&f->distances, lengths + symbols, distances, true))
        return refuse_data(f, "the codes of a block are not complete");
    return true;
}

/* ---- Blocks. */

static bool begin_block(inflater *f)
{
    bit_reader *b = &f->reader;
    if (!need_bits(f)) return false;
    f->last = take_bits(b, 1);
    const unsigned kind = take_bits(b, 2);
    const bool was_fixed = f->fixed;
    f->fixed = kind == 1;
    f->state = INFLATE_CODES;
    switch (kind) {
    case 0:
        take_bits(b, b->n_bits % 8);
        if (!need_bits(f)) return false;
        f->state = INFLATE_STORED;
        f->stored = take_bits(b, 16);
        if (take_bits(b, 16) != (f->stored ^ 0xffff))
            return refuse_data(f, "a stored block tells two lengths");
        step_back(b);
        return true;
    case 1: return was_fixed || make_fixed(f);
    case 2: return read_codes(f);
    default: return refuse_data(f, "a block is of no known kind");
    }
}

static void finish_block(inflater *f)
{
    f->state = f->last ? INFLATE_ENDED : INFLATE_HEADER;
    if (!f->last) return;
    step_back(&f->reader);
    const size_t unused = (size_t)(f->reader.end - f->reader.next);
    if (unused < f->padding)
        refuse_data(f, DATA_CUT);
    else if (f->left || unused > f->padding)
        refuse_data(f, "bytes follow the end of the deflated data");
}

static void copy_stored(inflater *f)
{
    bit_reader *b = &f->reader;
    if (f->stored > 0 && b->next == b->end && !read_input(f)) return;
    size_t n = (size_t)(b->end - b->next), room = INFLATE_FULL - f->filled;
    if (n > room) n = room;
    if (n > f->stored) n = f->stored;
    memcpy(f->out + f->filled, b->next, n);
    b->next += n;
    f->filled += n;
    f->stored -= (unsigned)n;
    if (f->stored == 0) finish_block(f);
}

/* Copies a match, which may overlap the bytes that it makes. Writes up to 7 bytes more. */
TG_INLINE void copy_match(unsigned char *out, size_t distance, size_t length)
{
    const unsigned char *from = out - distance, *end = out + length;
    if (distance >= 8)
        for (; out < end; out += 8, from += 8) memcpy(out, from, 8);
    else if (distance == 1)
        memset(out, *from, length);
    else
        while (out < end) *out++ = *from++;
}

/* Decodes literals and matches until the block ends or the output is full. */
static void decode_block(inflater *f)
{
    bit_reader b = f->reader;
    unsigned char *out = f->out + f->filled, *const full = f->out + INFLATE_FULL;
    bool ended = false;
    while (out < full && !ended) {
        if (!fill_bits(f, &b)) return;
        uint32_t entry = take_code(&f->symbols, &b);
        if (entry & LITERAL) {
            *out++ = (unsigned char)(entry >> 16);
            /* The 41 bits that are left are enough for three more literals of the table. */
            for (int i = 0; i < 3; i++) {
                entry = f->symbols.fast[b.bits & ((1 << INFLATE_FAST) - 1)];
                if (!(entry & LITERAL)) break;
                take_bits(&b, entry & 15);
                *out++ = (unsigned char)(entry >> 16);
            }
        } else if (entry >> 16) {
            const size_t length = (entry >> 16) + take_bits(&b, entry >> 4 & 15);
            entry = take_code(&f->distances, &b);
            const size_t distance = (entry >> 16) + take_bits(&b, entry >> 4 & 15);
            if (!entry) {
                refuse_data(f, NO_CODE);
                return;
            }
            if (distance > (size_t)(out - f->out)) {
                refuse_data(f, "a match begins before the data");
                return;
            }
            copy_match(out, distance, length);
            out += length;
        } else {
            if (!entry) refuse_data(f, NO_CODE);
            ended = true;
        }
    }
    f->reader = b;
    f->filled = (size_t)(out - f->out);
    if (ended) finish_block(f);
}

/* ---- The stream. */

void tg__inflate_begin(inflater *f, source *from, uint64_t at, uint64_t packed)
{
    f->from = from;
    f->at = at;
    f->left = packed;
    f->padding = 0;
    f->reader = (bit_reader){.next = f->in + 8, .end = f->in + 8};
    f->state = INFLATE_HEADER;
    f->last = f->fixed = false;
    f->problem = NULL;
    f->given = f->filled = 0;
    f->symbols.distances = false;
    f->distances.distances = true;
}

/* Decodes more, behind the last bytes of what was decoded. */
static void decode_more(inflater *f)
{
    if (f->filled > INFLATE_WINDOW) {
        memmove(f->out, f->out + f->filled - INFLATE_WINDOW, INFLATE_WINDOW);
        f->filled = INFLATE_WINDOW;
    }
    f->given = f->filled;
    while (f->filled < INFLATE_FULL && f->state != INFLATE_ENDED && !f->problem) {
        switch (f->state) {
        case INFLATE_HEADER: begin_block(f); break;
        case INFLATE_STORED: copy_stored(f); break;
        default: decode_block(f);
        }
    }
}

size_t tg__inflate(inflater *f, void *out, size_t n)
{
    size_t done = 0;
    while (done < n) {
        if (f->given == f->filled) decode_more(f);
        size_t k = f->filled - f->given;
        if (k == 0 || f->problem) break;
        if (k > n - done) k = n - done;
        memcpy((char *)out + done, f->out + f->given, k);
        f->given += k;
        done += k;
    }
    return done;
}
