#define _XOPEN_SOURCE 700

#include "program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

int program_setup(void **state)
{
    char path[4096];
    char *directory = strdup("/tmp/tinygrad-XXXXXX");
    *state = directory;
    if (!directory || !mkdtemp(directory) || chdir(directory)) return -1;
    const char *old = getenv("PATH");
    snprintf(path, sizeof path, "%s:%s", TEST_EXAMPLES, old ? old : "/usr/bin:/bin");
    return setenv("PATH", path, 1) || setenv("DATA", TEST_ROOT "/examples/data", 1) ? -1 : 0;
}

int program_teardown(void **state)
{
    char command[256];
    snprintf(command, sizeof command, "rm -r '%s'", (char *)*state);
    int status = chdir("/") || system(command);
    free(*state);
    return status ? -1 : 0;
}

int program_run(char *text, size_t size, const char *command)
{
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t n = fread(text, 1, size - 1, pipe);
    text[n] = 0;
    while (getc(pipe) != EOF) n++;
    int status = pclose(pipe);
    if (n >= size) fail_msg("%s: %zu bytes of output", command, n);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void program_write(const char *path, const char *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

void program_read(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "rb");
    if (!file) fail_msg("%s cannot be read", path);
    text[fread(text, 1, size - 1, file)] = 0;
    fclose(file);
}
