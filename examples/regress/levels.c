#include "levels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first place whose level is not before this one, by bisection. */
static size_t place_of(const levels *all, const char *name, double number)
{
    size_t low = 0, high = all->n;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        const level *l = &all->sorted[middle];
        if (all->numbers ? l->number < number : strcmp(l->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t levels_find(const levels *all, const char *name, double number)
{
    const size_t i = place_of(all, name, number);
    if (i == all->n) return i;
    const level *l = &all->sorted[i];
    return (all->numbers ? l->number == number : !strcmp(l->name, name)) ? i : all->n;
}

bool levels_add(levels *all, const char *name, double number)
{
    char digits[32];
    if (all->numbers) {
        snprintf(digits, sizeof digits, "%.15g", number);
        name = digits;
    }
    if (!all->sorted) all->sorted = malloc(MAX_LEVELS * sizeof *all->sorted);
    char *copy = malloc(strlen(name) + 1);
    if (!all->sorted || !copy) {
        free(copy);
        return false;
    }
    const size_t i = place_of(all, name, number);
    level *l = all->sorted + i;
    memmove(l + 1, l, (all->n - i) * sizeof *l);
    *l = (level){.name = strcpy(copy, name), .number = number, .code = all->n++};
    return true;
}

void levels_free(levels *all)
{
    for (size_t i = 0; i < all->n; i++) free(all->sorted[i].name);
    free(all->sorted);
    *all = (levels){0};
}
