/* A forked child, which runs a part of a test. */
#ifndef TEST_CHILD_H
#define TEST_CHILD_H

#include <stdbool.h>
#include <unistd.h>

/* Ends a forked child through another program, whose memory is its own: what the child holds of the
 * parent's memory is no leak. */
static inline void end_child(bool right)
{
    const char *program = right ? "/bin/true" : "/bin/false";
    execl(program, program, (char *)NULL);
    _exit(1);
}

#endif
