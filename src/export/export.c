/* tg_export_c: checks what it was given, captures the forward and writes the program. */
#include "network.h"

#include <ctype.h>
#include <string.h>

tg_export_options tg_export_defaults(void)
{
    return (tg_export_options){TG_EXPORT_DEFAULTS};
}

/* ---- The name. */

static bool is_keyword(const char *name)
{
    static const char words[] =
        " alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl "
        "const const_cast constexpr continue decltype default delete do double dynamic_cast else "
        "enum explicit export extern false float for friend goto if inline int long mutable "
        "namespace new noexcept not not_eq nullptr operator or or_eq private protected public "
        "register reinterpret_cast restrict return short signed sizeof static static_assert "
        "static_cast struct switch template this thread_local throw true try typedef typeid "
        "typename union unsigned using virtual void volatile wchar_t while xor xor_eq ";
    const size_t n = strlen(name);
    for (const char *w = words; (w = strstr(w, name)) != NULL; w++)
        if (w[-1] == ' ' && w[n] == ' ') return true;
    return false;
}

/* A longer name might not fit into a line of the program. Names that begin with an underscore
 * belong to the compiler. */
static bool is_c_name(const char *name)
{
    enum { LONGEST = 31 };
    const size_t n = strlen(name);
    if (n == 0 || n > LONGEST || !isalpha((unsigned char)*name) || is_keyword(name)) return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)name[i] > 127 || (!isalnum((unsigned char)name[i]) && name[i] != '_'))
            return false;
    return true;
}

static bool check_export(tg_module *module, const tg_tensor *x, const FILE *file, const char *name)
{
    tg_context *tg = x->context;
    if (!module) return tg__fail(tg, TG_ERR_ARGUMENT, "export_c: the module is NULL");
    if (!file) return tg__fail(tg, TG_ERR_ARGUMENT, "export_c: the file is NULL");
    if (!name || !is_c_name(name))
        return tg__fail(
            tg, TG_ERR_ARGUMENT,
            "export_c: the name %s%s%s is no identifier of at most 31 letters, digits and "
            "underscores, of which the first is a letter, or is a word of C or C++",
            name ? "'" : "", name ? name : "NULL", name ? "'" : "");
    if (x->dtype != TG_F32)
        return tg__fail(tg, TG_ERR_DTYPE,
                        "export_c: the example is %s, but only float32 is written as C; make the "
                        "example and the module float32 (tg_cast, tg_set_default_dtype)",
                        tg_dtype_name(x->dtype));
    return (x->numel > 0 && x->numel <= INT32_MAX) ||
           tg__fail(tg, TG_ERR_SHAPE, "export_c: the example %s has no elements, or too many",
                    SHOW(x));
}

/* ---- The two runs. */

/* An input of the same shape with other values, by which numbers show that the program has read
 * from the input. */
static tg_tensor *other_input(const tg_tensor *x)
{
    tg_tensor *other = tg__new(x->context, x->dtype, x->ndim, x->shape);
    if (!other) return NULL;
    tg__copy(other, x);
    pick(x->context->level, affine, x->dtype)(other->numel, other->data, 0.25, 0.5);
    return other;
}

static bool capture_twice(tg_module *module, const tg_tensor *x, network *net)
{
    network again;
    const tg_tensor *other = other_input(x);
    if (!other || !tg__capture(module, x, net) || !tg__capture(module, other, &again)) return false;
    return tg__same_network(net, &again) ||
           tg__fail(
               x->context, TG_ERR_ARGUMENT,
               "export_c: the forward computes with numbers that it has read from its input, or "
               "takes other steps for another input; use operations on tensors, as tg_where");
}

bool tg_export_c(tg_module *module, tg_tensor *example_input, FILE *file,
                 const tg_export_options *options)
{
    const tg_export_options o = options ? *options : tg_export_defaults();
    tg_tensor *x = example_input;
    if (!tg__check_inputs("export_c", 1, &x)) return false;
    tg_context *tg = x->context;
    if (!tg__ready(tg) || !check_export(module, x, file, o.name)) return false;
    network net;
    tg_scope_begin(tg);
    const bool done = capture_twice(module, x, &net) && tg__generate(tg, &net, o.name, file);
    tg_scope_end(tg);
    return done;
}
