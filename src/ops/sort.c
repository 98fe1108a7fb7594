/* sort, argsort and topk. PyTorch leaves equal elements in the order in which the std::sort of
 * libstdc++, an introsort, happens to leave them. To give the same indices, the functions here take
 * the same steps as std::sort, std::partial_sort and std::nth_element do. */
#include "op.h"
#include "reduce.h"

#include <string.h>

/* What is sorted: the key of an element, by which pairs are compared, and its index. */
typedef struct pair {
    int64_t key, index;
} pair;

/* Introsort leaves parts of this length to a final insertion sort. */
enum { INSERTION_LENGTH = 16 };

static void swap_pairs(pair *a, pair *b)
{
    pair t = *a;
    *a = *b;
    *b = t;
}

/* Exchanges *first with the median of *a, *b and *c. */
static void move_median(pair *first, pair *a, pair *b, pair *c)
{
    pair *median;
    if (a->key < b->key)
        median = b->key < c->key ? b : a->key < c->key ? c : a;
    else
        median = a->key < c->key ? a : b->key < c->key ? c : b;
    swap_pairs(first, median);
}

/* Hoare's partition of [first + 1, last) around the median of three, which moves to *first. Returns
 * where the second part begins.
 *
 * The pairs on the left that are not less than the pivot change places with those on the right that
 * are not greater, in the order from both ends. As long as both ends are far apart, they are sought
 * block by block without branches, which a processor could not predict. The last loops need no
 * check of bounds, because neither of the other two of the three lies on the wrong side of the
 * pivot. */
static pair *partition(pair *first, pair *last)
{
    enum { BLOCK = 64 };
    uint8_t left[BLOCK], right[BLOCK]; /* the places in a block, counted from the ends */
    int lefts = 0, rights = 0, next_left = 0, next_right = 0;
    move_median(first, first + 1, first + (last - first) / 2, last - 1);
    const int64_t pivot = first->key;
    pair *low = first + 1, *high = last;
    while (high - low > 2 * BLOCK) {
        if (next_left == lefts)
            for (int i = next_left = lefts = 0; i < BLOCK; i++) {
                left[lefts] = (uint8_t)i;
                lefts += low[i].key >= pivot;
            }
        if (next_right == rights)
            for (int i = next_right = rights = 0; i < BLOCK; i++) {
                right[rights] = (uint8_t)i;
                rights += high[-1 - i].key <= pivot;
            }
        while (next_left < lefts && next_right < rights)
            swap_pairs(low + left[next_left++], high - 1 - right[next_right++]);
        if (next_left == lefts) low += BLOCK;
        if (next_right == rights) high -= BLOCK;
    }
    if (next_left < lefts) low += left[next_left];
    if (next_right < rights) high -= right[next_right];
    for (;; low++) {
        while (low->key < pivot) low++;
        do high--;
        while (pivot < high->key);
        if (low >= high) return low;
        swap_pairs(low, high);
    }
}

/* Puts value into a heap of n pairs with a hole: moves the larger child into the hole until the
 * hole is at a leaf, then moves parents down until value fits. */
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

/* Moves the k least of n pairs to the front, as a heap with the greatest of them on top. */
static void heap_select(pair *p, int64_t k, int64_t n)
{
    for (int64_t i = (k - 2) / 2; i >= 0; i--) sift(p, i, k, p[i]);
    for (int64_t i = k; i < n; i++) {
        if (p[i].key >= p[0].key) continue;
        pair value = p[i];
        p[i] = p[0];
        sift(p, 0, k, value);
    }
}

/* Moves the k least of n pairs to the front, in order. */
static void heap_sort(pair *p, int64_t k, int64_t n)
{
    heap_select(p, k, n);
    for (int64_t last = k - 1; last > 0; last--) {
        pair value = p[last];
        p[last] = p[0];
        sift(p, 0, last, value);
    }
}

/* Quicksort down to parts of INSERTION_LENGTH pairs, with heap sort for a part that is still longer
 * at the given depth of recursion. */
static void intro_sort(pair *first, pair *last, int depth)
{
    while (last - first > INSERTION_LENGTH) {
        if (depth-- == 0) {
            heap_sort(first, last - first, last - first);
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

static int depth_limit(int64_t n)
{
    int log = 0;
    for (; n > 1; n >>= 1) log++;
    return 2 * log;
}

static void sort_pairs(pair *p, int64_t n)
{
    intro_sort(p, p + n, depth_limit(n));
    insertion_sort(p, n);
}

/* Moves the pair that is number k - 1 in order to that place, with none greater before it: the
 * std::nth_element of libstdc++. */
static void intro_select(pair *p, int64_t k, int64_t n)
{
    pair *first = p, *last = p + n, *nth = p + k - 1;
    for (int depth = depth_limit(n); last - first > 3; depth--) {
        if (depth == 0) {
            heap_select(first, nth + 1 - first, last - first);
            swap_pairs(first, nth);
            return;
        }
        pair *middle = partition(first, last);
        *(middle <= nth ? &first : &last) = middle;
    }
    insertion_sort(first, last - first);
}

/* Moves the k least to the front, in order if `sorted`, by the steps of PyTorch's topk. */
static void top_k(pair *p, int64_t k, int64_t n, bool sorted)
{
    if (k == 0) return;
    if (k * 64 <= n) {
        heap_sort(p, k, n);
        return;
    }
    intro_select(p, k, n);
    if (sorted) sort_pairs(p, k - 1);
}

/* An integer that compares with others as the element does. -0 equals +0, and NaN is the
 * greatest. */
static int64_t sort_key(const tg_tensor *t, int64_t at)
{
    if (t->dtype == TG_I64) return ((const int64_t *)t->data)[at];
    const double v = tg__load(t->dtype, t->data, at);
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
    return tg__any_dtype(c->op->name, c->in[0]);
}

/* Puts pairs with equal keys, which are neighbours, in the order of their indices. */
static void make_stable(pair *p, int64_t n)
{
    for (int64_t i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && p[j].key == p[i].key; j++) continue;
        for (int64_t k = i; k < j; k++) p[k].key = p[k].index;
        sort_pairs(p + i, j - i);
    }
}

/* The offset, in elements, at which line number `line` along dim begins. */
static int64_t sort_line_start(const tg_tensor *t, int dim, int64_t line)
{
    int64_t at = 0;
    for (int d = t->ndim - 1; d >= 0; d--) {
        if (d == dim) continue;
        at += line % t->shape[d] * t->strides[d];
        line /= t->shape[d];
    }
    return at;
}

/* The attributes of argsort: the dimension, whether the order is descending, one of SORT_*, and for
 * topk the k. The last entries of the result are then unspecified. */
enum { SORT_DIM, SORT_DESCENDING, SORT_HOW, SORT_K };
enum { SORT_PLAIN, SORT_STABLE, SORT_TOP_K, SORT_TOP_K_SORTED };

static bool argsort_forward(const call *c)
{
    const tg_tensor *t = c->in[0];
    int dim = (int)c->a[SORT_DIM].i;
    int64_t n = t->ndim ? t->shape[dim] : 1, step = t->ndim ? t->strides[dim] : 1;
    int64_t out_step = t->ndim ? c->out->strides[dim] : 1;
    if (t->numel == 0) return true;
    tg_tensor *work = tg__new(c->tg, TG_I64, 2, (int64_t[]){n, 2});
    if (!work) return false;
    pair *pairs = work->data;
    for (int64_t line = 0; line < t->numel / n; line++) {
        int64_t from = sort_line_start(t, dim, line), *to = c->out->data;
        to += sort_line_start(c->out, dim, line);
        for (int64_t i = 0; i < n; i++) {
            int64_t key = sort_key(t, from + i * step);
            pairs[i] = (pair){c->a[SORT_DESCENDING].i ? ~key : key, i};
        }
        if (c->a[SORT_HOW].i >= SORT_TOP_K)
            top_k(pairs, c->a[SORT_K].i, n, c->a[SORT_HOW].i == SORT_TOP_K_SORTED);
        else
            sort_pairs(pairs, n);
        if (c->a[SORT_HOW].i == SORT_STABLE) make_stable(pairs, n);
        for (int64_t i = 0; i < n; i++) to[i * out_step] = pairs[i].index;
    }
    tg_release(work);
    return true;
}

static const op_row argsort_op = {
    .name = "argsort", .shape = argsort_shape, .forward = argsort_forward};

static tg_tensor *argsort(tg_tensor *a, int dim, bool descending, int how, int64_t k)
{
    int d = a ? tg__dim(a, "argsort", dim, a->ndim) : -1;
    if (d < 0) return NULL;
    return tg__apply(&argsort_op, 1, &a,
                     (attr[TG_ATTRS]){[SORT_DIM] = {.i = d},
                                      [SORT_DESCENDING] = {.i = descending},
                                      [SORT_HOW] = {.i = how},
                                      [SORT_K] = {.i = k}});
}

tg_tensor *tg_argsort(tg_tensor *a, int dim)
{
    return argsort(a, dim, false, SORT_PLAIN, 0);
}

tg_indexed tg_sort_indexed(tg_tensor *a, int dim, bool descending, bool stable)
{
    tg_indexed none = {NULL, NULL};
    if (!tg__check_inputs("sort", 1, &a) || tg__dim(a, "sort", dim, a->ndim) < 0) return none;
    frame f;
    tg__enter(&f, "sort", a);
    tg_tensor *order = argsort(a, dim, descending, stable ? SORT_STABLE : SORT_PLAIN, 0),
              *r[] = {tg_gather(a, dim, order), order};
    tg__name_grad_fn(r[0], stable ? "SortBackward1" : "SortBackward0");
    tg__leave_with(&f, 2, r);
    return r[0] ? (tg_indexed){r[0], r[1]} : none;
}

tg_tensor *tg_sort(tg_tensor *a, int dim)
{
    frame f;
    tg__enter(&f, "sort", a);
    return tg__leave(&f, tg_sort_indexed(a, dim, false, false).values);
}

tg_indexed tg_topk(tg_tensor *a, int64_t k, int dim, bool largest, bool sorted)
{
    tg_indexed none = {NULL, NULL};
    int d = a ? tg__dim(a, "topk", dim, a->ndim) : -1;
    if (d < 0) return none;
    const int64_t n = a->ndim ? a->shape[d] : 1;
    if (k < 0 || k > n) {
        tg__fail(a->context, TG_ERR_ARGUMENT,
                 "topk: k %lld is not in 0 to %lld, the size of dim %d of %s", (long long)k,
                 (long long)n, d, SHOW(a));
        return none;
    }
    frame f;
    tg__enter(&f, "topk", a);
    tg_tensor *order = argsort(a, d, largest, sorted ? SORT_TOP_K_SORTED : SORT_TOP_K, k),
              *r[] = {NULL, order};
    /* A view would keep the memory of all n indices. */
    if (a->ndim) r[1] = tg_clone(tg_narrow(order, d, 0, k));
    r[0] = tg__name_grad_fn(tg_gather(a, d, r[1]), "TopkBackward0");
    tg__leave_with(&f, 2, r);
    return r[0] ? (tg_indexed){r[0], r[1]} : none;
}
