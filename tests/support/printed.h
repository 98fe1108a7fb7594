/* What a function has written to a file. */
#ifndef TEST_PRINTED_H
#define TEST_PRINTED_H

#include "check.h"

/* The whole text of a temporary file, which is closed. The text stays until the next call. */
static inline const char *read_printed(FILE *file)
{
    static char text[1 << 15];
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    return text;
}

/* Checks that the function fails with TG_ERR_IO on a full device, and with TG_ERR_ARGUMENT for
 * NULL. `call` is an expression that writes to FILE *file. */
#define check_bad_files(tg, op, call)                                                              \
    do {                                                                                           \
        FILE *file = NULL;                                                                         \
        assert_false(call);                                                                        \
        check_error(tg, TG_ERR_ARGUMENT, op ": the file is NULL");                                 \
        if (!(file = fopen("/dev/full", "w"))) break;                                              \
        setvbuf(file, NULL, _IONBF, 0);                                                            \
        assert_false(call);                                                                        \
        check_error(tg, TG_ERR_IO, op ": the file could not be written");                          \
        fclose(file);                                                                              \
    } while (0)

#endif
