/* Reading JSON. */
#include "json.h"

#include "../state/state.h"

#include <string.h>

static bool json_fail(json *j, const char *problem)
{
    j->problem = problem;
    return false;
}

static void pass_blanks(json *j)
{
    j->at += strspn(j->at, " \t\r\n");
}

bool tg__json_skip(json *j, char c)
{
    pass_blanks(j);
    const bool is_next = *j->at == c;
    j->at += is_next;
    return is_next;
}

bool tg__json_need(json *j, char c)
{
    if (tg__json_skip(j, c)) return true;
    return json_fail(j, c == '{'   ? "'{' was expected"
                        : c == '}' ? "',' or '}' was expected"
                        : c == '[' ? "'[' was expected"
                        : c == ']' ? "',' or ']' was expected"
                        : c == ':' ? "':' was expected"
                                   : "'\"' was expected");
}

/* The value of four hexadecimal digits; UINT32_MAX if they are none. */
static uint32_t hexadecimal(const char *p)
{
    uint32_t code = 0;
    for (int i = 0; i < 4; i++, p++) {
        const int digit = *p >= '0' && *p <= '9'   ? *p - '0'
                          : *p >= 'a' && *p <= 'f' ? *p - 'a' + 10
                          : *p >= 'A' && *p <= 'F' ? *p - 'A' + 10
                                                   : -1;
        if (digit < 0) return UINT32_MAX;
        code = code << 4 | (uint32_t)digit;
    }
    return code;
}

/* Writes a character in UTF-8, and returns where it ends. */
static char *put_utf8(char *to, uint32_t code)
{
    const int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const uint8_t first[] = {0, 0xc0, 0xe0, 0xf0};
    *to++ = (char)(first[more] | code >> 6 * more);
    for (int i = more - 1; i >= 0; i--) *to++ = (char)(0x80 | (code >> 6 * i & 0x3f));
    return to;
}

/* Decodes the escape after a backslash, which j->at has passed, and moves *to behind the character
 * that it stands for. A character beyond 16 bits is a pair of surrogates. */
static bool unescape(json *j, char **to)
{
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const char *letter = *j->at ? strchr(letters, *j->at) : NULL;
    if (letter) {
        *(*to)++ = meant[letter - letters];
        j->at++;
        return true;
    }
    uint32_t code = *j->at == 'u' ? hexadecimal(j->at + 1) : UINT32_MAX;
    if (code == UINT32_MAX) return json_fail(j, "no escape of JSON follows the backslash");
    if (code == 0) return json_fail(j, "a text has a zero byte");
    if (code >> 11 == 0xd800 >> 11) {
        const bool pair = code < 0xdc00 && j->at[5] == '\\' && j->at[6] == 'u';
        const uint32_t low = pair ? hexadecimal(j->at + 7) : 0;
        if (low >> 10 != 0xdc00 >> 10) return json_fail(j, "a surrogate stands alone");
        code = 0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff));
        j->at += 6;
    }
    j->at += 5;
    *to = put_utf8(*to, code);
    return true;
}

const char *tg__json_text(json *j, bool controls)
{
    if (!tg__json_need(j, '"')) return NULL;
    char *text = j->at, *to = text;
    while (*j->at != '"') {
        if ((unsigned char)*j->at < ' ') {
            json_fail(j, *j->at ? "a control character" : "the text is not closed");
            return NULL;
        }
        if (*j->at != '\\')
            *to++ = *j->at++;
        else if (j->at++, !unescape(j, &to))
            return NULL;
    }
    *to = 0;
    if (tg__utf8_length(text, controls) < 0) {
        json_fail(j, "the text before is not UTF-8, or has a control character");
        return NULL;
    }
    j->at++;
    return text;
}

bool tg__json_number(json *j, uint64_t *number)
{
    pass_blanks(j);
    uint64_t n = 0;
    const size_t digits = strspn(j->at, "0123456789");
    if (digits == 0 || (digits > 1 && *j->at == '0'))
        return json_fail(j, "a whole number was expected");
    for (size_t i = 0; i < digits; i++) {
        const unsigned digit = (unsigned)(j->at[i] - '0');
        if (n > (UINT64_MAX - digit) / 10) return json_fail(j, "the number is too large");
        n = n * 10 + digit;
    }
    j->at += digits;
    *number = n;
    return true;
}
