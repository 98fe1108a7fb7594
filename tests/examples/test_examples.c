/* The output of the examples. The lecture's programs print PyTorch's numbers, and the other
 * examples find what R and NIST find and what README.md says of them. */
#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "program.h"

#define SIZE 65536

/* What a student looks for, word by word. */
static void test_numbers_of_the_lecture(void **state)
{
    (void)state;
    static const struct {
        const char *program, *text;
    } cases[] = {
        {"lecture_yhat", "-27.9716"},
        {"lecture_yhat", "tensor([[-0.1629,  0.6929]])"},
        {"lecture_yhat", "tensor([[-0.9442]])"},
        {"lecture_yhat", "tensor([0.6476])"},
        {"lecture_loss", "tensor(109.8145, grad_fn=<MseLossBackward0>)"},
        {"lecture_loss", "tensor(187.0950, grad_fn=<MeanBackward0>)\n"},
        {"lecture_loss", "torch.Size([100, 100])"},
        {"lecture_loop", " tensor([2.5187, 3.9915])"},
        {"lecture_modules", " tensor([[2.5187, 3.9915]])"},
        {"lecture_three_weights", "tensor([[0.1152, 0.4159, 0.3233]])"},
        {"lecture_three_weights", "tensor(14.1640, grad_fn=<MseLossBackward0>)"},
        {"lecture_three_weights", "tensor(1.0897, grad_fn=<MseLossBackward0>)"},
    };
    static char printed[SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(program_run(printed, SIZE, cases[i].program), 0);
        if (!strstr(printed, cases[i].text))
            fail_msg("%s: no %s in\n%s", cases[i].program, cases[i].text, printed);
    }
}

/* The trap is refused with both shapes, the one they would broadcast to, and the cure. */
static void test_trap_is_refused(void **state)
{
    (void)state;
    static char printed[SIZE];
    static const char *const words[] = {"[100]", "[100, 1]", "[100, 100]", "reshape"};
    assert_int_equal(program_run(printed, SIZE, "lecture_loss 2>&1"), 0);
    const char *message = strstr(printed, "== lossfn(y,yhat2) is refused\n");
    assert_non_null(message);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strstr(message, words[i])) fail_msg("no %s in %s", words[i], message);
}

static void test_plots(void **state)
{
    (void)state;
    static char printed[SIZE], svg[SIZE];
    static const char *const fit[] = {
        "<svg ", "</svg>", ">data<", ">true line 2.5 + 4 x<", ">start<", ">after 30 epochs<",
        ">x<",   ">y<"};
    static const char *const loss[] = {"<svg ", "</svg>", ">epoch<", ">sum of squared errors<",
                                       ">1000<"};
    assert_int_equal(program_run(printed, SIZE, "mkdir plots && lecture_loop plots 2>&1"), 0);
    program_read("plots/lecture_fit.svg", svg, SIZE);
    for (size_t i = 0; i < sizeof fit / sizeof *fit; i++)
        if (!strstr(svg, fit[i])) fail_msg("no %s in lecture_fit.svg", fit[i]);
    program_read("plots/lecture_loss.svg", svg, SIZE);
    for (size_t i = 0; i < sizeof loss / sizeof *loss; i++)
        if (!strstr(svg, loss[i])) fail_msg("no %s in lecture_loss.svg", loss[i]);
    assert_null(strstr(svg, "nan"));

    assert_int_equal(program_run(printed, SIZE, "lecture_loop nowhere 2>&1 >/dev/null"), 1);
    assert_string_equal(printed, "lecture_loop: nowhere: No such file or directory\n");
}

/* ---- The examples after the lecture. */

/* The number after the last word so in what a program prints. */
static double number_after(const char *printed, const char *word)
{
    const char *last = NULL;
    for (const char *at = printed; (at = strstr(at, word)); at++) last = at;
    if (!last) fail_msg("no %s in %s", word, printed);
    return strtod(last + strlen(word), NULL);
}

/* In an emulator, or without vectors, training on digits takes minutes. */
static bool leaves_digits_out(void)
{
    if (!getenv("TG_TEST_QUICK")) return false;
    print_message("TG_TEST_QUICK: digits and digits_conv are left out\n");
    return true;
}

static void test_what_the_other_examples_find(void **state)
{
    (void)state;
    static const struct {
        const char *program, *word;
        double low, high;
    } facts[] = {
        {"digits", "held out ", 0.97, 1},
        {"digits", "train ", 0.99, 1},
        {"digits_conv", "held out ", 0.97, 1},
        {"lbfgs", "largest difference ", 0, 1e-7},
        {"polynomial", "largest difference ", 0, 1e-6},
        {"own_op", "points below ", 0.9, 0.9},
    };
    static char printed[SIZE];
    const char *program = "";
    for (size_t i = leaves_digits_out() ? 3 : 0; i < sizeof facts / sizeof *facts; i++) {
        if (strcmp(program, facts[i].program) != 0)
            assert_int_equal(program_run(printed, SIZE, facts[i].program), 0);
        program = facts[i].program;
        const double found = number_after(printed, facts[i].word);
        if (!(found >= facts[i].low && found <= facts[i].high))
            fail_msg("%s: %s%g does not lie in [%g, %g]", program, facts[i].word, found,
                     facts[i].low, facts[i].high);
    }
}

/* Reads the next number of a line, and half a unit of its last digit. Moves behind the number. */
static double next_number(const char **at, double *half)
{
    const char *s = *at;
    char *end;
    while (*s != '\n' && !isdigit((unsigned char)*s)) s++;
    if (*s == '\n') return NAN;
    if (s > *at && strchr("-+", s[-1])) s--;
    const double value = strtod(s, &end);
    const char *point = memchr(s, '.', (size_t)(end - s));
    *half = point ? 0.5 * pow(10, (double)(point + 1 - end)) : 0.5;
    *at = end;
    return value;
}

/* Each number in a line of what a program printed is, to all its digits, the one that R gives. */
static void check_line(const char *program, const char *printed, const char *text,
                       const char *numbers)
{
    const char *at = printed, *end;
    double half = 0;
    while (at && strncmp(at + strspn(at, " "), text, strlen(text)) != 0)
        if ((at = strchr(at, '\n'))) at++;
    if (!at) fail_msg("%s prints no line %s", program, text);
    for (at += strspn(at, " ") + strlen(text); *numbers != '\n'; numbers = end) {
        const double want = strtod(numbers, (char **)&end), found = next_number(&at, &half);
        if (!(fabs(found - want) <= half * 1.001))
            fail_msg("%s, %s: %.10g for %.10g", program, text, found, want);
    }
}

static void test_same_as_in_r(void **state)
{
    (void)state;
    static char printed[SIZE];
    char line[256], program[64], text[64], last[64] = "";
    int lines = 0, n;
    FILE *file = fopen(TEST_ROOT "/tests/golden/examples_golden.txt", "r");
    assert_non_null(file);
    for (; fgets(line, sizeof line, file); lines++) {
        assert_int_equal(sscanf(line, "%63[^|]|%63[^|]|%n", program, text, &n), 2);
        if (strcmp(program, last) != 0)
            assert_int_equal(program_run(printed, SIZE, strcpy(last, program)), 0);
        check_line(program, printed, text, line + n);
    }
    fclose(file);
    assert_int_equal(lines, 33);
}

/* README.md shows what looking.c prints. Numbers that depend on the clock count as one another. */
static void test_looking_prints_what_the_readme_shows(void **state)
{
    (void)state;
    static char printed[SIZE], readme[2 * SIZE], svg[SIZE];
    assert_int_equal(program_run(printed, SIZE, "looking"), 0);
    program_read(TEST_ROOT "/README.md", readme, sizeof readme);
    const char *shown = strstr(readme, "\n    $ build/examples/looking\n");
    assert_non_null(shown);
    shown = strchr(shown + 1, '\n') + 1;
    int lines = 0;
    for (char *line = strtok(printed, "\n"); line; line = strtok(NULL, "\n"), lines++) {
        const char *end = strchr(shown, '\n');
        const bool timed = strstr(line, " %  ") || strstr(line, " of the clock");
        if (strncmp(shown, "    ", 4) != 0) fail_msg("README.md does not show %s", line);
        if (!timed &&
            (strncmp(shown + 4, line, strlen(line)) != 0 || shown + 4 + strlen(line) != end))
            fail_msg("README.md has %.*s for %s", (int)(end - shown), shown, line);
        shown = end + 1;
    }
    assert_true(lines == 27 && *shown == '\n');
    program_read("looking.svg", svg, SIZE);
    assert_true(strstr(svg, ">Loss by epoch<") && strstr(svg, "</svg>") && !strstr(svg, "nan"));
}

static void test_what_they_show(void **state)
{
    (void)state;
    static char printed[SIZE], svg[SIZE];
    assert_int_equal(program_run(printed, SIZE, "own_op"), 0);
    assert_non_null(strstr(printed, "gradcheck: passed"));
    if (!leaves_digits_out()) {
        assert_int_equal(program_run(printed, SIZE, "digits"), 0);
        assert_non_null(strstr(printed, "\nepoch 60 of 60  loss "));
        assert_non_null(strstr(printed, "taken for\n"));
    }
    assert_int_equal(program_run(printed, SIZE, "polynomial"), 0);
    program_read("polynomial.svg", svg, SIZE);
    assert_true(strstr(svg, ">cubic fit<") && strstr(svg, ">body mass index<") &&
                strstr(svg, "</svg>") && !strstr(svg, "nan"));
    assert_int_equal(program_run(printed, SIZE, "curve_fit"), 0);
    program_read("curve_fit.svg", svg, SIZE);
    assert_true(strstr(svg, ">data (Rat42)<") && strstr(svg, ">fitted curve<") &&
                strstr(svg, ">95 % band<") && strstr(svg, "</svg>") && !strstr(svg, "nan"));
}

/* Checks the coefficient, which may be off by so much, and the standard error in the line that
 * begins with a word. */
static void check_coefficient(const char *printed, const char *word, double value, double off,
                              double error)
{
    double found[2] = {NAN, NAN};
    const char *line = strstr(printed, word);
    if (line) sscanf(line + strlen(word), "%lf +- %lf", &found[0], &found[1]);
    if (!(fabs(found[0] - value) <= off && fabs(found[1] - error) <= 1e-5 * error))
        fail_msg("%s: %.15g +- %g in\n%s", word, found[0], found[1], printed);
}

/* NIST certifies the numbers of Norris. The other file has many blocks: y is 3 + 2 x, and 1 more or
 * less in turn, (1, -1, -1, 1), so that x and the constant explain none of it; the mean of x is 2
 * to the 15th, less 1/2. */
static void test_files_of_any_length(void **state)
{
    (void)state;
    static char printed[SIZE];
    assert_int_equal(program_run(printed, SIZE, "long_file $DATA/norris.csv"), 0);
    check_coefficient(printed, "\nx ", 1.00211681802045, 1e-12, 0.429796848199937e-03);
    assert_int_equal(program_run(printed, SIZE,
                                 "awk 'BEGIN { print \"x,y\"; for (i = 0; i < 65536; i++) "
                                 "print i \",\" 3 + 2 * i + (i % 4 % 3 ? -1 : 1) }' | long_file -"),
                     0);
    const double n = 65536, error = sqrt(n / (n - 2)), center = (n - 1) / 2;
    const double spread = n * (n * n - 1) / 12;
    assert_non_null(strstr(printed, "65536 rows, residual standard error 1.00001525"));
    check_coefficient(printed, "\nx ", 2, 1e-14, error / sqrt(spread));
    check_coefficient(printed, "\nintercept ", 3, 1e-14 * 2 * n,
                      error * sqrt(1 / n + center * center / spread));
    assert_int_equal(program_run(printed, SIZE, "printf 'x,y\n1,2\n1,3\n1,4\n' | long_file - 2>&1"),
                     1);
    assert_string_equal(printed,
                        "standard input: a column is a combination of others, or there are "
                        "too few rows\n");
}

/* A run that was stopped twice, once inside an epoch, ends with the file and the digits of one that
 * was not. */
static void test_a_run_that_is_stopped_goes_on(void **state)
{
    (void)state;
    static char whole[SIZE], printed[SIZE];
    assert_int_equal(program_run(whole, SIZE, "checkpoint whole.safetensors 110"), 0);
    assert_int_equal(program_run(printed, SIZE, "checkpoint part.safetensors 20"), 0);
    assert_int_equal(program_run(printed, SIZE, "checkpoint part.safetensors 70"), 0);
    assert_non_null(strstr(printed, "part.safetensors has 20 steps\n"));
    assert_int_equal(program_run(printed, SIZE, "checkpoint part.safetensors 110"), 0);
    assert_string_equal(strstr(printed, " 110 steps"), strstr(whole, " 110 steps"));
    assert_int_equal(program_run(printed, SIZE, "cmp whole.safetensors part.safetensors"), 0);
    assert_int_equal(
        program_run(printed, SIZE, "echo no >bad; checkpoint bad 2>&1; test $? = 1; cat bad"), 0);
    assert_non_null(strstr(printed, "load_safetensors: bad: "));
    assert_non_null(strstr(printed, "\nno\n")); /* the file was not written to */
}

/* The program that digits_export writes says of its image what the example itself says. */
static void test_exported_digits(void **state)
{
    (void)state;
    static char printed[SIZE], said[SIZE];
    if (leaves_digits_out()) return;
    assert_int_equal(program_run(printed, SIZE, "digits_export"), 0);
    assert_true(number_after(printed, "accuracy held out: ") >= 0.95);
    assert_int_equal(program_run(said, SIZE,
                                 TEST_CC " -O2 digits_main.c digits_model.c -o digits_main -lm && "
                                         "./digits_main < digits_image.txt"),
                     0);
    assert_non_null(strstr(printed, said));
}

/* tests/golden has no file for these: NumPy takes the same 30 steps in float64, on the same rows,
 * from the formula in the program. */
static void test_lecture_on_many_rows(void **state)
{
    (void)state;
    static char printed[SIZE];
    double loss, w0, w1;
    assert_int_equal(program_run(printed, SIZE, "rows 100000 2>/dev/null"), 0);
    const char *last = strstr(printed, "epoch 29");
    assert_non_null(last);
    assert_int_equal(sscanf(last, "epoch 29 loss %lf weight [%lf, %lf]", &loss, &w0, &w1), 3);
    assert_true(fabs(loss - 0.1597214982) < 1e-6);
    assert_true(fabs(w0 - 2.4913491) < 1e-6 && fabs(w1 - 4.009039) < 2e-6);
}

static void test_files_that_cannot_be_read(void **state)
{
    (void)state;
    static char printed[SIZE];
    static const char *const programs[] = {
        "digits", "digits_conv", "logistic_regression", "polynomial",    "lbfgs",
        "own_op", "long_file",   "curve_fit",           "digits_export", "digits_ranks"};
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        char command[64];
        snprintf(command, sizeof command, "%s nowhere.csv 2>&1", programs[i]);
        assert_int_equal(program_run(printed, SIZE, command), 1);
        const char *message = strstr(printed, ": ");
        assert_non_null(message);
        assert_string_equal(message, ": nowhere.csv: No such file or directory\n");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_of_the_lecture),
        cmocka_unit_test(test_trap_is_refused),
        cmocka_unit_test(test_plots),
        cmocka_unit_test(test_what_the_other_examples_find),
        cmocka_unit_test(test_same_as_in_r),
        cmocka_unit_test(test_looking_prints_what_the_readme_shows),
        cmocka_unit_test(test_what_they_show),
        cmocka_unit_test(test_files_of_any_length),
        cmocka_unit_test(test_a_run_that_is_stopped_goes_on),
        cmocka_unit_test(test_exported_digits),
        cmocka_unit_test(test_lecture_on_many_rows),
        cmocka_unit_test(test_files_that_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, program_setup, program_teardown);
}
