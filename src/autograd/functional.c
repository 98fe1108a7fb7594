/* Derivatives of whole functions, as torch.autograd.functional. A function is called on copies of
 * its inputs, in a scope of its own, with gradients on; what it computes there goes back. */
#include "../ops/op.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* A function, and its output for the inputs. */
typedef struct evaluated {
    tg_context *tg;
    const char *name; /* of the function of the library, for messages */
    tg_function fn;
    tg_list leaves; /* copies of the inputs that require grad */
    void *user;
    tg_tensor *y;    /* the output */
    int64_t no_grad; /* what tg->no_grad was before */
} evaluated;

static bool check_arguments(const evaluated *e, tg_list inputs, const void *results)
{
    if (!tg__ready(e->tg)) return false;
    if (!e->fn) return tg__fail(e->tg, TG_ERR_ARGUMENT, "%s: the function is NULL", e->name);
    if (!results)
        return tg__fail(e->tg, TG_ERR_ARGUMENT, "%s: the place for the results is NULL", e->name);
    for (int i = 0; i < inputs.n; i++)
        if (!tg__is_float(inputs.items[i]->dtype))
            return tg__refuse_dtype(e->name, inputs.items[i]);
    return tg__check_history(e->name, inputs.n, inputs.items);
}

static bool make_leaves(evaluated *e, tg_list inputs)
{
    tg_tensor **leaves = tg__alloc(e->tg, tg__bytes(inputs.n, sizeof *leaves));
    for (int i = 0; leaves && i < inputs.n; i++)
        leaves[i] = tg_requires_grad_(tg_clone(tg_detach(inputs.items[i])), true);
    e->leaves = (tg_list){inputs.n, leaves};
    return tg__ready(e->tg);
}

static bool check_function_output(const evaluated *e)
{
    const tg_tensor *y = e->y;
    if (!tg__ready(e->tg)) return false;
    if (!y || y->context != e->tg)
        return tg__fail(e->tg, TG_ERR_ARGUMENT, "%s: the function returned %s", e->name,
                        y ? "a tensor of another context" : "NULL");
    if (!tg__check_inputs(e->name, 1, &e->y)) return false;
    return tg__is_float(y->dtype) ||
           tg__fail(e->tg, TG_ERR_DTYPE, "%s: the output of the function is %s", e->name,
                    tg_dtype_name(y->dtype));
}

/* Begins the scope and computes the output. If it returns true, the caller ends the scope by
 * end_evaluation; if it returns false, the scope has ended. An error is recorded if `results`, the
 * place for what the caller computes, is NULL. */
static bool begin_evaluation(evaluated *e, const char *name, tg_function fn, tg_list inputs,
                             void *user, const void *results)
{
    if (inputs.n < 1 || !tg__check_inputs(name, inputs.n, inputs.items)) return false;
    tg_context *tg = inputs.items[0]->context;
    *e = (evaluated){.tg = tg, .name = name, .fn = fn, .user = user, .no_grad = tg->no_grad};
    if (!check_arguments(e, inputs, results)) return false;
    tg_scope_begin(tg);
    tg->no_grad = 0;
    if (make_leaves(e, inputs)) {
        e->y = fn(e->leaves, user);
        if (check_function_output(e)) return true;
    }
    tg->no_grad = e->no_grad;
    tg_scope_end(tg);
    return false;
}

/* Hands the n results out, detached, to the scope of the caller, and ends the scope of the
 * evaluation. If a result is missing or an error is pending, all results become NULL. */
static bool end_evaluation(evaluated *e, int64_t n, tg_tensor **results)
{
    bool done = tg__ready(e->tg);
    for (int64_t i = 0; i < n; i++) {
        results[i] = done ? tg_keep(results[i]) : NULL;
        done = results[i] != NULL;
    }
    e->tg->no_grad = e->no_grad;
    tg_scope_end(e->tg);
    for (int64_t i = 0; i < n && !done; i++) {
        if (results[i]) tg_release(results[i]);
        results[i] = NULL;
    }
    return done;
}

static void forget_results(int64_t n, tg_tensor **results)
{
    for (int64_t i = 0; results && i < n; i++) results[i] = NULL;
}

/* Computes the gradients of the output, multiplied by the weight, with respect to the inputs. The
 * gradient of an input on which the output does not depend becomes NULL. */
static bool gradients_of(tg_tensor *output, tg_tensor *weight, tg_list inputs, bool create_graph,
                         tg_tensor **grads)
{
    const tg_grad_options o = {
        .grad_outputs = {1, &weight}, .create_graph = create_graph, .allow_unused = true};
    forget_results(inputs.n, grads);
    return !output->requires_grad || tg_grad((tg_list){1, &output}, inputs, grads, &o);
}

/* A tensor of zeros, in the dtype of b, whose shape is that of a followed by that of b. */
static tg_tensor *make_table(const evaluated *e, const tg_tensor *a, const tg_tensor *b)
{
    int64_t shape[2 * TG_MAX_DIMS];
    if (a->ndim + b->ndim > TG_MAX_DIMS)
        return tg__fail(e->tg, TG_ERR_SHAPE,
                        "%s: the result of %s by %s has more than %d dimensions", e->name, SHOW(a),
                        SHOW(b), TG_MAX_DIMS);
    memcpy(shape, a->shape, (size_t)a->ndim * sizeof *shape);
    memcpy(shape + a->ndim, b->shape, (size_t)b->ndim * sizeof *shape);
    return tg_zeros(e->tg, b->dtype, (tg_shape){a->ndim + b->ndim, shape});
}

/* Writes the elements of t to the elements first, first + step, ... of the table. A t that is NULL
 * stands for zeros, which the table has already. */
static bool write_to_table(tg_tensor *table, int64_t first, int64_t step, tg_tensor *t)
{
    if (!t) return true;
    t = tg__contiguous(t);
    for (int64_t i = 0; t && i < t->numel; i++)
        tg__store(table->dtype, table->data, first + i * step, tg__load(t->dtype, t->data, i));
    return t != NULL;
}

/* Fills row k of each table with the gradients of element k of the output with respect to the
 * leaves. */
static bool fill_rows(const evaluated *e, tg_tensor *output, tg_tensor **tables)
{
    tg_tensor *weight = tg_zeros_like(output),
              **grads = tg__alloc(e->tg, tg__bytes(e->leaves.n, sizeof *grads));
    bool done = weight && grads;
    for (int64_t k = 0; done && k < output->numel; k++) {
        tg_scope_begin(e->tg);
        tg__store(weight->dtype, weight->data, k, 1);
        done = gradients_of(output, weight, e->leaves, false, grads);
        for (int i = 0; done && i < e->leaves.n; i++)
            done = write_to_table(tables[i], k * e->leaves.items[i]->numel, 1, grads[i]);
        tg__store(weight->dtype, weight->data, k, 0);
        tg_scope_end(e->tg);
    }
    return done;
}

/* Makes w, a vector of zeros, and the vector-Jacobian products J^T w, where J is the Jacobian. A
 * product is linear in w, and its gradient with respect to w, multiplied by a vector t, is
 * therefore J t. */
static tg_tensor *make_transposed_products(const evaluated *e, tg_tensor **products)
{
    tg_tensor *w = tg_requires_grad_(tg_zeros_like(e->y), true);
    return w && gradients_of(e->y, w, e->leaves, true, products) ? w : NULL;
}

/* Fills the Jacobians by columns, with one gradient for each element of the leaves. */
static bool fill_columns(const evaluated *e, tg_tensor **tables)
{
    tg_tensor **products = tg__alloc(e->tg, tg__bytes(e->leaves.n, sizeof *products)),
              *w = products ? make_transposed_products(e, products) : NULL;
    bool done = w != NULL;
    for (int i = 0; done && i < e->leaves.n; i++) {
        tg_tensor *leaf = e->leaves.items[i], *tangent = tg_zeros_like(leaf), *column = NULL;
        done = tangent != NULL;
        for (int64_t j = 0; done && products[i] && j < leaf->numel; j++) {
            tg_scope_begin(e->tg);
            tg__store(leaf->dtype, tangent->data, j, 1);
            done = gradients_of(products[i], tangent, (tg_list){1, &w}, false, &column) &&
                   write_to_table(tables[i], j, leaf->numel, column);
            tg__store(leaf->dtype, tangent->data, j, 0);
            tg_scope_end(e->tg);
        }
    }
    return done;
}

/* Whether the sum of w[k] J[k][j] over all k, where J is the table, is product[j], which backward
 * has computed; a product that is NULL stands for zeros. */
static bool agrees_with_product(const tg_tensor *table, const tg_tensor *w,
                                const tg_tensor *product)
{
    const double eps = table->dtype == TG_F64 && w->dtype == TG_F64 ? DBL_EPSILON : FLT_EPSILON;
    const int64_t columns = w->numel ? table->numel / w->numel : 0;
    for (int64_t j = 0; j < columns; j++) {
        double sum = 0, size = 0;
        for (int64_t k = 0; k < w->numel; k++) {
            const double term = tg__load(w->dtype, w->data, k) *
                                tg__load(table->dtype, table->data, k * columns + j);
            sum += term;
            size += fabs(term);
        }
        const double by_backward = product ? tg__load(product->dtype, product->data, j) : 0;
        if (!(fabs(sum - by_backward) <= sqrt(eps) * size)) return false;
    }
    return true;
}

/* Whether the Jacobians agree with one vector-Jacobian product. Columns are computed by
 * differentiating a backward pass, and they are wrong if an operation of the program has a backward
 * that is not made of differentiable operations. The elements of the vector differ, since mistakes
 * might cancel otherwise. */
static bool columns_are_right(const evaluated *e, tg_tensor *const *tables)
{
    tg_tensor *w = tg_zeros_like(e->y),
              **products = tg__alloc(e->tg, tg__bytes(e->leaves.n, sizeof *products));
    if (!w || !products) return false;
    for (int64_t k = 0; k < w->numel; k++)
        tg__store(w->dtype, w->data, k, 1 + 0.5 * sin(3.0 * (double)k + 1));
    bool right = gradients_of(e->y, w, e->leaves, false, products);
    for (int i = 0; right && i < e->leaves.n; i++) {
        tg_tensor *product = products[i] ? tg__contiguous(products[i]) : NULL;
        right = tg__ready(e->tg) && agrees_with_product(tables[i], w, product);
    }
    return right;
}

/* Fills the Jacobians by rows or by columns, whichever are fewer. */
static bool fill_jacobians(const evaluated *e, tg_tensor **tables)
{
    int64_t columns = 0;
    for (int i = 0; i < e->leaves.n; i++) columns += e->leaves.items[i]->numel;
    if (columns < e->y->numel) {
        tg_scope_begin(e->tg);
        const bool filled = fill_columns(e, tables), right = filled && columns_are_right(e, tables);
        tg_scope_end(e->tg);
        if (right || !tg__ready(e->tg)) return right;
        for (int i = 0; i < e->leaves.n; i++)
            memset(tables[i]->data, 0,
                   tg__bytes(tables[i]->numel, tg__dtype_size(tables[i]->dtype)));
    }
    return fill_rows(e, e->y, tables);
}

bool tg_jacobian(tg_function fn, tg_list inputs, void *user, tg_tensor **jacobians)
{
    evaluated e;
    forget_results(inputs.n, jacobians);
    if (!begin_evaluation(&e, "jacobian", fn, inputs, user, jacobians)) return false;
    bool done = true;
    for (int i = 0; done && i < inputs.n; i++)
        done = (jacobians[i] = make_table(&e, e.y, e.leaves.items[i])) != NULL;
    if (done) fill_jacobians(&e, jacobians);
    return end_evaluation(&e, inputs.n, jacobians);
}

/* Fills block row i of the Hessian: the derivatives of the gradient of leaf i with respect to each
 * leaf. */
static bool fill_hessian_row(const evaluated *e, tg_tensor *gradient, int i, tg_tensor **hessians)
{
    tg_tensor **row = hessians + (int64_t)i * e->leaves.n;
    for (int l = 0; l < e->leaves.n; l++)
        if (!(row[l] = make_table(e, e->leaves.items[i], e->leaves.items[l]))) return false;
    return !gradient || fill_rows(e, gradient, row);
}

bool tg_hessian(tg_function fn, tg_list inputs, void *user, tg_tensor **hessians)
{
    evaluated e;
    const int64_t n = (int64_t)inputs.n * inputs.n;
    forget_results(n, hessians);
    if (!begin_evaluation(&e, "hessian", fn, inputs, user, hessians)) return false;
    tg_tensor **gradients = tg__alloc(e.tg, tg__bytes(inputs.n, sizeof *gradients));
    bool done = gradients != NULL;
    if (done && e.y->numel != 1)
        done = tg__fail(e.tg, TG_ERR_SHAPE,
                        "hessian: the output of the function is %s, not one element", SHOW(e.y));
    done = done && gradients_of(e.y, tg_ones_like(e.y), e.leaves, true, gradients);
    for (int i = 0; done && i < inputs.n; i++)
        done = fill_hessian_row(&e, gradients[i], i, hessians);
    return end_evaluation(&e, n, hessians);
}

/* Ends the evaluation, and returns the function's output, detached, in the scope of the caller. */
static tg_tensor *end_with_output(evaluated *e, int n, tg_tensor **results)
{
    tg_tensor *output = tg__ready(e->tg) ? tg_keep(e->y) : NULL;
    if (end_evaluation(e, n, results)) return output;
    if (output) tg_release(output);
    return NULL;
}

static bool check_like(const evaluated *e, const tg_tensor *v, const tg_tensor *t, const char *role)
{
    if (v->context != e->tg)
        return tg__fail(e->tg, TG_ERR_CONTEXT,
                        "%s: tensors of two contexts; tg_borrow makes an alias", e->name);
    return (v->dtype == t->dtype && tg__same_sizes(v->ndim, v->shape, t->ndim, t->shape)) ||
           tg__fail(e->tg, TG_ERR_SHAPE, "%s: v is %s %s, but the %s is %s %s", e->name,
                    tg_dtype_name(v->dtype), SHOW(v), role, tg_dtype_name(t->dtype), SHOW(t));
}

tg_tensor *tg_vjp(tg_function fn, tg_list inputs, void *user, tg_tensor *v, tg_tensor **vjps)
{
    evaluated e;
    forget_results(inputs.n, vjps);
    if (inputs.n < 1 || !tg__check_inputs("vjp", inputs.n, inputs.items)) return NULL;
    if (!v) return tg__fail(inputs.items[0]->context, TG_ERR_ARGUMENT, "vjp: v is NULL");
    if (!tg__check_inputs("vjp", 2, (tg_tensor *[]){inputs.items[0], v}) ||
        !begin_evaluation(&e, "vjp", fn, inputs, user, vjps))
        return NULL;
    if (check_like(&e, v, e.y, "output of the function"))
        gradients_of(e.y, tg_detach(v), e.leaves, false, vjps);
    for (int i = 0; i < inputs.n && tg__ready(e.tg); i++)
        if (!vjps[i]) vjps[i] = tg_zeros_like(e.leaves.items[i]);
    return end_with_output(&e, inputs.n, vjps);
}

static tg_tensor *compute_jvp(const evaluated *e, tg_list v)
{
    tg_tensor **products = tg__alloc(e->tg, tg__bytes(e->leaves.n, sizeof *products)),
              *w = products ? make_transposed_products(e, products) : NULL,
              *sum = w ? tg_zeros_like(e->y) : NULL;
    for (int i = 0; sum && i < e->leaves.n; i++) {
        tg_tensor *part = NULL;
        if (!products[i]) continue;
        if (!gradients_of(products[i], tg_detach(v.items[i]), (tg_list){1, &w}, false, &part))
            return NULL;
        if (part) sum = tg_add(sum, part);
    }
    return sum;
}

tg_tensor *tg_jvp(tg_function fn, tg_list inputs, void *user, tg_list v, tg_tensor **jvp)
{
    evaluated e;
    if (jvp) *jvp = NULL;
    if (inputs.n < 1 || !tg__check_inputs("jvp", inputs.n, inputs.items)) return NULL;
    tg_context *tg = inputs.items[0]->context;
    if (v.n != inputs.n)
        return tg__fail(tg, TG_ERR_ARGUMENT, "jvp: %d tensors in v for %d inputs", v.n, inputs.n);
    if (!tg__check_inputs("jvp", v.n, v.items) ||
        !begin_evaluation(&e, "jvp", fn, inputs, user, jvp))
        return NULL;
    bool alike = true;
    for (int i = 0; alike && i < v.n; i++)
        alike = check_like(&e, v.items[i], inputs.items[i], "input");
    if (alike) *jvp = compute_jvp(&e, v);
    return end_with_output(&e, 1, jvp);
}
