/* The macros for options, such as TG_SGD(.lr = 0.1): a member that is given replaces its default,
 * even if it is 0, and the other members keep theirs. They compile without a warning in C;
 * tests/install does the same in C++. */
#include "leaf.h"

static void test_what_is_given_replaces_a_default(void **state)
{
    (void)state;
    const tg_sgd_options *s = TG_SGD(.momentum = 0.9), *still = TG_SGD(.lr = 0);
    assert_true(s->lr == 0.01 && s->momentum == 0.9 && s->dampening == 0 && !s->nesterov);
    assert_true(still->lr == 0 && still->momentum == 0);
    const tg_adam_options *a = TG_ADAM(.lr = 3);
    assert_true(a->lr == 3 && a->beta1 == 0.9 && a->beta2 == 0.999 && a->eps == 1e-8);
    const tg_adamw_options *w = TG_ADAMW(.eps = 0, .beta1 = 0);
    assert_true(w->lr == 1e-3 && w->beta1 == 0 && w->eps == 0 && w->weight_decay == 0.01);
    const tg_rmsprop_options *r = TG_RMSPROP(.centered = true);
    assert_true(r->lr == 0.01 && r->alpha == 0.99 && r->eps == 1e-8 && r->centered);
    const tg_adagrad_options *g = TG_ADAGRAD(.lr_decay = 1);
    assert_true(g->lr == 0.01 && g->lr_decay == 1 && g->eps == 1e-10);
    const tg_lbfgs_options *l = TG_LBFGS(.max_iter = 1);
    assert_true(l->lr == 1 && l->tolerance_grad == 1e-7 && l->tolerance_change == 1e-9);
    assert_true(l->max_iter == 1 && l->history_size == 100 && !l->strong_wolfe);
    assert_true(l->max_eval == 0 && !l->callback);
}

static void test_the_options_of_schedules_and_losses(void **state)
{
    (void)state;
    const tg_one_cycle_options *o = TG_ONE_CYCLE(.total_steps = 5, .max_lr = 2);
    assert_true(o->max_lr == 2 && o->total_steps == 5 && o->pct_start == 0.3 && !o->linear);
    assert_true(o->cycle_momentum && o->base_momentum == 0.85 && o->max_momentum == 0.95);
    assert_true(o->div_factor == 25 && o->final_div_factor == 1e4);
    const tg_plateau_options *p = TG_PLATEAU(.factor = 0);
    assert_true(p->factor == 0 && p->patience == 10 && p->threshold == 1e-4 && p->eps == 1e-8);
    const tg_loss_options *l = TG_LOSS(.ignore_index = 0, .reduction = TG_SUM);
    assert_true(l->ignore_index == 0 && l->reduction == TG_SUM && !l->weight && !l->pos_weight);
    assert_true(l->beta == 1 && l->delta == 1 && l->eps == 1e-6 && TG_LOSS()->ignore_index == -100);
    assert_true(l->log_input && l->log_eps == 1e-8);
}

static void test_the_options_of_layers_batches_and_gradients(void **state)
{
    (void)state;
    const tg_norm_options *n = TG_NORM(.affine = false);
    assert_true(n->eps == 1e-5 && n->momentum == 0.1 && !n->affine && n->track_running_stats);
    const tg_conv_options *c = TG_CONV(.stride = {2, 3}, .padding[1] = 4);
    assert_true(c->stride[0] == 2 && c->stride[1] == 3 && c->padding[0] == 0 && c->padding[1] == 4);
    assert_true(c->dilation[0] == 1 && c->dilation[1] == 1 && c->groups == 1 && !c->bias);
    assert_true(TG_CONV(.stride[1] = 3)->stride[0] == 1);
    const tg_pool_options *p = TG_POOL(.kernel = {4, 5});
    assert_true(p->kernel[0] == 4 && p->kernel[1] == 5 && p->stride[0] == 0);
    assert_true(p->dilation[0] == 1 && p->dilation[1] == 1 && p->count_include_pad);
    const tg_loader_options *l = TG_LOADER(.shuffle = true);
    assert_true(l->batch_size == 1 && l->shuffle && !l->drop_last);
    const tg_rows_options *r = TG_ROWS(.block_rows = 3);
    assert_true(r->block_rows == 3 && r->reduction == TG_SUM && !r->module && r->tensors.n == 0);
    const tg_csv_options *v = TG_CSV(.separator = ';', .missing = TG_MISSING_NAN);
    assert_true(v->separator == ';' && !v->decimal && v->missing == TG_MISSING_NAN);
    assert_true(v->max_levels == 0 && !v->columns && !v->file);
    const tg_gradcheck_options *g = TG_GRADCHECK(.rtol = 0);
    assert_true(g->eps == 1e-6 && g->atol == 1e-5 && g->rtol == 0);
    const tg_curve_fit_options *f = TG_CURVE_FIT(.max_nfev = 7);
    assert_true(f->tolerance == 1e-8 && f->max_nfev == 7 && !f->absolute_sigma && !f->callback);
    assert_true(!f->sigma && !f->lower && !f->upper);
    const tg_least_squares_options *e = TG_LEAST_SQUARES(.dependent = TG_DEPENDENT_DROP);
    assert_true(e->dependent == TG_DEPENDENT_DROP && !e->weights);
    const tg_load_options *m = TG_LOAD(.convert = true);
    const tg_save_options *b = TG_SAVE(.floats = TG_STORED_BF16);
    assert_true(!m->map && m->convert);
    assert_true(b->floats == TG_STORED_BF16 && b->integers == TG_STORED_AS_THEY_ARE);
    const tg_grad_options *t = TG_GRAD(.create_graph = true);
    assert_true(t->grad_outputs.n == 0 && t->create_graph && !t->allow_unused);
    const tg_graph_options *h = TG_GRAPH(.text = true);
    assert_true(h->text && !h->names);
}

/* TG_SGD(.momentum = 0.9) has PyTorch's lr, where the plain literal had 0 and moved nothing. */
static void test_an_optimiser_made_in_one_expression(void **state)
{
    tg_tensor *p = leaf(*state, 1);
    tg_optim *sgd = tg_sgd_list(TG_LIST(p), TG_SGD(.momentum = 0.9));
    tg_optim *adam = tg_adam_list(TG_LIST(p), TG_ADAM(.beta2 = 0.9));
    assert_true(tg_lr(sgd) == 0.01 && tg_lr(adam) == 0.001);
    assert_true(tg_backward(tg_sum(p)) && tg_step(sgd));
    check_near(p, 0.99);
}

/* Inside of one another, and given away by a pointer in the same block. */
static void test_options_in_options(void **state)
{
    const tg_sgd_options *outer = TG_SGD(.momentum = TG_SGD(.lr = 2)->lr);
    (void)state;
    assert_true(outer->lr == 0.01 && outer->momentum == 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_given_replaces_a_default),
        cmocka_unit_test(test_the_options_of_schedules_and_losses),
        cmocka_unit_test(test_the_options_of_layers_batches_and_gradients),
        cmocka_unit_test(test_an_optimiser_made_in_one_expression),
        cmocka_unit_test(test_options_in_options),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
