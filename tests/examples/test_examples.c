/* The output of the examples. The lecture's programs print what PyTorch printed, which is in
 * golden/lecture_expected.txt, and the other examples reach what README.md says of them. */
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

/* What follows the last word that names a number. */
typedef struct reading {
    double relative, absolute;
    double first_gradient; /* the largest entry of the first gradient of the section */
    bool gradient;
} reading;

/* The hexadecimal bits and all that is printed with 4 decimals must agree as text. In the loop,
 * losses and weights to 1e-6, gradients to 1e-6 of the first one: PyTorch's last digits move with
 * its BLAS. A loss is printed with 6 decimals, so that both may be half a unit off. The closed form
 * cancels a few bits of float64. */
static void read_word(reading *r, const char *word)
{
    r->gradient = !strcmp(word, "grad");
    if (!strcmp(word, "What") || !strcmp(word, "weight")) r->relative = 1e-6, r->absolute = 0;
    if (!strcmp(word, "loss")) r->relative = r->absolute = 1e-6;
    if (!strcmp(word, "solution")) r->relative = 1e-12, r->absolute = 0;
    if (r->gradient) r->relative = 0;
}

/* The same text, or the same number in the same brackets, as near as it must be. */
static bool same_word(const reading *r, const char *a, const char *b)
{
    if (!strcmp(a, b)) return true;
    if (r->relative == 0 && r->absolute == 0) return false;
    char *end_a, *end_b;
    for (; *a == '[' && *b == '['; a++) b++;
    double x = strtod(a, &end_a), y = strtod(b, &end_b);
    return end_a != a && end_b != b && !strcmp(end_a, end_b) &&
           fabs(x - y) <= r->relative * fabs(x) + r->absolute;
}

static bool same_line(reading *r, const char *expected, const char *printed)
{
    char a[128], b[128];
    int na, nb;
    r->relative = r->absolute = 0;
    r->gradient = false;
    for (;;) {
        bool more = sscanf(expected, "%127s%n", a, &na) == 1;
        if (more != (sscanf(printed, "%127s%n", b, &nb) == 1)) return false;
        if (!more) return true;
        if (r->gradient) {
            r->first_gradient = fmax(r->first_gradient, fabs(strtod(a + strspn(a, "["), NULL)));
            r->absolute = 1e-6 * r->first_gradient;
        }
        if (!same_word(r, a, b)) return false;
        if (!strchr("[-0123456789", *a)) read_word(r, a);
        expected += na;
        printed += nb;
    }
}

/* Copies the next line and moves on; false at the end. */
static bool next_line(const char **text, char line[512])
{
    if (!**text) return false;
    size_t n = strcspn(*text, "\n");
    assert_true(n < 512);
    memcpy(line, *text, n);
    line[n] = 0;
    *text += n + ((*text)[n] == '\n');
    return true;
}

/* "epoch 12": 12, any other line: -1. */
static int epoch_of(const char *line)
{
    int epoch;
    return sscanf(line, "epoch %d", &epoch) == 1 ? epoch : -1;
}

/* Every line of a section in its order; of the epochs, expected names a few. */
static void compare_section(const char *title, const char *expected, const char *printed)
{
    reading r = {0};
    char want[512], got[512] = "";
    while (next_line(&expected, want) && strncmp(want, "==", 2) != 0) {
        if (!*want) continue;
        do {
            if (!next_line(&printed, got)) fail_msg("%s: missing: %s", title, want);
        } while (epoch_of(got) >= 0 && epoch_of(got) != epoch_of(want));
        if (!same_line(&r, want, got)) fail_msg("%s:\nexpected %s\nprinted  %s", title, want, got);
    }
}

static void test_printed_as_pytorch(void **state)
{
    (void)state;
    static char expected[SIZE], printed[SIZE];
    char line[512];
    int sections = 0;
    program_read(TEST_ROOT "/tests/golden/lecture_expected.txt", expected, SIZE);
    assert_int_equal(
        program_run(printed, SIZE,
                    "lecture_yhat && lecture_loss && lecture_loop && lecture_modules && "
                    "lecture_three_weights"),
        0);
    for (const char *at = expected; next_line(&at, line);) {
        if (strncmp(line, "==", 2) != 0) continue;
        const char *here = strstr(printed, line);
        if (!here) fail_msg("not printed: %s", line);
        compare_section(line, at, here + strlen(line) + 1);
        sections++;
    }
    assert_int_equal(sections, 8);
}

/* What a student looks for, word by word. */
static void test_numbers_of_the_lecture(void **state)
{
    (void)state;
    static const struct {
        const char *program, *text;
    } cases[] = {
        {"lecture_yhat", "-27.9716"},
        {"lecture_yhat", "tensor([[-0.1629,  0.6929]])"},
        {"lecture_loss", "tensor(109.8145, grad_fn=<MseLossBackward0>)"},
        {"lecture_loss", "tensor(187.0950, grad_fn=<MeanBackward0>) shape of y-yhat2 (100, 100)"},
        {"lecture_loop", "What after 30 epochs [2.5187"},
        {"lecture_modules", "weight after 30 epochs [[2.5187"},
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
    const char *message = strstr(printed, "== MSELoss(y, yhat2) is refused\n");
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
        {"logistic_regression", "held out ", 0.7, 0.9},
        {"lbfgs", "largest difference ", 0, 1e-5},
        {"lbfgs", "bmi", 24.7545, 24.7546},
        {"polynomial", "largest difference ", 0, 1e-5},
        {"own_op", "share 0.10  line", 60, 80},
        {"own_op", "points below ", 0.88, 0.92},
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
}

static void test_files_that_cannot_be_read(void **state)
{
    (void)state;
    static char printed[SIZE];
    static const char *const programs[] = {"digits",     "digits_conv", "logistic_regression",
                                           "polynomial", "lbfgs",       "own_op"};
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        char command[64];
        snprintf(command, sizeof command, "%s nowhere.csv 2>&1", programs[i]);
        assert_int_equal(program_run(printed, SIZE, command), 1);
        assert_string_equal(printed, "nowhere.csv: No such file or directory\n");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_printed_as_pytorch),
        cmocka_unit_test(test_numbers_of_the_lecture),
        cmocka_unit_test(test_trap_is_refused),
        cmocka_unit_test(test_plots),
        cmocka_unit_test(test_what_the_other_examples_find),
        cmocka_unit_test(test_what_they_show),
        cmocka_unit_test(test_files_that_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, program_setup, program_teardown);
}
