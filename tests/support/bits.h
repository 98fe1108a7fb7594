/* Converts elements to and from their bits, as golden data lists them. */
#ifndef TEST_BITS_H
#define TEST_BITS_H

#include <string.h>

#include <tinygrad.h>

/* The float32 or float64 whose bits these are. */
static inline double value_of(tg_dtype dtype, uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float single;
    double value;
    memcpy(&single, &low, sizeof single);
    memcpy(&value, &bits, sizeof value);
    return dtype == TG_F32 ? (double)single : value;
}

/* The bits of element k of a contiguous tensor. */
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
