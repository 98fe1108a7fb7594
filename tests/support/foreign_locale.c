#define _XOPEN_SOURCE 700

#include "foreign_locale.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool enter(const char *name)
{
    return setlocale(LC_ALL, name) && strcmp(localeconv()->decimal_point, ".") != 0;
}

/* Writes the source of a locale that has the numbers of the one of that name, and is as "C"
 * otherwise, since localedef takes four times as long for a complete one. */
static bool write_source(const char *path, const char *name)
{
    FILE *file = fopen(path, "w");
    if (!file) return false;
    fprintf(file, "LC_NUMERIC\ncopy \"%s\"\nEND LC_NUMERIC\n", name);
    fputs("LC_CTYPE\ncopy \"POSIX\"\nEND LC_CTYPE\n", file);
    return fclose(file) == 0;
}

/* Makes the locale in a directory of its own, which LOCPATH names for setlocale of glibc. */
static bool make_locale(const char *name)
{
    char directory[] = "/tmp/tinygrad-XXXXXX", source[64], command[256];
    if (!mkdtemp(directory)) return false;
    snprintf(source, sizeof source, "%s/source", directory);
    snprintf(command, sizeof command, "localedef -c -i %s -f UTF-8 --no-archive %s/%s >%s/log 2>&1",
             source, directory, name, directory);
    /* localedef exits with an error because it warns of what the source leaves out. What counts is
     * whether setlocale accepts the result. */
    bool made = write_source(source, name) && system(command) >= 0 &&
                setenv("LOCPATH", directory, 1) == 0 && enter(name);
    unsetenv("LOCPATH");
    snprintf(command, sizeof command, "rm -r %s", directory);
    return system(command) == 0 && made;
}

bool enter_locale(const char *name)
{
    char installed[32];
    snprintf(installed, sizeof installed, "%s.UTF-8", name);
    if (enter(installed) || make_locale(name)) return true;
    leave_locale();
    fprintf(stderr, "the locale %s is not installed, and localedef does not make it\n", name);
    return false;
}

void leave_locale(void)
{
    setlocale(LC_ALL, "C");
}
