/* What regress makes of a fit besides the report: pictures, predictions and saved fits. */
#define _XOPEN_SOURCE 700

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "program.h"
#include "report.h"

static char content[1 << 20];

static void expect_in_file(const char *path, const char *part)
{
    program_read(path, content, sizeof content);
    if (!strstr(content, part)) fail_msg("no \"%s\" in %s", part, path);
}

static size_t count_in_file(const char *path, const char *word)
{
    size_t n = 0;
    program_read(path, content, sizeof content);
    for (const char *at = content; (at = strstr(at, word)); at++) n++;
    return n;
}

/* ---- Pictures. */

static void test_pictures_of_one_feature(void **state)
{
    (void)state;
    expect_status("regress $DATA/norris.csv --target y --plots one", 0);
    expect_in_file("one-fit.svg", ">fitted line<");
    expect_in_file("one-fit.svg", ">95 % prediction interval<");
    expect_in_file("one-predicted.svg", ">predicted = target<");
    expect_in_file("one-residuals.svg", ">no error<");
    expect_in_file("one-normal.svg", ">normal distribution<");
    static const char *const names[] = {"one-fit.svg", "one-predicted.svg", "one-residuals.svg",
                                        "one-normal.svg"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(count_in_file(names[i], "<circle cx"), 36);
        assert_int_equal(count_in_file(names[i], "</svg>"), 1);
        assert_int_equal(count_in_file(names[i], "nan"), 0);
    }
}

/* The curve is drawn against x, though the first feature is its square. */
static void test_picture_of_a_curve(void **state)
{
    (void)state;
    write_text("curve.csv", "x,y\n0,1\n1,2\n2,5\n3,10.5\n4,16\n5,26\n");
    expect_status("regress curve.csv --target y --features 'x^2, x' --plot curve.svg", 0);
    expect_in_file("curve.svg", ">fitted curve<");
    expect_in_file("curve.svg", ">x<");
    /* Without x itself, there is no axis for it. */
    expect_status("regress curve.csv --target y --features 'x^2, exp(x)' --plots none", 0);
    assert_int_equal(access("none-fit.svg", F_OK), -1);
    expect_in_file("none-predicted.svg", ">predicted = target<");
}

static void test_pictures_of_many_features(void **state)
{
    (void)state;
    expect_status(
        "regress $DATA/diabetes.csv --target progression --test-fraction 0.25 --plots many", 0);
    assert_int_equal(access("many-fit.svg", F_OK), -1);
    expect_in_file("many-predicted.svg", ">rows held out<");
    assert_int_equal(count_in_file("many-predicted.svg", "<circle cx"), 442);
    assert_int_equal(count_in_file("many-residuals.svg", "<circle cx"), 442);
    assert_int_equal(count_in_file("many-normal.svg", "<circle cx"), 331);
}

static void test_picture_of_many_rows_is_a_sample(void **state)
{
    (void)state;
    expect_status("(echo x,y; seq 9000 | awk '{ print $1 \",\" $1 % 7 }') > rows.csv", 0);
    expect_status("regress rows.csv --target y --plot rows.svg", 0);
    assert_true(count_in_file("rows.svg", "<circle cx") <= 4002);
    expect_in_file("rows.svg", " of 9000 points are shown<");
}

static void test_pictures_of_weighted_rows(void **state)
{
    (void)state;
    write_text("weighted.csv", "x,w,y\n0,1,1\n1,4,2\n2,1,5\n3,9,10.5\n4,1,12\n");
    expect_status("regress weighted.csv --target y --weights w --plots weighted", 0);
    expect_in_file("weighted-normal.svg", ">(target - predicted) x root of weight<");
    expect_in_file("weighted-residuals.svg", ">target - predicted<");
}

static void test_pictures_that_cannot_be_written(void **state)
{
    (void)state;
    expect_status("regress $DATA/norris.csv --target y --plots no/where 2>&1 >/dev/null", 1);
    assert_string_equal(text, "no/where-fit.svg: No such file or directory\n");
    /* The old picture stays where the new one does not fit. */
    write_text("old.svg", "old");
    expect_status("(trap '' XFSZ; ulimit -f 1; exec regress $DATA/norris.csv --target y --plot "
                  "old.svg) 2>&1 >/dev/null",
                  1);
    assert_string_equal(text, "old.svg: File too large\n");
    program_read("old.svg", content, sizeof content);
    assert_string_equal(content, "old");
    expect_status("ls | grep -c part", 1);
}

/* ---- Prediction intervals, which R's predict gives, too. */

/* Reads the rest of the golden line into values; returns how many there are. */
static int read_values(const char *line, double *values, int n)
{
    int i = 0;
    for (char *at = (char *)(uintptr_t)line, *end; i < n; i++, at = end) {
        values[i] = strtod(at, &end);
        if (end == at) break;
    }
    return i;
}

/* Compares the next line of the output with that of R. */
static const char *expect_row(const char *printed, const char *line)
{
    double golden[3], got[3];
    char row[256], *comma;
    const size_t n = strcspn(printed, "\n");
    assert_true(n < sizeof row);
    memcpy(row, printed, n);
    row[n] = 0;
    while ((comma = strchr(row, ','))) *comma = ' ';
    assert_int_equal(read_values(line, golden, 3), 3);
    assert_int_equal(read_values(row, got, 3), 3);
    const double size = fabs(golden[1]) + fabs(golden[2]);
    for (int i = 0; i < 3; i++)
        if (!(fabs(got[i] - golden[i]) <= 1e-11 * size)) fail_msg("%s, and not %s", row, line);
    return printed + n + 1;
}

static void test_intervals_agree_with_r(void **state)
{
    (void)state;
    char line[1024], command[1200], model[1024] = "";
    const char *printed = NULL;
    int rows = 0;
    FILE *golden = fopen(TEST_ROOT "/tests/golden/intervals_golden.txt", "r");
    assert_non_null(golden);
    while (fgets(line, sizeof line, golden)) {
        line[strcspn(line, "\n")] = 0;
        if (!strncmp(line, "set ", 4)) {
            copy_data(golden, "r.csv");
        } else if (!strncmp(line, "model ", 6)) {
            strcpy(model, line + 6);
        } else if (!strcmp(line, "new")) {
            copy_data(golden, "new.csv");
            snprintf(command, sizeof command,
                     "regress r.csv %s --predict new.csv --interval 2>/dev/null", model);
            expect_status(command, 0);
            expect_text(",lower,upper\n");
            printed = strchr(text, '\n') + 1;
        } else {
            printed = expect_row(printed, line + 4);
            rows++;
        }
    }
    fclose(golden);
    assert_int_equal(rows, 29);
}

static void test_interval_without_scatter(void **state)
{
    (void)state;
    write_text("two.csv", "x,y\n1,3\n2,5\n");
    expect_status("regress two.csv --target y --predict two.csv --interval 2>/dev/null", 0);
    assert_string_equal(text, "y,lower,upper\n3,NA,NA\n5,NA,NA\n");
}

/* ---- Saved fits. */

static void write_mixed_data(void)
{
    write_text("mixed.csv",
               "x,\"a, \"\"b\"\"*\",group,n,b,y\n"
               "1,0.5,red,4,0,1.5\n2,0.25,blue,6,1,2.25\n3,1.5,green,8,0,2\n4,2,red,4,0,4.5\n"
               "5,0.1,blue,6,1,5.75\n6,0.7,green,8,0,5.5\n7,0.3,\"r,\",4,1,7.25\n"
               "8,0.9,\"r,\",6,1,8.75\n9,0.6,red,8,1,8\n10,0.1,blue,4,0,11.5\n");
}

/* A fit that was saved and loaded predicts the same bits. */
static void expect_same_predictions(const char *model, const char *interval)
{
    char command[512];
    const int file = (int)strcspn(model, " ");
    snprintf(command, sizeof command,
             "regress %s --predict %.*s %s --save fit.csv >first.csv 2>/dev/null || [ $? = 3 ]",
             model, file, model, interval);
    expect_status(command, 0);
    snprintf(command, sizeof command,
             "regress --load fit.csv --predict %.*s %s >second.csv && cmp first.csv second.csv",
             file, model, interval);
    if (program_run(text, SIZE, command) != 0) fail_msg("%s: %s", model, text);
}

static void test_loaded_fits_predict_the_same(void **state)
{
    (void)state;
    write_mixed_data();
    expect_same_predictions("$DATA/norris.csv --target y", "--interval");
    expect_same_predictions("$DATA/norris.csv --target y --method sgd", "--interval");
    expect_same_predictions("$DATA/diabetes.csv --target progression", "--interval");
    expect_same_predictions(
        "$DATA/diabetes.csv --target progression --test-fraction 0.3 --method lbfgs --float64",
        "--interval");
    expect_same_predictions("mixed.csv --target y --exclude b", "--interval");
    expect_same_predictions(
        "mixed.csv --target y --features 'x^2, log(x), \"a, \"\"b\"\"*\"^0.5*x, factor(n)'",
        "--interval");
    expect_same_predictions(
        "mixed.csv --target y --features 'group, factor(n), x' --dependent drop", "--interval");
    expect_same_predictions("mixed.csv --target y --features 'group*x, exp(x)^-1'", "--interval");
    expect_same_predictions("mixed.csv --target y --features 'x, group' --no-intercept --weights n",
                            "--interval");
}

static void test_loaded_fits_of_other_losses_predict_the_same(void **state)
{
    (void)state;
    write_mixed_data();
    expect_same_predictions("mixed.csv --target y --features x --l2 0.3", "");
    expect_same_predictions("mixed.csv --target y --features 'x, n' --loss quantile:0.3", "");
    expect_same_predictions("mixed.csv --target b --features x --loss logistic", "");
    expect_same_predictions("mixed.csv --target n --features 'x, x^2' --loss poisson", "");
    write_text("words.csv", "x,y\n1,no\n2,no\n3,\"yes, sir\"\n4,no\n5,\"yes, sir\"\n");
    expect_same_predictions("words.csv --target y --loss logistic", "");
    expect_in_file("fit.csv", "\nloss,logistic\nclasses,no,\"yes, sir\"\nfeatures,x\n");
    expect_same_predictions("mixed.csv --target y --features x --loss huber:0.1", "");
    expect_status("regress --load fit.csv --predict mixed.csv --interval 2>&1", 1);
    assert_string_equal(text, "fit.csv: this fit has no prediction intervals: only least squares "
                              "of independent features has them\n");
}

/* The file is as saved.h describes it. The certified intercept of NIST ends with 30; the last
 * digits are those of the machine. */
static void test_format_of_saved_fits(void **state)
{
    (void)state;
    write_text("line.csv",
               "\"the x\",g,y\n-1,b,0\n1,a,4\n0,b,3\n0,\"c,d\",3\n1,a,6\n2,\"c,d\",8\n");
    expect_status("regress line.csv --target y --features '\"the x\", g' --save fit.csv", 0);
    program_read("fit.csv", content, sizeof content);
    static const char head[] = "regress,2\ntarget,y\nloss,mse\nfeatures,\"the x, g\"\n"
                               "levels,g,text,a,b,\"c,d\"\nintercept,yes\nlevel,";
    if (strncmp(content, head, strlen(head)) != 0) fail_msg("%s", content);
    static const char *const lines[] = {
        "\ndegrees of freedom,2\n", "\nsum of squares,",        "\ncoefficient,intercept,",
        "\ncoefficient,the x,",     "\ncoefficient,\"g=c,d\",", "\ntriangle,",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) expect_in_file("fit.csv", lines[i]);
    assert_int_equal(strncmp(content + strlen(content) - 14, "\nend,", 5), 0);
    assert_int_equal(count_in_file("fit.csv", "\ntriangle,"), 4);
}

static void test_streams(void **state)
{
    (void)state;
    write_text("line.csv", "x,y\n0,1\n1,3\n2,5.5\n3,7\n");
    expect_status("regress - --target y --save - <line.csv 2>/dev/null | "
                  "regress --load - --predict line.csv --digits 3",
                  0);
    assert_string_equal(text, "y\n1.05\n3.1\n5.15\n7.2\n");
    expect_status("regress line.csv --target y --plot - 2>/dev/null", 0);
    assert_true(!strncmp(text, "<svg ", 5) && strstr(text, "</svg>\n"));
    expect_status("regress line.csv --target y --save - 2>&1 >/dev/full", 1);
    expect_text("\n-: No space left on device\n");
}

#define CHECKSUM "16: the checksum is wrong: the file was changed after regress saved it"

/* A saved fit in which one thing is changed by sed. */
static void test_bad_saved_fits(void **state)
{
    (void)state;
    static const struct {
        const char *edit, *message;
    } cases[] = {
        {"1s/.*/x,y/", "1: this is no fit that regress has saved"},
        {"1s/2/1/", "1: version 1 of the format is unknown: this program reads version 2"},
        {"2d", "2: 'target' is expected, and not 'loss'"},
        {"3s/mse/mode/", "3: 'mode' is none of mse, huber:DELTA, quantile:P, logistic and poisson"},
        {"3s/mse/quantile/", "3: 'quantile' needs a probability between 0 and 1, as in "
                             "quantile:0.9"},
        {"4s/x, g/x, g, sin(x)/", "4: there is no such function, only log, sqrt, exp and factor, "
                                  "before 'sin(x)'"},
        {"4s/x, g/x, (\\ng/", "4: a name is missing before '(?g'"},
        {"4s/x, g/x/", "5: 'g' is no factor of the features"},
        {"4s/g/factor(g)/;5d", "4: the levels of 'factor(g)' do not follow"},
        {"5s/,a/,b/", "5: 'b' is named twice"},
        {"5s/,text.*/,text/", "5: 'levels' has 3 cells, not 4"},
        {"5s/text/words/", "5: 'words' is neither text nor numbers"},
        {"5s/text/numbers/", "5: 'a' is no number"},
        {"6s/yes/perhaps/", "6: 'perhaps' is neither yes nor no"},
        {"7s/,.*/,1e/", "7: '1e' is no number"},
        {"7s/,.*/,0x1p3/", "7: '0x1p3' is no number"},
        {"7s/,.*/,1e999/", "7: '1e999' is no number"},
        {"7s/,.*/,nan/", "7: 'nan' is no number"},
        {"7s/,.*/,/", "7: '' is no number"},
        {"7s/$/,1/", "7: 'level' has 3 cells, not 2"},
        {"11s/,.*/,2.5/", "11: '2.5' is no number of degrees of freedom"},
        {"11s/,/,-/", "11: '-1' is no number of degrees of freedom"},
        {"12s/,.*/,-1/", "12: '-1' is negative"},
        {"9s/,x,/,z,/", "9: 'z' is none of the features, or not in their order"},
        {"9s/,x,.*/,x,1/", "9: 'coefficient' has 3 cells, not 4"},
        {"9,10d", "9: 'coefficient' is expected, and not 'degrees of freedom'"},
        {"11d", "11: 'end' is expected, and not 'sum of squares'"},
        {"14d", "14: 'triangle' has 2 cells, not 3"},
        {"13s/,[^,]*$//", "13: 'triangle' has 3 cells, not 4"},
        {"15s/,.*/,0/", "15: the diagonal of the triangle has a 0"},
        {"$d", "16: the file ends before its line 'end': it was cut off"},
        {"$s/d//", "16: 'end' is expected, and not 'en'"},
        {"$s/$/\\nend/", "17: text follows the line 'end'"},
        {"$s/end/\"end/", "16: a quote is not closed"},
        {"$s/,.*//", "16: 'end' has 1 cells, not 2"},
        {"$s/,.*/,0/", CHECKSUM},
        {"7s/,\\(.\\)/,1\\1/", CHECKSUM},
        {"2s/y/z/", CHECKSUM},
        {"2s/y/\"y\"z/", "2: text follows a closing quote"},
    };
    char command[256], expected[256];
    write_text("line.csv", "x,g,y\n0,a,1\n1,b,3\n2,a,6\n3,b,7\n");
    expect_status("regress line.csv --target y --save good.csv", 0);
    expect_status("tail -n 1 good.csv | cut -c 5-12; head -n 15 good.csv | gzip -c | tail -c 8 | "
                  "od -An -tx4 -N4 | tr -d ' '",
                  0);
    assert_memory_equal(text, text + 9, 9);
    expect_status("sed 's/$/\r/' good.csv | regress --load - --predict line.csv", 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(command, sizeof command,
                 "sed '%s' good.csv >bad.csv; regress --load bad.csv --predict line.csv 2>&1",
                 cases[i].edit);
        snprintf(expected, sizeof expected, "bad.csv:%s\n", cases[i].message);
        expect_status(command, 1);
        if (strcmp(text, expected) != 0)
            fail_msg("%s:\n%sand not\n%s", cases[i].edit, text, expected);
    }
}

/* Wherever a saved fit is cut, there is one line of error and no prediction. */
static void test_saved_fits_that_are_cut(void **state)
{
    (void)state;
    write_text("line.csv", "x,y\n0,1\n1,3\n2,6\n3,7\n");
    expect_status("regress line.csv --target y --save good.csv", 0);
    expect_status("for n in $(seq 0 5 $(($(wc -c <good.csv) - 2))); do head -c $n good.csv | "
                  "regress --load - --predict line.csv >out 2>error && echo $n is accepted; "
                  "[ ! -s out ] && [ $(wc -l <error) = 1 ] || echo $n; done",
                  0);
    assert_string_equal(text, "");
}

static void test_saved_fits_that_cannot_be_read(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"missing.csv", "missing.csv: No such file or directory\n"},
        {"folder", "folder: Is a directory\n"},
        {"/dev/null", "/dev/null: the file is empty\n"},
        {"/dev/zero", "/dev/zero:1: this is no fit that regress has saved\n"},
        {"zero.csv", "zero.csv: a zero byte: this is not a text file\n"},
    };
    char command[256];
    expect_status("mkdir folder", 0);
    program_write("zero.csv", "regress,2\n\0", 11);
    write_text("line.csv", "x,y\n0,1\n1,3\n2,6\n3,7\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(command, sizeof command, "regress --load %s --predict line.csv 2>&1", cases[i][0]);
        expect_status(command, 1);
        assert_string_equal(text, cases[i][1]);
    }
}

static void test_new_rows_must_have_the_columns(void **state)
{
    (void)state;
    write_text("line.csv", "x,g,y\n0,a,1\n1,b,3\n2,a,6\n3,b,7\n");
    expect_status("regress line.csv --target y --save fit.csv", 0);
    write_text("new.csv", "x,h\n1,a\n");
    expect_status("regress --load fit.csv --predict new.csv 2>&1", 1);
    assert_string_equal(text, "new.csv:1: no column 'g'; there is x, h\n");
    write_text("new.csv", "g,x\na,1\nc,1\n");
    expect_status("regress --load fit.csv --predict new.csv 2>&1", 1);
    assert_string_equal(text, "new.csv:3: column 'g': 'c' is no level of the data: a, b\n");
    write_text("new.csv", "g,x\na,b\n");
    expect_status("regress --load fit.csv --predict new.csv 2>&1", 1);
    assert_string_equal(text, "new.csv:2: column 'x': 'b' is not a number\n");
    write_text("new.csv", "g,x\na,1\nb,NA\n");
    expect_status("regress line.csv --target y --missing drop --predict new.csv 2>&1", 1);
    assert_string_equal(text, "new.csv:3: column 'x': 'NA' is a missing value; the row cannot be "
                              "predicted: leave it out\n");
}

/* Where a fit cannot be saved, nothing is left of it, and no prediction is written. */
static void test_fits_that_cannot_be_saved(void **state)
{
    (void)state;
    write_text("line.csv", "x,y\n0,1\n1,3\n2,6\n3,7\n");
    expect_status("regress line.csv --target y --save no/where.csv --predict line.csv 2>error", 1);
    assert_string_equal(text, "");
    expect_status("tail -1 error", 0);
    assert_string_equal(text, "no/where.csv: No such file or directory\n");
    expect_status("regress line.csv --target y --save /dev/full 2>&1 >/dev/null", 1);
    assert_string_equal(text, "/dev/full: No space left on device\n");
    write_text("old.csv", "old");
    expect_status("(trap '' XFSZ; ulimit -f 0; exec regress line.csv --target y --save old.csv) "
                  "2>&1 >/dev/null",
                  1);
    assert_string_equal(text, "old.csv: File too large\n");
    program_read("old.csv", content, sizeof content);
    assert_string_equal(content, "old");
    expect_status("ls | grep -c part", 1);
}

/* The new file takes the place of the old one, with its permissions, and a link stays a link. */
static void test_saved_fits_replace_old_ones(void **state)
{
    (void)state;
    write_text("line.csv", "x,y\n0,1\n1,3\n2,6\n3,7\n");
    expect_status("echo old >real.csv; chmod 600 real.csv; ln -s real.csv link.csv; "
                  "regress line.csv --target y --save link.csv >/dev/null && "
                  "head -1 real.csv && stat -c %a real.csv && readlink link.csv",
                  0);
    assert_string_equal(text, "regress,2\n600\nreal.csv\n");
}

static void test_wrong_usage(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"--load fit.csv", "--load needs --predict"},
        {"--load fit.csv line.csv --predict line.csv",
         "--load takes a saved fit in place of a data file"},
        {"--load fit.csv --predict line.csv --target y",
         "--target is for a new fit, and --load takes one that is made"},
        {"line.csv --target y --interval", "--interval needs --predict"},
        {"line.csv --target y --predict line.csv --interval --l2 1",
         "--interval goes with --loss mse alone, without --l2"},
        {"- --target y --predict -", "two files are -, and standard input is read once"},
        {"--load - --predict -", "two files are -, and standard input is read once"},
        {"line.csv --target y --predict line.csv --save -",
         "--predict, --save - and --plot -: only one of them can have standard output"},
        {"- --target y --predict /dev/stdin", "two files are -, and standard input is read once"},
        {"line.csv --target y --save line.csv",
         "--save: 'line.csv' would write over a file that is read"},
        {"line.csv --target y --predict new.csv --plot new.csv",
         "--plot: 'new.csv' would write over a file that is read"},
        {"line.csv --target y --save one --plot one",
         "--save: 'one' would write over the file of --plot"},
    };
    char command[256], expected[256];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(command, sizeof command, "regress %s 2>&1 </dev/null", cases[i][0]);
        snprintf(expected, sizeof expected, "regress: %s\n", cases[i][1]);
        expect_status(command, 2);
        assert_string_equal(text, expected);
    }
}

/* A name may hold what commands a terminal; the report shows ? in its place, and JSON and a saved
 * fit have the name itself. */
static void test_control_characters_in_names(void **state)
{
    (void)state;
    write_text("control.csv", "a\033[31m,g\t2,y\n1,p\001,1\n2,q,3\n3,q,4\n4,p\001,6\n5,q,8\n");
    expect_status("regress control.csv --target y --save control.fit", 0);
    expect_text("y ~ a?[31m + g?2, least squares");
    expect_text("\ng?2: 2 levels, compared with p?, which is left out\n");
    expect_text("\na?[31m ");
    assert_null(strpbrk(text, "\001\t\033"));
    expect_in_file("control.fit", "coefficient,a\033[31m,");
    expect_status("regress control.csv --target y --json 2>/dev/null", 0);
    expect_text("\"name\": \"a\\u001b[31m\"");
    write_text("control.csv", "a\033,y\n1,1\n1,2\n1,3\n");
    expect_status("regress control.csv --target y 2>&1", 1);
    assert_string_equal(text, "control.csv:1: column 'a?' is constant\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pictures_of_one_feature),
        cmocka_unit_test(test_picture_of_a_curve),
        cmocka_unit_test(test_pictures_of_many_features),
        cmocka_unit_test(test_picture_of_many_rows_is_a_sample),
        cmocka_unit_test(test_pictures_of_weighted_rows),
        cmocka_unit_test(test_pictures_that_cannot_be_written),
        cmocka_unit_test(test_intervals_agree_with_r),
        cmocka_unit_test(test_interval_without_scatter),
        cmocka_unit_test(test_loaded_fits_predict_the_same),
        cmocka_unit_test(test_loaded_fits_of_other_losses_predict_the_same),
        cmocka_unit_test(test_format_of_saved_fits),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_bad_saved_fits),
        cmocka_unit_test(test_saved_fits_that_are_cut),
        cmocka_unit_test(test_saved_fits_that_cannot_be_read),
        cmocka_unit_test(test_new_rows_must_have_the_columns),
        cmocka_unit_test(test_fits_that_cannot_be_saved),
        cmocka_unit_test(test_saved_fits_replace_old_ones),
        cmocka_unit_test(test_wrong_usage),
        cmocka_unit_test(test_control_characters_in_names),
    };
    return cmocka_run_group_tests(tests, program_setup, program_teardown);
}
