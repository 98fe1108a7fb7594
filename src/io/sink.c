/* Writing a file that appears whole or not at all. */
#define _DEFAULT_SOURCE 1 /* declares fsync, readlink and fileno */
#include "sink.h"

#include "source.h"
#include "system.h"

#include <time.h>

enum { PATH_ROOM = 4096 }; /* for each of the two paths of a sink */

static bool fail(sink *s, const char *problem)
{
    tg__file_fail(s->tg, s->op, s->path, problem);
    tg__sink_abandon(s);
    return false;
}

/* How many bytes of the path name the folder, its separator included. */
static size_t folder_length(const char *path)
{
    size_t n = strlen(path);
#ifdef _WIN32
    while (n > 0 && !strchr("/\\:", path[n - 1])) n--;
#else
    while (n > 0 && path[n - 1] != '/') n--;
#endif
    return n;
}

/* ---- What differs between systems. */

#if defined(TG_POSIX)

/* Replaces s->target, as long as it is a symbolic link, by the path to which the link points. */
static bool follow_links(sink *s)
{
    char link[1024];
    for (int links = 0;; links++) {
        const ssize_t n = readlink(s->target, link, sizeof link);
        if (n < 0) return true;
        const size_t folder = n && link[0] == '/' ? 0 : folder_length(s->target);
        errno = links > 40 ? ELOOP : ENAMETOOLONG;
        if (links > 40 || n == sizeof link || folder + (size_t)n >= PATH_ROOM)
            return fail(s, tg__reason());
        memcpy(s->target + folder, link, (size_t)n);
        s->target[folder + (size_t)n] = 0;
    }
}

/* Finds out whether the target is written to directly, as a pipe or a device is. Links are followed
 * for other files only, because the text of the link by which a process names its pipe is no path.
 * A file is replaced by renaming, which succeeds even if the file must not be written to: this
 * function therefore asks whether it may. */
static bool look_at_target(sink *s, bool *direct)
{
    struct stat is;
    const bool exists = stat(s->path, &is) == 0;
    if (exists && S_ISDIR(is.st_mode)) return fail(s, "it is a directory");
    *direct = exists && !S_ISREG(is.st_mode);
    if (*direct) return true;
    if (!follow_links(s)) return false;
    if (!exists) return true;
    if (faccessat(AT_FDCWD, s->target, W_OK, AT_EACCESS)) return fail(s, tg__reason());
    s->mode = is.st_mode;
    return true;
}

/* Makes a file, which must not exist yet. Others may read it only when set_mode allows it, if they
 * may not read the older file. */
static FILE *make_file(const sink *s)
{
    const mode_t mode = s->mode ? S_IRUSR | S_IWUSR : 0666;
    const int file = open(s->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    return file < 0 ? NULL : fdopen(file, "wb");
}

static bool set_mode(const sink *s)
{
    return s->mode == 0 || fchmod(fileno(s->file), (mode_t)s->mode & 0777) == 0;
}

static bool write_to_disk(FILE *file)
{
    return fsync(fileno(file)) == 0;
}

/* Renames the temporary file, and writes the folder to the disk, which makes the name last. A
 * folder that cannot be written to the disk is no failure, since the file is in its place already.
 */
static bool replace_target(sink *s)
{
    if (rename(s->temporary, s->target)) return false;
    s->temporary[folder_length(s->temporary)] = 0;
    const int folder = open(*s->temporary ? s->temporary : ".", O_RDONLY);
    if (folder < 0) return true;
    (void)fsync(folder);
    close(folder);
    return true;
}

#else

#ifdef _WIN32
__declspec(dllimport) int __stdcall MoveFileExA(const char *, const char *, unsigned long);
#endif

static bool look_at_target(sink *s, bool *direct)
{
    (void)s, (void)direct;
    return true;
}

static FILE *make_file(const sink *s)
{
#ifdef _WIN32
    return fopen(s->temporary, "wb"); /* its C library does not know "x" */
#else
    return fopen(s->temporary, "wbx");
#endif
}

static bool set_mode(const sink *s)
{
    (void)s;
    return true;
}

static bool write_to_disk(FILE *file)
{
#ifdef _WIN32
    return _commit(_fileno(file)) == 0;
#else
    (void)file;
    return true;
#endif
}

static bool replace_target(sink *s)
{
#ifdef _WIN32
    enum { REPLACE_EXISTING = 1, WRITE_THROUGH = 8 };
    return MoveFileExA(s->temporary, s->target, REPLACE_EXISTING | WRITE_THROUGH);
#else
    return rename(s->temporary, s->target) == 0 ||
           (remove(s->target) == 0 && rename(s->temporary, s->target) == 0);
#endif
}

#endif

/* ---- What is the same on all of them. */

/* Makes a file of a name that no other file has. */
static FILE *make_temporary(sink *s)
{
    enum { TRIES = 100 };
    const size_t folder = folder_length(s->target);
    unsigned long number = (unsigned long)(uintptr_t)s ^ (unsigned long)time(NULL) * 2654435761u;
    memcpy(s->temporary, s->target, folder);
    for (int i = 0; i < TRIES; i++) {
        snprintf(s->temporary + folder, PATH_ROOM - folder, "tinygrad-%08lx.tmp",
                 number++ & 0xffffffff);
        FILE *file = make_file(s);
        if (file || errno != EEXIST) return file;
    }
    return NULL;
}

bool tg__sink_open(sink *s, tg_context *tg, const char *op, const char *path)
{
    *s = (sink){.tg = tg, .op = op, .path = path};
    if (!path) return tg__fail(tg, TG_ERR_ARGUMENT, "%s: the path is NULL", op);
    if (!strcmp(path, "-") || !strcmp(path, "/dev/stdout")) {
        s->path = "standard output";
        s->file = stdout;
#ifdef _WIN32
        _setmode(_fileno(stdout), _O_BINARY);
#endif
        return true;
    }
    errno = ENAMETOOLONG;
    if (strlen(path) >= PATH_ROOM - 32) return fail(s, tg__reason());
    s->bytes = 2 * PATH_ROOM;
    s->target = tg__take(tg, s->bytes);
    if (!s->target) return tg__fail(tg, TG_ERR_MEMORY, "%s: out of memory", op);
    s->temporary = s->target + PATH_ROOM;
    *s->temporary = 0;
    strcpy(s->target, path);
    bool direct = false;
    errno = 0;
    if (!look_at_target(s, &direct)) return false;
    s->file = direct ? fopen(path, "wb") : make_temporary(s);
    if (!s->file) *s->temporary = 0;
    if (!s->file || !set_mode(s)) return fail(s, tg__reason());
    return true;
}

bool tg__sink_write(sink *s, const void *bytes, size_t n)
{
    errno = 0;
    if (s->instead)
        s->instead(s->user, bytes, n);
    else if (n > 0 && fwrite(bytes, 1, n, s->file) != n)
        return fail(s, tg__reason());
    s->at += n;
    return true;
}

/* Closes the file, unless it is standard output. */
static bool close_file(sink *s)
{
    FILE *file = s->file;
    s->file = NULL;
    return file == stdout || fclose(file) == 0;
}

bool tg__sink_commit(sink *s)
{
    const bool temporary = s->temporary && *s->temporary;
    errno = 0;
    if (fflush(s->file) || (temporary && !write_to_disk(s->file))) return fail(s, tg__reason());
    if (!close_file(s) || (temporary && !replace_target(s))) return fail(s, tg__reason());
    if (temporary) *s->temporary = 0;
    tg__sink_abandon(s);
    return true;
}

void tg__sink_abandon(sink *s)
{
    if (s->file) close_file(s);
    if (!s->target) return;
    if (*s->temporary) remove(s->temporary);
    tg__give(s->tg, s->target, s->bytes);
    s->target = NULL;
}
