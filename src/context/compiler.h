/* What depends on the compiler. Every source file includes this first, by a private header. */
#ifndef TG_COMPILER_H
#define TG_COMPILER_H

/* The compiler must not contract a * b + c to an fma on its own, whatever its flags, because
 * results would then depend on the CPU. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

#if defined(__SANITIZE_ADDRESS__)
#define TG_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TG_ASAN 1
#endif
#endif

/* TG_INLINE marks a function whose call takes as long as its work, because loops call it for each
 * element or because it passes many arguments on. It is inlined even where the compiler optimises
 * for size. */
#if defined(__GNUC__)
#define TG_INLINE static inline __attribute__((always_inline))
#else
#define TG_INLINE static inline
#endif

/* TG_NOINLINE keeps a rare path out of the function that calls it, whose common path then has fewer
 * registers to save. */
#if defined(__GNUC__)
#define TG_NOINLINE __attribute__((noinline))
#else
#define TG_NOINLINE
#endif

/* TG_PRINTF(text, first) makes the compiler check the arguments from number `first` on against the
 * format, which is argument number `text`, and treat a branch that calls the function as unlikely.
 */
#if defined(__MINGW32__) && !defined(__clang__) /* "printf" means Microsoft's formats there */
#define TG_PRINTF(text, first) __attribute__((format(gnu_printf, text, first), cold))
#elif defined(__GNUC__)
#define TG_PRINTF(text, first) __attribute__((format(printf, text, first), cold))
#else
#define TG_PRINTF(text, first)
#endif

/* TG_CHECK(condition) states what must hold where one layer hands something to another. A debug
 * build (TG_DEBUG) checks the condition, and if it is false prints file and line and aborts; a
 * release build checks nothing. */
#ifdef TG_DEBUG
void tg__broken(const char *file, int line, const char *condition);
#define TG_CHECK(condition) ((condition) ? (void)0 : tg__broken(__FILE__, __LINE__, #condition))
#else
#define TG_CHECK(condition) ((void)sizeof((condition) ? 1 : 0))
#endif

#endif
