/* Tail probabilities of the normal distribution, Student's t and F, to 12 digits. */
#ifndef EXAMPLES_DISTRIBUTIONS_H
#define EXAMPLES_DISTRIBUTIONS_H

/* The probability that a standard normal variable is further from 0 than z. */
double normal_two_sided(double z);

/* The probability that a t variable with df > 0 degrees of freedom is further from 0 than t. */
double student_t_two_sided(double t, double df);

/* The t > 0 that is exceeded on both sides together with probability p, 0 < p < 1. */
double student_t_bound(double p, double df);

/* The probability that an F variable with so many degrees of freedom, numerator first, exceeds f.
 */
double f_upper(double f, double df1, double df2);

/* The x that a normal variable of mean 0 and variance 1 does not exceed with probability p, 0 < p <
 * 1. */
double normal_quantile(double p);

#endif
