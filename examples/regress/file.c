#include "file.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../common/utf8.h"
#include "regress.h"

tg_csv *file_open(tg_context *tg, const char *path, const settings *set, tg_missing missing)
{
    tg_csv_options how = tg_csv_defaults();
    how.missing = missing;
    how.separator = set->separator;
    how.decimal = set->decimal;
    how.max_levels = MAX_LEVELS;
    tg_csv *file = tg_csv_open(tg, path, &how);
    if (!file) file_complain(tg, false);
    return file;
}

/* What the library advises, as an option of regress. */
static void print_cure(const char *advice, bool may_drop)
{
    const char *decimal = strstr(advice, ".decimal = '");
    if (strstr(advice, ".missing ="))
        fputs(may_drop ? "; --missing drop leaves such rows out"
                       : "; the row cannot be predicted: leave it out",
              stderr);
    else if (strstr(advice, "there is "))
        fputs(advice, stderr);
    else if (decimal)
        fprintf(stderr, "; --decimal %s reads numbers with decimal %ss",
                decimal[12] == ',' ? "comma" : "point", decimal[12] == ',' ? "comma" : "point");
}

int file_complain(tg_context *tg, bool may_drop)
{
    const char *message = tg_error(tg), *start = strstr(message, ": ");
    if (!start || tg_error_code(tg) == TG_OK) return FAILED;
    const char *crowd = strstr(start, " is one text more than the "), *text = start + 2;
    if (crowd)
        while (*crowd != ':') crowd--;
    const char *advice = crowd ? NULL : strstr(text, "; ");
    const size_t n = crowd    ? (size_t)(crowd - text)
                     : advice ? (size_t)(advice - text)
                              : strlen(text);
    fprintf(stderr, "%.*s", (int)n, text);
    if (crowd)
        fprintf(stderr, " has more than %d levels, too many for a factor; leave it out",
                MAX_LEVELS);
    if (advice) print_cure(advice, may_drop);
    fputc('\n', stderr);
    tg_clear_error(tg);
    return FAILED;
}

bool file_refuse(const tg_csv *file, const char *format, ...)
{
    char message[400];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    fprintf(stderr, "%s:%" PRId64 ": %s\n", file->path, file->line,
            utf8_show(message, message, sizeof message));
    return false;
}
