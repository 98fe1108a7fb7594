/* Least squares on a file that is larger than memory: rows are read in blocks, added to a triangle,
 * and forgotten. */
#ifndef EXAMPLES_STREAM_H
#define EXAMPLES_STREAM_H

#include "regress.h"

/* Adds the rows that were read, and all others of the file, to j->sums, and frees them. Chooses the
 * features of the model, too. */
int stream_rows(job *j);

/* Reads the file again, as often as it takes to make the digits of j->exact certain that are
 * printed, unless it can be read only once. */
int stream_refine(job *j);

#endif
