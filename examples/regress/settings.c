/* The command line of regress: what it may say, what it means, and what is wrong with it. */
#include "settings.h"

#include <stdio.h>
#include <string.h>

#include "options.h"

const char *const settings_help[] = {
    "usage: regress data.csv --target NAME [option ...]\n"
    "       regress --load fit.csv --predict new.csv [--interval] [--json]\n"
    "\n"
    "Fits target = intercept + coefficient x feature + ... to a CSV file whose first line names "
    "the\n"
    "columns, by least squares, and reports the coefficients in the data's own units.\n"
    "\n"
    "  --target NAME          column to predict\n"
    "  --features TERMS       what to predict it from; all other columns, unless given. See below\n"
    "  --exclude A,B,...      columns to leave out of all\n"
    "  --no-intercept         fit target = coefficient x feature + ..., so that R2 and F compare\n"
    "                         it with 0 instead of the mean\n"
    "  --weights COLUMN       minimise the weighted sum of the losses of the rows. A row of "
    "weight\n"
    "                         0 is left out\n"
    "  --loss NAME            mse, the squared error, unless given; huber:DELTA, squared up to "
    "DELTA "
    "and\n"
    "                         linear beyond, DELTA 1 unless given; quantile:P, for the line that a "
    "share\n"
    "                         P of the rows lies below; logistic, for a target of 0 and 1, or "
    "of\n"
    "                         two words; poisson, for counts. Of the last two, predictions are "
    "the\n"
    "                         probability of 1, or of the second word, and the mean count\n"
    "  --l2 X                 add X / 2 times the sum of squares of the coefficients of "
    "standardised\n"
    "                         features to the loss, which is then the sum over the rows of half "
    "the\n"
    "                         squared error, or of minus the log-likelihood; 0\n"
    "  --missing drop         leave out rows where a value is missing: an empty cell, NA, NaN, "
    "null,\n"
    "                         a point or a dash; error, unless given, refuses them\n"
    "  --separator C          what stands between the cells of the files: a character, or tab or "
    "space;\n"
    "                         guessed from the first lines, unless given\n"
    "  --decimal NAME         how numbers are written: with a decimal point or comma; guessed\n"
    "  --dependent drop       leave out features that are a combination of those before them;\n"
    "                         minimum-norm keeps them, and takes of all coefficients that fit\n"
    "                         equally well those with the least sum of squares, the intercept\n"
    "                         included; error, unless given, names the first one. With --l2\n"
    "                         they stay, unless drop is given\n"
    "  --test-fraction P      part of the rows, drawn at random, to hold out and test on; 0\n"
    "  --folds K              also cross-validate: fit K times, each time without a K-th of the "
    "rows,\n"
    "                         and test on those\n"
    "  --memory MB            keep features of rows up to this size; 64. Of more rows than that "
    "least\n"
    "                         squares keeps sums alone, and reads the file again if digits that "
    "are\n"
    "                         printed need it. All rows are kept for another loss or method, "
    "plots,\n"
    "                         rows held out, folds and minimum-norm\n"
    "  --seed N               for these draws and the order of batches; 0\n"
    "  --digits N             significant digits to print, at most 17; 7 of coefficients and fewer "
    "of\n"
    "                         all else. Of a trained coefficient only known digits are printed\n",
    "  --plot FILE.svg        draw the fit, or predictions against the target\n"
    "  --plots PREFIX         draw four pictures: PREFIX-fit.svg, the fit with its "
    "prediction\n"
    "                         interval, if all terms are of one column; PREFIX-predicted.svg, "
    "predictions\n"
    "                         against the target; PREFIX-residuals.svg, residuals against "
    "predictions;\n"
    "                         and PREFIX-normal.svg, the normal quantiles of the residuals,\n"
    "                         but for logistic and poisson\n"
    "  --predict FILE.csv     write predictions for these rows to standard output, as a column "
    "named\n"
    "                         like the target; the report goes to standard error\n"
    "  --interval             with --predict: columns lower and upper, between which 95 % of "
    "other\n"
    "                         rows, of weight 1, lie if errors are normal\n"
    "  --level P              the probability of these intervals and of those of coefficients, "
    "0.95\n"
    "  --save FILE.csv        save the fit, and with --load predict by it later. The file is "
    "text,\n"
    "                         which examples/regress/saved.h describes\n"
    "  --json                 write the report, and the predictions, as JSON with all digits to\n"
    "                         standard output; the text goes to standard error\n"
    "  --method NAME          ls, the exact least squares, in double precision, unless given; sgd "
    "or\n"
    "                         lbfgs, to train as the lecture does\n"
    "  --help                 this text\n"
    "\n",
    "A file named - is standard input, or standard output with --save and --plot; the report then\n"
    "goes to standard error. A file that is written appears whole or not at all.\n"
    "\n"
    "Terms are columns, their powers, their log, sqrt or exp, and products of these:\n"
    "--features 'x, x^2, x*z, log(x)'. A name with a comma or one of *^() in it stands in quotes:\n"
    "'\"a*b\", c'. A column that begins with text is a factor, as is factor(x) for a column of\n"
    "numbers: each level but the first, in the order of bytes or of numbers, gets a coefficient,\n"
    "the difference from the first. In a product all levels get one where no term before has the "
    "rest\n"
    "of the product, as in R. A factor has at most 256 levels, and fewer than there are rows.\n"
    "\n"
    "With --method sgd or lbfgs:\n"
    "  --float64              train in double precision\n"
    "  --epochs N             passes over the data at most; 50000, or 100 with --batch-size\n"
    "with --method sgd alone:\n"
    "  --batch-size N         rows a step; all\n"
    "  --lr X                 step size; from the largest eigenvalue of the features' "
    "correlations.\n"
    "                         With --batch-size, where not given, it falls to 0 over the epochs\n"
    "  --momentum X           from the smallest one; 0 with --batch-size\n"
    "\n"
    "Features and target are standardised for training. It has converged when each coefficient is\n"
    "within 0.001 of its standard error from the exact one, and so has a fit by another loss than "
    "mse,\n"
    "which is found by Newton's method, or by the simplex method for quantile.\n"
    "\n"
    "exit status: 0 done; 1 bad data, diverged, or another failure; 2 wrong usage; 3 training "
    "ended\n"
    "before it converged (everything is reported and written nevertheless).\n",
    NULL};

/* Sets the method. Returns false, and prints a line on stderr, if there is none of that name, or if
 * an option was given that the method does not use. */
static bool choose_method(settings *set, const option *options, int n)
{
    static const char *const names[] = {"ls", "sgd", "lbfgs"};
    while (set->method_name && strcmp(set->method_name, names[set->method])) {
        if (set->method++ < FIT_LBFGS) continue;
        fprintf(stderr, "regress: --method: '%.60s' is none of ls, sgd and lbfgs\n",
                set->method_name);
        return false;
    }
    for (int i = 0; i < n; i++) {
        bool sgd_only = options[i].value == &set->lr || options[i].value == &set->momentum ||
                        options[i].value == &set->batch_size;
        bool training = sgd_only || options[i].value == &set->epochs;
        if (!options[i].given || !training || set->method == FIT_SGD) continue;
        if (set->method == FIT_LBFGS && !sgd_only) continue;
        fprintf(stderr, "regress: %s needs --method sgd%s; %s takes no steps of that kind\n",
                options[i].name, sgd_only ? "" : " or lbfgs", names[set->method]);
        return false;
    }
    return true;
}

/* Sets *drop from the value of an option. Returns false, and prints a line on stderr, if the value
 * is wrong. */
static bool choose_drop(const char *name, const char *value, bool *drop)
{
    *drop = value && !strcmp(value, "drop");
    if (!value || *drop || !strcmp(value, "error")) return true;
    fprintf(stderr, "regress: %s: '%.60s' is neither drop nor error\n", name, value);
    return false;
}

/* Chooses what becomes of dependent features. Returns false, and prints a line on stderr, if the
 * value is wrong, or if the fit is not by least squares, of which alone the minimum norm is known.
 */
static bool choose_dependent(settings *set)
{
    const char *value = set->dependent;
    if (!value || !strcmp(value, "error")) return true;
    set->drop_dependent = !strcmp(value, "drop");
    set->minimum_norm = !strcmp(value, "minimum-norm");
    if (!set->drop_dependent && !set->minimum_norm)
        fprintf(stderr, "regress: --dependent: '%.60s' is none of error, drop and minimum-norm\n",
                value);
    else if (set->minimum_norm && (set->method != FIT_LS || !loss_is_exact(&set->loss)))
        fputs("regress: --dependent minimum-norm is a form of least squares: it goes without "
              "--method, "
              "--loss and --l2\n",
              stderr);
    else
        return true;
    return false;
}

/* Reads the loss. Returns false, and prints a line on stderr, if it is wrong, or if an option was
 * given that it does not go with. */
static bool choose_loss(settings *set)
{
    const double l2 = set->loss.l2;
    if (!loss_read("regress: --loss", set->loss_name, &set->loss)) return false;
    set->loss.l2 = l2;
    if (l2 > 0 && set->loss.kind == LOSS_QUANTILE) {
        fprintf(stderr,
                "regress: --l2 does not go with --loss quantile, whose fit it would blur\n");
        return false;
    }
    if (set->method == FIT_LS || loss_is_exact(&set->loss)) return true;
    fprintf(stderr, "regress: --method %s trains with the squared error alone; leave it out %s\n",
            set->method_name, l2 > 0 ? "with --l2" : "with this --loss");
    return false;
}

/* Checks that a fit is loaded to predict by, and that no option asks for another fit. */
static bool check_load(const settings *set, const option *options, int n)
{
    if (set->data || !set->predict) {
        fprintf(stderr, set->data ? "regress: --load takes a saved fit in place of a data file\n"
                                  : "regress: --load needs --predict\n");
        return false;
    }
    for (int i = 0; i < n; i++) {
        const void *value = options[i].value;
        if (!options[i].given || value == &set->load || value == &set->predict ||
            value == &set->interval || value == &set->level || value == &set->json ||
            value == &set->digits)
            continue;
        fprintf(stderr, "regress: %s is for a new fit, and --load takes one that is made\n",
                options[i].name);
        return false;
    }
    return true;
}

/* Replaces "-" by the path of standard input. Returns 1 if the file is standard input, else 0. */
static int take_stdin(const char **path)
{
    const bool is = *path && (!strcmp(*path, "-") || !strcmp(*path, "/dev/stdin"));
    if (is) *path = "/dev/stdin";
    return is;
}

static bool is_stdout(const char *path)
{
    return path && !strcmp(path, "-");
}

bool settings_need_rows(const settings *set)
{
    return set->method != FIT_LS || !loss_is_exact(&set->loss) || set->minimum_norm ||
           set->test_fraction > 0 || set->folds > 0 || set->plot || set->plots;
}

bool settings_take_stdout(const settings *set)
{
    return set->predict || set->json || is_stdout(set->save) || is_stdout(set->plot);
}

/* Checks that only one file is standard input, and one standard output. */
static bool check_streams(settings *set)
{
    const int in = take_stdin(&set->data) + take_stdin(&set->load) + take_stdin(&set->predict);
    const int out = (set->predict || set->json) + is_stdout(set->save) + is_stdout(set->plot);
    if (in > 1) fprintf(stderr, "regress: two files are -, and standard input is read once\n");
    if (in <= 1 && out > 1)
        fprintf(stderr,
                "regress: %s, --save - and --plot -: only one of them can have standard output\n",
                set->json ? "--json" : "--predict");
    return in <= 1 && out <= 1;
}

/* Checks that no file is written that is also read, or is written twice. */
static bool check_paths(const settings *set)
{
    const char *const paths[] = {set->save, set->plot, set->data, set->load, set->predict};
    for (size_t i = 0; i < 2; i++)
        for (size_t k = i + 1; k < sizeof paths / sizeof *paths; k++) {
            if (!paths[i] || !paths[k] || strcmp(paths[i], paths[k]) != 0) continue;
            fprintf(stderr, "regress: %s: '%.60s' would write over %s\n", i ? "--plot" : "--save",
                    paths[i], k == 1 ? "the file of --plot" : "a file that is read");
            return false;
        }
    return true;
}

static bool check_interval(const settings *set)
{
    if (!set->interval || (set->predict && loss_is_exact(&set->loss))) return true;
    fprintf(stderr, set->predict ? "regress: --interval goes with --loss mse alone, without --l2\n"
                                 : "regress: --interval needs --predict\n");
    return false;
}

/* Sets how the files are written. */
static bool choose_format(settings *set)
{
    const char *separator = set->separator_name, *decimal = set->decimal_name;
    if (separator) {
        const bool space = !strcmp(separator, "space"), tab = !strcmp(separator, "tab");
        set->separator = (char)(space ? ' ' : tab ? '\t' : separator[0]);
        if ((!space && !tab && separator[1]) || strchr("\"\r\n.", set->separator)) {
            fprintf(stderr,
                    "regress: --separator: '%.60s' is neither tab, space nor a character "
                    "that can stand between cells\n",
                    separator);
            return false;
        }
    }
    if (decimal) set->decimal = (char)(!strcmp(decimal, "comma") ? ',' : '.');
    if (decimal && set->decimal == '.' && strcmp(decimal, "point") != 0) {
        fprintf(stderr, "regress: --decimal: '%.60s' is neither point nor comma\n", decimal);
        return false;
    }
    if (!set->separator || set->separator != set->decimal) return true;
    fprintf(stderr, "regress: --separator and --decimal cannot both be a comma\n");
    return false;
}

bool settings_read(settings *set, int argc, char **argv)
{
    *set = (settings){.momentum = -1, .memory = 64, .level = 0.95};
    option options[] = {
        {"--method", OPTION_TEXT, &set->method_name, 0, 0, false},
        {"--missing", OPTION_TEXT, &set->missing, 0, 0, false},
        {"--separator", OPTION_TEXT, &set->separator_name, 0, 0, false},
        {"--decimal", OPTION_TEXT, &set->decimal_name, 0, 0, false},
        {"--dependent", OPTION_TEXT, &set->dependent, 0, 0, false},
        {"--digits", OPTION_WHOLE, &set->digits, 1, 18, false},
        {"--target", OPTION_TEXT, &set->target, 0, 0, false},
        {"--features", OPTION_TEXT, &set->features, 0, 0, false},
        {"--exclude", OPTION_TEXT, &set->exclude, 0, 0, false},
        {"--no-intercept", OPTION_FLAG, &set->no_intercept, 0, 0, false},
        {"--weights", OPTION_TEXT, &set->weights, 0, 0, false},
        {"--plot", OPTION_TEXT, &set->plot, 0, 0, false},
        {"--plots", OPTION_TEXT, &set->plots, 0, 0, false},
        {"--predict", OPTION_TEXT, &set->predict, 0, 0, false},
        {"--loss", OPTION_TEXT, &set->loss_name, 0, 0, false},
        {"--l2", OPTION_REAL, &set->loss.l2, 0, 1e100, false},
        {"--folds", OPTION_WHOLE, &set->folds, 2, 1e15, false},
        {"--level", OPTION_REAL, &set->level, 0.001, 1, false},
        {"--memory", OPTION_REAL, &set->memory, 0, 1e12, false},
        {"--interval", OPTION_FLAG, &set->interval, 0, 0, false},
        {"--json", OPTION_FLAG, &set->json, 0, 0, false},
        {"--save", OPTION_TEXT, &set->save, 0, 0, false},
        {"--load", OPTION_TEXT, &set->load, 0, 0, false},
        {"--lr", OPTION_REAL, &set->lr, 1e-30, 1e30, false},
        {"--momentum", OPTION_REAL, &set->momentum, 0, 1, false},
        {"--epochs", OPTION_WHOLE, &set->epochs, 1, 1e15, false},
        {"--batch-size", OPTION_WHOLE, &set->batch_size, 1, 1e15, false},
        {"--seed", OPTION_WHOLE, &set->seed, 0, 4294967296, false},
        {"--test-fraction", OPTION_REAL, &set->test_fraction, 0, 1, false},
        {"--float64", OPTION_FLAG, &set->float64, 0, 0, false},
        {"--help", OPTION_FLAG, &set->help, 0, 0, false},
    };
    const int n = (int)(sizeof options / sizeof *options);
    if (!options_read(options, n, argc, argv, &set->data)) return false;
    if (set->help) return true;
    if ((set->load && !check_load(set, options, n)) || !check_streams(set) || !check_paths(set))
        return false;
    if (!set->load && (!set->data || !set->target)) {
        fprintf(
            stderr,
            "regress: no %s is given; write regress data.csv --target NAME (--help tells more)\n",
            set->data ? "--target" : "data file");
        return false;
    }
    if (set->features && set->exclude) {
        fprintf(stderr, "regress: --exclude leaves out of all columns, and --features takes some: "
                        "give one of them\n");
        return false;
    }
    if (set->weights && set->target && !strcmp(set->weights, set->target)) {
        fprintf(stderr, "regress: --weights: '%.60s' is the target\n", set->weights);
        return false;
    }
    return choose_format(set) && choose_method(set, options, n) && choose_loss(set) &&
           check_interval(set) && choose_drop("--missing", set->missing, &set->drop_missing) &&
           choose_dependent(set);
}
