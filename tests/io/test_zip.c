/* Zip archives and deflated data, src/io/zip.h. tests/golden/zips.py describes the golden file. */
#include "check.h"

#include "io/zip.h"

enum { MOST = 1 << 17, ENTRIES = 8 };

/* An archive of the golden file, or another one, and what it should have. */
typedef struct archive {
    char title[32];
    unsigned char bytes[2048];
    size_t n;
    struct {
        char name[32];
        unsigned char bytes[256];
        size_t n;
    } entries[ENTRIES];
    int n_entries;
} archive;

static size_t read_hex(const char *text, unsigned char *bytes, size_t room)
{
    size_t n = 0;
    for (unsigned byte; n < room && sscanf(text + 2 * n, "%2x", &byte) == 1;)
        bytes[n++] = (unsigned char)byte;
    return n;
}

/* Opens the archive from its first n bytes and reads every entry. Returns whether that worked; the
 * content must then be right. */
static bool read_archive(tg_context *tg, const archive *a, const unsigned char *bytes, size_t n)
{
    unsigned char content[256];
    source s;
    zip z;
    tg__source_memory(&s, tg, "load", a->title, bytes, n);
    if (!tg__zip_open(&z, &s)) return false;
    assert_int_equal(z.n, a->n_entries);
    bool read = true;
    for (int i = 0; read && i < z.n; i++) {
        const zip_entry *e = &z.entries[i];
        assert_ptr_equal(tg__zip_find(&z, e->name), e);
        assert_string_equal(e->name, a->entries[i].name);
        assert_int_equal(e->size, a->entries[i].n);
        read = tg__zip_load(&z, e, content);
        if (read) assert_memory_equal(content, a->entries[i].bytes, a->entries[i].n);
    }
    assert_null(tg__zip_find(&z, "no entry"));
    tg__zip_close(&z);
    return read;
}

static void check_archive(tg_context *tg, const archive *a)
{
    assert_true(read_archive(tg, a, a->bytes, a->n));
    check_ok(tg);
}

static void check_truncated(tg_context *tg, const archive *a)
{
    for (size_t n = 0; n < a->n; n++) {
        assert_false(read_archive(tg, a, a->bytes, n));
        assert_int_equal(tg_error_code(tg), TG_ERR_IO);
        tg_clear_error(tg);
    }
}

/* A bit that differs is an error, or it makes no difference, as in the time of an entry. */
static void check_flipped(tg_context *tg, const archive *a)
{
    archive other = *a;
    for (size_t i = 0; i < a->n * 8; i++) {
        other.bytes[i / 8] ^= (unsigned char)(1 << i % 8);
        if (!read_archive(tg, a, other.bytes, a->n)) assert_int_equal(tg_error_code(tg), TG_ERR_IO);
        tg_clear_error(tg);
        other.bytes[i / 8] ^= (unsigned char)(1 << i % 8);
    }
}

/* Calls a function for each archive of the golden file. */
static void each_archive(tg_context *tg, void (*check)(tg_context *tg, const archive *a))
{
    static char line[4096], hex[4096];
    static archive a;
    FILE *golden = fopen(TEST_ROOT "/tests/golden/zips_golden.txt", "r");
    assert_non_null(golden);
    a.n = 0;
    int n = 0;
    for (bool more = true; more;) {
        more = fgets(line, sizeof line, golden);
        const bool is_entry = more && !strncmp(line, "entry ", 6);
        if (!is_entry && a.n > 0) {
            check(tg, &a);
            a.n = 0;
            n++;
        }
        if (is_entry) {
            assert_int_equal(sscanf(line, "entry %31s %4095s", a.entries[a.n_entries].name, hex),
                             2);
            a.entries[a.n_entries].n = read_hex(hex, a.entries[a.n_entries].bytes, 256);
            a.n_entries++;
        } else if (more && sscanf(line, "archive %31s %4095s", a.title, hex) == 2) {
            a.n = read_hex(hex, a.bytes, sizeof a.bytes);
            a.n_entries = 0;
        }
    }
    fclose(golden);
    assert_int_equal(n, 10);
}

static void test_archives(void **state)
{
    each_archive(*state, check_archive);
}

/* The numbers of ZIP64 of a local header, which tells the sizes with 32 bits, too. */
static void check_two_sizes(tg_context *tg, const archive *a)
{
    archive other = *a;
    if (strcmp(a->title, "file-zip64-0") != 0) return;
    other.bytes[30 + 1 + 4] = 1; /* behind the name "a" and the head of the extra data */
    assert_false(read_archive(tg, a, other.bytes, a->n));
    check_error(tg, TG_ERR_IO,
                "load: file-zip64-0: entry 'a': its numbers of ZIP64 and the others disagree");
}

static void test_two_sizes(void **state)
{
    each_archive(*state, check_two_sizes);
}

static void test_truncated(void **state)
{
    each_archive(*state, check_truncated);
}

static void test_flipped(void **state)
{
    each_archive(*state, check_flipped);
}

/* ---- Deflated data. */

static crc_table table;

/* Decodes in pieces of that size. Returns the length of the output, or -1 if there is a problem. */
static long inflate_all(tg_context *tg, const unsigned char *data, size_t n, size_t piece,
                        unsigned char *out)
{
    source s;
    size_t done = 0, k = piece;
    inflater *f = malloc(sizeof *f);
    assert_non_null(f);
    tg__source_memory(&s, tg, "inflate", "memory", data, n);
    tg__inflate_begin(f, &s, 0, n);
    for (; k == piece; done += k) {
        assert_true(done + piece <= MOST);
        k = tg__inflate(f, out + done, piece);
    }
    const bool fine = !f->problem;
    free(f);
    return fine ? (long)done : -1;
}

static void test_deflated(void **state)
{
    static char line[8192], hex[8192], title[64];
    static unsigned char data[4096], out[MOST];
    static const size_t pieces[] = {1, 1000, 1 << 15, 77777};
    long length;
    unsigned crc;
    int n = 0;
    FILE *golden = fopen(TEST_ROOT "/tests/golden/zips_golden.txt", "r");
    assert_non_null(golden);
    while (fgets(line, sizeof line, golden)) {
        if (sscanf(line, "deflated %63s %8191s %ld %x", title, hex, &length, &crc) != 4) continue;
        const size_t size = read_hex(hex, data, sizeof data);
        for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
            const long got = inflate_all(*state, data, size, pieces[p], out);
            if (got != length) fail_msg("%s: %ld bytes, not %ld", title, got, length);
            if (got > 0) assert_int_equal(tg__crc(&table, 0, out, (size_t)got), crc);
        }
        for (size_t cut = 0; length >= 0 && cut < size && cut < 300; cut++)
            if (inflate_all(*state, data, cut, 1000, out) >= 0) fail_msg("%s: %zu", title, cut);
        n++;
    }
    fclose(golden);
    assert_int_equal(n, 180);
}

/* A stream that is longer than all buffers, of blocks that begin at each place in a byte or are
 * stored: zlib makes the first 9 bytes of "abc" and a flush. */
static void test_many_blocks(void **state)
{
    enum { N = 10000, PIECE = 19 };
    static const unsigned char piece[] = "\x4a\x4c\x4a\x06\0\0\0\xff\xff"
                                         "\0\5\0\xfa\xffhello";
    static unsigned char data[N * PIECE + 2], out[MOST];
    for (int i = 0; i < N; i++) memcpy(data + i * PIECE, piece, PIECE);
    memcpy(data + N * PIECE, "\x03", 2); /* an empty last block */
    assert_int_equal(inflate_all(*state, data, sizeof data, 1000, out), N * 8);
    for (int i = 0; i < N; i++) assert_memory_equal(out + i * 8, "abchello", 8);
}

/* The check value of CRC-32, and the CRC of two pieces. */
static void test_crc(void **state)
{
    (void)state;
    enum { N = 200 };
    unsigned char bytes[N];
    assert_int_equal(tg__crc(&table, 0, "123456789", 9), 0xCBF43926);
    for (int i = 0; i < N; i++) bytes[i] = (unsigned char)(i * i);
    for (size_t n = 0; n <= N; n++) {
        const uint32_t first = tg__crc(&table, 0, bytes, n);
        assert_int_equal(tg__crc(&table, first, bytes + n, N - n), tg__crc(&table, 0, bytes, N));
    }
}

/* ---- Archives that say two things. */

/* Two stored entries, "a" with AAAA and "b" with BBBB: where their parts lie. */
enum { A = 0, B = 35, ENTRY_A = 70, ENTRY_B = 117, END = 164, SIZE = 186 };

static unsigned char *put(unsigned char *p, uint64_t number, int n)
{
    for (int i = 0; i < n; i++) *p++ = (unsigned char)(i < 8 ? number >> 8 * i : 0);
    return p;
}

static void make_two(unsigned char *bytes)
{
    static const char content[2][5] = {"AAAA", "BBBB"};
    unsigned char *p = bytes;
    for (int i = 0; i < 2; i++) {
        p = put(put(p, 0x04034b50, 4), 20, 10); /* version 2.0, no flags, stored, no time */
        p = put(put(put(p, tg__crc(&table, 0, content[i], 4), 4), 4, 4), 4, 4);
        p = put(put(put(p, 1, 2), 0, 2), 'a' + (unsigned)i, 1);
        memcpy(p, content[i], 4);
        p += 4;
    }
    for (int i = 0; i < 2; i++) {
        p = put(put(put(p, 0x02014b50, 4), 20, 2), 20, 10);
        p = put(put(put(p, tg__crc(&table, 0, content[i], 4), 4), 4, 4), 4, 4);
        p = put(put(put(put(p, 1, 2), 0, 12), i ? B : A, 4), 'a' + (unsigned)i, 1);
    }
    p = put(put(put(put(p, 0x06054b50, 4), 0, 4), 2, 2), 2, 2);
    p = put(put(put(p, END - ENTRY_A, 4), ENTRY_A, 4), 0, 2);
    assert_int_equal(p - bytes, SIZE);
}

/* What makes an archive of two entries wrong: a number of n bytes at one place, or at two. */
static const struct {
    int at, n, also;
    uint64_t number;
    const char *message;
} wrong[] = {
    {A + 26, 0, 0, 0, ""},
    {END, 1, 0, 'p', "it is no zip archive, or it is cut: there is no end of a directory"},
    {END + 20, 2, 0, 1, "the comment at its end has another length than it should have"},
    {END + 4, 2, 0, 1, "it is a part of an archive in several files"},
    {END + 8, 2, 0, 1, "it is a part of an archive in several files"},
    {END + 8, 2, END + 10, 1, "its directory has more entries than it tells"},
    {END + 8, 2, END + 10, 3, "its directory is not where it should be"},
    {END + 12, 4, 0, 93, "its directory is not where it should be"},
    {END + 16, 4, 0, 71, "its directory is not where it should be"},
    {ENTRY_A, 4, 0, 0, "its directory is damaged"},
    {ENTRY_A + 28, 2, 0, 100, "its directory is damaged"},
    {ENTRY_A + 34, 2, 0, 1, "it is a part of an archive in several files"},
    {ENTRY_A + 46, 1, 0, 0, "entry '': its name is not UTF-8, or has a control character"},
    {ENTRY_A + 46, 1, 0, '\n', "entry '?': its name is not UTF-8, or has a control character"},
    {ENTRY_A + 46, 1, A + 30, 0xff,
     "entry '\xff': its name is not UTF-8, or has a control character"},
    {ENTRY_A + 8, 2, A + 6, 1, "entry 'a': it is encrypted"},
    {ENTRY_A + 8, 2, A + 6, 1 << 13, "entry 'a': its flags are of no known meaning"},
    {ENTRY_A + 10, 2, A + 8, 12, "entry 'a': it is compressed by a method other than deflate"},
    {ENTRY_A + 24, 4, A + 22, 5, "entry 'a': its size does not fit its data"},
    {ENTRY_B + 42, 4, 0, 34, "entry 'b': it overlaps the one before it"},
    {ENTRY_B + 42, 4, 0, 0, "entry 'b': it overlaps the one before it"},
    {ENTRY_B + 42, 4, 0, 36, "entry 'b': there is a hole before it"},
    {A, 4, 0, 0, "entry 'a': it is not where the directory says"},
    {A + 6, 2, 0, 2, "entry 'a': its local header and the directory disagree"},
    {A + 8, 2, 0, 8, "entry 'a': its local header and the directory disagree"},
    {A + 14, 4, 0, 0, "entry 'a': its local header and the directory disagree"},
    {A + 18, 4, 0, 0, "entry 'a': its local header and the directory disagree"},
    {A + 22, 4, 0, 5, "entry 'a': its local header and the directory disagree"},
    {A + 30, 1, 0, 'b', "entry 'a': its local header and the directory disagree"},
    {ENTRY_B + 46, 1, B + 30, 'a', "entry 'a': two entries have this name"},
    {A + 31, 1, 0, 'B', "entry 'a': its bytes are damaged: they have another CRC"},
    {ENTRY_A + 8, 2, A + 6, 8, "entry 'a': its descriptor and the directory disagree"},
};

static void test_wrong_archives(void **state)
{
    tg_context *tg = *state;
    archive a = {.title = "a.zip",
                 .n = SIZE,
                 .entries = {{"a", "AAAA", 4}, {"b", "BBBB", 4}},
                 .n_entries = 2};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char message[200] = "";
        make_two(a.bytes);
        put(a.bytes + wrong[i].at, wrong[i].number, wrong[i].n);
        if (wrong[i].also) put(a.bytes + wrong[i].also, wrong[i].number, wrong[i].n);
        read_archive(tg, &a, a.bytes, a.n);
        if (*wrong[i].message)
            snprintf(message, sizeof message, "load: a.zip: %s", wrong[i].message);
        assert_string_equal(tg_error(tg), message);
        tg_clear_error(tg);
    }
}

int main(void)
{
    tg__crc_begin(&table);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_archives),  cmocka_unit_test(test_two_sizes),
        cmocka_unit_test(test_truncated), cmocka_unit_test(test_flipped),
        cmocka_unit_test(test_deflated),  cmocka_unit_test(test_many_blocks),
        cmocka_unit_test(test_crc),       cmocka_unit_test(test_wrong_archives),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
