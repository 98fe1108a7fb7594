/* Conversion of elements between the types of files and dtypes. */
#include "convert.h"

#include "../tensor/loops.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *name;
    uint8_t size, dtype;
    bool is_signed;
} types[FILE_TYPES] = {
    [FILE_F32] = {"float32", 4, TG_F32, true}, [FILE_F64] = {"float64", 8, TG_F64, true},
    [FILE_I64] = {"int64", 8, TG_I64, true},   [FILE_BOOL] = {"bool", 1, TG_BOOL, false},
    [FILE_F16] = {"float16", 2, TG_F32, true}, [FILE_BF16] = {"bfloat16", 2, TG_F32, true},
    [FILE_U8] = {"uint8", 1, TG_I64, false},   [FILE_I8] = {"int8", 1, TG_I64, true},
    [FILE_U16] = {"uint16", 2, TG_I64, false}, [FILE_I16] = {"int16", 2, TG_I64, true},
    [FILE_U32] = {"uint32", 4, TG_I64, false}, [FILE_I32] = {"int32", 4, TG_I64, true},
    [FILE_U64] = {"uint64", 8, TG_I64, false},
};

_Static_assert((int)FILE_F32 == TG_F32 && (int)FILE_F64 == TG_F64 && (int)FILE_I64 == TG_I64 &&
                   (int)FILE_BOOL == TG_BOOL && TG_DTYPES == 4,
               "a dtype is a file type");
_Static_assert(TG_STORED_I64 == FILE_I64 + 1 && TG_STORED_F16 == FILE_F16 + 1 &&
                   TG_STORED_U64 == FILE_U64 + 1,
               "a tg_stored is one more than the file type");

size_t tg__type_size(file_type type)
{
    return types[type].size;
}

const char *tg__type_name(file_type type)
{
    return types[type].name;
}

tg_dtype tg__type_dtype(file_type type)
{
    return (tg_dtype)types[type].dtype;
}

/* ---- Floating types of 16 bits, whose values a float holds. */

typedef struct half_format {
    int fraction;    /* how many bits the fraction has */
    int bias;        /* how much less the exponent's bias is than that of double */
    float scale;     /* 2^n, if the bias is n less than that of float */
    double smallest; /* the distance of the subnormal numbers */
} half_format;

static const half_format *format_of(file_type type)
{
    static const half_format f16 = {10, 1008, 0x1p112f, 0x1p-24}, bf16 = {7, 896, 1, 0x1p-133};
    return type == FILE_F16 ? &f16 : &bf16;
}

/* The bits are moved to where a float has them. This gives a float whose exponent is too small,
 * which `scale` makes right; subnormal numbers become subnormal ones first. */
static inline float from_half(uint16_t half, const half_format *f)
{
    const uint32_t infinity = 0x7f800000, special = 0x8000u - (1u << f->fraction);
    uint32_t bits = (uint32_t)(half & 0x7fff) << (23 - f->fraction);
    if ((half & 0x7fff) >= special) bits |= infinity;
    bits |= (uint32_t)(half & 0x8000) << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value * f->scale;
}

static const uint64_t infinite = (uint64_t)0x7ff << 52; /* the bits of a double */

/* Sets *half to the nearest value of the format, of two the even one. False if this is infinite and
 * `value` is not. */
static bool to_half(double value, const half_format *f, uint16_t *half)
{
    const int dropped = 52 - f->fraction;
    const uint32_t first = 1u << f->fraction, special = 0x8000u - first;
    uint64_t bits, magnitude;
    memcpy(&bits, &value, sizeof bits);
    const uint64_t sign = bits >> 48 & 0x8000;
    bits &= UINT64_MAX >> 1;
    if (bits >= infinite)
        magnitude = special | (bits > infinite ? first >> 1 : 0);
    else if (fabs(value) < f->smallest * first) /* the sum rounds to a whole number */
        magnitude = (uint64_t)(fabs(value) / f->smallest + 0x1p52 - 0x1p52);
    else
        magnitude =
            ((bits + ((uint64_t)1 << (dropped - 1)) - 1 + (bits >> dropped & 1)) >> dropped) -
            ((uint64_t)f->bias << f->fraction);
    *half = (uint16_t)(sign | magnitude);
    return magnitude < special || bits >= infinite;
}

/* ---- Conversion, in blocks. Elements are loaded as doubles if their type is floating, else as
 * int64, brought from the one to the other where that is needed, and stored. Each of these
 * functions returns how many elements it has done before the first that does not fit, else n. */

enum { CONVERTED = 256 };
typedef union block_of {
    double real[CONVERTED];
    int64_t whole[CONVERTED];
} block_of;

static bool is_floating(file_type type)
{
    return types[type].dtype <= TG_F64;
}

static int64_t load(file_type type, const void *in, int64_t n, block_of *b)
{
    const unsigned size = types[type].size;
    const uint64_t sign = types[type].is_signed ? (uint64_t)1 << (8 * size - 1) : 0;
    for (int64_t i = 0; i < n && is_floating(type); i++)
        b->real[i] = size == 4   ? (double)((const float *)in)[i]
                     : size == 8 ? ((const double *)in)[i]
                                 : (double)from_half(((const uint16_t *)in)[i], format_of(type));
    for (int64_t i = 0; i < n && !is_floating(type); i++) {
        const uint64_t x = size == 1   ? ((const uint8_t *)in)[i]
                           : size == 2 ? ((const uint16_t *)in)[i]
                           : size == 4 ? ((const uint32_t *)in)[i]
                                       : ((const uint64_t *)in)[i];
        if (type == FILE_U64 && x > INT64_MAX) return i;
        b->whole[i] = type == FILE_BOOL ? x != 0 : (int64_t)((x ^ sign) - sign);
    }
    return n;
}

static int64_t make_real(block_of *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const int64_t x = b->whole[i];
        const double v = (double)x;
        if (v >= 0x1p63 || (int64_t)v != x) return i;
        b->real[i] = v;
    }
    return n;
}

static int64_t make_whole(block_of *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const double v = b->real[i];
        if (floor(v) != v || fabs(v) > 0x1p63 || v == 0x1p63) return i;
        b->whole[i] = (int64_t)v;
    }
    return n;
}

static bool to_float(double v, float *out)
{
    *out = (float)v;
    return fabsf(*out) < INFINITY || !(fabs(v) < INFINITY);
}

/* Integers and floats of 64 bits lie in the block as they are stored. */
static int64_t store(file_type type, const block_of *b, int64_t n, void *out)
{
    const unsigned size = types[type].size;
    const int64_t all = size == 8 ? INT64_MAX : ((int64_t)1 << 8 * size) - 1;
    const int64_t most = type == FILE_BOOL ? 1 : types[type].is_signed && size < 8 ? all >> 1 : all;
    const int64_t least = types[type].is_signed ? -most - 1 : 0;
    for (int64_t i = 0; i < n; i++) {
        if (is_floating(type)) {
            if (size == 4 && !to_float(b->real[i], (float *)out + i)) return i;
            if (size == 2 && !to_half(b->real[i], format_of(type), (uint16_t *)out + i)) return i;
        } else {
            const int64_t x = b->whole[i];
            if (x < least || x > most) return i;
            if (size == 1) ((uint8_t *)out)[i] = (uint8_t)x;
            if (size == 2) ((uint16_t *)out)[i] = (uint16_t)x;
            if (size == 4) ((uint32_t *)out)[i] = (uint32_t)x;
        }
        if (size == 8) ((int64_t *)out)[i] = b->whole[i];
    }
    return n;
}

int64_t tg__convert(file_type from, const void *in, file_type to, void *out, int64_t n)
{
    const size_t in_size = types[from].size, out_size = types[to].size;
    if (from == to && from != FILE_BOOL) {
        if (n > 0) memcpy(out, in, (size_t)n * in_size);
        return n;
    }
    if (to == FILE_F32 && is_floating(from) && in_size == 2) { /* the common case, in one step */
        const half_format *f = format_of(from);
        for (int64_t i = 0; i < n; i++) ((float *)out)[i] = from_half(((const uint16_t *)in)[i], f);
        return n;
    }
    for (int64_t at = 0; at < n; at += CONVERTED) {
        block_of b;
        const int64_t most = n - at < CONVERTED ? n - at : CONVERTED;
        const int64_t loaded = load(from, (const char *)in + (size_t)at * in_size, most, &b);
        const int64_t made = is_floating(from) == is_floating(to) ? loaded
                             : is_floating(to)                    ? make_real(&b, loaded)
                                                                  : make_whole(&b, loaded);
        const int64_t stored = store(to, &b, made, (char *)out + (size_t)at * out_size);
        if (stored < most) return at + stored;
    }
    return n;
}

/* ---- Byte order, and whole tensors. */

bool tg__is_big_endian(void)
{
    const uint16_t one = 1;
    return *(const uint8_t *)&one == 0;
}

void tg__swap_bytes(void *elements, size_t size, int64_t n)
{
    for (uint8_t *p = elements; n > 0; n--, p += size)
        for (size_t i = 0; i < size / 2; i++) {
            const uint8_t byte = p[i];
            p[i] = p[size - 1 - i];
            p[size - 1 - i] = byte;
        }
}

/* Elements are no wider in the file than in memory. Those that are written never reach those that
 * are still to be read, of which each piece is copied before it is converted. */
int64_t tg__widen(file_type type, bool big_endian, void *room, int64_t n)
{
    const file_type to = (file_type)types[type].dtype;
    const size_t size = types[type].size, to_size = types[to].size;
    const bool swap = size > 1 && big_endian != tg__is_big_endian();
    if (type == to && type != FILE_BOOL) {
        if (swap) tg__swap_bytes(room, size, n);
        return n;
    }
    const char *in = (char *)room + (size_t)n * (to_size - size);
    for (int64_t at = 0; at < n; at += CONVERTED) {
        block_of b;
        const int64_t most = n - at < CONVERTED ? n - at : CONVERTED;
        memcpy(&b, in + (size_t)at * size, (size_t)most * size);
        if (swap) tg__swap_bytes(&b, size, most);
        const int64_t done = tg__convert(type, &b, to, (char *)room + (size_t)at * to_size, most);
        if (done < most) return at + done;
    }
    return n;
}

/* The beginning of a message about an element: "tensor 'name': ", or nothing. */
static const char *tensor_of(const char *name, char *text, size_t room)
{
    char shown[100];
    if (name)
        snprintf(text, room, "tensor '%s': ", tg__shorten(name, strlen(name), shown, sizeof shown));
    else
        *text = 0;
    return text;
}

bool tg__check_type(source *s, const char *name, file_type type, const tg_load_options *o)
{
    char of[120];
    return tg__type_is_dtype(type) || o->convert ||
           tg__source_fail_as(s, TG_ERR_DTYPE,
                              "%s%s is no dtype: TG_LOAD(.convert = true) reads it as %s",
                              tensor_of(name, of, sizeof of), types[type].name,
                              tg_dtype_name(tg__type_dtype(type)));
}

bool tg__read_elements(source *s, const char *name, uint64_t offset, file_type type,
                       bool big_endian, tg_tensor *t)
{
    const size_t size = types[type].size, to_size = tg__dtype_size(t->dtype);
    const bool swap = size > 1 && big_endian != tg__is_big_endian();
    if (type == (file_type)t->dtype && type != FILE_BOOL) {
        if (!tg__source_read(s, offset, t->data, (size_t)t->numel * size)) return false;
        if (swap) tg__swap_bytes(t->data, size, t->numel);
        return true;
    }
    for (int64_t at = 0; at < t->numel; at += CONVERTED) {
        block_of b;
        const int64_t n = t->numel - at < CONVERTED ? t->numel - at : CONVERTED;
        if (!tg__source_read(s, offset + (uint64_t)at * size, &b, (size_t)n * size)) return false;
        if (swap) tg__swap_bytes(&b, size, n);
        const int64_t done =
            tg__convert(type, &b, (file_type)t->dtype, (char *)t->data + (size_t)at * to_size, n);
        char of[120];
        if (done < n)
            return tg__source_fail(s, "%selement %lld, of type %s, is no %s",
                                   tensor_of(name, of, sizeof of), (long long)(at + done),
                                   types[type].name, tg_dtype_name(t->dtype));
    }
    return true;
}

/* Whether a tensor can show elements at that address. A bool must be 0 or 1 in C. */
static bool can_show(const unsigned char *elements, file_type type, bool big_endian, int64_t n)
{
    if (!tg__type_is_dtype(type) || n == 0 || (uintptr_t)elements % types[type].size) return false;
    if (type != FILE_BOOL) return big_endian == tg__is_big_endian();
    for (int64_t i = 0; i < n; i++)
        if (elements[i] > 1) return false;
    return true;
}

tg_tensor *tg__load_elements(source *s, const char *name, uint64_t offset, file_type type,
                             bool big_endian, tg_shape shape, bool map)
{
    const tg_dtype dtype = tg__type_dtype(type);
    const unsigned char *elements = map && s->memory ? s->memory + offset : NULL;
    if (elements && can_show(elements, type, big_endian, tg__numel(shape.ndim, shape.dims)))
        return tg_wrap_const(s->tg, dtype, shape, TG_CONTIGUOUS, elements);
    tg_tensor *t = tg_empty(s->tg, dtype, shape);
    if (!t || tg__read_elements(s, name, offset, type, big_endian, t)) return t;
    tg_release(t);
    return NULL;
}

/* ---- Writing. */

/* Whether a member of the options is a type of the library's floating dtypes, or of int64. */
static bool check_member(tg_context *tg, const char *op, const char *member, tg_stored stored,
                         bool floats)
{
    if (!stored) return true;
    const unsigned type = (unsigned)stored - 1;
    const tg_dtype dtype = type < FILE_TYPES ? tg__type_dtype((file_type)type) : TG_BOOL;
    return (floats ? tg__is_float(dtype) : dtype == TG_I64) ||
           tg__fail(tg, TG_ERR_ARGUMENT, "%s: .%s is %d, which is no type of such elements", op,
                    member, (int)stored);
}

bool tg__check_stored(tg_context *tg, const char *op, const tg_save_options *o)
{
    return check_member(tg, op, "floats", o->floats, true) &&
           check_member(tg, op, "integers", o->integers, false);
}

file_type tg__stored_type(tg_dtype dtype, const tg_save_options *o)
{
    const tg_stored stored = tg__is_float(dtype) ? o->floats
                             : dtype == TG_I64   ? o->integers
                                                 : TG_STORED_AS_THEY_ARE;
    return stored ? (file_type)(stored - 1) : (file_type)dtype;
}

static bool write_contiguous(sink *s, const char *name, file_type type, const tg_tensor *t)
{
    const size_t size = types[type].size, from_size = tg__dtype_size(t->dtype);
    const bool swap = size > 1 && tg__is_big_endian();
    if (type == (file_type)t->dtype && !swap && type != FILE_BOOL)
        return tg__sink_write(s, t->data, (size_t)t->numel * size);
    for (int64_t at = 0; at < t->numel; at += CONVERTED) {
        block_of b;
        const int64_t n = t->numel - at < CONVERTED ? t->numel - at : CONVERTED;
        const int64_t done = tg__convert(
            (file_type)t->dtype, (const char *)t->data + (size_t)at * from_size, type, &b, n);
        if (done < n) {
            char of[120];
            tg__fail(s->tg, TG_ERR_ARGUMENT, "%s: %selement %lld cannot be written as %s", s->op,
                     tensor_of(name, of, sizeof of), (long long)(at + done), types[type].name);
            tg__sink_abandon(s);
            return false;
        }
        if (swap) tg__swap_bytes(&b, size, n);
        if (!tg__sink_write(s, &b, (size_t)n * size)) return false;
    }
    return true;
}

bool tg__write_elements(sink *s, const char *name, file_type type, tg_tensor *t)
{
    tg_tensor *rows = tg__contiguous(t);
    const bool written = rows && write_contiguous(s, name, type, rows);
    if (!rows) tg__sink_abandon(s);
    if (rows != t) tg_release(rows);
    return written;
}
