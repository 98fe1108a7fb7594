/* Arrays of NumPy: the contents of .npy files and of the entries of .npz files. */
#ifndef TG_NPY_H
#define TG_NPY_H

#include "convert.h"

/* Reads the array that a source consists of. With o->map, the tensor shows the memory of the source
 * if it can. The strides of a file in Fortran order are those of the tensor. */
tg_tensor *tg__load_array(source *s, const tg_load_options *o);
/* Whether t may be written as an array of that type; else an error, which names the tensor if
 * `name` is not NULL. */
bool tg__check_npy(const char *op, const char *name, const tg_tensor *t, file_type type);
/* Writes an array, with elements of that type, row-major whatever the strides of t. */
bool tg__write_npy(sink *s, const char *name, file_type type, tg_tensor *t);

#endif
