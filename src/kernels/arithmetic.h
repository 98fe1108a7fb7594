/* What the formulas of the kernels ask of the compiler, and fma on targets that lack it. */
#ifndef TG_ARITHMETIC_H
#define TG_ARITHMETIC_H

#include <float.h>
#include <math.h> /* also says whether the libc is glibc */

/* Formulas are written for floats that are rounded to their type after each operation, and for NaN,
 * infinities and signed zeros. */
#if FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16 /* 16: as 0 for all but _Float16 */
#error "Floats are computed in a wider type: use -msse2 -mfpmath=sse or -fexcess-precision=fast."
#endif
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) ||     \
    defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "libtinygrad cannot be compiled with -ffast-math or a part of it."
#endif

/* a * b + c, rounded once: by the instruction where the target has it, else by our own functions in
 * fma.c; in float64 by glibc, which is right and knows more instructions. Other libms may round
 * twice. */
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
