/* What the kernels require of the compiler's arithmetic, and fma for targets without the
 * instruction. */
#ifndef TG_ARITHMETIC_H
#define TG_ARITHMETIC_H

#include <float.h>
#include <math.h> /* also says whether the libc is glibc */

/* The formulas rely on two things: every operation rounds its result to its type, and NaN,
 * infinities and signed zeros behave as IEEE 754 says. */
#if FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16 /* 16: as 0 for all but _Float16 */
#error "Floats are computed in a wider type: use -msse2 -mfpmath=sse or -fexcess-precision=fast."
#endif
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) ||     \
    defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "libtinygrad cannot be compiled with -ffast-math or a part of it."
#endif

/* What rounding has taken away from the sum s = a + b, exactly: a + b is s plus this number
 * (Knuth's two-sum). Where s is infinite or NaN, it is NaN. The arguments are variables, numbers or
 * vectors. */
#define TG_ROUNDING_ERROR(a, b, s) (((a) - ((s) - ((s) - (a)))) + ((b) - ((s) - (a))))

/* TG_FMA32 and TG_FMA64 compute a * b + c and round once. They use the instruction if the
 * compiler's target has it. Otherwise they call the functions of fma.c, as fma of some libms rounds
 * twice. fma of glibc is right, and uses the instruction if the CPU has it, so it serves for
 * float64. */
float tg__fused_f32(float a, float b, float c);
double tg__fused_f64(double a, double b, double c);
#if defined(__FP_FAST_FMAF) || defined(__ARM_FEATURE_FMA)
#define TG_FMA32(a, b, c) fmaf(a, b, c)
#else
#define TG_FMA32(a, b, c) tg__fused_f32(a, b, c)
#endif
#if defined(__FP_FAST_FMA) || defined(__aarch64__) || defined(__GLIBC__)
#define TG_FMA64(a, b, c) fma(a, b, c)
#else
#define TG_FMA64(a, b, c) tg__fused_f64(a, b, c)
#endif

#endif
