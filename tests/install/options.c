/* The macros for options, such as TG_SGD, in C that is also C++. It prints every member that has a
 * default, once with the default and once with another value. */
#include <stdio.h>
#include <tinygrad.h>

static void show_optimisers(const tg_sgd_options *s, const tg_adam_options *a,
                            const tg_adamw_options *w, const tg_rmsprop_options *r,
                            const tg_adagrad_options *g)
{
    printf("sgd %g %g %g %d\n", s->lr, s->momentum, s->weight_decay, s->nesterov);
    printf("adam %g %g %g %g %g\n", a->lr, a->beta1, a->beta2, a->eps, a->weight_decay);
    printf("adamw %g %g %g %g %g\n", w->lr, w->beta1, w->beta2, w->eps, w->weight_decay);
    printf("rmsprop %g %g %g %g\n", r->lr, r->momentum, r->alpha, r->eps);
    printf("adagrad %g %g %g\n", g->lr, g->lr_decay, g->eps);
}

static void show_lbfgs(const tg_lbfgs_options *l)
{
    printf("lbfgs %g %g %g %d %d %d\n", l->lr, l->tolerance_grad, l->tolerance_change,
           (int)l->max_iter, (int)l->history_size, l->strong_wolfe);
}

static void show_schedules(const tg_one_cycle_options *o, const tg_plateau_options *p)
{
    printf("one_cycle %g %d %g %d %g %g %g %g\n", o->max_lr, (int)o->total_steps, o->pct_start,
           o->cycle_momentum, o->base_momentum, o->max_momentum, o->div_factor,
           o->final_div_factor);
    printf("plateau %g %d %g %g\n", p->factor, (int)p->patience, p->threshold, p->eps);
}

static void show_loss(const tg_loss_options *l)
{
    printf("loss %d %d %d %g %g %g %d %g\n", l->reduction, l->weight != NULL, (int)l->ignore_index,
           l->beta, l->delta, l->eps, l->log_input, l->log_eps);
}

static void show_layers(const tg_norm_options *n, const tg_conv_options *c,
                        const tg_pool_options *p)
{
    printf("norm %g %g %d %d\n", n->eps, n->momentum, n->affine, n->track_running_stats);
    printf("conv %d %d %d %d %d\n", (int)c->stride[0], (int)c->stride[1], (int)c->padding[1],
           (int)c->dilation[0], (int)c->groups);
    printf("pool %d %d %d %d %d\n", (int)p->kernel[0], (int)p->kernel[1], (int)p->stride[0],
           (int)p->dilation[1], p->count_include_pad);
}

static void show_others(const tg_loader_options *l, const tg_gradcheck_options *c,
                        const tg_grad_options *g, const tg_csv_options *v)
{
    printf("loader %d %d %d\n", (int)l->batch_size, l->shuffle, l->drop_last);
    printf("gradcheck %g %g %g\n", c->eps, c->atol, c->rtol);
    printf("grad %d %d %d\n", g->grad_outputs.n, g->create_graph, g->allow_unused);
    printf("csv %d %s %d\n", v->separator, v->columns, (int)v->missing);
}

static void show_curve_fit(const tg_curve_fit_options *o)
{
    printf("curve_fit %d %g %d\n", o->absolute_sigma, o->tolerance, (int)o->max_nfev);
}

static void show_least_squares(const tg_least_squares_options *o)
{
    printf("least_squares %d %d\n", o->weights != NULL, (int)o->dependent);
}

static void show_files(const tg_load_options *l, const tg_save_options *s,
                       const tg_graph_options *g)
{
    printf("graph %d %d\n", g->text, g->names != NULL);
    printf("files %d %d %d %d\n", l->map, l->convert, (int)s->floats, (int)s->integers);
}

int main(void)
{
    const double lr = 0.25;
    show_optimisers(TG_SGD(.momentum = 0.9, .nesterov = true), TG_ADAM(.lr = lr),
                    TG_ADAMW(.beta1 = 0.5), TG_RMSPROP(.momentum = 0.5), TG_ADAGRAD(.lr_decay = 1));
    show_optimisers(TG_SGD(.lr = 0), TG_ADAM(.eps = 0, .lr = lr), TG_ADAMW(.weight_decay = 0),
                    TG_RMSPROP(.alpha = 0), TG_ADAGRAD(.lr = 2 * lr));
    show_lbfgs(TG_LBFGS());
    show_lbfgs(TG_LBFGS(.strong_wolfe = true, .max_iter = 5));
    show_curve_fit(TG_CURVE_FIT());
    show_curve_fit(TG_CURVE_FIT(.absolute_sigma = true, .tolerance = 1e-4));
    show_least_squares(TG_LEAST_SQUARES());
    show_least_squares(TG_LEAST_SQUARES(.dependent = TG_DEPENDENT_SHORTEST));
    show_schedules(TG_ONE_CYCLE(.max_lr = 0.1, .total_steps = 500), TG_PLATEAU(.patience = 0));
    show_loss(TG_LOSS(.reduction = TG_SUM | TG_BROADCAST));
    show_loss(TG_LOSS(.weight = NULL, .ignore_index = 0, .beta = 0, .delta = 2));
    show_layers(TG_NORM(.affine = false), TG_CONV(.padding[0] = 1, .padding[1] = 1),
                TG_POOL(.kernel[0] = 2, .kernel[1] = 2));
    show_layers(TG_NORM(.momentum = 1), TG_CONV(.stride[1] = 2, .groups = 4),
                TG_POOL(.kernel[0] = 2, .kernel[1] = 3, .stride[0] = 1, .stride[1] = 1,
                        .padding[0] = 0, .padding[1] = 0, .dilation[0] = 1, .dilation[1] = 1,
                        .ceil_mode = true, .count_include_pad = false));
    show_others(TG_LOADER(.batch_size = 32, .shuffle = true), TG_GRADCHECK(.atol = 1e-7),
                TG_GRAD(.create_graph = true), TG_CSV(.separator = ';', .columns = "x,y"));

    show_files(TG_LOAD(), TG_SAVE(.floats = TG_STORED_F16), TG_GRAPH());
    show_files(TG_LOAD(.map = true), TG_SAVE(.integers = TG_STORED_U8), TG_GRAPH(.text = true));

    tg_context *tg = tg_open(NULL);
    tg_module *net = tg_linear(tg, 3, 1, TG_NO_BIAS);
    tg_optim *sgd = tg_sgd(net, TG_SGD(.momentum = 0.9));
    printf("lr %g, %s\n", tg_lr(sgd), tg_error(tg));
    const bool ok = tg_ok(tg);
    tg_close(tg);
    return !ok;
}
