/* Writing text to a file, and numbers as text. */
#include "printer.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

bool tg__check_file(tg_context *tg, const char *op, FILE *file)
{
    return file || tg__fail(tg, TG_ERR_ARGUMENT, "%s: the file is NULL", op);
}

void tg__put(printer *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    p->failed = p->failed || vfprintf(p->file, format, args) < 0;
    va_end(args);
}

bool tg__finish(tg_context *tg, const char *op, const printer *p)
{
    return !p->failed || tg__fail(tg, TG_ERR_IO, "%s: the file could not be written", op);
}

/* The number of significant digits, at most 17, with which x is written and read back as x. */
static int digits_of(double x)
{
    char text[TG_NUMBER];
    int digits = 1;
    for (; digits < 17; digits++) {
        snprintf(text, TG_NUMBER, "%.*e", digits - 1, x);
        if (strtod(text, NULL) == x) break;
    }
    return digits;
}

const char *tg__write_real(char text[TG_NUMBER], double x)
{
    if (isnan(x)) return strcpy(text, "nan");
    if (isinf(x)) return strcpy(text, x < 0 ? "-inf" : "inf");
    const int digits = digits_of(x);
    snprintf(text, TG_NUMBER, "%.*e", digits - 1, x);
    const int exponent = atoi(strchr(text, 'e') + 1);
    if (exponent >= -4 && exponent < 16)
        return tg__write_fixed(text, x, digits - 1 > exponent ? digits - 1 - exponent : 1);
    tg__use_point(text);
    return text;
}

const char *tg__write_fixed(char text[TG_NUMBER], double x, int decimals)
{
    snprintf(text, TG_NUMBER, "%.*f", decimals, x);
    tg__use_point(text);
    return text;
}

const char *tg__write_tuple(char text[TG_SIZES], int n, const int64_t *numbers)
{
    char *end = text;
    *end++ = '(';
    for (int i = 0; i < n; i++) end += sprintf(end, "%s%lld", i ? ", " : "", (long long)numbers[i]);
    strcpy(end, n == 1 ? ",)" : ")");
    return text;
}

const char *tg__write_count(char text[TG_NUMBER], int64_t n)
{
    char digits[TG_NUMBER];
    const int length = snprintf(digits, sizeof digits, "%lld", (long long)n);
    char *end = text;
    for (int i = 0; i < length; i++) {
        *end++ = digits[i];
        const int left = length - 1 - i;
        if (left > 0 && left % 3 == 0 && digits[i] != '-') *end++ = ',';
    }
    *end = 0;
    return text;
}
