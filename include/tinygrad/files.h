/* Files of tensors. Numbers are stored with the least significant byte first on every machine.
 *
 * Saving writes a temporary file "tinygrad-*.tmp" beside the target, flushes it to the disk and
 * renames it. If the call fails, if the process is killed or the machine stops, the path names
 * either the older file or the whole of the one that is saved; only if the process is killed or the
 * machine stops can the temporary file stay behind. A symbolic link stays, and the file that it
 * names is replaced; the permissions of an older file stay, too. A pipe or a device is written to
 * directly, and so is standard output, for the paths "-" and "/dev/stdout".
 *
 * Loading takes nothing in a file on trust: a file that contradicts itself or is not complete is
 * TG_ERR_IO, with one line that names the file, the tensor and the problem. Time and memory are
 * bounded by the size of the file. A pipe or a device cannot be loaded from.
 *
 * While a file is loaded, another program may replace it by renaming, as saving does, but must not
 * write to it. */
#ifndef TINYGRAD_FILES_H
#define TINYGRAD_FILES_H

#include <stddef.h>

#include "options.h"
#include "state.h"
#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The options of functions that load a file. */
typedef struct tg_load_options {
    bool map;     /* false; true: the file is mapped read-only, and its tensors show the mapping */
    bool convert; /* false; true: types that are no dtypes are converted to one */
} tg_load_options;

/* map: a tensor whose elements have a dtype, the byte order of this machine and an aligned place in
 * the file is not copied. It shows the mapping of the file, cannot be written to, as after
 * tg_wrap_const, and the mapping lasts until the end of the scope in which the file was loaded.
 * Other tensors are copies, and so are all where the system has no mapping of files. If the file is
 * written to while it is mapped, tensors may change; if it becomes shorter, reading them may end
 * the process (SIGBUS). A program that cannot rule that out, as the file belongs to others or lies
 * on a network, must not map it.
 *
 * convert: float16 and bfloat16 become float32, and int8, uint8, int16, uint16, int32, uint32 and
 * uint64 become int64. An element of uint64 that int64 cannot hold, 2^63 or more, is TG_ERR_IO.
 * Without convert these types are TG_ERR_DTYPE. */

/* Internal: the defaults with which TG_LOAD begins in C; see options.h. */
#define TG_LOAD_DEFAULTS .map = false, .convert = false
/* A pointer to options of loading, of which these are changed: TG_LOAD(.map = true). */
#define TG_LOAD(...)                                                                               \
    TG_BEGIN_OPTIONS(tg_load_options, tg_load_defaults(), TG_LOAD_DEFAULTS, __VA_ARGS__)
/* The default options of loading, which stand beside the members. */
TG_API tg_load_options tg_load_defaults(void);

/* How elements are stored in a file. */
typedef enum tg_stored {
    TG_STORED_AS_THEY_ARE = 0, /* by the dtype of the tensor */
    TG_STORED_F32 = 1,         /* float32 */
    TG_STORED_F64 = 2,         /* float64 */
    TG_STORED_I64 = 3,         /* int64 */
    TG_STORED_F16 = 5,         /* float16 */
    TG_STORED_BF16 = 6,        /* bfloat16 */
    TG_STORED_U8 = 7,          /* uint8 */
    TG_STORED_I8 = 8,          /* int8 */
    TG_STORED_U16 = 9,         /* uint16 */
    TG_STORED_I16 = 10,        /* int16 */
    TG_STORED_U32 = 11,        /* uint32 */
    TG_STORED_I32 = 12,        /* int32 */
    TG_STORED_U64 = 13         /* uint64 */
} tg_stored;

/* The options of functions that save a file. Floating types round to the nearest value, of two to
 * the even one. An element that a type cannot hold, such as 1e5 as float16 or 300 as uint8, is
 * TG_ERR_ARGUMENT, and no file is written. */
typedef struct tg_save_options {
    tg_stored floats;   /* TG_STORED_AS_THEY_ARE: the type of the float32 and float64 tensors */
    tg_stored integers; /* TG_STORED_AS_THEY_ARE: the type of the int64 tensors */
} tg_save_options;

/* Internal: the defaults with which TG_SAVE begins in C; see options.h. */
#define TG_SAVE_DEFAULTS .floats = TG_STORED_AS_THEY_ARE, .integers = TG_STORED_AS_THEY_ARE
/* A pointer to options of saving, of which these are changed: TG_SAVE(.floats = TG_STORED_BF16). */
#define TG_SAVE(...)                                                                               \
    TG_BEGIN_OPTIONS(tg_save_options, tg_save_defaults(), TG_SAVE_DEFAULTS, __VA_ARGS__)
/* The default options of saving, which stand beside the members. */
TG_API tg_save_options tg_save_defaults(void);

/* ---- safetensors, the format of Hugging Face's models. Tensors have a name, a shape and elements,
 * and texts are the format's metadata. */

/* Saves the tensors and texts of a list. The bytes are those that the official package writes: the
 * wider types come first, then names in order. Tensors that are not row-major are written row by
 * row. */
TG_API bool tg_save_safetensors(const tg_state *s, const char *path,
                                const tg_save_options *options);

/* Loads a file: its tensors, in the order of their elements in the file, and its texts, as a list
 * in the current scope. What the official package refuses is refused, and so are names that are
 * there twice, empty, or have control characters, and members of a tensor that the format does not
 * know. The header has at most 100,000,000 bytes. */
TG_API tg_state *tg_load_safetensors(tg_context *tg, const char *path,
                                     const tg_load_options *options);

/* Reads a file that the program has in memory, by the rules of tg_load_safetensors. With
 * options->map, tensors show that memory, which must outlive them. */
TG_API tg_state *tg_read_safetensors(tg_context *tg, const void *bytes, size_t n,
                                     const tg_load_options *options);

/* ---- Checkpoints of PyTorch, which torch.save(state, path) has written since PyTorch 1.6, are
 * read without executing anything. A state may be a state dict, or dicts, lists and tuples of
 * tensors, numbers, texts and other dicts and lists, as in
 *
 *     torch.save({"model": net.state_dict(), "optimizer": adam.state_dict(), "epoch": 3}, path)
 *
 * A name is that of the way to a value, "model.0.weight" or "optimizer.state.0.step"; a file that
 * has nothing but a tensor calls it "tensor". Integers, floats and bools become 0-d tensors, int64,
 * float64 and bool; texts become texts of the list, and None is left out. Tensors that share a
 * storage share their memory, each with a history of its own; a tensor that is there under several
 * names, such as a weight that two layers share, is one tensor. Those of a GPU are read like
 * others.
 *
 * Anything else, such as a network that was saved itself, is refused by its name. Besides the first
 * 4096 values, there may be one for each 8 bytes of the file; a longer list should be a tensor. */

/* Loads a file as a list in the current scope, with the tensors in the order in which the file
 * names them. float16, bfloat16, int8, uint8, int16 and int32 are converted if options->convert is
 * true, and are refused if it is not. The checksums of a file that is mapped are not checked, but
 * for that of data.pkl. PyTorch: torch.load. */
TG_API tg_state *tg_load_pt(tg_context *tg, const char *path, const tg_load_options *options);

/* Reads a file that the program has in memory, by the rules of tg_load_pt. With options->map,
 * tensors show that memory, which must outlive them. */
TG_API tg_state *tg_read_pt(tg_context *tg, const void *bytes, size_t n,
                            const tg_load_options *options);

/* ---- Files of NumPy. */

/* Saves a tensor as a .npy file. The bytes are those of numpy.save (1.24) for a row-major array.
 * Storing as bfloat16 is TG_ERR_ARGUMENT, as NumPy has no such type. */
TG_API bool tg_save_npy(tg_tensor *t, const char *path, const tg_save_options *options);

/* Loads a .npy file of version 1.0, 2.0 or 3.0: bools, integers and floating numbers of either byte
 * order, in C or Fortran order; the strides of the tensor are those of the file. Objects, texts,
 * structs, complex numbers and times are TG_ERR_DTYPE. The header must be as programs write it: the
 * three keys, texts without escapes, decimal sizes; NumPy takes any literal of Python. Nothing may
 * follow the elements. */
TG_API tg_tensor *tg_load_npy(tg_context *tg, const char *path, const tg_load_options *options);

/* Reads a .npy file that the program has in memory, by the rules of tg_load_npy. With options->map,
 * the tensor shows that memory, which must outlive it. */
TG_API tg_tensor *tg_read_npy(tg_context *tg, const void *bytes, size_t n,
                              const tg_load_options *options);

/* Saves the tensors of a list as a .npz file, in their order, without compression. The bytes are
 * those of numpy.savez for row-major arrays of these names, with Python 3.11.4 or later. A list
 * with texts, which such a file cannot hold, is TG_ERR_ARGUMENT: that of an optimiser of a module
 * has some. A list of the tensors alone, made by tg_state_add, can be saved. */
TG_API bool tg_save_npz(const tg_state *s, const char *path, const tg_save_options *options);

/* Loads a .npz file, compressed or not, as a list in the current scope. Each entry must be an array
 * that tg_load_npy can load, and the checksums must be right. The tensors are always copies:
 * options->map changes nothing. A compressed array may take up to 1032 times as much memory as it
 * takes in the file, which tg_options.max_bytes can limit. */
TG_API tg_state *tg_load_npz(tg_context *tg, const char *path, const tg_load_options *options);

/* Reads a .npz file that the program has in memory, by the rules of tg_load_npz. */
TG_API tg_state *tg_read_npz(tg_context *tg, const void *bytes, size_t n,
                             const tg_load_options *options);

/* ---- Files of MNIST. */

/* Loads a file of the IDX format, also one that is compressed by gzip, as those of MNIST are. Its
 * uint8, int8, int16, int32, float32 or float64 are converted to the dtype: TG_F32 for images,
 * TG_I64 for labels. A floating dtype rounds to the nearest value. What a dtype cannot hold, such
 * as 0.5 as TG_I64 or 1e300 as TG_F32, is TG_ERR_IO. */
TG_API tg_tensor *tg_load_idx(tg_context *tg, const char *path, tg_dtype dtype);

/* Reads a file that the program has in memory, by the rules of tg_load_idx. */
TG_API tg_tensor *tg_read_idx(tg_context *tg, const void *bytes, size_t n, tg_dtype dtype);

#ifdef __cplusplus
}
#endif

#endif
