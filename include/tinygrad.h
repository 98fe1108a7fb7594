/* libtinygrad: n-dimensional tensors, reverse-mode autograd, modules and optimisers in C11.
 *
 * The pages, in reading order. What holds on all of them:
 *
 * Ownership  A tensor belongs to the scope it was made in and dies with it (context.h); nothing
 *            is freed by hand. The library never keeps a pointer to the caller's memory, save
 *            for tg_wrap_*, which says so.
 * Errors     A failing call returns NULL (or NaN, or false), changes nothing, and records the
 *            first code and message in the context. Calls given NULL do nothing and pass the
 *            failure on, so a whole computation is checked once, with tg_ok. (A call that is given
 *            NULL alone has no context to record in: it fails without a message.)
 * Threads    A context and everything made from it belong to one thread at a time. Different
 *            contexts are independent.
 * Options    Structs. TG_NAME(.member = value) (options.h) and tg_NAME_defaults() fill them with
 *            the defaults; in a plain literal a member that is left out is 0, not its default.
 * Names      PyTorch's. A trailing underscore means "in place".
 */
#ifndef TINYGRAD_H
#define TINYGRAD_H

#define TG_VERSION_MAJOR 0
#define TG_VERSION_MINOR 1
#define TG_VERSION_PATCH 0
#define TG_VERSION       "0.1.0"

#include "tinygrad/context.h"
#include "tinygrad/tensor.h"
#include "tinygrad/ops.h"
#include "tinygrad/linalg.h"
#include "tinygrad/autograd.h"
#include "tinygrad/random.h"
#include "tinygrad/nn.h"
#include "tinygrad/optim.h"
#include "tinygrad/data.h"
#include "tinygrad/io.h"

#endif
