/* libtinygrad: n-dimensional tensors, reverse-mode autograd, modules and optimisers in C11.
 *
 * The pages below are the manual, in reading order. What holds on all of them:
 *
 * Ownership  What a call makes belongs to the current scope and dies with it (context.h); nothing
 *            is freed by hand. The library keeps no pointer to the caller's memory unless the
 *            comment of a function says so (tg_wrap_*, tg_apply, tg_lambda_with).
 * Errors     A failing call returns NULL, NaN, 0 or false, changes nothing, and records its code
 *            and message in the context. The context keeps the first error; the program looks
 *            for it with tg_ok, when it suits. The error is recorded in one context: that of the
 *            context, module, loader or optimiser given, else that of the first tensor that is
 *            not NULL.
 * Pending    While an error is pending, what exists does not change: backward, zero_grad, steps,
 *            in-place writes and random draws do nothing and fail; no module, optimiser,
 *            scheduler, loader, batch, rows or list of named tensors is made or changed, and no
 *            file is read or written. Operations on tensors (tg_apply included), new tensors,
 *            reading of values, printing, scopes and settings work as ever.
 * NULL       A call that is given NULL for a tensor, module, optimiser, scheduler or loader does
 *            nothing and fails, with TG_ERR_ARGUMENT if no error is pending. A chain of calls is
 *            therefore checked once, at its end. A call that is given NULL alone, or an empty
 *            list of tensors or modules, knows no context and fails without a message of its own.
 *            Options may be NULL, which means the defaults, unless the comment says otherwise.
 * Shapes     Operations on two tensors broadcast them as NumPy does: shapes are aligned at their
 *            last dimensions, and a dimension that is missing or has size 1 is repeated. "(*, n)"
 *            means any number of dimensions before the last. A dimension, dim, counts from the
 *            end when it is negative; one that does not exist is TG_ERR_INDEX. Sizes that do not
 *            fit are TG_ERR_SHAPE.
 * Dtypes     The floating dtypes are float32 and float64; besides there are int64 and bool. Dtypes
 *            are never promoted: tensors that meet must have one dtype (tg_cast). A dtype that a
 *            function does not take is TG_ERR_DTYPE.
 * Gradients  An operation whose result is floating has a gradient, which can be differentiated
 *            again, unless its comment says otherwise.
 * Threads    A context and everything made from it belong to one thread at a time. Contexts are
 *            independent, so each thread can have its own.
 * Callbacks  The library calls functions of the program: allocate, on_error, the forward of a
 *            module, a closure and the like. They must return; they must not throw, longjmp or
 *            end the thread. If one does, the call it was made from stays half done. After that,
 *            tg_ok, tg_error_code and tg_error still return what they returned inside the
 *            function, and tg_close frees everything but the allocation that was under way; any
 *            other use of the context or its tensors is undefined.
 * Stack      No function of the library has a frame of more than 16 KB, and a call takes less
 *            than 64 KB with all that it calls, on any CPU: a thread with 64 KB of stack is
 *            enough. Callbacks, and modules nested many levels deep, take what they need on top.
 *            Larger work space comes from the context.
 * Options    Options are structs. TG_NAME(.member = value) and tg_name_defaults() fill them with
 *            the defaults (options.h). In a plain literal a member that is left out is 0, which
 *            need not be its default.
 * Names      Names, argument order and defaults are PyTorch's. A trailing underscore means that
 *            the function changes its argument in place. */
#ifndef TINYGRAD_H
#define TINYGRAD_H

/* The first number of TG_VERSION. */
#define TG_VERSION_MAJOR 0
/* The second number of TG_VERSION. */
#define TG_VERSION_MINOR 1
/* The third number of TG_VERSION. */
#define TG_VERSION_PATCH 0
/* The version of these headers. */
#define TG_VERSION       "0.1.0"

#include "tinygrad/context.h"
#include "tinygrad/tensor.h"
#include "tinygrad/ops.h"
#include "tinygrad/linalg.h"
#include "tinygrad/autograd.h"
#include "tinygrad/random.h"
#include "tinygrad/state.h"
#include "tinygrad/ranks.h"
#include "tinygrad/nn.h"
#include "tinygrad/optim.h"
#include "tinygrad/data.h"
#include "tinygrad/rows.h"
#include "tinygrad/io.h"
#include "tinygrad/files.h"
#include "tinygrad/row_sources.h"
#include "tinygrad/dlpack.h"
#include "tinygrad/export.h"

#endif
