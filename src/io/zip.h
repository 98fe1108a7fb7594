/* Reading zip archives, the containers of .npz files and of PyTorch's checkpoints.
 *
 *     0                                                             directory        end
 *     +--------------+------+------------+--------------+------+---+----------------+----------+
 *     | local header | data | descriptor | local header | data |   | an entry each, | where it |
 *     | of entry 0   |      | or nothing | of entry 1   |      |...| offset of its  | begins   |
 *     |              |      |            |              |      |   | local header   |          |
 *     +--------------+------+------------+--------------+------+---+----------------+----------+
 *
 * What an archive says twice must agree, since programs differ in what they believe: the directory
 * and the local headers, the 32-bit and the 64-bit numbers (ZIP64), and data descriptors. The
 * entries must fill the file without a hole, in the order of the directory, so that no two of them
 * overlap. Names must be unique. Entries are stored or deflated, and not encrypted. */
#ifndef TG_ZIP_H
#define TG_ZIP_H

#include "inflate.h"

/* CRC-32, in words of eight bytes: what byte k of a word does to the CRC at the end of this word,
 * and at the end of the third word that follows it. */
typedef struct crc_table {
    uint32_t here[8][256], ahead[8][256];
} crc_table;
void tg__crc_begin(crc_table *table);
/* The CRC of some bytes and n more, where crc is that of the former, or 0 for none. */
uint32_t tg__crc(const crc_table *table, uint32_t crc, const void *bytes, size_t n);

typedef struct zip_entry {
    char *name;
    uint64_t offset; /* where the data lies in the file: for a stored entry, the content itself */
    uint64_t packed; /* how many bytes the data has there */
    uint64_t size;   /* how many bytes the content has */
    uint32_t crc;    /* of the content */
    uint16_t flags;
    bool deflated;
} zip_entry;

typedef struct zip {
    source *from;
    int64_t n;
    zip_entry *entries;        /* in the order of the file */
    const zip_entry **by_name; /* sorted */
    void *memory;              /* of the above, and of the names */
    size_t bytes;
    struct zip_work *work;  /* what reading needs; NULL before the first entry is read */
    const zip_entry *entry; /* that is being read */
    uint64_t left;          /* how many bytes of its content are not read yet */
    uint32_t crc;           /* of those that are */
} zip;

/* Reads the directory and checks it against the local headers. The source must stay open as long as
 * the archive. Memory is about that of the directory. After a failure nothing is open. */
bool tg__zip_open(zip *z, source *from);
void tg__zip_close(zip *z);
/* The entry with that name, or NULL. */
const zip_entry *tg__zip_find(const zip *z, const char *name);

/* Reads the content of an entry to `out`, which has room for e->size bytes. The size of a deflated
 * entry is at most INFLATE_RATIO times that of its data, which tg__zip_open checks. */
bool tg__zip_load(zip *z, const zip_entry *e, void *out);
/* The same in pieces, of one entry at a time: the next n bytes, and the check of the CRC behind the
 * last one. To read more bytes than there are, or to end before the last, is an error. */
bool tg__zip_begin(zip *z, const zip_entry *e);
bool tg__zip_read(zip *z, void *out, size_t n);
bool tg__zip_end(zip *z);

/* Begins to read an entry as a source, which gives the content in order. tg__zip_end must follow.
 */
bool tg__zip_begin_source(zip *z, const zip_entry *e, source *content);

/* Records an error of an entry. Returns false. */
bool tg__zip_fail(zip *z, const zip_entry *e, const char *problem);

#endif
