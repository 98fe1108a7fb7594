/* Reading the bytes of a file. */
#define _DEFAULT_SOURCE   1  /* declares mmap, fileno, fseeko and posix_fadvise */
#define _FILE_OFFSET_BITS 64 /* files of 2 GB and more, also with 32-bit pointers */
#include "source.h"

#include "system.h"

#include <limits.h>
#include <stdarg.h>

/* ---- Messages. */

const char *tg__shorten(const char *text, size_t n, char *shown, size_t room)
{
    const bool cut = n > room - 4;
    if (cut)
        for (n = room - 4; n > room - 7 && (text[n] & 0xC0) == 0x80;) n--;
    for (size_t i = 0; i < n; i++)
        shown[i] = (unsigned char)text[i] < ' ' || text[i] == 127 ? '?' : text[i];
    strcpy(shown + n, cut ? "..." : "");
    return shown;
}

const char *tg__path_end(const char *path)
{
    enum { ROOM = 256 };
    const size_t n = strlen(path);
    return path + (n > ROOM ? n - ROOM : 0);
}

static bool fail_as(tg_context *tg, tg_status code, const char *op, const char *path,
                    const char *problem)
{
    return tg__fail(tg, code, "%s: %s: %s", op, tg__path_end(path), problem);
}

bool tg__file_fail(tg_context *tg, const char *op, const char *path, const char *problem)
{
    return fail_as(tg, TG_ERR_IO, op, path, problem);
}

static bool fail_formatted(source *s, tg_status code, const char *format, va_list args)
{
    char problem[512];
    vsnprintf(problem, sizeof problem, format, args);
    return fail_as(s->tg, code, s->op, s->path, problem);
}

bool tg__source_fail(source *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail_formatted(s, TG_ERR_IO, format, args);
    va_end(args);
    return false;
}

bool tg__source_fail_as(source *s, tg_status code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail_formatted(s, code, format, args);
    va_end(args);
    return false;
}

/* ---- The file. */

static bool seek(FILE *file, uint64_t offset)
{
#if defined(TG_POSIX)
    return fseeko(file, (off_t)offset, SEEK_SET) == 0;
#elif defined(_WIN32)
    return _fseeki64(file, (int64_t)offset, SEEK_SET) == 0;
#else
    return offset <= LONG_MAX && fseek(file, (long)offset, SEEK_SET) == 0;
#endif
}

/* Finds the size of the file at the path, which must be a regular one. The path is looked at before
 * it is opened, as a pipe would let fopen wait for its other end. */
#ifdef TG_POSIX
static bool open_file(source *s)
{
    struct stat is;
    if (stat(s->path, &is)) return tg__source_fail(s, "%s", tg__reason());
    if (S_ISDIR(is.st_mode)) return tg__source_fail(s, "it is a directory");
    if (!S_ISREG(is.st_mode))
        return tg__source_fail(s, "it is a pipe or a device, and only a regular file can be read");
    s->file = fopen(s->path, "rb");
    if (!s->file || fstat(fileno(s->file), &is)) return tg__source_fail(s, "%s", tg__reason());
    s->size = (uint64_t)is.st_size;
    return true;
}
#else
static bool open_file(source *s)
{
    s->file = fopen(s->path, "rb");
    if (!s->file) return tg__source_fail(s, "%s", tg__reason());
#ifdef _WIN32
    const int64_t size = _fseeki64(s->file, 0, SEEK_END) ? -1 : _ftelli64(s->file);
#else
    const int64_t size = fseek(s->file, 0, SEEK_END) ? -1 : ftell(s->file);
#endif
    if (size < 0) return tg__source_fail(s, "%s", tg__reason());
    s->size = s->at = (uint64_t)size;
    return true;
}
#endif

#ifdef TG_POSIX
static void map_file(source *s)
{
    if (s->size == 0 || s->size > PTRDIFF_MAX) return;
    void *memory = mmap(NULL, (size_t)s->size, PROT_READ, MAP_PRIVATE, fileno(s->file), 0);
    if (memory == MAP_FAILED) return;
    s->memory = memory;
    s->mapped = true;
}

typedef struct mapping {
    void *memory;
    size_t bytes;
} mapping;

static void unmap(void *user)
{
    const mapping *m = user;
    munmap(m->memory, m->bytes);
}

bool tg__source_keep(source *s)
{
    if (!s->mapped) return true;
    mapping *m = tg__alloc(s->tg, sizeof *m);
    if (!m) return false;
    *m = (mapping){(void *)(uintptr_t)s->memory, (size_t)s->size};
    if (!tg__at_scope_end(s->tg, unmap, m)) return false;
    s->mapped = false;
    return true;
}
#else
bool tg__source_keep(source *s)
{
    (void)s;
    return true;
}
#endif

bool tg__source_open(source *s, tg_context *tg, const char *op, const char *path, bool map)
{
    *s = (source){.tg = tg, .op = op, .path = path};
    if (!path) return tg__fail(tg, TG_ERR_ARGUMENT, "%s: the path is NULL", op);
    errno = 0;
    if (!open_file(s)) {
        tg__source_close(s);
        return false;
    }
#ifdef TG_POSIX
    if (map) map_file(s);
#else
    (void)map;
#endif
    return true;
}

void tg__source_memory(source *s, tg_context *tg, const char *op, const char *name,
                       const void *bytes, size_t n)
{
    *s = (source){.tg = tg, .op = op, .path = name, .size = n, .memory = bytes};
}

static const char *read_file_at(source *s, uint64_t offset, void *out, size_t n)
{
    errno = 0;
    if (s->at != offset && !seek(s->file, offset)) return tg__reason();
    s->at = UINT64_MAX; /* unknown, if the read fails */
    if (fread(out, 1, n, s->file) != n)
        return ferror(s->file) ? tg__reason() : "the file became shorter while it was read";
    s->at = offset + n;
    return NULL;
}

#ifdef TG_POSIX
bool tg__source_is_shared(void)
{
    return true;
}

const char *tg__source_read_at(source *s, uint64_t offset, void *out, size_t n)
{
    const int file = fileno(s->file);
    for (size_t done = 0; done < n;) {
        const ssize_t some = pread(file, (char *)out + done, n - done, (off_t)(offset + done));
        if (some == 0) return "the file became shorter while it was read";
        if (some > 0)
            done += (size_t)some;
        else if (errno != EINTR)
            return tg__reason();
    }
    return NULL;
}
#else
bool tg__source_is_shared(void)
{
    return false;
}

const char *tg__source_read_at(source *s, uint64_t offset, void *out, size_t n)
{
    return read_file_at(s, offset, out, n);
}
#endif

void tg__source_stream(source *s)
{
#ifdef POSIX_FADV_SEQUENTIAL
    posix_fadvise(fileno(s->file), 0, 0, POSIX_FADV_SEQUENTIAL);
#else
    (void)s;
#endif
}

void tg__source_ahead(source *s, uint64_t offset, uint64_t n)
{
#ifdef POSIX_FADV_WILLNEED
    posix_fadvise(fileno(s->file), (off_t)offset, (off_t)n, POSIX_FADV_WILLNEED);
#else
    (void)s, (void)offset, (void)n;
#endif
}

bool tg__source_read(source *s, uint64_t offset, void *out, size_t n)
{
    if (offset > s->size || n > s->size - offset)
        return tg__source_fail(s, "it ends after %llu bytes, where byte %llu is needed",
                               (unsigned long long)s->size, (unsigned long long)(offset + n));
    if (n == 0) return true;
    if (s->read) {
        TG_CHECK(offset == s->at);
        s->at += n;
        return s->read(s->user, out, n);
    }
    if (s->memory) {
        memcpy(out, s->memory + offset, n);
        return true;
    }
    const char *problem = read_file_at(s, offset, out, n);
    return !problem || tg__source_fail(s, "%s", problem);
}

void tg__source_close(source *s)
{
    if (s->file) fclose(s->file);
#ifdef TG_POSIX
    if (s->mapped) munmap((void *)(uintptr_t)s->memory, (size_t)s->size);
#endif
    s->file = NULL;
    s->memory = NULL;
    s->mapped = false;
}
