/* The C functions that a row of kernels.def stands for: their names and declarations. Also the
 * check that each row has valid words. */
#ifndef TG_NAMES_H
#define TG_NAMES_H

#include "kernels.h"

/* The valid words of the columns "dtypes" and "made". Another word is an undeclared identifier,
 * which the compiler reports at the row that has it. */
enum { DTYPES_F32, DTYPES_F64, DTYPES_FLOATS, DTYPES_NUMBERS, DTYPES_BOOL, DTYPES_ALL };
enum {
    MADE_LOOP,
    MADE_LANES,
    MADE_PRODUCT,
    MADE_DOUBLES,
    MADE_ANGLES,
    MADE_STAGES,
    MADE_WIDE_STAGES,
    MADE_OWN_FILE,
    MADE_OWN_LANES,
    MADE_SIZES,
    MADE_CASTS
};
#define KERNEL(kind, name, dtypes, made)                                                           \
    _Static_assert(DTYPES_##dtypes >= 0 && MADE_##made >= 0, #name);
#include "kernels.def"
#undef KERNEL

/* FUNCTIONS_made(name, level, others): the functions that make up the kernel at a level, in the
 * order of the dtypes, for the word "made" of its row. "others" is the level whose kernels serve
 * where arithmetic does not bound the time. A function without a level in its name is compiled once
 * for all levels: moves, casts and most functions of integers gain too little from wider vectors.
 */
#define FUNCTIONS_LOOP(name, level, others)                                                        \
    tg__##name##_f32_##others, tg__##name##_f64_##others, tg__##name##_i64, tg__##name##_bool
#define FUNCTIONS_LANES(name, level, others)                                                       \
    tg__##name##_f32_##level, tg__##name##_f64_##level, tg__##name##_i64, tg__##name##_bool
#define FUNCTIONS_PRODUCT(name, level, others)                                                     \
    tg__##name##_f32_##level, tg__##name##_f64_##level, tg__##name##_i64_##level, tg__##name##_bool
#define FUNCTIONS_DOUBLES(name, level, others)     FUNCTIONS_LANES(name, level, others)
#define FUNCTIONS_ANGLES(name, level, others)      FUNCTIONS_LANES(name, level, others)
#define FUNCTIONS_STAGES(name, level, others)      FUNCTIONS_LANES(name, level, others)
#define FUNCTIONS_WIDE_STAGES(name, level, others) FUNCTIONS_LANES(name, level, others)
#define FUNCTIONS_OWN_FILE(name, level, others)    FUNCTIONS_LOOP(name, level, others)
#define FUNCTIONS_OWN_LANES(name, level, others)   FUNCTIONS_LANES(name, level, others)
#define FUNCTIONS_SIZES(name, level, others)                                                       \
    tg__##name##_4, tg__##name##_8, tg__##name##_8, tg__##name##_1
#define FUNCTIONS_CASTS(name, level, others)                                                       \
    tg__##name##_f32, tg__##name##_f64, tg__##name##_i64, tg__##name##_bool

/* OF_dtypes(...): of four functions, those of the dtypes that the kernel takes. */
#define OF_F32(f32, f64, i64, bool_)     f32
#define OF_F64(f32, f64, i64, bool_)     f64
#define OF_FLOATS(f32, f64, i64, bool_)  f32, f64
#define OF_NUMBERS(f32, f64, i64, bool_) f32, f64, i64
#define OF_BOOL(f32, f64, i64, bool_)    bool_
#define OF_ALL(f32, f64, i64, bool_)     f32, f64, i64, bool_
#define OF(dtypes, ...)                  dtypes(__VA_ARGS__)
#define FUNCTIONS(level, others, name, dtypes, made)                                               \
    OF(OF_##dtypes, FUNCTIONS_##made(name, level, others))

#define DECLARE(level, others, kind, name, dtypes, made)                                           \
    kind##_kernel FUNCTIONS(level, others, name, dtypes, made);
#define KERNEL(kind, name, dtypes, made) TG_LEVELS(DECLARE, kind, name, dtypes, made)
#include "kernels.def"
#undef KERNEL
#undef DECLARE

#endif
