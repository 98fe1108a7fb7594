/* What pooling and its export share. */
#ifndef TG_POOL_H
#define TG_POOL_H

/* The attributes. The first four have a number for each of the two spatial dimensions; stride is
 * never 0. */
enum { POOL_KERNEL = 0, POOL_STRIDE = 2, POOL_PADDING = 4, POOL_DILATION = 6, POOL_CEIL = 8 };
/* The attributes of means, which have no dilation: count_include_pad and divisor_override. */
enum { POOL_COUNT_PAD = 6, POOL_DIVISOR = 7 };

#endif
