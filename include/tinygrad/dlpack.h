/* Tensors shared with other libraries in the same process, without a copy. */
#ifndef TINYGRAD_DLPACK_H
#define TINYGRAD_DLPACK_H

#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- DLPack is a struct for a tensor that NumPy, PyTorch, JAX, ONNX Runtime and others pass to
 * each other: https://dmlc.github.io/dlpack. The library that lends its memory makes the struct,
 * and the one that borrows it calls the struct's deleter when it needs the memory no more.
 *
 * There are two structs. DLManagedTensor, in a Python capsule called "dltensor", is the older one,
 * and the only one that NumPy 1 and PyTorch 1 know; DLManagedTensorVersioned, in a capsule called
 * "dltensor_versioned", also says whether the memory may be written to. A program that looks into
 * them includes dlpack.h, before this page or after it; one that passes them on need not.
 *
 * Both sides see what the other one writes, but backward does not notice that the other side has
 * changed a value which it needs. */

/* The older struct, which dlpack.h defines. */
struct DLManagedTensor;
/* The struct with a version and flags, which dlpack.h defines. */
struct DLManagedTensorVersioned;

/* Lends the memory of t to another library, which must call the deleter once. The memory stays
 * until then, even if the scope of t ends or the context is closed; from then on only the other
 * library uses it, and tg_get_stats does not count it. Until then, the deleter counts as a use of
 * the context and must be called by the thread that uses it. Deleters of tensors of one context
 * must not be called by two threads at once.
 *
 * A tensor that requires grad is TG_ERR_AUTOGRAD (tg_detach makes a view that does not), and memory
 * that is not the library's own, from tg_wrap_*, tg_borrow, tg_from_dlpack or a mapped file,
 * TG_ERR_ARGUMENT (tg_clone copies it). PyTorch: torch.utils.dlpack.to_dlpack. */
TG_API struct DLManagedTensor *tg_to_dlpack(tg_tensor *t);

/* The same with the newer struct, of version 1.1. */
TG_API struct DLManagedTensorVersioned *tg_to_dlpack_versioned(tg_tensor *t);

/* Borrows a tensor of another library: a tensor over its memory in the current scope, whose end
 * calls the deleter. On failure the struct remains the caller's, who then calls the deleter.
 *
 * The memory must be that of the CPU, aligned for its elements, and these must be float32, float64,
 * int64 or bool, else TG_ERR_DTYPE; the strides must not be negative. PyTorch:
 * torch.utils.dlpack.from_dlpack. */
TG_API tg_tensor *tg_from_dlpack(tg_context *tg, struct DLManagedTensor *managed);

/* The same for the newer struct. A tensor whose flags say that it is read-only cannot be written
 * to, as by tg_wrap_const. A version of DLPack other than 1 is TG_ERR_ARGUMENT; of such a struct,
 * only the deleter may be called. */
TG_API tg_tensor *tg_from_dlpack_versioned(tg_context *tg,
                                           struct DLManagedTensorVersioned *managed);

#ifdef __cplusplus
}
#endif

#endif
