#define _XOPEN_SOURCE 700 /* realpath */

#include "whole_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifndef _WIN32
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

struct whole_file {
    FILE *stream;
    char *path, *temporary; /* NULL if the file is written directly */
};

FILE *whole_file_stream(const whole_file *file)
{
    return file->stream;
}

/* Frees the file, removes what was written under the temporary name, and keeps errno. */
static void discard(whole_file *file)
{
    const int reason = errno;
    if (file->temporary) remove(file->temporary);
    free(file->path);
    free(file->temporary);
    free(file);
    errno = reason;
}

#ifdef _WIN32

static void open_stream(whole_file *file, const char *path)
{
    file->stream = fopen(path, "w");
}

static bool store(whole_file *file)
{
    (void)file;
    return true;
}

#else

/* Opens a new file beside `path`, which replaces it in the end. It gets the permissions that the
 * old file has. */
static void open_temporary(whole_file *file, const char *path, mode_t mode)
{
    file->path = strdup(path);
    char *name = malloc(strlen(path) + 32);
    if (!file->path || !name) {
        free(name);
        return;
    }
    sprintf(name, "%s.%ld.part", path, (long)getpid());
    const int descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (descriptor < 0) {
        free(name);
        return;
    }
    file->temporary = name;
    file->stream = fdopen(descriptor, "w");
    if (!file->stream) close(descriptor);
}

static void open_stream(whole_file *file, const char *path)
{
    struct stat old;
    if (stat(path, &old)) {
        open_temporary(file, path, 0666);
    } else if (!S_ISREG(old.st_mode)) {
        file->stream = fopen(path, "w");
    } else if (!access(path, W_OK)) {
        char *real = realpath(path, NULL); /* a symbolic link stays one */
        if (real) open_temporary(file, real, old.st_mode & 0777);
        free(real);
    }
}

static bool store(whole_file *file)
{
    return !file->temporary || fsync(fileno(file->stream)) == 0;
}

#endif

whole_file *whole_file_open(const char *path)
{
    whole_file *file = calloc(1, sizeof *file);
    if (!file) return NULL;
    if (!strcmp(path, "-"))
        file->stream = stdout;
    else
        open_stream(file, path);
    if (file->stream) return file;
    discard(file);
    return NULL;
}

bool whole_file_close(whole_file *file)
{
    if (!file) return false;
    bool done = !ferror(file->stream) && fflush(file->stream) == 0 && store(file);
    const int reason = errno;
    if (file->stream != stdout && fclose(file->stream) != 0)
        done = false;
    else
        errno = reason;
    if (done && file->temporary) {
        done = rename(file->temporary, file->path) == 0;
        if (done) free(file->temporary), file->temporary = NULL;
    }
    discard(file);
    return done;
}
