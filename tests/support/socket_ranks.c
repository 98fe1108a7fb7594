#define _DEFAULT_SOURCE 1
#include "ranks.h"
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* What goes to another rank, or comes from it: the number of bytes, then the bytes. */
typedef struct message {
    uint64_t bytes; /* as sent, or as the other rank says */
    char *at;
    size_t expected, done; /* `done` counts the number, too */
} message;

typedef struct rank {
    tg_exchange exchange;
    int sockets[MOST_RANKS]; /* to each other rank */
    message out[MOST_RANKS], in[MOST_RANKS];
    bool broken;
    char text[120];
} rank;

static bool complete(const message *m)
{
    return m->done == sizeof m->bytes + m->expected;
}

/* Where the next bytes of the message are, and how many they are. */
static char *rest_of(message *m, size_t *n)
{
    const size_t head = sizeof m->bytes;
    *n = m->done < head ? head - m->done : head + m->expected - m->done;
    return m->done < head ? (char *)&m->bytes + m->done : m->at + (m->done - head);
}

static const char *fail(rank *r, const char *what, int q)
{
    r->broken = true;
    snprintf(r->text, sizeof r->text, "rank %d %s", q, what);
    return r->text;
}

/* Writes or reads as much of a message as can be without waiting. */
static const char *move(rank *r, int q, message *m, bool sends)
{
    while (!complete(m)) {
        size_t n;
        char *at = rest_of(m, &n);
        const ssize_t moved =
            sends ? send(r->sockets[q], at, n, MSG_NOSIGNAL) : recv(r->sockets[q], at, n, 0);
        if (moved < 0 && (errno == EAGAIN || errno == EINTR)) return NULL;
        if (moved <= 0) return fail(r, "has ended", q);
        m->done += (size_t)moved;
        if (!sends && m->done >= sizeof m->bytes && m->bytes != m->expected)
            return fail(r, "sent another number of bytes", q);
    }
    return NULL;
}

/* Moves all messages. */
static const char *exchange_all(rank *r)
{
    for (;;) {
        struct pollfd waiting[MOST_RANKS];
        int number[MOST_RANKS];
        nfds_t n = 0;
        for (int q = 0; q < r->exchange.size; q++) {
            const short events =
                (short)((complete(&r->out[q]) ? 0 : POLLOUT) | (complete(&r->in[q]) ? 0 : POLLIN));
            if (q == r->exchange.rank || !events) continue;
            number[n] = q;
            waiting[n++] = (struct pollfd){r->sockets[q], events, 0};
        }
        if (n == 0) return NULL;
        if (poll(waiting, n, RANKS_SECONDS * 1000) == 0)
            return fail(r, "does not answer", number[0]);
        for (nfds_t i = 0; i < n; i++) {
            const int q = number[i];
            const char *problem = NULL;
            if (waiting[i].revents & POLLOUT) problem = move(r, q, &r->out[q], true);
            if (!problem && waiting[i].revents & (POLLIN | POLLHUP | POLLERR))
                problem = move(r, q, &r->in[q], false);
            if (problem) return problem;
        }
    }
}

static const char *allgather(void *user, const void *own, size_t bytes, void *all)
{
    rank *r = user;
    if (r->broken) return r->text;
    for (int q = 0; q < r->exchange.size; q++) {
        r->out[q] = (message){bytes, (char *)(uintptr_t)own, bytes, 0};
        r->in[q] = (message){0, (char *)all + (size_t)q * bytes, bytes, 0};
    }
    memcpy(r->in[r->exchange.rank].at, own, bytes);
    return exchange_all(r);
}

static const char *alltoall(void *user, const void *out, const size_t *out_bytes, void *in,
                            const size_t *in_bytes)
{
    rank *r = user;
    char *from = (char *)(uintptr_t)out, *to = in;
    if (r->broken) return r->text;
    for (int q = 0; q < r->exchange.size; q++) {
        r->out[q] = (message){out_bytes[q], from, out_bytes[q], 0};
        r->in[q] = (message){0, to, in_bytes[q], 0};
        if (q == r->exchange.rank && in_bytes[q] > 0) memcpy(to, from, in_bytes[q]);
        from += out_bytes[q];
        to += in_bytes[q];
    }
    return exchange_all(r);
}

static void connect_ranks(rank *ranks, int size)
{
    for (int r = 0; r < size; r++) {
        ranks[r].exchange = (tg_exchange){&ranks[r], r, size, allgather, alltoall, NULL};
        for (int q = r + 1; q < size; q++) {
            int pair[2];
            if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) abort();
            for (int i = 0; i < 2; i++) fcntl(pair[i], F_SETFL, O_NONBLOCK);
            ranks[r].sockets[q] = pair[0];
            ranks[q].sockets[r] = pair[1];
        }
    }
}

/* Closes the sockets of all ranks but one. */
static void close_others(rank *ranks, int size, int but)
{
    for (int r = 0; r < size; r++)
        for (int q = 0; q < size; q++)
            if (r != but && q != r) close(ranks[r].sockets[q]);
}

void ranks_in_processes(int size, rank_function *f, void *user)
{
    rank ranks[MOST_RANKS] = {0};
    pid_t children[MOST_RANKS];
    connect_ranks(ranks, size);
    for (int r = 0; r < size; r++) {
        children[r] = fork();
        if (children[r] != 0) continue;
        close_others(ranks, size, r);
        f(&ranks[r].exchange, user);
        for (int q = 0; q < size; q++)
            if (q != r) close(ranks[r].sockets[q]); /* end_child keeps what is open */
        end_child(true);
    }
    close_others(ranks, size, -1);
    for (int r = 0; r < size; r++)
        if (children[r] > 0) waitpid(children[r], NULL, 0);
}

void *shared_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) abort();
    return memory;
}

void free_shared_memory(void *memory, size_t bytes)
{
    munmap(memory, bytes);
}
