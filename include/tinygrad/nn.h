/* Modules and losses, as torch.nn. */
#ifndef TINYGRAD_NN_H
#define TINYGRAD_NN_H

#include <stdio.h>

#include "ops.h"
#include "state.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A layer, a loss, or a tree of them: named parameters, buffers, children, and a forward function.
 * It belongs to the scope it was made in, and so do its parameters. */
typedef struct tg_module tg_module;

/* The output of the module for x: PyTorch's module(x). x NULL, and a loss module, which takes two
 * tensors (tg_loss), are TG_ERR_ARGUMENT. When a module inside another one fails, the message
 * begins with its path and class: "2 (Linear): ...". A forward that fails changes nothing: the
 * statistics of every BatchNorm in it and the random stream are as they were before the outermost
 * tg_forward. */
TG_API tg_tensor *tg_forward(tg_module *module, tg_tensor *x);

/* The parameters of the tree, each once: a module's own in the order of registration, then those of
 * its children. The array belongs to the module. An empty list for NULL. */
TG_API tg_list tg_parameters(const tg_module *module);

/* The buffers of the tree, each once and in the order of tg_parameters: the tensors that a module
 * remembers beside its parameters, such as running_mean. The array belongs to the module. An empty
 * list for NULL. */
TG_API tg_list tg_buffers(const tg_module *module);

/* PyTorch's path of tensor i of tg_parameters, such as "0.weight"; NULL out of range. The text
 * belongs to the module. */
TG_API const char *tg_param_name(const tg_module *module, int i);

/* PyTorch's path of tensor i of tg_buffers, such as "1.running_mean"; NULL out of range. The text
 * belongs to the module. */
TG_API const char *tg_buffer_name(const tg_module *module, int i);

/* The parameter at this path, such as "weight" or "0.weight", itself. A name that does not exist is
 * TG_ERR_ARGUMENT. */
TG_API tg_tensor *tg_param(const tg_module *module, const char *name);

/* The buffer at this path, such as "1.running_mean", itself. A name that does not exist is
 * TG_ERR_ARGUMENT. */
TG_API tg_tensor *tg_buffer(const tg_module *module, const char *name);

/* The module at this path, such as "0" or "encoder.0", itself. A name that does not exist is
 * TG_ERR_ARGUMENT. */
TG_API tg_module *tg_submodule(const tg_module *module, const char *name);

/* Makes the tree train, as modules do when they are made: Dropout drops, and BatchNorm normalizes
 * over the batch. Returns module. */
TG_API tg_module *tg_train(tg_module *module);

/* Makes the tree evaluate: Dropout does nothing, and BatchNorm uses its running statistics. Returns
 * module. */
TG_API tg_module *tg_eval(tg_module *module);

/* Whether the module trains. False for NULL. */
TG_API bool tg_is_training(const tg_module *module);

/* ---- State. */

/* The parameters and buffers of the tree under PyTorch's names and in PyTorch's order: those of a
 * module, then those of its children. A tensor with several names is listed under each of them. The
 * tensors are the module's own, and training goes on to change them; tg_state_clone copies them.
 * PyTorch: module.state_dict(). */
TG_API tg_state *tg_state_dict(const tg_module *module);

/* Whether a state must have the names of the module, no more and no less. */
typedef enum tg_strictness {
    TG_NOT_STRICT, /* what is missing stays as it is, and what has no place is left out */
    TG_STRICT      /* each is an error */
} tg_strictness;

/* Copies the tensors of a state to those of the module that have the same names. All are copied or
 * none: one message names all tensors that are missing, have no place in the module (both with
 * TG_STRICT), or have another shape or dtype. With TG_NOT_STRICT a state of which nothing has a
 * place, such as an empty one, is no error. A tensor of the module itself that stands under the
 * name of another one is read when the turn of that one comes. The copies are not recorded by
 * autograd. PyTorch: module.load_state_dict(state, strict). */
TG_API bool tg_load_state_dict(tg_module *module, const tg_state *state, tg_strictness strictness);

/* ---- Layers. Their parameters are of the default dtype, require grad, and are drawn from the
 * context's stream as PyTorch draws them. x is the input and y the output of tg_forward, which
 * checks the shape and dtype of x. */

/* Whether a layer has a bias. */
typedef enum tg_bias {
    TG_NO_BIAS, /* PyTorch's bias=False */
    TG_BIAS     /* PyTorch's bias=True */
} tg_bias;

/* Sets the dtype of the parameters of modules made from here on: TG_F32 unless set, or TG_F64.
 * Printing shows the dtype of tensors that have another. PyTorch: torch.set_default_dtype. */
TG_API bool tg_set_default_dtype(tg_context *tg, tg_dtype dtype);

/* nn.Linear: y = x weight^T + bias, with x (*, in_features), y (*, out_features), weight
 * (out_features, in_features) and bias (out_features). Both sizes are at least 1. Weight and then
 * bias are drawn uniformly from [-b, b) with b = 1 / sqrt(in_features). */
TG_API tg_module *tg_linear(tg_context *tg, int64_t in_features, int64_t out_features,
                            tg_bias bias);

/* nn.Conv1d: tg_conv1d of x (N, in_channels, L) or (in_channels, L), with weight (out_channels,
 * in_channels / groups, kernel_size) and bias (out_channels). Weight and then bias are drawn
 * uniformly from [-b, b) with b = 1 / sqrt(in_channels / groups * kernel_size). Of the options all
 * count but the bias, which must be NULL: the argument bias says whether the layer makes one. */
TG_API tg_module *tg_conv1d_layer(tg_context *tg, int64_t in_channels, int64_t out_channels,
                                  tg_shape kernel_size, tg_bias bias,
                                  const tg_conv_options *options);

/* nn.Conv2d: tg_conv2d of x (N, in_channels, H, W) or (in_channels, H, W), with weight
 * (out_channels, in_channels / groups, kernel_size[0], kernel_size[1]) and bias (out_channels).
 * Weight and then bias are drawn uniformly from [-b, b) with b = 1 / sqrt(in_channels / groups *
 * kernel_size[0] * kernel_size[1]). Of the options all count but the bias, which must be NULL: the
 * argument bias says whether the layer makes one. */
TG_API tg_module *tg_conv2d_layer(tg_context *tg, int64_t in_channels, int64_t out_channels,
                                  tg_shape kernel_size, tg_bias bias,
                                  const tg_conv_options *options);

/* nn.Embedding: tg_embedding of x, int64 (*), to (*, embedding_dim), with weight (num_embeddings,
 * embedding_dim), drawn from the standard normal distribution. The row padding_idx is 0 and gets no
 * gradient. PyTorch's None is TG_NO_INDEX, NOT -1: negative numbers count from the end, and -1
 * zeroes and freezes the last row, as in nn.Embedding. */
TG_API tg_module *tg_embedding_layer(tg_context *tg, int64_t num_embeddings, int64_t embedding_dim,
                                     int64_t padding_idx);

/* The options of tg_batchnorm1d, tg_batchnorm2d and tg_layernorm, which reads eps and affine alone.
 */
typedef struct tg_norm_options {
    double eps;               /* 1e-5: added to the variance; not negative */
    double momentum;          /* 0.1: the weight of a batch in the running statistics; NAN: all
                                 batches weigh the same, which is PyTorch's None */
    bool affine;              /* true: there are a weight, at first 1, and a bias, at first 0 */
    bool track_running_stats; /* true: there are running statistics; false: evaluation, too, is over
                                 the batch */
} tg_norm_options;

/* Internal: the defaults with which TG_NORM begins in C; see options.h. */
#define TG_NORM_DEFAULTS .eps = 1e-5, .momentum = 0.1, .affine = true, .track_running_stats = true
/* A pointer to options of a normalization, of which these are changed: TG_NORM(.momentum = 0.01).
 */
#define TG_NORM(...)                                                                               \
    TG_BEGIN_OPTIONS(tg_norm_options, tg_norm_defaults(), TG_NORM_DEFAULTS, __VA_ARGS__)
/* The default options of a normalization, which stand beside the members. */
TG_API tg_norm_options tg_norm_defaults(void);

/* nn.BatchNorm1d: y = (x - mean) / sqrt(var + eps) weight + bias for each of num_features channels,
 * which are dimension 1 of x (N, C) or (N, C, L); y has the shape of x. While training, mean and
 * var are those of the batch, and each forward moves the buffers running_mean, running_var (by the
 * unbiased variance) and num_batches_tracked. While evaluating, they are running_mean and
 * running_var. Training with one value for each channel is TG_ERR_SHAPE. */
TG_API tg_module *tg_batchnorm1d(tg_context *tg, int64_t num_features,
                                 const tg_norm_options *options);

/* nn.BatchNorm2d: as tg_batchnorm1d, for x (N, C, H, W). */
TG_API tg_module *tg_batchnorm2d(tg_context *tg, int64_t num_features,
                                 const tg_norm_options *options);

/* nn.LayerNorm: y = (x - mean) / sqrt(var + eps) weight + bias, with mean and var over the last
 * dimensions of x, which have the shape normalized_shape; weight and bias have it, too, and y has
 * the shape of x. It is the same while training and evaluating. Reads only eps and affine of the
 * options. */
TG_API tg_module *tg_layernorm(tg_context *tg, tg_shape normalized_shape,
                               const tg_norm_options *options);

/* If training is true, x with each element zeroed with probability p, which is drawn from the
 * context's stream, and the others multiplied by 1 / (1 - p). x itself if training is false, p is 0
 * or x is empty. Floating dtypes; p lies in [0, 1]. PyTorch: torch.nn.functional.dropout. */
TG_API tg_tensor *tg_dropout(tg_tensor *x, double p, bool training);

/* nn.Dropout: tg_dropout while the module trains, and x itself while it evaluates. */
TG_API tg_module *tg_dropout_layer(tg_context *tg, double p);

/* nn.Flatten: tg_flatten of x; nn.Flatten's defaults are 1 and -1. */
TG_API tg_module *tg_flatten_layer(tg_context *tg, int start_dim, int end_dim);

/* A module that applies a function of one tensor: tg_lambda(tg, tg_relu) is nn.ReLU(). A function
 * with more arguments is called by one of yours, which the module then applies:
 *
 *     static tg_tensor *gelu(tg_tensor *x)
 *     {
 *         return tg_gelu(x, TG_GELU_NONE);
 *     }
 */
TG_API tg_module *tg_lambda(tg_context *tg, tg_tensor *(*function)(tg_tensor *x));

/* A module that applies a function which is also passed user. The memory behind user must outlive
 * the module. In C++ tg_lambda itself takes a lambda with captures, too, and the module keeps a
 * copy of it. */
TG_API tg_module *tg_lambda_with(tg_context *tg, tg_tensor *(*function)(tg_tensor *x, void *user),
                                 void *user);

/* Modules: n pointers that the callee copies. TG_MODULES makes one in the call. */
typedef struct tg_modules {
    int n;                   /* how many modules */
    tg_module *const *items; /* the modules */
} tg_modules;

#ifdef __cplusplus
}
namespace tg_detail
{
inline tg_modules modules_of(std::initializer_list<tg_module *> l)
{
    return tg_modules{static_cast<int>(l.size()), l.begin()};
}
} // namespace tg_detail
/* A tg_modules of these modules: TG_MODULES(a, b). They are evaluated from left to right. */
#define TG_MODULES(...) (tg_detail::modules_of({__VA_ARGS__}))
extern "C" {
#else
/* A tg_modules of these modules: TG_MODULES(a, b). Layers draw their weights when they are made,
 * and C leaves open which item of a list is evaluated first: make layers that draw in statements of
 * their own. */
#define TG_MODULES(...)                                                                            \
    ((tg_modules){(int)(sizeof((tg_module *[]){NULL, __VA_ARGS__}) / sizeof(tg_module *)) - 1,     \
                  (tg_module *const[]){NULL, __VA_ARGS__} + 1})
#endif

/* nn.Sequential: applies one module after the other; their names are "0", "1" and so on. A list
 * without modules has no context to report an error to: the call returns NULL without a message.
 *
 * A tensor that one layer of this header hands to another is released when the latter returns, and
 * tg_relu, tg_sigmoid and tg_tanh as modules count as such layers. What a function or module of
 * yours was given, or has returned, lives until the scope ends. */
TG_API tg_module *tg_sequential(tg_modules modules);

/* ---- Walking through a tree of modules, and looking at it. */

/* The class that messages and print show, such as "Linear": PyTorch's module.__class__.__name__.
 * The text belongs to the module. NULL for NULL. */
TG_API const char *tg_module_name(const tg_module *module);

/* The children of the module, each once, in the order of registration. The array belongs to the
 * module. An empty list for NULL. PyTorch: module.children(). */
TG_API tg_modules tg_children(const tg_module *module);

/* The name of child i of tg_children, such as "0"; NULL out of range. The text belongs to the
 * module. PyTorch: module.named_children(). */
TG_API const char *tg_child_name(const tg_module *module, int i);

/* All modules of the tree, each once: the module itself, and after each module its children. The
 * array belongs to the module. An empty list for NULL. PyTorch: module.modules(). */
TG_API tg_modules tg_all_modules(const tg_module *module);

/* The path of module i of tg_all_modules, such as "encoder.0", and "" for the module itself; NULL
 * out of range. The text belongs to the module. PyTorch: module.named_modules(). */
TG_API const char *tg_module_path(const tg_module *module, int i);

/* Calls the function for each module of the tree, for the children of a module before the module
 * itself. Returns module. PyTorch: module.apply(function). */
TG_API tg_module *tg_module_apply(tg_module *module,
                                  void (*function)(tg_module *module, void *user), void *user);

/* Writes the tree, and a newline, to file, as PyTorch's print(module) does. A module that
 * tg_lambda made of a function that is a layer in PyTorch has its name there, such as ReLU(). Works
 * while an error is pending. A file that is NULL is TG_ERR_ARGUMENT, a failed write TG_ERR_IO. */
TG_API bool tg_print_module(FILE *file, const tg_module *module);

/* Writes a table of the tree to file: for each module its path and class, the shape of its output
 * for the input `example` ("-" if it was not called), and the number and the bytes of its own
 * parameters and buffers; and the totals. A tensor that several modules have counts once.
 *
 * The forward runs in evaluation mode and without a graph. The mode of each module, the statistics
 * and the random stream are afterwards as they were; what a forward of yours writes stays written.
 * Nothing is written to the file if the forward fails. A file that is NULL is TG_ERR_ARGUMENT, a
 * failed write TG_ERR_IO. */
TG_API bool tg_summary(FILE *file, tg_module *module, tg_tensor *example);

/* The same network in the context tg: a tree of the same classes, names and modes in the current
 * scope of tg, whose parameters and buffers are borrowed (tg_borrow). A server's threads, and
 * workers that share a batch, each have one of their own, with gradients of their own; a parameter
 * that is frozen, or that several modules share, is so here, too. The call only reads the original,
 * which must outlive what is made and must not be changed meanwhile. An error is recorded in tg.
 *
 * Borrowed tensors are read-only: an optimiser refuses them, and so does a BatchNorm that trains
 * and keeps running statistics, with TG_ERR_ARGUMENT; it evaluates.
 *
 * The data of a module of yours (tg_module_data) is copied byte by byte. A pointer in it, at an
 * address that is aligned for pointers, becomes one to the counterpart, if it points to a module,
 * parameter or buffer of the tree, or is the context. All others, and the `user` of tg_lambda_with,
 * stay as they are: the threads share what they point to. If that is a tensor of the original's
 * context that is not registered, the first operation on it is TG_ERR_CONTEXT. Padding in the data
 * is read, too, of which valgrind may complain. */
TG_API tg_module *tg_borrow_module(tg_context *tg, const tg_module *module);

/* ---- A module of your own. */

/* Makes a module, to which the functions below add parameters, buffers and children. name is the
 * class that messages show, and is copied.
 *
 * forward is given the module itself and a tensor of its context, never NULL, and returns a tensor.
 * It may return NULL after an operation in it has failed; since operations pass NULL on, it need
 * not check them. What forward itself writes, to a buffer or to the data, is not undone when a
 * module around it fails later; it should write last. A module whose forward is NULL cannot be
 * called, and only holds what is registered.
 *
 * The module has data_bytes of memory of its own, at first 0, which tg_module_data returns. */
TG_API tg_module *tg_module_new(tg_context *tg, const char *name,
                                tg_tensor *(*forward)(tg_module *self, tg_tensor *x),
                                size_t data_bytes);

/* The memory that tg_module_new set aside for the program: data_bytes, aligned for any object,
 * which live until the module's scope ends. */
TG_API void *tg_module_data(tg_module *module);

/* Makes t a parameter of the module and returns t, which requires grad from here on. t must be a
 * floating leaf and live as long as the module. The name is copied; it has no dot and is not taken.
 */
TG_API tg_tensor *tg_register_parameter(tg_module *module, const char *name, tg_tensor *t);

/* Makes t a buffer of the module and returns t, which may be of any dtype and must live as long as
 * the module. The name is copied; it has no dot and is not taken. */
TG_API tg_tensor *tg_register_buffer(tg_module *module, const char *name, tg_tensor *t);

/* Makes child a part of the module and returns child, which must live as long as the module. The
 * name is copied; it has no dot and is not taken. A module that would contain itself is
 * TG_ERR_ARGUMENT. */
TG_API tg_module *tg_register_module(tg_module *module, const char *name, tg_module *child);

/* ---- Losses. Their functions are those of torch.nn.functional. input and target have one shape
 * and one floating dtype, but for tg_nll_loss and tg_cross_entropy. (n) against (n, 1) would
 * broadcast to (n, n) and be wrong, so it is TG_ERR_SHAPE, with the cure in the message. Both sides
 * receive gradients. */

/* How a loss is reduced: one of the first four, to which | TG_BROADCAST may be added. */
enum {
    TG_MEAN = 0,      /* the mean over all elements, a scalar */
    TG_SUM = 1,       /* the sum over all elements, a scalar */
    TG_NONE = 2,      /* no reduction: a loss for each element, of the input's shape */
    TG_BATCHMEAN = 3, /* tg_kl_div alone: the sum divided by the first size of input */
    TG_BROADCAST = 4  /* input and target may differ in shape and broadcast */
};

/* (input - target)^2, reduced. PyTorch: F.mse_loss. */
TG_API tg_tensor *tg_mse_loss(tg_tensor *input, tg_tensor *target, int reduction);

/* nn.MSELoss: tg_mse_loss as a module without parameters, for tg_loss. */
TG_API tg_module *tg_mseloss(tg_context *tg, int reduction);

/* The options of the other losses. Each loss reads the reduction and those that name it here.
 * weight and pos_weight receive gradients, too, if they require grad. In a plain literal
 * ignore_index, beta, delta and eps are 0 if they are left out; where all four are 0, tg_nll_loss
 * and tg_cross_entropy fail with TG_ERR_ARGUMENT, since they would ignore label 0, and
 * tg_poisson_nll_loss does, unless log_input is true. */
typedef struct tg_loss_options {
    int reduction; /* TG_MEAN */
    /* NULL: none. binary_cross_entropy and the same with logits: a factor of each loss, which
     * broadcasts to input. nll_loss and cross_entropy: (classes), a factor for each class. */
    tg_tensor *weight;
    /* NULL: none. binary_cross_entropy_with_logits: a factor of target, which broadcasts to input.
     */
    tg_tensor *pos_weight;
    int64_t ignore_index;   /* -100. nll_loss, cross_entropy: the label of rows that do not count */
    double label_smoothing; /* 0, 1 at most. cross_entropy: the share of equal probabilities */
    double beta;            /* 1. smooth_l1_loss: where it changes its form; not negative */
    double delta;           /* 1. huber_loss: where it changes its form; positive */
    bool log_target;        /* false. kl_div; true: target is a logarithm, too */
    /* false. gaussian_nll_loss; true: with the constant log(2 pi) / 2. poisson_nll_loss; true: with
     * Stirling's formula for log(target!) */
    bool full;
    double eps;     /* 1e-6. gaussian_nll_loss: the least var; positive */
    bool log_input; /* true. poisson_nll_loss: input is the logarithm of the mean, not the mean */
    double log_eps; /* 1e-8. poisson_nll_loss without log_input: added to the mean in the logarithm,
                       PyTorch's eps */
} tg_loss_options;

/* Internal: the defaults with which TG_LOSS begins in C; see options.h. */
#define TG_LOSS_DEFAULTS                                                                           \
    .ignore_index = -100, .beta = 1, .delta = 1, .eps = 1e-6, .log_input = true, .log_eps = 1e-8
/* A pointer to options of a loss, of which these are changed: TG_LOSS(.reduction = TG_SUM). */
#define TG_LOSS(...)                                                                               \
    TG_BEGIN_OPTIONS(tg_loss_options, tg_loss_defaults(), TG_LOSS_DEFAULTS, __VA_ARGS__)
/* The default options of a loss, which stand beside the members. */
TG_API tg_loss_options tg_loss_defaults(void);

/* A loss that tg_criterion makes a module of: one of those below, or one of your own, to which
 * tg_criterion never passes NULL for options. */
typedef tg_tensor *(*tg_loss_function)(tg_tensor *input, tg_tensor *target,
                                       const tg_loss_options *options);

/* |input - target|, reduced. The gradient where both are equal is 0. Reads reduction. */
TG_API tg_tensor *tg_l1_loss(tg_tensor *input, tg_tensor *target, const tg_loss_options *options);

/* With d = |input - target|: d^2 / 2 where d <= delta, else delta (d - delta / 2); reduced. Reads
 * reduction and delta. */
TG_API tg_tensor *tg_huber_loss(tg_tensor *input, tg_tensor *target,
                                const tg_loss_options *options);

/* With d = |input - target|: d^2 / (2 beta) where d < beta, else d - beta / 2; reduced. Reads
 * reduction and beta. beta 0 is tg_l1_loss, and its gradient at d = 0 is then 0 (PyTorch's
 * smooth_l1_loss has -1 there). */
TG_API tg_tensor *tg_smooth_l1_loss(tg_tensor *input, tg_tensor *target,
                                    const tg_loss_options *options);

/* -weight (target log(input) + (1 - target) log(1 - input)), reduced, where a logarithm is -100 at
 * least. input holds probabilities: one outside [0, 1] is TG_ERR_ARGUMENT. Reads reduction and
 * weight. */
TG_API tg_tensor *tg_binary_cross_entropy(tg_tensor *input, tg_tensor *target,
                                          const tg_loss_options *options);

/* -weight (pos_weight target log(sigmoid(input)) + (1 - target) log(1 - sigmoid(input))), reduced,
 * without overflow for any input. Reads reduction, weight and pos_weight. */
TG_API tg_tensor *tg_binary_cross_entropy_with_logits(tg_tensor *input, tg_tensor *target,
                                                      const tg_loss_options *options);

/* target (log(target) - input), reduced, where input holds logarithms of probabilities; 0 where
 * target is 0. With log_target: e^target (target - input). Reads reduction, which may be
 * TG_BATCHMEAN, and log_target. */
TG_API tg_tensor *tg_kl_div(tg_tensor *input, tg_tensor *target, const tg_loss_options *options);

/* (log(v) + (input - target)^2 / v) / 2 with v = max(var, eps), reduced; full adds log(2 pi) / 2.
 * var has the shape of input, or one number for each row: the shape without its last size, or with
 * 1 in its place. A negative var is TG_ERR_ARGUMENT. The gradient of var passes where eps takes its
 * place, too. Reads reduction, full and eps. */
TG_API tg_tensor *tg_gaussian_nll_loss(tg_tensor *input, tg_tensor *target, tg_tensor *var,
                                       const tg_loss_options *options);

/* e^input - target input, reduced: minus the log-likelihood of a count, which is target, from a
 * Poisson distribution with mean e^input, without the term log(target!). With log_input false,
 * input is the mean itself: input - target log(input + log_eps). full adds Stirling's formula for
 * log(target!), target log(target) - target + log(2 pi target) / 2, where target > 1; elsewhere its
 * gradient is 0 (PyTorch's is NaN where target is 0). Reads reduction, log_input, full and log_eps.
 */
TG_API tg_tensor *tg_poisson_nll_loss(tg_tensor *input, tg_tensor *target,
                                      const tg_loss_options *options);

/* -weight[label] input[label], reduced, where input (C), (N, C) or (N, C, d...) holds logarithms of
 * probabilities of C classes, and target holds labels, int64 of shape (), (N) or (N, d...). Rows
 * whose label is ignore_index give 0 and count nothing, and the mean is weighted: the sum divided
 * by the sum of weight[label]. A label out of range is TG_ERR_INDEX. Reads reduction (without
 * TG_BROADCAST), weight and ignore_index. */
TG_API tg_tensor *tg_nll_loss(tg_tensor *input, tg_tensor *target, const tg_loss_options *options);

/* tg_nll_loss of log_softmax(input) over the classes: input holds any numbers, and target labels.
 * With label_smoothing s, the probability of the label is 1 - s + s / C, and that of each other
 * class s / C.
 *
 * target may also hold probabilities of all classes, with input's shape and dtype. The loss is then
 * -sum_c weight[c] target[c] log_softmax(input)[c], the mean is over the rows, and an ignore_index
 * of 0 or more is TG_ERR_ARGUMENT. Reads reduction (without TG_BROADCAST), weight, ignore_index and
 * label_smoothing. */
TG_API tg_tensor *tg_cross_entropy(tg_tensor *input, tg_tensor *target,
                                   const tg_loss_options *options);

/* A loss function as a module for tg_loss: tg_criterion(tg, tg_cross_entropy, NULL) is
 * nn.CrossEntropyLoss(). The options are copied; the tensors in them must outlive the module, and
 * become its buffers "weight" and "pos_weight". */
TG_API tg_module *tg_criterion(tg_context *tg, tg_loss_function function,
                               const tg_loss_options *options);

/* The output of a loss module, made by tg_mseloss or tg_criterion: PyTorch's loss(input, target).
 * Another module is TG_ERR_ARGUMENT. */
TG_API tg_tensor *tg_loss(tg_module *loss, tg_tensor *input, tg_tensor *target);

#ifdef __cplusplus
}

#include <new>
#include <type_traits>

/* tg_lambda for a function object. Its destructor is never called, so it may capture only
 * references, pointers and numbers. */
template <class F, typename std::enable_if<std::is_class<F>::value, int>::type = 0>
tg_module *tg_lambda(tg_context *tg, F function)
{
    static_assert(std::is_trivially_copyable<F>::value,
                  "tg_lambda: the module keeps a plain copy of the lambda, which may therefore "
                  "capture references, pointers and numbers, but no object with a destructor or a "
                  "copy constructor, such as std::vector or std::string");
    tg_module *module = tg_module_new(
        tg, "Lambda",
        [](tg_module *self, tg_tensor *x) -> tg_tensor * {
            return (*static_cast<F *>(tg_module_data(self)))(x);
        },
        sizeof(F));
    if (module) new (tg_module_data(module)) F(function);
    return module;
}
#endif

#endif
