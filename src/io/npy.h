/* Arrays of NumPy: the contents of .npy files and of the entries of .npz files. */
#ifndef TG_NPY_H
#define TG_NPY_H

#include "convert.h"

/* What the header of a .npy file says. */
typedef struct npy_array {
    uint64_t start; /* where the elements begin */
    file_type type;
    bool big_endian, fortran;
    int ndim;
    int64_t shape[TG_MAX_DIMS];
} npy_array;

/* Reads the header. */
bool tg__read_npy_header(source *s, npy_array *a);
/* Checks that its elements are all that follows. */
bool tg__check_npy_size(source *s, const npy_array *a);
/* Reads the array that a source consists of. With o->map, the tensor shows the memory of the source
 * if it can. The strides of a file in Fortran order are those of the tensor. */
tg_tensor *tg__load_array(source *s, const tg_load_options *o);
/* Whether t may be written as an array of that type; else an error, which names the tensor if
 * `name` is not NULL. */
bool tg__check_npy(const char *op, const char *name, const tg_tensor *t, file_type type);
/* Writes an array, with elements of that type, row-major whatever the strides of t. */
bool tg__write_npy(sink *s, const char *name, file_type type, tg_tensor *t);

#endif
