/* Options that begin with the defaults. A program uses the macros of the other pages, such as
 * TG_SGD, which are made with those of this page.
 *
 * Each struct of options has a macro that takes the members that differ from the defaults:
 *
 *     tg_sgd(net, TG_SGD(.lr = 0.1, .momentum = 0.9));
 *
 * The macro gives a pointer to a struct that lives to the end of the enclosing block in C, and only
 * to the end of the expression in C++. Every value needs the name of its member: compilers warn of
 * TG_SGD(0.1), since the defaults end with the last member of the struct. In C++ the arguments
 * become a list of at most 12 assignments, since C++ has no initialiser that replaces another: an
 * array is set by its elements, .stride[0] = 2, .stride[1] = 2. */
#ifndef TINYGRAD_OPTIONS_H
#define TINYGRAD_OPTIONS_H

#ifdef __cplusplus
namespace tg_detail
{
template <class T> struct options {
    T v;
    operator const T *() const
    {
        return &v;
    }
};
template <class T> options<T> make_options(T v)
{
    return {v};
}
} // namespace tg_detail

/* Internal: a struct of this type. `begins` gives the defaults, and the arguments after `members`
 * become assignments to it. `members` is for C. */
#define TG_BEGIN_OPTIONS(type, begins, members, ...)                                               \
    (tg_detail::make_options<type>([&] {                                                           \
        type tg_o = begins;                                                                        \
        TG_SET_NTH(__VA_ARGS__, TG_SET12, TG_SET11, TG_SET10, TG_SET9, TG_SET8, TG_SET7, TG_SET6,  \
                   TG_SET5, TG_SET4, TG_SET3, TG_SET2, TG_SET1, 0)                                 \
        (__VA_ARGS__) return tg_o;                                                                 \
    }()))

/* Internal: its 13th argument, which is TG_SETn for n assignments. */
#define TG_SET_NTH(a, b, c, d, e, f, g, h, i, j, k, l, set, ...) set

/* Internal: TG_SETn makes each of its n arguments an assignment. */
#define TG_SET1(a)       (void)(tg_o a);
#define TG_SET2(a, ...)  TG_SET1(a) TG_SET1(__VA_ARGS__)
#define TG_SET3(a, ...)  TG_SET1(a) TG_SET2(__VA_ARGS__)
#define TG_SET4(a, ...)  TG_SET1(a) TG_SET3(__VA_ARGS__)
#define TG_SET5(a, ...)  TG_SET1(a) TG_SET4(__VA_ARGS__)
#define TG_SET6(a, ...)  TG_SET1(a) TG_SET5(__VA_ARGS__)
#define TG_SET7(a, ...)  TG_SET1(a) TG_SET6(__VA_ARGS__)
#define TG_SET8(a, ...)  TG_SET1(a) TG_SET7(__VA_ARGS__)
#define TG_SET9(a, ...)  TG_SET1(a) TG_SET8(__VA_ARGS__)
#define TG_SET10(a, ...) TG_SET1(a) TG_SET9(__VA_ARGS__)
#define TG_SET11(a, ...) TG_SET1(a) TG_SET10(__VA_ARGS__)
#define TG_SET12(a, ...) TG_SET1(a) TG_SET11(__VA_ARGS__)
#else

/* Internal: a struct of this type. `members` initialises the defaults, and the arguments after it
 * replace some of these. `begins` is for C++. Compilers warn of an initialiser that replaces
 * another. A pragma that silences them can stand inside an expression only in the body of a struct,
 * so two structs of one byte are there to hold the pragmas. */
#define TG_BEGIN_OPTIONS(type, begins, members, ...)                                               \
    ((type[sizeof(struct { TG_REPLACES char c; })]){{members, __VA_ARGS__}} +                      \
     (sizeof(struct { TG_REPLACED char c; }) - 1))
#if defined(__GNUC__)
/* Internal: begins the part in which an initialiser may replace another without a warning. */
#define TG_REPLACES                                                                                \
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Woverride-init\"")
/* Internal: ends that part. */
#define TG_REPLACED _Pragma("GCC diagnostic pop")
#else
/* Internal: nothing, as this compiler does not warn. */
#define TG_REPLACES
/* Internal: nothing, as this compiler does not warn. */
#define TG_REPLACED
#endif
#endif

#endif
