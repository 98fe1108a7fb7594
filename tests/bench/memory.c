/* The peak memory of training, against PyTorch: data, parameters, gradients and intermediate
 * results. Each model is trained in a process of its own. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "model.h"

enum { BATCH = 1024, INPUTS = 784, HIDDEN = 256, OUTPUTS = 10, LECTURE_ROWS = 1000000 };

/* Makes the lecture's model if there are no hidden layers, else a perceptron. In a small one, every
 * size is 2. */
static model make_model(tg_context *tg, int hidden_layers, bool small)
{
    int64_t widths[MODEL_MAX_LAYERS + 1];
    if (!hidden_layers) return model_lecture(tg, small ? 2 : LECTURE_ROWS);
    for (int i = 0; i <= hidden_layers + 1; i++) widths[i] = small ? 2 : HIDDEN;
    if (!small) widths[0] = INPUTS, widths[hidden_layers + 1] = OUTPUTS;
    return model_perceptron(tg, small ? 2 : BATCH, hidden_layers + 1, widths);
}

/* Trains a model for three steps, and returns the peak in KB of what the context lent to tensors.
 */
static double trained_peak(int hidden_layers, bool small)
{
    tg_context *tg = tg_open(NULL);
    model m = make_model(tg, hidden_layers, small);
    model_train(&m, 3);
    double kb = tg_ok(tg) ? (double)tg_get_stats(tg).peak_bytes / 1024 : NAN;
    tg_close(tg);
    return kb;
}

/* Peaks in KB: the resident memory of the process, and what the context has lent to tensors. */
typedef struct peak {
    double resident, lent;
} peak;

static peak measure_in_child(int hidden_layers)
{
    peak p = {NAN, NAN};
    int ends[2];
    if (pipe(ends)) return p;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        trained_peak(hidden_layers, true); /* brings the code into memory, which is not measured */
        double before = bench_memory("VmRSS");
        p.lent = trained_peak(hidden_layers, false);
        p.resident = bench_memory("VmHWM") - before;
        _exit(write(ends[1], &p, sizeof p) != sizeof p);
    }
    close(ends[1]);
    if (read(ends[0], &p, sizeof p) != sizeof p) p = (peak){NAN, NAN};
    close(ends[0]);
    waitpid(child, NULL, 0);
    bench_check(!isnan(p.lent), "training in a process of its own failed");
    return p;
}

static void measure_model(int hidden_layers)
{
    char size[32] = "lecture 10^6", work[96] = "memory lecture 1000000";
    if (hidden_layers) {
        snprintf(size, sizeof size, "MLP %d hidden", hidden_layers);
        int end = snprintf(work, sizeof work, "memory perceptron %d %d", BATCH, INPUTS);
        for (int i = 0; i < hidden_layers; i++)
            end += snprintf(work + end, sizeof work - (size_t)end, " %d", HIDDEN);
        snprintf(work + end, sizeof work - (size_t)end, " %d", OUTPUTS);
    }
    char tight[128];
    snprintf(tight, sizeof tight, "tight_%s", work);

    peak ours = measure_in_child(hidden_layers);
    const bench_target no_more = {RATIO_AT_MOST, 1};
    bench_report(&(row){.name = "peak memory, resident",
                        .size = size,
                        .unit = "KB",
                        .rival = "PyTorch",
                        .ours = ours.resident,
                        .theirs = bench_ask_torch(work, 1),
                        .target = no_more});
    bench_report(&(row){.name = "peak memory, tensors alone",
                        .size = size,
                        .unit = "KB",
                        .rival = "PyTorch, exact malloc",
                        .ours = ours.lent,
                        .theirs = bench_ask_torch(tight, 1),
                        .target = no_more});
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    for (int hidden_layers = 0; hidden_layers <= 8; hidden_layers++) measure_model(hidden_layers);
    return bench_end();
}
