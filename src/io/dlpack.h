/* The structs of DLPack, laid out as in its dlpack.h, version 1. The public page only declares the
 * two outer ones; a program that reads their members includes dlpack.h. */
#ifndef TG_DLPACK_H
#define TG_DLPACK_H

#include "../context/compiler.h"

#include <tinygrad.h>

enum { DL_INT, DL_UINT, DL_FLOAT, DL_BOOL = 6 }; /* kinds of elements */
enum { DL_CPU = 1, DL_MAJOR = 1, DL_MINOR = 1, DL_READ_ONLY = 1 };

typedef struct dl_tensor {
    void *data;
    struct {
        int32_t type, id;
    } device;
    int32_t ndim;
    struct {
        uint8_t code, bits;
        uint16_t lanes;
    } dtype;
    int64_t *shape, *strides; /* the strides, in elements, may be NULL for row-major */
    uint64_t byte_offset;     /* of the first element from data */
} dl_tensor;

struct DLManagedTensor {
    dl_tensor tensor;
    void *manager;
    void (*deleter)(struct DLManagedTensor *self);
};

struct DLManagedTensorVersioned {
    struct {
        uint32_t major, minor;
    } version;
    void *manager;
    void (*deleter)(struct DLManagedTensorVersioned *self);
    uint64_t flags;
    dl_tensor tensor;
};

#endif
