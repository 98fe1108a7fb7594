#include "utf8.h"

#include <stdbool.h>

size_t utf8_length(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    static const unsigned long least[] = {0x20, 0x80, 0x800, 0x10000};
    if (*s >= 0xf8 || *s == 127 || (*s >= 0x80 && *s < 0xc0)) return 0;
    size_t more = *s >= 0xf0 ? 3 : *s >= 0xe0 ? 2 : *s >= 0xc0 ? 1 : 0;
    unsigned long code = more ? *s & (0x3fu >> more) : *s;
    for (size_t i = 1; i <= more; i++) {
        if ((s[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (s[i] & 0x3fu);
    }
    bool surrogate = code >= 0xd800 && code < 0xe000;
    return code < least[more] || code > 0x10ffff || surrogate || (code | 1) == 0xffff ? 0
                                                                                      : more + 1;
}

const char *utf8_show(const char *text, char *shown, size_t size)
{
    size_t n = 0;
    while (n < size - 1 && text[n]) n++;
    if (text[n])
        while (n && (text[n] & 0xc0) == 0x80) n--;
    for (size_t i = 0; i < n; i++)
        shown[i] = (unsigned char)text[i] < ' ' || text[i] == 127 ? '?' : text[i];
    shown[n] = 0;
    return shown;
}
