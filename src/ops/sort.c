/* Sorting, in PyTorch's order of equal elements: that of a certain introsort, whose steps are
 * therefore fixed here. */
#include "../internal.h"

#include <string.h>

typedef struct pair {
    int64_t key, index;
} pair;

enum { INSERTION = 16 };

static void swap_pairs(pair *a, pair *b)
{
    pair t = *a;
    *a = *b;
    *b = t;
}

/* Moves the median of a, b and c to where first is. */
static void median_to(pair *first, pair *a, pair *b, pair *c)
{
    pair *median;
    if (a->key < b->key)
        median = b->key < c->key ? b : a->key < c->key ? c : a;
    else
        median = a->key < c->key ? a : b->key < c->key ? c : b;
    swap_pairs(first, median);
}

/* Hoare's partition of [first + 1, last) around *first; the median guards both ends. */
static pair *partition(pair *first, pair *last)
{
    median_to(first, first + 1, first + (last - first) / 2, last - 1);
    int64_t pivot = first->key;
    for (pair *low = first + 1, *high = last;; low++) {
        while (low->key < pivot) low++;
        do high--;
        while (pivot < high->key);
        if (low >= high) return low;
        swap_pairs(low, high);
    }
}

/* Fills the hole with the larger child down to a leaf, then lets value rise from there. */
static void sift(pair *heap, int64_t hole, int64_t n, pair value)
{
    int64_t top = hole;
    while (2 * hole + 2 < n) {
        int64_t child = 2 * hole + 2;
        if (heap[child].key < heap[child - 1].key) child--;
        heap[hole] = heap[child];
        hole = child;
    }
    if (2 * hole + 2 == n) {
        heap[hole] = heap[n - 1];
        hole = n - 1;
    }
    for (int64_t parent; hole > top && heap[parent = (hole - 1) / 2].key < value.key; hole = parent)
        heap[hole] = heap[parent];
    heap[hole] = value;
}

static void heap_sort(pair *p, int64_t n)
{
    for (int64_t i = (n - 2) / 2; i >= 0; i--) sift(p, i, n, p[i]);
    for (int64_t last = n - 1; last > 0; last--) {
        pair value = p[last];
        p[last] = p[0];
        sift(p, 0, last, value);
    }
}

static void intro_sort(pair *first, pair *last, int depth)
{
    while (last - first > INSERTION) {
        if (depth-- == 0) {
            heap_sort(first, last - first);
            return;
        }
        pair *middle = partition(first, last);
        intro_sort(middle, last, depth);
        last = middle;
    }
}

static void insertion_sort(pair *p, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        pair value = p[i];
        int64_t at = i;
        for (; at > 0 && value.key < p[at - 1].key; at--) p[at] = p[at - 1];
        p[at] = value;
    }
}

static void sort_pairs(pair *p, int64_t n)
{
    int log = 0;
    for (int64_t m = n; m > 1; m >>= 1) log++;
    intro_sort(p, p + n, 2 * log);
    insertion_sort(p, n);
}

/* An integer that orders as the value does: -0 equals +0, NaN is greatest. */
static int64_t key_of(const tg_tensor *t, int64_t at)
{
    double v;
    switch (t->dtype) {
    case TG_F32: v = (double)((const float *)t->data)[at]; break;
    case TG_F64: v = ((const double *)t->data)[at]; break;
    case TG_I64: return ((const int64_t *)t->data)[at];
    default: return ((const bool *)t->data)[at];
    }
    if (v != v) return INT64_MAX;
    if (v == 0) return 0;
    int64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits < 0 ? INT64_MIN - bits : bits;
}

static bool argsort_shape(const call *c, spec *s)
{
    tg__same_shape(c, s);
    s->dtype = TG_I64;
    return true;
}

/* Sorts the line of n elements that starts at from (in elements), into indices with step `to_step`.
 */
static void argsort_line(const tg_tensor *t, int64_t n, int64_t from, int64_t step, pair *pairs,
                         int64_t *to, int64_t to_step)
{
    for (int64_t i = 0; i < n; i++) pairs[i] = (pair){key_of(t, from + i * step), i};
    sort_pairs(pairs, n);
    for (int64_t i = 0; i < n; i++) to[i * to_step] = pairs[i].index;
}

static bool argsort_run(const call *c)
{
    const tg_tensor *t = c->in[0];
    int dim = (int)c->a[0].i;
    int64_t n = t->ndim ? t->shape[dim] : 1, step = t->ndim ? t->strides[dim] : 1;
    int64_t out_step = t->ndim ? c->out->strides[dim] : 1;
    if (t->numel == 0) return true;
    tg_tensor *work = tg__new(c->tg, TG_I64, 2, (int64_t[]){n, 2});
    if (!work) return false;
    for (int64_t line = 0; line < t->numel / n; line++) {
        int64_t from = 0, to = 0, rest = line;
        for (int d = t->ndim - 1; d >= 0; d--) {
            if (d == dim) continue;
            from += rest % t->shape[d] * t->strides[d];
            to += rest % t->shape[d] * c->out->strides[d];
            rest /= t->shape[d];
        }
        argsort_line(t, n, from, step, work->data, (int64_t *)c->out->data + to, out_step);
    }
    tg_release(work);
    return true;
}

static const op_row argsort_op = {.name = "argsort", .shape = argsort_shape, .run = argsort_run};

tg_tensor *tg_argsort(tg_tensor *a, int dim)
{
    int d = a ? tg__dim(a, "argsort", dim, a->ndim) : -1;
    return d < 0 ? NULL : tg__apply(&argsort_op, 1, &a, (attr[TG_ATTRS]){{.i = d}});
}

tg_tensor *tg_sort(tg_tensor *a, int dim)
{
    if (!tg__check_inputs("sort", 1, &a) || tg__dim(a, "sort", dim, a->ndim) < 0) return NULL;
    return tg_gather(a, dim, tg_argsort(a, dim));
}
