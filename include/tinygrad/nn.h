/* Modules and losses. */
#ifndef TINYGRAD_NN_H
#define TINYGRAD_NN_H

#include "ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A layer, a loss, or a tree of them: named parameters, buffers, children, and a forward function.
 * Belongs to the scope it was made in. Functions that take a module take NULL too, and return
 * NULL, false or nothing then. */
typedef struct tg_module tg_module;

/* The output of a module for x. A loss module, which takes two tensors (tg_loss), is
 * TG_ERR_ARGUMENT. When a module inside another one fails, the message begins with its path and
 * class: "2 (Linear): ...". A forward that fails changes nothing: the statistics of every BatchNorm
 * in it and the random stream are as they were before the outermost tg_forward. */
TG_API tg_tensor *tg_forward(tg_module *module, tg_tensor *x);

/* The parameters of the tree, each once: a module's own in order, then those of its children; and
 * its buffers, what else a module remembers. The arrays belong to the module. */
TG_API tg_list tg_parameters(const tg_module *module);
TG_API tg_list tg_buffers(const tg_module *module);
/* PyTorch's path of tensor i of these lists, such as "0.weight"; NULL out of range. Belongs to the
 * module. */
TG_API const char *tg_param_name(const tg_module *module, int i);
TG_API const char *tg_buffer_name(const tg_module *module, int i);
/* By path, "weight" or "0.weight", "1.running_mean", "0"; no such name is TG_ERR_ARGUMENT. */
TG_API tg_tensor *tg_param(const tg_module *module, const char *name);
TG_API tg_tensor *tg_buffer(const tg_module *module, const char *name);
TG_API tg_module *tg_submodule(const tg_module *module, const char *name);

/* Sets how Dropout and BatchNorm in the tree behave; modules are made to train. Returns module. */
TG_API tg_module *tg_train(tg_module *module);
TG_API tg_module *tg_eval(tg_module *module);
TG_API bool tg_is_training(const tg_module *module);

/* ---- Layers. Parameters are drawn from the context's stream as PyTorch draws them. */

typedef enum tg_bias { TG_NO_BIAS, TG_BIAS } tg_bias;

/* The dtype of the parameters of modules made from here on: TG_F32 unless set, or TG_F64. */
TG_API bool tg_set_default_dtype(tg_context *tg, tg_dtype dtype);

/* y = x weight^T + bias: x (*, in_features), y (*, out_features), weight (out_features,
 * in_features), bias (out_features). Weight first, both uniform on +-1 / sqrt(in_features). Both
 * sizes at least 1. */
TG_API tg_module *tg_linear(tg_context *tg, int64_t in_features, int64_t out_features,
                            tg_bias bias);

/* tg_conv1d and tg_conv2d with weight (out_channels, in_channels / groups, kernel_size...) and bias
 * (out_channels), drawn as Linear's, in_features being the elements that an output sees. options:
 * all but its bias, which is NULL; NULL: tg_conv_defaults(). */
TG_API tg_module *tg_conv1d_layer(tg_context *tg, int64_t in_channels, int64_t out_channels,
                                  tg_shape kernel_size, tg_bias bias,
                                  const tg_conv_options *options);
TG_API tg_module *tg_conv2d_layer(tg_context *tg, int64_t in_channels, int64_t out_channels,
                                  tg_shape kernel_size, tg_bias bias,
                                  const tg_conv_options *options);

/* tg_embedding with weight (num_embeddings, embedding_dim), drawn from the normal distribution. The
 * row padding_idx is 0 and gets no gradient. PyTorch's None is TG_NO_INDEX, NOT -1: negative
 * numbers count from the end, and -1 zeroes and freezes the last row, as in nn.Embedding. */
TG_API tg_module *tg_embedding_layer(tg_context *tg, int64_t num_embeddings, int64_t embedding_dim,
                                     int64_t padding_idx);

typedef struct tg_norm_options {
    double eps;               /* 1e-5, added to the variance */
    double momentum;          /* 0.1, of the running statistics; NAN: the mean of all batches */
    bool affine;              /* weight and bias: true */
    bool track_running_stats; /* true */
} tg_norm_options;

/* TG_NORM(.momentum = 0.01) */
#define TG_NORM_DEFAULTS .eps = 1e-5, .momentum = 0.1, .affine = true, .track_running_stats = true
#define TG_NORM(...)                                                                               \
    TG_BEGIN_OPTIONS(tg_norm_options, tg_norm_defaults(), TG_NORM_DEFAULTS, __VA_ARGS__)
TG_API tg_norm_options tg_norm_defaults(void);

/* (x - mean) / sqrt(var + eps) weight + bias, for each of num_features channels, dimension 1 of x
 * (N, C) or (N, C, L), or (N, C, H, W). Training, over the batch, which also moves the buffers
 * running_mean, running_var, num_batches_tracked; else with these. options NULL:
 * tg_norm_defaults(). */
TG_API tg_module *tg_batchnorm1d(tg_context *tg, int64_t num_features,
                                 const tg_norm_options *options);
TG_API tg_module *tg_batchnorm2d(tg_context *tg, int64_t num_features,
                                 const tg_norm_options *options);
/* The same over the last dimensions of x, which have the shape normalized_shape. eps and affine
 * count. */
TG_API tg_module *tg_layernorm(tg_context *tg, tg_shape normalized_shape,
                               const tg_norm_options *options);

/* Each element is zeroed with probability p, the others multiplied by 1 / (1 - p), while training;
 * x itself otherwise. Draws from the context's stream. 0 <= p <= 1. */
TG_API tg_tensor *tg_dropout(tg_tensor *x, double p, bool training);
TG_API tg_module *tg_dropout_layer(tg_context *tg, double p);

/* tg_flatten as a module; nn.Flatten's defaults are 1 and -1. */
TG_API tg_module *tg_flatten_layer(tg_context *tg, int start_dim, int end_dim);
/* Any function of one tensor as a module: tg_lambda(tg, tg_relu) is nn.ReLU(). */
TG_API tg_module *tg_lambda(tg_context *tg, tg_tensor *(*function)(tg_tensor *x));
/* The same for a function that is also passed user, which must outlive the module. In C++ tg_lambda
 * itself takes a lambda with captures, too, and the module keeps a copy of it. */
TG_API tg_module *tg_lambda_with(tg_context *tg, tg_tensor *(*function)(tg_tensor *x, void *user),
                                 void *user);

typedef struct tg_modules {
    int n;
    tg_module *const *items;
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
#define TG_MODULES(...) (tg_detail::modules_of({__VA_ARGS__}))
extern "C" {
#else
/* TG_MODULES(a, b), like TG_LIST. Layers draw their weights when they are made, and C leaves open
 * which item of a list is evaluated first: in C, make layers that draw in statements of their own.
 */
#define TG_MODULES(...)                                                                            \
    ((tg_modules){(int)(sizeof((tg_module *[]){NULL, __VA_ARGS__}) / sizeof(tg_module *)) - 1,     \
                  (tg_module *const[]){NULL, __VA_ARGS__} + 1})
#endif

/* One module after the other; their names are "0", "1" and so on. A list without modules has no
 * context to report an error to: the call returns NULL without a message. */
TG_API tg_module *tg_sequential(tg_modules modules);

/* ---- A module of your own. */

/* forward is given the module itself and a tensor of its context, never NULL, and returns a tensor.
 * It may return NULL after an operation in it has failed; since operations pass NULL on, it need
 * not check them. forward NULL: the module has none. tg_module_data is data_bytes of zeroed memory,
 * which lives until the module's scope ends. name, which is copied, is the class that messages
 * show. What forward itself writes, to a buffer or to the data, is not undone when a module around
 * it fails later; it should write last. */
TG_API tg_module *tg_module_new(tg_context *tg, const char *name,
                                tg_tensor *(*forward)(tg_module *self, tg_tensor *x),
                                size_t data_bytes);
TG_API void *tg_module_data(tg_module *module);
/* Each returns what it registered. Names are copied, and have no dot. What is registered must live
 * as long as the module. A parameter is a floating leaf, and requires grad from here on. */
TG_API tg_tensor *tg_register_parameter(tg_module *module, const char *name, tg_tensor *t);
TG_API tg_tensor *tg_register_buffer(tg_module *module, const char *name, tg_tensor *t);
TG_API tg_module *tg_register_module(tg_module *module, const char *name, tg_module *child);

/* ---- Losses. Both sides must have one shape and one dtype: (n) against (n, 1) would broadcast to
 * (n, n) and be wrong, so it is TG_ERR_SHAPE, with the cure in the message. TG_BROADCAST, added
 * to the reduction, allows it. */
enum { TG_MEAN = 0, TG_SUM = 1, TG_NONE = 2, TG_BATCHMEAN = 3, TG_BROADCAST = 4 };

/* (input - target)^2: its mean, its sum, or element by element. */
TG_API tg_tensor *tg_mse_loss(tg_tensor *input, tg_tensor *target, int reduction);
/* The same as a module without parameters, for tg_loss. */
TG_API tg_module *tg_mseloss(tg_context *tg, int reduction);
/* The options of the other losses; each loss says which of them it reads beside reduction. weight
 * and pos_weight receive gradients, too, if they require grad. */
typedef struct tg_loss_options {
    int reduction; /* TG_MEAN */
    tg_tensor *weight;
    tg_tensor *pos_weight;
    int64_t ignore_index; /* -100; 0, a label, only in options begun with the defaults */
    double label_smoothing;
    double beta, delta; /* 1 */
    bool log_target;
    bool full;
    double eps; /* 1e-6 */
} tg_loss_options;

/* TG_LOSS(.reduction = TG_SUM) */
#define TG_LOSS_DEFAULTS .ignore_index = -100, .beta = 1, .delta = 1, .eps = 1e-6
#define TG_LOSS(...)                                                                               \
    TG_BEGIN_OPTIONS(tg_loss_options, tg_loss_defaults(), TG_LOSS_DEFAULTS, __VA_ARGS__)
TG_API tg_loss_options tg_loss_defaults(void);

/* options NULL: tg_loss_defaults(). */
typedef tg_tensor *(*tg_loss_function)(tg_tensor *input, tg_tensor *target,
                                       const tg_loss_options *options);

/* With d = |input - target|. l1_loss: d. huber_loss: d^2 / 2 up to delta, then delta (d - delta /
 * 2). smooth_l1_loss: the same with beta for delta, divided by beta; beta 0 is l1_loss, and its
 * gradient at d = 0 is then 0, as l1_loss has it (PyTorch's smooth_l1_loss has -1 there). */
TG_API tg_tensor *tg_l1_loss(tg_tensor *input, tg_tensor *target, const tg_loss_options *options);
TG_API tg_tensor *tg_huber_loss(tg_tensor *input, tg_tensor *target,
                                const tg_loss_options *options);
TG_API tg_tensor *tg_smooth_l1_loss(tg_tensor *input, tg_tensor *target,
                                    const tg_loss_options *options);
/* -target log(input) - (1 - target) log(1 - input), a logarithm being -100 at least, times weight,
 * which broadcasts. An input outside [0, 1] is TG_ERR_ARGUMENT. */
TG_API tg_tensor *tg_binary_cross_entropy(tg_tensor *input, tg_tensor *target,
                                          const tg_loss_options *options);
/* The same of sigmoid(input), without overflow; pos_weight, which broadcasts, weights target. */
TG_API tg_tensor *tg_binary_cross_entropy_with_logits(tg_tensor *input, tg_tensor *target,
                                                      const tg_loss_options *options);
/* target (log(target) - input); log_target: target is a logarithm, too. TG_BATCHMEAN: the sum
 * divided by the first size. */
TG_API tg_tensor *tg_kl_div(tg_tensor *input, tg_tensor *target, const tg_loss_options *options);
/* (log(var) + (input - target)^2 / var) / 2, var being eps at least; full adds log(2 pi) / 2. var:
 * of input's shape, or one number a row; negative is TG_ERR_ARGUMENT. */
TG_API tg_tensor *tg_gaussian_nll_loss(tg_tensor *input, tg_tensor *target, tg_tensor *var,
                                       const tg_loss_options *options);
/* -weight[label] input[label] for input (N, C), (N, C, d...) or (C) of logarithms of probabilities
 * and target, int64 labels (N), (N, d...) or (). Rows labelled ignore_index count nothing. The mean
 * is by weight. A label out of range is TG_ERR_INDEX. */
TG_API tg_tensor *tg_nll_loss(tg_tensor *input, tg_tensor *target, const tg_loss_options *options);
/* nll_loss of log_softmax(input). target may also be probabilities of all classes, of input's shape
 * and dtype; with these an ignore_index of 0 or more is TG_ERR_ARGUMENT. label_smoothing mixes the
 * target with equal probabilities. */
TG_API tg_tensor *tg_cross_entropy(tg_tensor *input, tg_tensor *target,
                                   const tg_loss_options *options);

/* Any of them as a module for tg_loss: tg_criterion(tg, tg_cross_entropy, NULL) is
 * nn.CrossEntropyLoss(). The options are copied; their tensors must outlive the module. */
TG_API tg_module *tg_criterion(tg_context *tg, tg_loss_function function,
                               const tg_loss_options *options);
/* The output of a loss module. */
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
