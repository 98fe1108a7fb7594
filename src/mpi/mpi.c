/* The functions of an exchange by nonblocking collectives of MPI 3, which are given up when their
 * time is over.
 *
 * A collective that was given up cannot be cancelled, and may still write to its buffers. These are
 * therefore the exchange's own: what is exchanged is copied, in pieces that fit, whose sizes also
 * fit in the int of MPI. */
#define _POSIX_C_SOURCE 200809L /* declares sched_yield and nanosleep */
#include <tinygrad/mpi.h>

#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    BUFFER = 1 << 24,      /* the bytes of a buffer, within the bounds of a piece */
    LEAST_PIECE = 1 << 12, /* of what a rank sends to another one at a time */
    MOST_PIECE = 1 << 20
};

typedef struct mpi {
    tg_exchange exchange;
    MPI_Comm comm;
    double timeout;
    MPI_Request request; /* the collective under way, which refers to the members below */
    bool failed;         /* a call has failed; message says how */
    size_t piece;
    char *out, *in;                     /* a piece for each rank, each */
    int *out_n, *out_at, *in_n, *in_at; /* numbers and places of bytes, for each rank */
    int64_t most, most_of_all;
    char message[MPI_MAX_ERROR_STRING + 80];
} mpi;

/* At first the thread polls, as the answer may be there within microseconds. Later it lets others
 * have the processor, who may be the ones that it waits for. */
static void pause_polling(double waited)
{
    const struct timespec nap = {0, 50000};
    if (waited > 0.1)
        nanosleep(&nap, NULL);
    else if (waited > 1e-5)
        sched_yield();
}

/* Waits for the collective that MPI has begun with this code. On failure m->message says why. */
static void finish(mpi *m, const char *what, int code)
{
    const double start = MPI_Wtime();
    char why[MPI_MAX_ERROR_STRING] = "";
    for (int done = 0; code == MPI_SUCCESS;) {
        code = MPI_Test(&m->request, &done, MPI_STATUS_IGNORE);
        if (code == MPI_SUCCESS && done) return;
        const double waited = MPI_Wtime() - start;
        if (waited > m->timeout) break;
        pause_polling(waited);
    }
    m->failed = true;
    if (code == MPI_SUCCESS)
        snprintf(why, sizeof why, "another rank has not answered within %.6g s", m->timeout);
    else
        MPI_Error_string(code, why, &(int){0});
    snprintf(m->message, sizeof m->message, "%s: %s", what, why);
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static const char *allgather(void *user, const void *own, size_t bytes, void *all)
{
    mpi *m = user;
    for (size_t at = 0; !m->failed && at < bytes; at += m->piece) {
        const size_t n = smaller(bytes - at, m->piece);
        memcpy(m->out, (const char *)own + at, n);
        finish(m, "MPI_Iallgather",
               MPI_Iallgather(m->out, (int)n, MPI_BYTE, m->in, (int)n, MPI_BYTE, m->comm,
                              &m->request));
        for (int r = 0; !m->failed && r < m->exchange.size; r++)
            memcpy((char *)all + (size_t)r * bytes + at, m->in + (size_t)r * n, n);
    }
    return m->failed ? m->message : NULL;
}

/* The largest message from a rank to another one. */
static size_t largest_of_all(mpi *m, const size_t *bytes)
{
    m->most = 0;
    for (int r = 0; r < m->exchange.size; r++)
        if ((int64_t)bytes[r] > m->most) m->most = (int64_t)bytes[r];
    finish(
        m, "MPI_Iallreduce",
        MPI_Iallreduce(&m->most, &m->most_of_all, 1, MPI_INT64_T, MPI_MAX, m->comm, &m->request));
    return m->failed ? 0 : (size_t)m->most_of_all;
}

/* The pieces that begin `at` bytes behind the beginning of each message: their numbers of bytes,
 * and their places in a buffer. */
static void place_pieces(const mpi *m, const size_t *bytes, size_t at, int *n, int *places)
{
    for (int r = 0, sum = 0; r < m->exchange.size; r++) {
        n[r] = bytes[r] > at ? (int)smaller(bytes[r] - at, m->piece) : 0;
        places[r] = sum;
        sum += n[r];
    }
}

static const char *alltoall(void *user, const void *out, const size_t *out_bytes, void *in,
                            const size_t *in_bytes)
{
    mpi *m = user;
    const size_t most = m->failed ? 0 : largest_of_all(m, out_bytes);
    for (size_t at = 0; !m->failed && at < most; at += m->piece) {
        const char *from = out;
        char *to = in;
        place_pieces(m, out_bytes, at, m->out_n, m->out_at);
        place_pieces(m, in_bytes, at, m->in_n, m->in_at);
        for (int r = 0; r < m->exchange.size; from += out_bytes[r++])
            if (m->out_n[r]) memcpy(m->out + m->out_at[r], from + at, (size_t)m->out_n[r]);
        finish(m, "MPI_Ialltoallv",
               MPI_Ialltoallv(m->out, m->out_n, m->out_at, MPI_BYTE, m->in, m->in_n, m->in_at,
                              MPI_BYTE, m->comm, &m->request));
        for (int r = 0; !m->failed && r < m->exchange.size; to += in_bytes[r++])
            if (m->in_n[r]) memcpy(to + at, m->in + m->in_at[r], (size_t)m->in_n[r]);
    }
    return m->failed ? m->message : NULL;
}

static const char *broadcast(void *user, void *bytes, size_t n, int root)
{
    mpi *m = user;
    const size_t piece = m->piece * (size_t)m->exchange.size;
    for (size_t at = 0; !m->failed && at < n; at += piece) {
        const size_t part = smaller(n - at, piece);
        if (m->exchange.rank == root) memcpy(m->out, (char *)bytes + at, part);
        finish(m, "MPI_Ibcast",
               MPI_Ibcast(m->out, (int)part, MPI_BYTE, root, m->comm, &m->request));
        if (!m->failed) memcpy((char *)bytes + at, m->out, part);
    }
    return m->failed ? m->message : NULL;
}

/* ---- Making an exchange. */

/* The allgather of an exchange that could not be made, whose `user` says why. */
static const char *refuse(void *user, const void *own, size_t bytes, void *all)
{
    (void)own, (void)bytes, (void)all;
    return user;
}

static const tg_exchange
    no_mpi = {"MPI is not initialised: call MPI_Init first", 0, 1, refuse, NULL, NULL},
    no_time =
        {"the timeout of mpi_open is not a positive number of seconds", 0, 1, refuse, NULL, NULL},
    no_comm = {"the communicator is MPI_COMM_NULL", 0, 1, refuse, NULL, NULL},
    no_memory = {"mpi_open: out of memory", 0, 1, refuse, NULL, NULL};

/* Takes the memory of the exchange: nothing is allocated later, when others would wait in vain. */
static bool take_buffers(mpi *m)
{
    const size_t size = (size_t)m->exchange.size, even = BUFFER / size;
    m->piece = even < LEAST_PIECE ? LEAST_PIECE : smaller(even, MOST_PIECE);
    m->out = malloc(m->piece * size);
    m->in = malloc(m->piece * size);
    m->out_n = malloc(4 * size * sizeof(int));
    if (!m->out || !m->in || !m->out_n) return false;
    m->out_at = m->out_n + size;
    m->in_n = m->out_at + size;
    m->in_at = m->in_n + size;
    return true;
}

static void free_exchange(mpi *m)
{
    free(m->out);
    free(m->in);
    free(m->out_n);
    free(m);
}

const tg_exchange *tg_mpi_open(MPI_Comm comm, double timeout)
{
    int ready = 0, rank = 0, size = 1;
    MPI_Initialized(&ready);
    if (!ready) return &no_mpi;
    if (comm == MPI_COMM_NULL) return &no_comm;
    if (!(timeout > 0 && timeout < HUGE_VAL)) return &no_time;
    mpi *m = calloc(1, sizeof *m);
    if (!m) return &no_memory;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    m->exchange = (tg_exchange){m, rank, size, allgather, alltoall, broadcast};
    m->timeout = timeout;
    if (!take_buffers(m)) {
        free_exchange(m);
        return &no_memory;
    }
    finish(m, "MPI_Comm_idup", MPI_Comm_idup(comm, &m->comm, &m->request));
    if (!m->failed) MPI_Comm_set_errhandler(m->comm, MPI_ERRORS_RETURN);
    return &m->exchange;
}

void tg_mpi_close(const tg_exchange *x)
{
    if (!x || x->allgather != allgather) return;
    mpi *m = x->user;
    if (m->failed) return;
    MPI_Comm_free(&m->comm);
    free_exchange(m);
}
