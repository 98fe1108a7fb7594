/* What mpirun runs to test tg_mpi_open: exchange WHAT. Rank 0 prints what it has found; a rank that
 * finds something wrong says so and aborts the job.
 *
 *     messages   all functions with messages of many sizes; lists of named tensors
 *     late       rank 1 does not come
 *     dead       rank 1 has ended without MPI_Finalize
 *     before     MPI is not initialised
 *     times      the timeout is no number of seconds */
#define _DEFAULT_SOURCE 1 /* declares nanosleep */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <tinygrad.h>
#include <tinygrad/mpi.h>

static void check(bool right, const char *what)
{
    if (right) return;
    fprintf(stderr, "wrong: %s\n", what);
    MPI_Abort(MPI_COMM_WORLD, 3);
}

/* Byte i of what rank `from` sends to rank `to`; a rank -1 are all. */
static char byte_of(int from, int to, size_t i)
{
    return (char)(from * 31 + to * 7 + (int)(i % 251));
}

static void fill(char *at, size_t n, int from, int to)
{
    for (size_t i = 0; i < n; i++) at[i] = byte_of(from, to, i);
}

static bool is_filled(const char *at, size_t n, int from, int to)
{
    for (size_t i = 0; i < n; i++)
        if (at[i] != byte_of(from, to, i)) return false;
    return true;
}

static void try_allgather(const tg_exchange *x, size_t n)
{
    char *own = malloc(n + 1), *all = malloc(n * (size_t)x->size + 1);
    fill(own, n, x->rank, -1);
    check(!x->allgather(x->user, own, n, all), "allgather fails");
    for (int r = 0; r < x->size; r++) check(is_filled(all + (size_t)r * n, n, r, -1), "allgather");
    free(own);
    free(all);
}

/* What goes from a rank to another one: some pairs have nothing. */
static size_t length(int from, int to, size_t n)
{
    return (from + to) % 3 == 0 ? 0 : n + (size_t)(from * 5 + to);
}

static void try_alltoall(const tg_exchange *x, size_t n)
{
    size_t out_bytes[16], in_bytes[16], out_n = 0, in_n = 0;
    for (int r = 0; r < x->size; r++) {
        out_n += out_bytes[r] = length(x->rank, r, n);
        in_n += in_bytes[r] = length(r, x->rank, n);
    }
    char *out = malloc(out_n + 1), *in = malloc(in_n + 1), *at = out;
    for (int r = 0; r < x->size; at += out_bytes[r++]) fill(at, out_bytes[r], x->rank, r);
    check(!x->alltoall(x->user, out, out_bytes, in, in_bytes), "alltoall fails");
    at = in;
    for (int r = 0; r < x->size; at += in_bytes[r++])
        check(is_filled(at, in_bytes[r], r, x->rank), "alltoall");
    free(out);
    free(in);
}

static void try_broadcast(const tg_exchange *x, size_t n)
{
    char *bytes = calloc(n + 1, 1);
    const int root = x->size - 1;
    if (x->rank == root) fill(bytes, n, root, -1);
    check(!x->broadcast(x->user, bytes, n, root), "broadcast fails");
    check(is_filled(bytes, n, root, -1), "broadcast");
    free(bytes);
}

static void try_messages(const tg_exchange *x)
{
    static const size_t sizes[] = {0, 1, 1000, 70000, 1500000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        try_allgather(x, sizes[i]);
        try_alltoall(x, sizes[i]);
        try_broadcast(x, 3 * sizes[i]);
    }
    if (x->rank == 0) printf("messages of %d ranks arrive\n", x->size);
}

static void try_lists(const tg_exchange *x)
{
    tg_context *tg = tg_open(NULL);
    tg_manual_seed(tg, (uint64_t)x->rank);
    tg_module *net = tg_linear(tg, 300, 200, TG_BIAS);
    const int root = x->size - 1;
    check(x->size == 1 || !tg_state_agree(tg_state_dict(net), x), "ranks agree by chance");
    tg_clear_error(tg);
    tg_state_broadcast_(tg_state_dict(net), x, root);
    tg_state_agree(tg_state_dict(net), x);
    check(tg_ok(tg), tg_error(tg));
    tg_close(tg);
    if (x->rank == 0) printf("lists of %d ranks agree\n", x->size);
}

static void try_times(void)
{
    static const double times[] = {NAN, INFINITY, -INFINITY, 0, -1};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        const tg_exchange *x = tg_mpi_open(MPI_COMM_WORLD, times[i]);
        puts(x->allgather(x->user, "", 1, (char[1]){0}));
        tg_mpi_close(x);
    }
}

/* A rank tells by an empty file that it has seen an error, since messages do not arrive any more.
 */
static const char *file_of(int rank)
{
    static char name[32];
    snprintf(name, sizeof name, "failed.%d", rank);
    return name;
}

/* What the other ranks do without rank 1. */
static void wait_in_vain(const tg_exchange *x)
{
    char own[100] = "", all[1600];
    const double start = MPI_Wtime();
    check(x->allgather(x->user, own, sizeof own, all) && MPI_Wtime() - start < 20,
          "no error in time");
    check(x->allgather(x->user, own, 1, all) != NULL, "a call after a failure");
    printf("rank %d: an error in time\n", x->rank);
    fclose(fopen(file_of(x->rank), "w"));
}

/* Stays away until the other ranks have failed. */
static void come_too_late(const tg_exchange *x)
{
    for (int r = 0; r < x->size; r++)
        while (r != x->rank && access(file_of(r), F_OK) != 0)
            nanosleep(&(struct timespec){0, 1000000}, NULL);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "before") == 0) {
        const tg_exchange *x = tg_mpi_open(MPI_COMM_WORLD, 1);
        puts(x->allgather(x->user, "", 1, (char[1]){0}));
        tg_mpi_close(x);
        return 0;
    }
    MPI_Init(&argc, &argv);
    if (strcmp(what, "times") == 0) {
        try_times();
        return MPI_Finalize();
    }
    const bool whole = strcmp(what, "messages") == 0;
    const tg_exchange *x = tg_mpi_open(MPI_COMM_WORLD, whole ? 60 : 2);
    if (whole) {
        try_messages(x);
        try_lists(x);
        tg_mpi_close(x);
        return MPI_Finalize();
    }
    if (x->rank != 1)
        wait_in_vain(x);
    else if (strcmp(what, "late") == 0)
        come_too_late(x);
    tg_mpi_close(x);
    fflush(stdout);
    _exit(0); /* MPI_Finalize would wait for ranks that have ended */
}
