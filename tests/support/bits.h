/* Elements as the bits that golden data lists. */
#ifndef TEST_BITS_H
#define TEST_BITS_H

#include <string.h>

#include <tinygrad.h>

/* The floating value that bits stand for. */
static inline double value_of(tg_dtype dtype, uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float single;
    double value;
    memcpy(&single, &low, sizeof single);
    memcpy(&value, &bits, sizeof value);
    return dtype == TG_F32 ? (double)single : value;
}

/* Element k of contiguous memory. */
static inline uint64_t bits_at(const tg_tensor *t, int64_t k)
{
    uint32_t low;
    uint64_t bits;
    switch (t->dtype) {
    case TG_F32: memcpy(&low, (const float *)t->data + k, sizeof low); return low;
    case TG_BOOL: return ((const bool *)t->data)[k];
    default: memcpy(&bits, (const int64_t *)t->data + k, sizeof bits); return bits;
    }
}

#endif
