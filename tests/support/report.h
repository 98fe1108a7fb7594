/* Runs regress and looks at its report: numbers after words, and cells of the table of
 * coefficients.
 */
#ifndef TEST_REPORT_H
#define TEST_REPORT_H

#include <stdio.h>

#define SIZE 65536

/* What the last command has written to standard output. */
extern char text[SIZE];

/* Runs a command, which must end with this exit status. */
void expect_status(const char *command, int status);

/* The text must contain this part. */
void expect_text(const char *part);

/* The number after a word at the start of a line, or after a comma and a blank. */
double number_after(const char *word);

/* The cell of a row of the table of coefficients: 0 is the coefficient. */
double cell_of(const char *row, int column);

/* These numbers must be close to a value. */
void expect_cell(const char *row, int column, double value, double relative);
void expect_number(const char *word, double value, double relative);

/* The text must agree with a line of R's to ten digits: its numbers after "fit", or its name and
 * numbers after "coefficient". */
void expect_golden_fit(const char *line);
void expect_golden_coefficient(const char *line);

/* Copies the lines of a golden file, from the names of a data set to "end", to a file. */
void copy_data(FILE *golden, const char *path);

/* Writes a file. */
void write_text(const char *path, const char *bytes);

#endif
