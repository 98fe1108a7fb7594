/* Reverse-mode differentiation. An operation on a tensor that requires grad is recorded, and so is
 * what is computed from its result. Backward walks these records, the graph, from a loss to the
 * leaves: the tensors that require grad and are no operation's result. The graph stays until its
 * scope ends, so that backward can be called again. */
#ifndef TINYGRAD_AUTOGRAD_H
#define TINYGRAD_AUTOGRAD_H

#include <stdio.h>

#include "state.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Makes t a leaf that collects a gradient, or one that does not (frozen). The memory of the
 * gradient is set aside here, in t's own scope; t->grad stays NULL (none) until a backward reaches
 * t. Returns t. Floating dtypes. The result of an operation cannot cease to require grad:
 * TG_ERR_AUTOGRAD. */
TG_API tg_tensor *tg_requires_grad_(tg_tensor *t, bool requires_grad);

/* A view of t without its history: the same memory, and no gradient. In-place writes through either
 * are seen by both. */
TG_API tg_tensor *tg_detach(tg_tensor *t);

/* Makes backward keep the gradient of t, which is the result of an operation, in t->grad. Returns
 * t. A t that does not require grad is TG_ERR_AUTOGRAD; a leaf keeps its gradient anyway. */
TG_API tg_tensor *tg_retain_grad(tg_tensor *t);

/* t->grad becomes NULL (none), and the memory of a large one returns to the context: what t->grad
 * was counts as released until a backward fills it again. While a view of it lives the memory
 * stays, and the view sees the next gradient. */
TG_API bool tg_clear_grad(tg_tensor *t);

/* Begins a part in which nothing is recorded, as torch.no_grad does. Such parts nest, work while an
 * error is pending, and are independent of scopes. */
TG_API void tg_no_grad_begin(tg_context *tg);

/* Ends the innermost part that tg_no_grad_begin began; without one it is TG_ERR_CONTEXT. */
TG_API void tg_no_grad_end(tg_context *tg);

/* Whether operations are recorded: false between tg_no_grad_begin and tg_no_grad_end, and for NULL.
 */
TG_API bool tg_is_grad_enabled(const tg_context *tg);

/* Adds d loss / d leaf to the grad of each leaf that loss depends on. loss has one element. Called
 * twice, it adds twice. On failure no grad changes. PyTorch: loss.backward(). */
TG_API bool tg_backward(tg_tensor *loss);

/* Adds the gradient of the sum of output * gradient to the grad of each leaf, for an output of any
 * shape; gradient has the output's shape and dtype. The output may itself be a leaf:
 * tg_backward_with(leaf, g) adds g to leaf->grad, or makes it the grad if there is none. A gradient
 * from another context is passed as tg_borrow(tg, other->grad). PyTorch: output.backward(gradient).
 */
TG_API bool tg_backward_with(tg_tensor *output, tg_tensor *gradient);

/* tg_backward for these inputs alone: the grad of other leaves stays as it is, and operations that
 * lead to no input are not run backward. An input need not be a leaf; one that the loss does not
 * depend on keeps its grad. An input that does not require grad is TG_ERR_AUTOGRAD; one that is
 * NULL, and an empty list, are TG_ERR_ARGUMENT. PyTorch: loss.backward(inputs=inputs). */
TG_API bool tg_backward_inputs(tg_tensor *loss, tg_list inputs);

/* The options of tg_grad. */
typedef struct tg_grad_options {
    /* The weights of the outputs: one tensor for each, of its shape and dtype. If there are none (n
     * is 0), the weights are ones, and each output must have one element. The array must outlive
     * the call (in C++ do not store a TG_LIST here). */
    tg_list grad_outputs;
    bool create_graph; /* false; true: the gradients can be differentiated in turn */
    bool allow_unused; /* false; true: an input that the outputs do not depend on gets NULL */
} tg_grad_options;

/* Internal: the defaults with which TG_GRAD begins in C; see options.h. */
#define TG_GRAD_DEFAULTS .allow_unused = false
/* A pointer to options of tg_grad, of which these are changed: TG_GRAD(.create_graph = true). */
#define TG_GRAD(...)                                                                               \
    TG_BEGIN_OPTIONS(tg_grad_options, tg_grad_defaults(), TG_GRAD_DEFAULTS, __VA_ARGS__)
/* The default options of tg_grad: no grad_outputs, no graph, and an input that is not used is an
 * error. */
TG_API tg_grad_options tg_grad_defaults(void);

/* Writes the gradients of the sum of outputs with respect to each input, leaf or not, to grads[0 ..
 * inputs.n); no t->grad changes. They are new tensors in the current scope. Operations that lead to
 * no input are not run backward. On failure, grads are NULL. An input that does not require grad,
 * or that the outputs do not depend on (unless allow_unused), is TG_ERR_AUTOGRAD. PyTorch:
 * torch.autograd.grad. */
TG_API bool tg_grad(tg_list outputs, tg_list inputs, tg_tensor **grads,
                    const tg_grad_options *options);

/* ---- Looking at a graph. */

/* The options of tg_graph. */
typedef struct tg_graph_options {
    bool text;             /* false: DOT, for Graphviz; true: text */
    const tg_state *names; /* NULL: none; the names of tensors, such as tg_state_dict(net) */
} tg_graph_options;

/* Internal: the defaults with which TG_GRAPH begins in C; see options.h. */
#define TG_GRAPH_DEFAULTS .text = false, .names = NULL
/* A pointer to options of tg_graph, of which these are changed: TG_GRAPH(.text = true). */
#define TG_GRAPH(...)                                                                              \
    TG_BEGIN_OPTIONS(tg_graph_options, tg_graph_defaults(), TG_GRAPH_DEFAULTS, __VA_ARGS__)
/* The default options of tg_graph, which stand beside the members. */
TG_API tg_graph_options tg_graph_defaults(void);

/* Writes the graph behind t to file: the operations from which t comes, with their grad_fn as print
 * shows it and the shape of their result; the leaves; and the tensors without a gradient that went
 * in. `dot -Tsvg graph.dot -o graph.svg` draws the DOT file: t is green, and leaves are blue.
 *
 * In the text, an operation stands above those that made its inputs. The inputs stand in
 * parentheses: "..." is the one below, or the ones that begin with a dash below, in their order. An
 * operation that is used twice has a number, such as #3, and is shown once. Lines nested more than
 * 40 deep have their depth as a number.
 *
 *     MseLossBackward0 [] (..., [64, 1])
 *     AddmmBackward0 [64, 1] (..., 2.weight [1, 32], 2.bias [1])
 *     ReluBackward0 [64, 32] (...)
 *     AddmmBackward0 [64, 32] ([64, 2], 0.weight [32, 2], 0.bias [32])
 *
 * The time is in proportion to the number of operations recorded. Works while an error is pending.
 * A file that is NULL is TG_ERR_ARGUMENT, a failed write TG_ERR_IO. */
TG_API bool tg_graph(FILE *file, const tg_tensor *t, const tg_graph_options *options);

/* ---- An operation of your own. */

/* An operation that tg_apply runs. The attributes that its functions get are a copy of those that
 * tg_apply was given. */
typedef struct tg_autograd_function {
    /* What messages call the operation; with "Backward" behind it, its grad_fn in print. */
    const char *name;
    /* Computes the result, a tensor that it makes in the current scope, and not an input or a view
     * of one. It may return NULL after an operation in it has failed. Nothing is recorded
     * meanwhile. */
    tg_tensor *(*forward)(tg_list inputs, const void *attributes);
    /* Computes the gradient of inputs.items[i], of its shape and dtype, from grad, that of the
     * output. NULL without an error means 0. It is called once for each input that needs a
     * gradient, in their order. If forward broadcasts an input, backward must sum the gradient to
     * the input's shape. What it makes lives until the backward under way ends. Written with the
     * library's operations it can be differentiated again. Where backward is NULL the operation
     * has no gradient, and tg_backward through it fails. */
    tg_tensor *(*backward)(tg_list inputs, tg_tensor *output, tg_tensor *grad, int i,
                           const void *attributes);
} tg_autograd_function;

/* The most bytes of attributes that tg_apply takes. */
enum { TG_MAX_ATTRIBUTES = 72 };

/* Runs function->forward on inputs, of which there is one at least, records it for backward, and
 * returns its result. The attributes, of this many bytes, are copied; attributes may be NULL if
 * bytes is 0. *function is not copied and must outlive the graph. Backward fails if an input or the
 * output was changed in place since. PyTorch: a torch.autograd.Function's apply. */
TG_API tg_tensor *tg_apply(const tg_autograd_function *function, tg_list inputs,
                           const void *attributes, size_t bytes);

/* ---- Derivatives of whole functions, as torch.autograd.functional. */

/* A function of tensors, which uses the library's operations only and returns one tensor. user is
 * what the caller of the library gave with the function. */
typedef tg_tensor *(*tg_function)(tg_list inputs, void *user);

/* Writes the Jacobian of fn by each input to jacobians[0 .. inputs.n): d output / d input, of the
 * output's shape and then the input's, together at most 8 dimensions, and of the input's dtype. An
 * input that the output does not depend on has zeros. On failure all are NULL.
 *
 * fn is called once, on copies of the inputs, whose grad is none; gradients are recorded whatever
 * tg_no_grad_begin says. All inputs, and the output, are floating. The Jacobian is computed by
 * rows, with a gradient for each element of the output; or by columns, with a gradient of a
 * gradient for each element of the inputs, if these are fewer and the operations in fn can be
 * differentiated twice. A backward pass for a whole batch of rows would need a second rule for the
 * gradient of every operation, since a rule takes a gradient of the result's own shape. The results
 * are new tensors in the current scope, without history; what else was computed goes back. PyTorch:
 * torch.autograd.functional.jacobian. */
TG_API bool tg_jacobian(tg_function fn, tg_list inputs, void *user, tg_tensor **jacobians);

/* Writes the second derivatives of fn, whose output has one element, to hessians[0 .. n * n), where
 * n is inputs.n: number i * n + k is d2 output / d input i d input k, of the shape of input i and
 * then that of input k. The rules are those of tg_jacobian; the operations in fn must be
 * differentiable twice. PyTorch: torch.autograd.functional.hessian. */
TG_API bool tg_hessian(tg_function fn, tg_list inputs, void *user, tg_tensor **hessians);

/* Returns the output of fn, and writes the product of v and the Jacobian, v^T J, to vjps[0 ..
 * inputs.n): a tensor of the shape and dtype of each input. v has the output's shape and dtype. On
 * failure returns NULL, and all vjps are NULL. The rules are those of tg_jacobian. PyTorch:
 * torch.autograd.functional.vjp. */
TG_API tg_tensor *tg_vjp(tg_function fn, tg_list inputs, void *user, tg_tensor *v,
                         tg_tensor **vjps);

/* Returns the output of fn, and writes the product of the Jacobian and v, J v, which has the shape
 * and dtype of the output, to *jvp: the derivative of fn in the direction v. v has a tensor for
 * each input, of its shape and dtype. On failure returns NULL, and *jvp is NULL. The rules are
 * those of tg_jacobian; the product is exact, as a gradient of v^T J, so that the operations in fn
 * must be differentiable twice: the backward of a tg_autograd_function, too, must consist of the
 * library's operations, which tg_gradgradcheck can tell. PyTorch: torch.autograd.functional.jvp. */
TG_API tg_tensor *tg_jvp(tg_function fn, tg_list inputs, void *user, tg_list v, tg_tensor **jvp);

/* ---- Checking gradients. */

/* The options of tg_gradcheck and tg_gradgradcheck. A gradient is right if |analytic - numerical|
 * <= atol + rtol * |numerical|. */
typedef struct tg_gradcheck_options {
    double eps;  /* 1e-6: the step of the central difference */
    double atol; /* 1e-5 */
    double rtol; /* 1e-3 */
} tg_gradcheck_options;

/* Internal: the defaults with which TG_GRADCHECK begins in C; see options.h. */
#define TG_GRADCHECK_DEFAULTS .eps = 1e-6, .atol = 1e-5, .rtol = 1e-3
/* A pointer to options of tg_gradcheck, of which these are changed: TG_GRADCHECK(.atol = 1e-7). */
#define TG_GRADCHECK(...)                                                                          \
    TG_BEGIN_OPTIONS(tg_gradcheck_options, tg_gradcheck_defaults(), TG_GRADCHECK_DEFAULTS,         \
                     __VA_ARGS__)
/* The default options of tg_gradcheck, which stand beside the members. */
TG_API tg_gradcheck_options tg_gradcheck_defaults(void);

/* Compares backward's gradient of fn, whose output is float64, with central differences, for every
 * element of every input that requires grad; these must be float64 leaves, and there must be one.
 * True if all agree. The first element that differs is TG_ERR_AUTOGRAD, and the message has both
 * values. */
TG_API bool tg_gradcheck(tg_function fn, tg_list inputs, void *user,
                         const tg_gradcheck_options *options);

/* tg_gradcheck of the gradient of fn: it compares the gradients of the gradient with central
 * differences. */
TG_API bool tg_gradgradcheck(tg_function fn, tg_list inputs, void *user,
                             const tg_gradcheck_options *options);

#ifdef __cplusplus
}
#endif

#endif
