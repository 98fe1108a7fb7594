/* Reverse-mode differentiation. */
#ifndef TINYGRAD_AUTOGRAD_H
#define TINYGRAD_AUTOGRAD_H

#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Makes t a leaf that collects a gradient, or no longer. The memory of the gradient is set aside
 * here, in t's own scope; t->grad stays NULL (none) until a backward reaches t. Floating leaves
 * only. Returns t. */
TG_API tg_tensor *tg_requires_grad_(tg_tensor *t, bool requires_grad);

/* The same memory, without the graph. In-place writes through either are seen by both. */
TG_API tg_tensor *tg_detach(tg_tensor *t);

/* Keeps the gradient of a tensor that is not a leaf when backward passes: t->grad. Returns t. */
TG_API tg_tensor *tg_retain_grad(tg_tensor *t);

/* t->grad becomes NULL (none), and the memory of a large one returns to the context: what t->grad
 * was counts as released until a backward fills it again. While a view of it lives the memory
 * stays, and the view sees the next gradient. */
TG_API bool tg_clear_grad(tg_tensor *t);

/* Nothing is recorded between begin and end. They nest, work while an error is pending, and are
 * independent of scopes. End without begin is TG_ERR_CONTEXT. */
TG_API void tg_no_grad_begin(tg_context *tg);
TG_API void tg_no_grad_end(tg_context *tg);
TG_API bool tg_is_grad_enabled(const tg_context *tg);

/* Adds d loss / d leaf to the grad of each leaf that loss depends on. loss has one element. Called
 * twice, it adds twice: the graph stays until its scope ends. On failure no grad changes. */
TG_API bool tg_backward(tg_tensor *loss);
/* The same for an output of any shape, weighted by gradient (the output's shape and dtype). The
 * output may itself be a leaf: tg_backward_with(leaf, g) adds g to leaf->grad, or makes it the grad
 * if there is none. A gradient from another context is passed as tg_borrow(tg, other->grad). */
TG_API bool tg_backward_with(tg_tensor *output, tg_tensor *gradient);
/* tg_backward for these inputs alone, as PyTorch's backward(inputs=...): the grad of other leaves
 * stays as it is, and operations that lead to no input are not run backward. An input need not be a
 * leaf; one that the loss does not depend on keeps its grad. An input that does not require grad is
 * TG_ERR_AUTOGRAD; one that is NULL, and an empty list, are TG_ERR_ARGUMENT. */
TG_API bool tg_backward_inputs(tg_tensor *loss, tg_list inputs);

typedef struct tg_grad_options {
    /* One an output, of its shape and dtype; n 0: ones, for outputs of one element. The array must
     * outlive the call (in C++ do not store a TG_LIST here). */
    tg_list grad_outputs;
    bool create_graph; /* the gradients can be differentiated in turn */
    bool allow_unused; /* NULL, not an error, for an input that the outputs do not depend on */
} tg_grad_options;

/* The defaults: no grad_outputs, no graph, unused inputs refused. TG_GRAD(.create_graph = true)
 * changes one. */
#define TG_GRAD_DEFAULTS .allow_unused = false
#define TG_GRAD(...)                                                                               \
    TG_BEGIN_OPTIONS(tg_grad_options, tg_grad_defaults(), TG_GRAD_DEFAULTS, __VA_ARGS__)
TG_API tg_grad_options tg_grad_defaults(void);

/* The gradients of the sum of outputs with respect to each input (leaf or not), written to grads[0
 * .. inputs.n); no t->grad changes. They live in the current scope. Operations that lead to no
 * input are not run backward. options NULL: tg_grad_defaults(). On failure, grads are NULL. */
TG_API bool tg_grad(tg_list outputs, tg_list inputs, tg_tensor **grads,
                    const tg_grad_options *options);

/* ---- An operation of your own. */

/* The attributes are a copy of what tg_apply got. */
typedef struct tg_autograd_function {
    const char *name; /* in messages and, with "Backward", as grad_fn */
    /* The result, a tensor made here and now. Nothing is recorded meanwhile. */
    tg_tensor *(*forward)(tg_list inputs, const void *attributes);
    /* The gradient of inputs.items[i], of its shape, given that of the output; NULL: 0. It is
     * called for each input that wants one, the first first; what it makes lasts until the backward
     * under way ends. Of an input that was broadcast it sums the gradient up. Written with the
     * library's operations it can be differentiated again. NULL: there is none. */
    tg_tensor *(*backward)(tg_list inputs, tg_tensor *output, tg_tensor *grad, int i,
                           const void *attributes);
} tg_autograd_function;

enum { TG_MAX_ATTRIBUTES = 72 }; /* bytes */

/* Runs function->forward on inputs, of which there is one at least, and records it for backward.
 * The attributes are copied, *function is not: it outlives the graph. That no input or output
 * changes before backward reads it is checked. */
TG_API tg_tensor *tg_apply(const tg_autograd_function *function, tg_list inputs,
                           const void *attributes, size_t bytes);

/* ---- Checking gradients. */

/* A function of tensors, for tg_gradcheck: uses the library's operations only, returns one tensor.
 */
typedef tg_tensor *(*tg_function)(tg_list inputs, void *user);

typedef struct tg_gradcheck_options {
    double eps;  /* step of the central difference, 1e-6 */
    double atol; /* |analytic - numerical| <= atol + rtol * |numerical|: 1e-5, */
    double rtol; /* and 1e-3 */
} tg_gradcheck_options;

/* TG_GRADCHECK(.atol = 1e-7) */
#define TG_GRADCHECK_DEFAULTS .eps = 1e-6, .atol = 1e-5, .rtol = 1e-3
#define TG_GRADCHECK(...)                                                                          \
    TG_BEGIN_OPTIONS(tg_gradcheck_options, tg_gradcheck_defaults(), TG_GRADCHECK_DEFAULTS,         \
                     __VA_ARGS__)
TG_API tg_gradcheck_options tg_gradcheck_defaults(void);

/* Compares backward's gradient of fn with central differences, for every element of every
 * input that requires grad. These are float64 leaves. The first element that differs is reported:
 * TG_ERR_AUTOGRAD with both values. options NULL: tg_gradcheck_defaults(). user is passed to fn. */
TG_API bool tg_gradcheck(tg_function fn, tg_list inputs, void *user,
                         const tg_gradcheck_options *options);
/* The same for the gradients of the gradient of fn. */
TG_API bool tg_gradgradcheck(tg_function fn, tg_list inputs, void *user,
                             const tg_gradcheck_options *options);

#ifdef __cplusplus
}
#endif

#endif
