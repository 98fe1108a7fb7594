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
 * are not greater, in the order from both ends. As long as both ends are far apart, such pairs are
 * sought block by block without branches, which a processor could not predict. The last loops need
 * no check of bounds, because neither of the other two of the three lies on the wrong side of the
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

/* Puts value into a heap of n pairs that has a hole. The larger child is moved into the hole until
 * the hole is at a leaf; parents are then moved down until value fits. */
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

static void make_heap(pair *p, int64_t n)
{
    for (int64_t i = (n - 2) / 2; i >= 0; i--) sift(p, i, n, p[i]);
}

/* Puts a heap, with the greatest pair on top, in order. */
static void sort_heap(pair *p, int64_t n)
{
    for (int64_t last = n - 1; last > 0; last--) {
        pair value = p[last];
        p[last] = p[0];
        sift(p, 0, last, value);
    }
}

/* Moves the k least of n pairs to the front, as a heap. */
static void heap_select(pair *p, int64_t k, int64_t n)
{
    make_heap(p, k);
    for (int64_t i = k; i < n; i++) {
        if (p[i].key >= p[0].key) continue;
        pair value = p[i];
        p[i] = p[0];
        sift(p, 0, k, value);
    }
}

/* Quicksort down to parts of INSERTION_LENGTH pairs, with heap sort for a part that is still longer
 * at the given depth of recursion. */
static void intro_sort(pair *first, pair *last, int depth)
{
    while (last - first > INSERTION_LENGTH) {
        if (depth-- == 0) {
            make_heap(first, last - first);
            sort_heap(first, last - first);
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

/* The bits of a float as an integer that compares with others as the float does. -0 equals +0, and
 * NaN is the greatest. */
static inline int64_t key_f64(double x)
{
    int64_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = bits < 0 ? INT64_MIN - bits : bits;
    return x != x ? INT64_MAX : bits;
}

static inline int64_t key_f32(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = bits < 0 ? INT32_MIN - bits : bits;
    return x != x ? INT64_MAX : bits;
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
 * topk the k. */
enum { SORT_DIM, SORT_DESCENDING, SORT_HOW, SORT_K };
enum { SORT_PLAIN, SORT_STABLE, SORT_TOP_K, SORT_TOP_K_SORTED };

static bool argsort_shape(const call *c, spec *s)
{
    tg__same_shape(c, s);
    s->dtype = TG_I64;
    if (s->ndim && c->a[SORT_HOW].i >= SORT_TOP_K) s->shape[c->a[SORT_DIM].i] = c->a[SORT_K].i;
    return tg__any_dtype(c->op->name, c->in[0]);
}

/* Lines of n elements that are sorted, of which the indices of the first k go to the result. */
typedef struct sort_work {
    const tg_tensor *in, *out;
    int dim, how;
    bool descending;
    int64_t n, k, step, out_step; /* the steps are along a line */
    pair *pairs;                  /* room for a line, for each block of lines */
    int64_t room, block;          /* pairs in the room for a line, and lines in a block */
} sort_work;

/* Makes pairs of the elements from number i on, of a line that begins at element `from`. */
static void make_pairs(const sort_work *w, int64_t from, int64_t i, int64_t n, pair *pairs)
{
    const int64_t step = w->step, flip = w->descending ? -1 : 0;
#define MAKE(dtype_, type, key)                                                                    \
    if (w->in->dtype == (dtype_)) {                                                                \
        const type *x = (const type *)w->in->data + from + i * step;                               \
        for (int64_t j = 0; j < n; j++, x += step) pairs[j] = (pair){(key) ^ flip, i + j};         \
    }
    MAKE(TG_F32, float, key_f32(*x))
    MAKE(TG_F64, double, key_f64(*x))
    MAKE(TG_I64, int64_t, *x)
    MAKE(TG_BOOL, uint8_t, *x != 0)
#undef MAKE
}

/* The first element of a line, from number i on, whose key may be less than that of element
 * `worst`; n if there is none. Comparisons with NaN are false, so that an element is always
 * returned if it or element `worst` is NaN. */
static int64_t next_better(const sort_work *w, int64_t from, int64_t i, int64_t worst)
{
    const int64_t n = w->n, step = w->step;
#define FIND(row, name, type, ...)                                                                 \
    if (w->in->dtype == (row)) {                                                                   \
        const type *x = (const type *)w->in->data + from, bound = x[worst * step];                 \
        if (w->descending)                                                                         \
            while (i < n && x[i * step] <= bound) i++;                                             \
        else                                                                                       \
            while (i < n && x[i * step] >= bound) i++;                                             \
    }
    TG_EACH_DTYPE(FIND)
#undef FIND
    return i;
}

/* Finds the k least pairs of a line, in order: the std::partial_sort of libstdc++, which keeps a
 * heap of the k least so far. */
static void partial_sort(const sort_work *w, int64_t from, pair *heap)
{
    const int64_t k = w->k;
    make_pairs(w, from, 0, k, heap);
    make_heap(heap, k);
    for (int64_t i = k; (i = next_better(w, from, i, heap[0].index)) < w->n; i++) {
        pair value;
        make_pairs(w, from, i, 1, &value);
        if (value.key < heap[0].key) sift(heap, 0, k, value);
    }
    sort_heap(heap, k);
}

static bool is_partial(const sort_work *w)
{
    return w->how >= SORT_TOP_K && w->k * 64 <= w->n;
}

/* Sorts a line that begins at element `from`, or finds its k least pairs by the steps of PyTorch's
 * topk. */
static void sort_line(const sort_work *w, int64_t from, pair *pairs)
{
    if (is_partial(w)) {
        partial_sort(w, from, pairs);
        return;
    }
    make_pairs(w, from, 0, w->n, pairs);
    if (w->how >= SORT_TOP_K) intro_select(pairs, w->k, w->n);
    if (w->how == SORT_TOP_K_SORTED) sort_pairs(pairs, w->k - 1);
    if (w->how <= SORT_STABLE) sort_pairs(pairs, w->n);
    if (w->how == SORT_STABLE) make_stable(pairs, w->n);
}

static void sort_lines(void *work, int64_t first, int64_t end)
{
    const sort_work *w = work;
    pair *pairs = w->pairs + first / w->block * w->room;
    for (int64_t line = first; line < end; line++) {
        int64_t *to = w->out->data;
        to += sort_line_start(w->out, w->dim, line);
        sort_line(w, sort_line_start(w->in, w->dim, line), pairs);
        for (int64_t i = 0; i < w->k; i++) to[i * w->out_step] = pairs[i].index;
    }
}

/* In how many blocks the lines are divided: several for each thread, as another program may slow
 * one thread down. */
static int64_t blocks_of(const sort_work *w, const tg_context *tg, int64_t lines)
{
    enum { EACH = 4 }; /* blocks for a thread */
    const int64_t most = tg->team ? EACH * tg->team->threads : 1;
    const int64_t least = is_partial(w) ? TG_GRAIN : TG_GRAIN / 16; /* elements of a block */
    const int64_t large = lines / (least / w->n + 1);
    return large < 1 ? 1 : large < most ? large : most;
}

static bool argsort_forward(const call *c)
{
    const tg_tensor *t = c->in[0];
    const int dim = (int)c->a[SORT_DIM].i;
    sort_work w = {.in = t,
                   .out = c->out,
                   .dim = dim,
                   .how = (int)c->a[SORT_HOW].i,
                   .descending = c->a[SORT_DESCENDING].i != 0,
                   .n = t->ndim ? t->shape[dim] : 1,
                   .k = t->ndim ? c->out->shape[dim] : 1,
                   .step = t->ndim ? t->strides[dim] : 1,
                   .out_step = t->ndim ? c->out->strides[dim] : 1};
    if (c->out->numel == 0) return true;
    const int64_t lines = t->numel / w.n, blocks = blocks_of(&w, c->tg, lines);
    w.room = is_partial(&w) ? w.k : w.n;
    w.block = (lines + blocks - 1) / blocks;
    tg_tensor *room = tg__new(c->tg, TG_I64, 3, (int64_t[]){blocks, w.room, 2});
    if (!room) return false;
    w.pairs = room->data;
    tg__split(c->tg, lines, w.block, sort_lines, &w);
    tg_release(room);
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
    r[0] = tg__name_grad_fn(tg_gather(a, d, order), "TopkBackward0");
    tg__leave_with(&f, 2, r);
    return r[0] ? (tg_indexed){r[0], r[1]} : none;
}
