/* The file of a fit, which --save writes and --load reads. It is text in the form of CSV, where the
 * first word of a line says what follows. The lines stand in this order:
 *
 *   regress,2                  the version of the format
 *   target,NAME
 *   loss,mse                   as --loss takes it, with the number of huber and quantile
 *   classes,A,B                the words of the target for 0 and 1, if logistic had words
 *   features,TERMS             as --features takes them
 *   levels,FACTOR,text,A,B     the levels of each factor; numbers instead of text for factor(x)
 *   intercept,yes              or no
 *   level,NUMBER
 *   coefficient,intercept,NUMBER          unless there is none
 *   coefficient,FEATURE,NUMBER,CENTER     one line for each
 *   degrees of freedom,NUMBER
 *   sum of squares,NUMBER      of the residuals
 *   triangle,NUMBER,...        R of the QR factorization of the rows (1, x - center), or of
 *                              x without an intercept, times the roots of their weights, if
 *                              they have some: a line for each row
 *                              of R, from its diagonal on
 *   end,CHECKSUM               the CRC-32, in hexadecimal, of all bytes before this line but
 *                              carriage returns, so that other line ends do no harm
 *
 * The prediction is level + (x - center) coefficient + ..., of which logistic takes
 * 1 / (1 + exp(-prediction)) and poisson exp(prediction). The line of the intercept tells the same
 * as level, for readers; it is not read.
 *
 * The lines from the degrees of freedom to the triangle are those that prediction intervals need,
 * and only least squares has them, but not where coefficients have the
 * minimum norm. The residual variance is the sum of squares divided by the
 * degrees of freedom; times the inverse of R^T R, it is the covariance of level and coefficients.
 *
 * Numbers have all digits: a fit that was loaded predicts what the saved one did, bit for bit. */
#ifndef EXAMPLES_SAVED_H
#define EXAMPLES_SAVED_H

#include <stdint.h>

#define SAVED_NAME    "regress"
#define SAVED_VERSION 2

/* Continues the checksum of bytes, which begins with 0, by one more. */
uint32_t saved_checksum(uint32_t sum, char byte);

/* The first cells of the lines. */
#define SAVED_FREEDOM "degrees of freedom"
#define SAVED_SQUARES "sum of squares"

#endif
