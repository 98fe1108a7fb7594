/* Tensors lent to another library by DLPack, and borrowed from one. The other library is played by
 * this test, which looks into the structs. */
#include "check.h"
#include "guarded.h"

#include "io/dlpack.h"

/* ---- Lending. */

static void test_the_struct_describes_the_tensor(void **state)
{
    static const struct {
        tg_dtype dtype;
        int code, bits;
    } kinds[] = {{TG_F32, 2, 32}, {TG_F64, 2, 64}, {TG_I64, 0, 64}, {TG_BOOL, 6, 8}};
    tg_context *tg = *state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        tg_tensor *t = tg_select(tg_t(tg_ones(tg, kinds[i].dtype, TG_SHAPE(2, 3))), 0, 1);
        struct DLManagedTensor *m = tg_to_dlpack(t);
        struct DLManagedTensorVersioned *v = tg_to_dlpack_versioned(t);
        assert_non_null(m);
        assert_non_null(v);
        assert_int_equal(v->version.major, 1);
        assert_int_equal(v->version.minor, 1);
        assert_int_equal(v->flags, 0);
        const dl_tensor *both[] = {&m->tensor, &v->tensor};
        for (int k = 0; k < 2; k++) {
            assert_ptr_equal(both[k]->data, t->data);
            assert_int_equal(both[k]->device.type, 1);
            assert_int_equal(both[k]->device.id, 0);
            assert_int_equal(both[k]->dtype.code, kinds[i].code);
            assert_int_equal(both[k]->dtype.bits, kinds[i].bits);
            assert_int_equal(both[k]->dtype.lanes, 1);
            assert_int_equal(both[k]->ndim, 1);
            assert_int_equal(both[k]->shape[0], 2);
            assert_int_equal(both[k]->strides[0], 3);
            assert_int_equal(both[k]->byte_offset, 0);
        }
        m->deleter(m);
        v->deleter(v);
    }
}

static void test_scalars_and_empty_tensors(void **state)
{
    tg_context *tg = *state;
    struct DLManagedTensor *scalar = tg_to_dlpack(tg_scalar(tg, TG_F64, 2.5));
    struct DLManagedTensor *empty = tg_to_dlpack(tg_zeros(tg, TG_F32, TG_SHAPE(3, 0)));
    assert_int_equal(scalar->tensor.ndim, 0);
    assert_true(*(double *)scalar->tensor.data == 2.5);
    assert_int_equal(empty->tensor.ndim, 2);
    assert_int_equal(empty->tensor.shape[1], 0);
    assert_null(empty->tensor.data);
    scalar->deleter(scalar);
    empty->deleter(empty);
}

static void test_what_is_not_lent(void **state)
{
    tg_context *tg = *state;
    float values[2] = {1, 2};
    tg_tensor *leaf = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(2)), true);
    assert_null(tg_to_dlpack(leaf));
    check_error(tg, TG_ERR_AUTOGRAD,
                "to_dlpack: the tensor [2] requires grad; use tg_detach first");
    tg_tensor *foreign[] = {tg_wrap_f32(tg, TG_SHAPE(2), TG_CONTIGUOUS, values),
                            tg_wrap_const(tg, TG_F32, TG_SHAPE(2), TG_CONTIGUOUS, values),
                            tg_borrow(tg, tg_ones(tg, TG_F32, TG_SHAPE(2)))};
    for (int i = 0; i < 3; i++) {
        assert_null(tg_to_dlpack_versioned(tg_view(foreign[i], TG_SHAPE(2, 1))));
        check_error(tg, TG_ERR_ARGUMENT,
                    "to_dlpack_versioned: the memory of the tensor [2, 1] is not the library's; "
                    "use tg_clone first");
    }
    tg_tensor *gone = tg_ones(tg, TG_F32, TG_SHAPE(2));
    release_noticed(gone);
    assert_null(tg_to_dlpack(gone));
    check_error(tg, TG_ERR_CONTEXT, "to_dlpack: the tensor [2] was released");
    assert_null(tg_to_dlpack(NULL));
    check_ok(tg);
    struct DLManagedTensor *m = tg_to_dlpack(tg_detach(leaf));
    assert_ptr_equal(m->tensor.data, leaf->data);
    m->deleter(m);
}

/* A tensor of n float64 numbers n, n + 1, ... */
static tg_tensor *from_n(tg_context *tg, int64_t n)
{
    return tg_arange(tg, TG_F64, (double)n, (double)(2 * n), 1);
}

static void check_lent(const struct DLManagedTensor *m, int64_t n)
{
    assert_non_null(m);
    assert_int_equal(m->tensor.shape[0], n);
    for (int64_t i = 0; i < n; i++) assert_true(((double *)m->tensor.data)[i] == (double)(n + i));
}

/* Small elements lie behind their tensor, which lies in a page of its scope or of an outer one. */
static void test_lent_memory_outlives_its_scope(void **state)
{
    enum { DEPTH = 5, SIZES = 4 };
    static const int64_t sizes[SIZES] = {3, 100, 600, 100000};
    guarded g = {0};
    (void)state;
    for (int own_page = 0; own_page < 2; own_page++) {
        tg_options o = guarded_options(&g);
        o.page_bytes = 8192;
        tg_context *tg = tg_open(&o);
        struct DLManagedTensor *m[DEPTH][SIZES];
        for (int d = 0; d < DEPTH; d++) {
            if (d > 0) tg_scope_begin(tg);
            if (own_page) tg_zeros(tg, TG_F32, TG_SHAPE(900)), tg_zeros(tg, TG_F32, TG_SHAPE(900));
            for (int i = 0; i < SIZES; i++) m[d][i] = tg_to_dlpack(from_n(tg, sizes[i]));
        }
        for (int d = DEPTH - 1; d > 0; d--) {
            tg_scope_end(tg);
            from_n(tg, 100);
            TG_SCOPE (tg) {
                from_n(tg, 600);
            }
            for (int k = 0; k < DEPTH; k++)
                for (int i = 0; i < SIZES; i++) check_lent(m[k][i], sizes[i]);
        }
        check_ok(tg);
        tg_close(tg);
        for (int d = 0; d < DEPTH; d++)
            for (int i = 0; i < SIZES; i++) {
                check_lent(m[d][i], sizes[i]);
                m[d][i]->deleter(m[d][i]);
            }
        assert_int_equal(g.blocks, 0);
        assert_false(g.damaged);
    }
}

static void test_lent_memory_outlives_a_release(void **state)
{
    tg_context *tg = *state;
    for (int64_t n = 3; n < 5000; n *= 10) {
        tg_tensor *t = from_n(tg, n), *view = tg_view(t, TG_SHAPE(n, 1));
        struct DLManagedTensor *m = tg_to_dlpack(t);
        tg_release(view);
        tg_release(t);
        for (int i = 0; i < 10; i++) tg_release(tg_zeros(tg, TG_F64, TG_SHAPE(n)));
        check_lent(m, n);
        m->deleter(m);
    }
}

static void test_a_lent_gradient_survives_zero_grad(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_requires_grad_(tg_zeros(tg, TG_F64, TG_SHAPE(2000)), true);
    assert_true(tg_backward(tg_sum(tg_mul(x, from_n(tg, 2000)))));
    struct DLManagedTensor *m = tg_to_dlpack(x->grad);
    tg_optim *sgd = tg_sgd_list(TG_LIST(x), NULL);
    tg_zero_grad(sgd);
    for (int i = 0; i < 3; i++) tg_zeros(tg, TG_F64, TG_SHAPE(2000));
    check_lent(m, 2000);
    m->deleter(m);
    assert_true(tg_backward(tg_sum(tg_mul_scalar(x, 3))));
    assert_true(tg_get(x->grad, TG_INDEX(1999)) == 3);
}

static void test_lending_in_a_loop_needs_no_more_memory(void **state)
{
    tg_context *tg = *state;
    tg_tensor *t = from_n(tg, 10);
    size_t held = 0;
    for (int i = 0; i < 1000; i++) {
        tg_scope_begin(tg);
        struct DLManagedTensor *m = tg_to_dlpack(t), *small = tg_to_dlpack(from_n(tg, 10));
        check_lent(m, 10);
        m->deleter(m);
        small->deleter(small);
        tg_scope_end(tg);
        if (i == 0) held = tg_get_stats(tg).held_bytes;
    }
    assert_int_equal(tg_get_stats(tg).held_bytes, held);
}

static void test_lending_without_memory(void **state)
{
    guarded g = {0};
    (void)state;
    tg_options o = guarded_options(&g);
    tg_context *tg = tg_open(&o);
    tg_tensor *t = from_n(tg, 10);
    g.fail_at = g.asked + 1;
    assert_null(tg_to_dlpack(t));
    assert_int_equal(tg_error_code(tg), TG_ERR_MEMORY);
    tg_close(tg);
    assert_int_equal(g.blocks, 0);
}

/* ---- Borrowing. */

/* A library that lends values, and counts how often its deleter is called. */
typedef struct lender {
    struct DLManagedTensor plain;
    struct DLManagedTensorVersioned versioned;
    double values[6];
    int64_t shape[TG_MAX_DIMS + 1], strides[TG_MAX_DIMS + 1];
    int deleted;
} lender;

static void delete_plain(struct DLManagedTensor *self)
{
    ((lender *)self->manager)->deleted++;
}

static void delete_versioned(struct DLManagedTensorVersioned *self)
{
    ((lender *)self->manager)->deleted++;
}

/* Its tensor is [[1, 2, 3], [4, 5, 6]] without strides, in both structs. */
static void set_up(lender *l)
{
    *l = (lender){.values = {1, 2, 3, 4, 5, 6}, .shape = {2, 3}};
    const dl_tensor t = {l->values, {1, 0}, 2, {2, 64, 1}, l->shape, NULL, 0};
    l->plain = (struct DLManagedTensor){t, l, delete_plain};
    l->versioned = (struct DLManagedTensorVersioned){{1, 0}, l, delete_versioned, 0, t};
}

static void test_the_deleter_is_called_at_the_end_of_the_scope(void **state)
{
    tg_context *tg = *state;
    lender l;
    for (int versioned = 0; versioned < 2; versioned++) {
        set_up(&l);
        tg_scope_begin(tg);
        tg_tensor *t =
            versioned ? tg_from_dlpack_versioned(tg, &l.versioned) : tg_from_dlpack(tg, &l.plain);
        check_values(t, 1, 2, 3, 4, 5, 6);
        assert_ptr_equal(t->data, l.values);
        assert_true(tg_is_contiguous(t));
        assert_non_null(tg_fill_(t, 7));
        assert_true(l.values[5] == 7);
        l.values[0] = 8;
        assert_true(tg_item(tg_sum(t)) == 43);
        tg_release(t);
        assert_int_equal(l.deleted, 0);
        tg_scope_end(tg);
        assert_int_equal(l.deleted, 1);
    }
    check_ok(tg);
}

static void test_closing_calls_the_deleter(void **state)
{
    lender l;
    (void)state;
    set_up(&l);
    tg_context *tg = tg_open(NULL);
    assert_non_null(tg_from_dlpack(tg, &l.plain));
    tg_scope_begin(tg);
    tg_close(tg);
    assert_int_equal(l.deleted, 1);
}

static void test_a_struct_without_a_deleter(void **state)
{
    tg_context *tg = *state;
    lender l;
    set_up(&l);
    l.plain.deleter = NULL;
    l.versioned.deleter = NULL;
    TG_SCOPE (tg) {
        assert_non_null(tg_from_dlpack(tg, &l.plain));
        assert_non_null(tg_from_dlpack_versioned(tg, &l.versioned));
    }
}

static void test_strides_and_offsets(void **state)
{
    tg_context *tg = *state;
    static lender l; /* the deleter is called when the context is closed */
    set_up(&l);
    l.plain.tensor.byte_offset = 8;
    l.plain.tensor.strides = l.strides;
    l.shape[1] = 1;
    l.strides[0] = 3;
    l.strides[1] = -INT64_MAX; /* no element needs the stride of a dimension of size 1 */
    check_values(tg_from_dlpack(tg, &l.plain), 2, 5);
    l.shape[1] = 3;
    l.strides[0] = 0;
    l.strides[1] = 1;
    check_values(tg_from_dlpack(tg, &l.plain), 2, 3, 4, 2, 3, 4);
    l.plain.tensor.ndim = 0;
    l.plain.tensor.shape = l.plain.tensor.strides = NULL;
    check_values(tg_from_dlpack(tg, &l.plain), 2);
}

static void test_empty_tensors_need_no_memory(void **state)
{
    tg_context *tg = *state;
    static lender l; /* the deleter is called when the context is closed */
    set_up(&l);
    l.plain.tensor.data = NULL;
    l.shape[0] = 0;
    tg_tensor *t = tg_from_dlpack(tg, &l.plain);
    assert_non_null(t);
    assert_int_equal(t->numel, 0);
    assert_int_equal(t->shape[1], 3);
    l.plain.tensor.data = l.values;
    l.plain.tensor.byte_offset = 3; /* where no element is, nothing must be aligned */
    assert_non_null(tg_from_dlpack(tg, &l.plain));
}

static void test_what_is_read_only_is_not_written_to(void **state)
{
    tg_context *tg = *state;
    static lender l; /* the deleter is called when the context is closed */
    set_up(&l);
    l.versioned.flags = 1;
    tg_tensor *t = tg_from_dlpack_versioned(tg, &l.versioned);
    check_values(t, 1, 2, 3, 4, 5, 6);
    assert_null(tg_fill_(t, 7));
    check_error(tg, TG_ERR_ARGUMENT, "fill_: the tensor [2, 3] is const memory and read-only");
    assert_true(l.values[0] == 1);
}

/* Checks that the tensor is refused with this message, and remains the caller's. */
static void check_refused(tg_context *tg, lender *l, tg_status code, const char *message)
{
    char text[400];
    tg_scope_begin(tg);
    assert_null(tg_from_dlpack(tg, &l->plain));
    snprintf(text, sizeof text, "from_dlpack: %s", message);
    check_error(tg, code, text);
    l->versioned.tensor = l->plain.tensor;
    assert_null(tg_from_dlpack_versioned(tg, &l->versioned));
    snprintf(text, sizeof text, "from_dlpack_versioned: %s", message);
    check_error(tg, code, text);
    tg_scope_end(tg);
    assert_int_equal(l->deleted, 0);
    set_up(l);
}

static void test_tensors_that_cannot_be_used_are_refused(void **state)
{
    tg_context *tg = *state;
    lender l;
    set_up(&l);
    dl_tensor *t = &l.plain.tensor;
    t->device.type = 2;
    check_refused(tg, &l, TG_ERR_ARGUMENT,
                  "the memory is that of a device of type 2, not of the CPU, which has type 1; "
                  "copy the tensor to the CPU first");
    t->ndim = 9;
    check_refused(tg, &l, TG_ERR_SHAPE, "9 dimensions; 0 to 8 are allowed");
    t->ndim = -1;
    check_refused(tg, &l, TG_ERR_SHAPE, "-1 dimensions; 0 to 8 are allowed");
    t->shape = NULL;
    check_refused(tg, &l, TG_ERR_ARGUMENT, "the list of sizes is NULL");
    l.shape[0] = -2;
    check_refused(tg, &l, TG_ERR_SHAPE, "size -2 of dimension 0 is negative");
    l.shape[0] = INT64_C(1) << 62;
    check_refused(tg, &l, TG_ERR_SHAPE,
                  "[4611686018427387904, 3] has more elements than memory can hold");
    t->data = NULL;
    check_refused(tg, &l, TG_ERR_ARGUMENT, "data is NULL");
    t->data = NULL;
    t->byte_offset = 8;
    check_refused(tg, &l, TG_ERR_ARGUMENT, "data is NULL");
    t->byte_offset = 4;
    check_refused(tg, &l, TG_ERR_ARGUMENT, "data is not aligned for float64");
    t->byte_offset = UINT64_MAX;
    check_refused(tg, &l, TG_ERR_ARGUMENT, "byte_offset leads beyond memory");
    t->strides = l.strides;
    l.strides[0] = 3;
    l.strides[1] = -1;
    check_refused(tg, &l, TG_ERR_ARGUMENT, "stride -1 of dimension 1 is negative");
    t->strides = l.strides;
    l.strides[0] = INT64_MAX;
    check_refused(tg, &l, TG_ERR_SHAPE, "strides [9223372036854775807, 0] reach beyond memory");
}

static void test_other_elements_are_refused(void **state)
{
    static const struct {
        int code, bits, lanes;
        const char *shown;
    } kinds[] = {{2, 16, 1, "float (code 2, 16 bits, 1 lanes)"},
                 {2, 64, 4, "float (code 2, 64 bits, 4 lanes)"},
                 {2, 64, 0, "float (code 2, 64 bits, 0 lanes)"},
                 {0, 32, 1, "int (code 0, 32 bits, 1 lanes)"},
                 {1, 8, 1, "uint (code 1, 8 bits, 1 lanes)"},
                 {4, 16, 1, "bfloat (code 4, 16 bits, 1 lanes)"},
                 {5, 64, 1, "complex (code 5, 64 bits, 1 lanes)"},
                 {6, 1, 1, "bool (code 6, 1 bits, 1 lanes)"},
                 {17, 4, 1, "of another kind (code 17, 4 bits, 1 lanes)"}};
    tg_context *tg = *state;
    lender l;
    set_up(&l);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char text[200];
        l.plain.tensor.dtype.code = (uint8_t)kinds[i].code;
        l.plain.tensor.dtype.bits = (uint8_t)kinds[i].bits;
        l.plain.tensor.dtype.lanes = (uint16_t)kinds[i].lanes;
        snprintf(text, sizeof text,
                 "the elements are %s, and only float32, float64, int64 and bool can be shared; "
                 "convert them first",
                 kinds[i].shown);
        check_refused(tg, &l, TG_ERR_DTYPE, text);
    }
}

/* Version 2 may have another layout behind the flags, which the library must not read. */
static void test_another_major_version_is_refused(void **state)
{
    tg_context *tg = *state;
    static lender l; /* the deleter is called when the context is closed */
    set_up(&l);
    l.versioned.version.minor = 9;
    assert_non_null(tg_from_dlpack_versioned(tg, &l.versioned));
    l.versioned.version.major = 2;
    l.versioned.tensor.shape = (int64_t *)(uintptr_t)8;
    assert_null(tg_from_dlpack_versioned(tg, &l.versioned));
    check_error(tg, TG_ERR_ARGUMENT,
                "from_dlpack_versioned: the tensor has version 2.9 of DLPack, of which only "
                "version 1 is understood");
    assert_null(tg_from_dlpack(tg, NULL));
    check_error(tg, TG_ERR_ARGUMENT, "from_dlpack: managed is NULL");
    assert_null(tg_from_dlpack_versioned(tg, NULL));
    check_error(tg, TG_ERR_ARGUMENT, "from_dlpack_versioned: managed is NULL");
    assert_null(tg_from_dlpack(NULL, &l.plain));
}

static void test_borrowing_without_memory(void **state)
{
    (void)state;
    for (int at = 1; at <= 3; at++) {
        guarded g = {0};
        tg_options o = guarded_options(&g);
        tg_context *tg = tg_open(&o);
        lender l;
        set_up(&l);
        g.fail_at = g.asked + at;
        tg_tensor *t = tg_from_dlpack(tg, &l.plain);
        if (!t) assert_int_equal(tg_error_code(tg), TG_ERR_MEMORY);
        assert_int_equal(l.deleted, 0);
        tg_close(tg);
        assert_int_equal(l.deleted, t ? 1 : 0);
        assert_int_equal(g.blocks, 0);
    }
}

/* ---- From one context to another, and to itself. */

static void test_contexts_share_a_tensor(void **state)
{
    tg_context *tg = *state, *other = tg_open(NULL);
    tg_scope_begin(tg);
    tg_tensor *t = tg_ones(tg, TG_F32, TG_SHAPE(2, 2));
    tg_tensor *seen = tg_from_dlpack(other, tg_to_dlpack(tg_t(t)));
    tg_tensor *again = tg_from_dlpack_versioned(other, tg_to_dlpack_versioned(t));
    assert_ptr_equal(seen->data, t->data);
    assert_true(tg_set(seen, TG_INDEX(0, 1), 5));
    check_values(t, 1, 1, 5, 1);
    tg_scope_end(tg);
    check_values(again, 1, 1, 5, 1);
    check_ok(other);
    tg_close(other);
}

static void test_a_context_borrows_from_itself(void **state)
{
    tg_context *tg = *state;
    tg_tensor *outer = from_n(tg, 10);
    for (int64_t n = 3; n < 5000; n *= 10) {
        tg_scope_begin(tg);
        tg_tensor *t = from_n(tg, n), *early = from_n(tg, n);
        tg_tensor *seen = tg_from_dlpack(tg, tg_to_dlpack(t));
        tg_tensor *kept = tg_from_dlpack(tg, tg_to_dlpack(early));
        assert_non_null(tg_from_dlpack(tg, tg_to_dlpack(outer)));
        tg_release(early);
        assert_ptr_equal(seen->data, t->data);
        assert_true(tg_item(tg_sum(tg_sub(seen, kept))) == 0);
        tg_scope_end(tg);
    }
    assert_true(tg_get(outer, TG_INDEX(9)) == 19);
    check_ok(tg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_context, close_context)
        TEST(test_the_struct_describes_the_tensor),
        TEST(test_scalars_and_empty_tensors),
        TEST(test_what_is_not_lent),
        cmocka_unit_test(test_lent_memory_outlives_its_scope),
        TEST(test_lent_memory_outlives_a_release),
        TEST(test_a_lent_gradient_survives_zero_grad),
        TEST(test_lending_in_a_loop_needs_no_more_memory),
        cmocka_unit_test(test_lending_without_memory),
        TEST(test_the_deleter_is_called_at_the_end_of_the_scope),
        cmocka_unit_test(test_closing_calls_the_deleter),
        TEST(test_a_struct_without_a_deleter),
        TEST(test_strides_and_offsets),
        TEST(test_empty_tensors_need_no_memory),
        TEST(test_what_is_read_only_is_not_written_to),
        TEST(test_tensors_that_cannot_be_used_are_refused),
        TEST(test_other_elements_are_refused),
        TEST(test_another_major_version_is_refused),
        cmocka_unit_test(test_borrowing_without_memory),
        TEST(test_contexts_share_a_tensor),
        TEST(test_a_context_borrows_from_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
