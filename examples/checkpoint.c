/* Training that may be stopped at any time and goes on where it was: everything that the rest of
 * the run depends on is saved to one file every 50 steps. Stop the program by Ctrl-C and start it
 * again: it ends with the same digits as without the stop. */
#include <stdio.h>
#include <stdlib.h>

#include <tinygrad.h>

#include "common/digits.h"
#include "common/lecture.h"

/* What a run consists of. */
typedef struct run {
    tg_module *net;
    tg_optim *adam;
    tg_scheduler *schedule;
    tg_loader *loader;
} run;

static tg_state *state_of(tg_context *tg, const run *r)
{
    tg_state *s = tg_state_new(tg);
    tg_state_add_all(s, "model.", tg_state_dict(r->net));
    tg_state_add_all(s, "optim.", tg_optim_state_dict(r->adam));
    tg_state_add_all(s, "schedule.", tg_scheduler_state_dict(r->schedule));
    tg_state_add_all(s, "loader.", tg_loader_state_dict(r->loader));
    tg_state_add(s, "rng", tg_get_rng_state(tg));
    return s;
}

/* Returns the number of steps that were made before. */
static int64_t resume(tg_context *tg, const run *r, const tg_state *s)
{
    tg_load_state_dict(r->net, tg_state_part(s, "model."), TG_STRICT);
    tg_optim_load_state_dict(r->adam, tg_state_part(s, "optim."));
    tg_scheduler_load_state_dict(r->schedule, tg_state_part(s, "schedule."));
    tg_loader_load_state_dict(r->loader, tg_state_part(s, "loader."));
    tg_set_rng_state(tg, tg_state_get(s, "rng"));
    return tg_item_i64(tg_state_get(s, "schedule.last_epoch"));
}

/* Makes a step with the next batch, and returns its loss. */
static double make_step(const run *r)
{
    tg_tensor *batch[2];
    if (!tg_next_batch(r->loader, batch) && !tg_next_batch(r->loader, batch)) return 0;
    tg_tensor *loss = tg_cross_entropy(tg_forward(r->net, batch[0]), batch[1], NULL);
    tg_zero_grad(r->adam);
    tg_backward(loss);
    tg_step(r->adam);
    tg_scheduler_step(r->schedule);
    return tg_item(loss);
}

/* checkpoint [FILE [STEPS]]: goes on from FILE, if it exists, to that many steps. */
int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "checkpoint.safetensors";
    const int64_t steps = argc > 2 ? atoll(argv[2]) : 500;
    tg_context *tg = tg_open(NULL);
    tg_manual_seed(tg, 1);
    digits d;
    if (!digits_read(tg, EXAMPLES_DATA "/digits.csv", &d)) return tg_close(tg), 1;

    tg_module *hidden = tg_linear(tg, DIGITS_PIXELS, 64, TG_BIAS);
    tg_module *top = tg_linear(tg, 64, DIGITS_CLASSES, TG_BIAS);
    run r = {.net = tg_sequential(
                 TG_MODULES(hidden, tg_lambda(tg, tg_relu), tg_dropout_layer(tg, 0.2), top))};
    r.adam = tg_adam(r.net, TG_ADAM(.lr = 0.01));
    r.schedule = tg_cosine_annealing_lr(r.adam, 500, 1e-5);
    r.loader = tg_data_loader((tg_list){2, d.train}, TG_LOADER(.batch_size = 32, .shuffle = true));

    int64_t step = 0;
    FILE *file = fopen(path, "rb");
    if (file) {
        fclose(file);
        step = resume(tg, &r, tg_load_safetensors(tg, path, NULL));
        if (tg_ok(tg)) printf("%s has %lld steps\n", path, (long long)step);
    }
    while (step < steps && tg_ok(tg)) {
        tg_scope_begin(tg);
        const double loss = make_step(&r);
        if (++step % 50 == 0 || step == steps) {
            tg_save_safetensors(state_of(tg, &r), path, NULL);
            if (tg_ok(tg)) printf("%4lld steps saved, loss %.9g\n", (long long)step, loss);
        }
        tg_scope_end(tg);
    }
    if (tg_ok(tg))
        printf("held out: %.2f %% right\n", 100 * digits_accuracy(r.net, d.test[0], d.test[1]));
    return lecture_close(tg);
}
