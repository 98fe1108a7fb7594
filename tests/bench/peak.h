/* The arithmetic peak of one core, against which products and convolutions are measured. */
#ifndef BENCH_PEAK_H
#define BENCH_PEAK_H

/* The peak in fused multiply-adds with the widest vectors of this CPU, in GFLOP/s. Measured once.
 */
double peak_f32(void);
double peak_f64(void);

#endif
