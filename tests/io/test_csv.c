/* Reading of CSV files. Most files are written here; each is read as a stream, so that no test
 * needs a folder of its own. */
#define _XOPEN_SOURCE 700

#include "check.h"
#ifndef _WIN32
#include "foreign_locale.h"
#endif
#include "guarded.h"

/* A stream that has these bytes. */
static FILE *stream_of(const char *bytes, size_t n)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    rewind(file);
    return file;
}

static tg_csv *open_file(tg_context *tg, FILE *file, const tg_csv_options *options)
{
    tg_csv_options o = options ? *options : tg_csv_defaults();
    o.file = file;
    return tg_csv_open(tg, "a.csv", &o);
}

static FILE *text_stream(const char *text)
{
    return stream_of(text, strlen(text));
}

static void close_both(tg_csv *csv, FILE *file)
{
    tg_csv_close(csv);
    fclose(file);
}

static tg_tensor *read_text(tg_context *tg, const char *text, const tg_csv_options *options)
{
    tg_csv_options o = options ? *options : tg_csv_defaults();
    o.file = text_stream(text);
    tg_tensor *t = tg_read_csv(tg, "a.csv", &o);
    fclose(o.file);
    return t;
}

/* ---- Files as people have them. */

static void test_accepted_forms(void **state)
{
    static const char *const files[] = {
        "x,y\n1,3\n2,5\n4,9\n",
        "x,y\n1,3\n2,5\n4,9",
        "x,y\r\n1,3\r\n2,5\r\n4,9\r\n",
        "x,y\r1,3\r2,5\r4,9",
        "\xEF\xBB\xBFx,y\n1,3\n2,5\n4,9\n",
        "\xEF\xBB\xBF\"x\",\"y\"\n\"1\",\"3\"\n\"2\", \"5\" \n\"4\",\"9\"\n",
        " x , y \n 1 ,\t3\n 2 , 5 \n 4 , 9 \n",
        "\n \nx,y\n\n1,3\n  \n2,5\n4,9\n\n\n",
        "x,y\n+1,3.\n2e0,.5E+1\n0004,9\n",
        "x;y\n1;3\n2;5\n4;9\n",
        "x;y\n1,0;3\n2,00;5,0\n4;9\n",
        "\"x\",\"y\"\n\"1,0\",\"3\"\n\"2,00\",\"5,0\"\n\"4\",\"9\"\n",
        "x\ty\n1\t3\n2\t5\n4\t9\n",
        "x y\n1 3\n2 5\n4 9\n",
        "  x    y\n  1    3 \n  2\t 5\n  4    9\n",
        "sep=;\nx;y\n1;3\n2;5\n4;9\n",
        "\xEF\xBB\xBF\"sep=;\"\r\nx;y\r\n1;3\r\n2;5\r\n4;9\r\n",
        "sep=|\nx|y\n1|3\n2|5\n4|9\n",
        "x,y\n1,3\n,\n2,5\n , \n4,9\n,\n,,,\n",
        "x,y\n1,3,\n2,5,,\n4,9,\n",
        "x,y,,\n1,3,,\n2,5,,\n4,9,,\n",
        "x,y,\n1,3\n2,5\n4,9\n",
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        tg_scope_begin(*state);
        const tg_tensor *t = read_text(*state, files[i], TG_CSV(.columns = "x,y"));
        if (!t || t->dtype != TG_F64 || t->ndim != 2 || t->shape[0] != 3 || t->shape[1] != 2)
            fail_msg("%s: %s", files[i], tg_error(*state));
        check_values(t, 1, 3, 2, 5, 4, 9);
        tg_scope_end(*state);
    }
}

static void test_separator_and_point_are_guessed(void **state)
{
    static const struct {
        const char *text;
        char separator, decimal;
        int64_t columns;
    } cases[] = {
        {"x,y\n1,3\n", ',', '.', 2},
        {"x\n1\n2\n", ',', '.', 1},
        {"x;y\n1,5;3\n", ';', ',', 2},
        {"x;y\n1.5;3\n", ';', '.', 2},
        {"x;y\n1,500;2\n0,250;2\n", ';', ',', 2},
        {"a, b;c\n1,5;2,5\n", ';', ',', 2},
        {"x\ty\n1,5\t3\n", '\t', ',', 2},
        {"date,x\n2020-01-01 10:00,3\n2020-01-02 10:00,4\n", ',', '.', 2},
        {"name\nA B\nC D\n", ',', '.', 1},
        {"full name,age\nA B,3\nC D E,4\n", ',', '.', 2},
        {"x,y\n\"a;b\",1\n\"c;d\",2\n", ',', '.', 2},
        {"x y\n1 2\n3\n4 5\n", ' ', '.', 2},
        {"x,y\n1,2\n3\n", ',', '.', 2},
        {"x;n\n1.234,5;2\n", ';', ',', 2},
        {"x;n\n1,234.5;2\n", ';', '.', 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        FILE *file = text_stream(cases[i].text);
        tg_csv *csv = open_file(*state, file, NULL);
        check_ok(*state);
        if (csv->separator != cases[i].separator || csv->decimal != cases[i].decimal ||
            csv->n_columns != cases[i].columns)
            fail_msg("%s: %c %c %lld", cases[i].text, csv->separator, csv->decimal,
                     (long long)csv->n_columns);
        close_both(csv, file);
    }
}

static void test_given_separator_and_point(void **state)
{
    check_values(read_text(*state, "x:y\n1:2\n", TG_CSV(.separator = ':')), 1, 2);
    check_values(read_text(*state, "x;y\n1,234;5\n", TG_CSV(.decimal = ',')), 1.234, 5);
    check_values(read_text(*state, "sep=;\nx,y\n1,2\n", TG_CSV(.separator = ',')), 1, 2);
    assert_null(read_text(*state, "x,y\n1,2\n", TG_CSV(.separator = ';', .decimal = '.')));
    check_error(*state, TG_ERR_IO,
                "read_csv: a.csv:2: column 'x,y': '1,2' is not a number, as the decimal point is "
                "'.'; .decimal = ',' reads it");
}

#ifndef _WIN32
static void test_the_locale_does_not_matter(void **state)
{
    if (!enter_locale("de_DE")) skip();
    check_values(read_text(*state, "x,y\n1.5,-2.5e-3\n", NULL), 1.5, -2.5e-3);
    leave_locale();
}
#endif

static void test_first_column_without_a_name(void **state)
{
    static const char *const files[] = {
        "\"\",\"x\",\"y\"\n\"a\",1,3\n\"b\",2,5\n", /* R's write.csv */
        ",x,y\n0,1,3\n1,2,5\n",                     /* pandas' to_csv */
        "\"x\" \"y\"\n\"1\" 1 3\n\"2\" 2 5\n",      /* R's write.table */
        "x y\n1 1 3\n2 2 5\n",
        "x\ty\n1\t1\t3\n2\t2\t5\n",
        "\"x\",\"y\"\n\"1\",1,3\n\"2\",2,5\n",
        "x,y\na,1,3\nb,2,5\n",
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        FILE *file = text_stream(files[i]);
        tg_csv *csv = open_file(*state, file, NULL);
        if (!csv || csv->n_columns != 3 || *csv->names[0] || strcmp(csv->names[1], "x") != 0)
            fail_msg("%s: %s", files[i], tg_error(*state));
        double out[4];
        assert_true(tg_csv_choose(csv, 2, TG_CSV_NUMBER) && tg_csv_choose(csv, 1, TG_CSV_NUMBER));
        assert_int_equal(tg_csv_read(csv, 2, out), 2);
        assert_true(out[0] == 3 && out[1] == 1 && out[2] == 5 && out[3] == 2);
        close_both(csv, file);
    }
    check_values(read_text(*state, "\"x\"\n\"1\" 5\n\"2\" 6\n", TG_CSV(.columns = "x")), 5, 6);
}

/* The cells of a last column without a name may be left out: they are missing. */
static void test_last_column_without_a_name(void **state)
{
    const char *text = "x,\n1\n2,3\n";
    check_values(read_text(*state, text, TG_CSV(.missing = TG_MISSING_NAN)), 1, NAN, 2, 3);
    assert_null(read_text(*state, text, NULL));
    check_error(*state, TG_ERR_IO,
                "read_csv: a.csv:2: column 2 is empty; .missing = TG_MISSING_DROP leaves such rows "
                "out");
}

/* One more cell than names is a mistake where it may be the second half of a number. */
static void test_commas_do_not_make_a_column(void **state)
{
    assert_null(read_text(*state, "x,y\n1,5,2\n3,5,4\n", NULL));
    check_error(*state, TG_ERR_IO, "read_csv: a.csv:2: 3 cells in a row, where the header has 2");
    assert_null(read_text(*state, "x\n1,5\n2,5\n", TG_CSV(.decimal = '.')));
    check_error(*state, TG_ERR_IO, "read_csv: a.csv:2: 2 cells in a row, where the header has 1");
    assert_null(read_text(*state, "x\n1 234\n2 345\n", NULL));
    check_error(*state, TG_ERR_IO,
                "read_csv: a.csv:2: column 'x': '1 234' has separators of thousands: write 1234");
}

static void test_columns_that_are_not_read_may_have_anything(void **state)
{
    const char *text = "when,x,x,note,y\n2020-01-01,1,NA,\"a, \"\"b\"\"\nand c\",3\n"
                       ",\"1,234\",-,5\" pipe,5\n\"\",?,,'tis,9\n";
    check_values(read_text(*state, text, TG_CSV(.columns = "y")), 3, 5, 9);
    assert_null(read_text(*state, text, TG_CSV(.columns = "y, x")));
    check_error(*state, TG_ERR_ARGUMENT, "read_csv: a.csv:1: two columns are named 'x'");
    assert_null(read_text(*state, text, TG_CSV(.columns = "y,,note")));
    check_error(*state, TG_ERR_ARGUMENT,
                "read_csv: a.csv:1: no column ''; there is when, x, x, note, y");
    check_values(read_text(*state, "\"a,b\",\"say \"\"c\"\"\"\n1,2\n",
                           TG_CSV(.columns = "\"say \"\"c\"\"\",\"a,b\"")),
                 2, 1);
    assert_null(read_text(*state, "x,y\n1,2\n", TG_CSV(.columns = "y,y")));
    check_error(*state, TG_ERR_ARGUMENT, "read_csv: a.csv: column 1 is chosen already");
}

static void test_missing_values(void **state)
{
    const char *text = "x,y\n1,3\nNA,1\n2,5\n,1\n4,null\n.,-\nNaN,nan\nNULL,2\n5,\"\"\n";
    check_values(read_text(*state, text, TG_CSV(.missing = TG_MISSING_DROP)), 1, 3, 2, 5);
    check_values(read_text(*state, text, TG_CSV(.missing = TG_MISSING_NAN)), 1, 3, NAN, 1, 2, 5,
                 NAN, 1, 4, NAN, NAN, NAN, NAN, NAN, NAN, 2, 5, NAN);
    assert_null(read_text(*state, text, NULL));
    check_error(*state, TG_ERR_IO,
                "read_csv: a.csv:3: column 'x': 'NA' is a missing value; .missing = "
                "TG_MISSING_DROP leaves such rows out");
    assert_null(read_text(*state, "x\nNA\n-\n", TG_CSV(.missing = TG_MISSING_DROP)));
    check_error(*state, TG_ERR_IO, "read_csv: a.csv:3: a value is missing in every row");
}

/* ---- Bad files: one message each, with the line and the cure. */

static void expect_refused(tg_context *tg, const char *text, size_t n, const char *message)
{
    char whole[512];
    FILE *file = stream_of(text, n);
    assert_null(tg_read_csv(tg, "a.csv", TG_CSV(.file = file)));
    fclose(file);
    snprintf(whole, sizeof whole, "read_csv: a.csv:%s", message);
    check_error(tg, TG_ERR_IO, whole);
}

static void test_bad_files(void **state)
{
    static const char *const cases[][2] = {
        {"", "1: the file is empty: no header"},
        {"\xEF\xBB\xBF", "1: the file is empty: no header"},
        {" \n\r\n  ", "1: the file is empty: no header"},
        {"sep=,\n", "1: the file is empty: no header"},
        {",,\n1,2,3\n", "1: no column has a name"},
        {"1,2\n3,4\n5,6\n", "1: no header: the first line must name the columns"},
        {"x,y\n", "1: no rows after the header"},
        {"x,y", "1: no rows after the header"},
        {"\nx,y\n\n,\n", "4: no rows after the header"},
        {"x,y\n1,2\n2,three\n", "3: column 'y': 'three' is not a number"},
        {"x,y\n1,2\n0x10,3\n", "3: column 'x': '0x10' is not a number"},
        {"x,y\n1,2\n1e,3\n", "3: column 'x': '1e' is not a number"},
        {"x,y\n1,2\n1 2 3,3\n", "3: column 'x': '1 2 3' is not a number"},
        {"x,y\n1,2\n5 %,3\n", "3: column 'x': '5 %' is not a number"},
        {"x,y\n1,2\n\x1b[2J,3\n", "3: column 'x': '?[2J' is not a number"},
        {"x,y\n1,2\n\n,3\n",
         "4: column 'x' is empty; .missing = TG_MISSING_DROP leaves such rows out"},
        {",y\nx,1\n", "2: column 1: 'x' is not a number; tg_csv_read reads text (TG_CSV_TEXT), and "
                      "tg_read_csv can leave the column out (.columns)"},
        {"x,y\n1,2\n3\n", "3: 1 cell in a row, where the header has 2"},
        {"x,y\n1,2\n3,4,5\n", "3: 3 cells in a row, where the header has 2"},
        {"x,y,,z\n1,2,3,4\n3,4,5\n", "3: 3 cells in a row, where the header has 4"},
        {"x,y\n1,2\n-inf,3\n", "3: column 'x': '-inf' is not a finite number"},
        {"x,y\n1,2\nInfinity,3\n", "3: column 'x': 'Infinity' is not a finite number"},
        {"x,y\n1,2\n1e999,3\n", "3: column 'x': '1e999' is not a finite number"},
        {"x,y\n1,2\n\"3,4\n5,6\n", "3: the quote that opens here is not closed"},
        {"\"x\n\",y\n1,2\n3,\"4\n5,6\n", "4: the quote that opens here is not closed"},
        {"x,\"y\n1,2\n", "1: the quote that opens here is not closed"},
        {"x,y\n1,2\n\"3\"4,4\n", "3: text follows the closing quote of a cell"},
        {"x,\"y\"z\n1,2\n", "1: text follows the closing quote of a cell"},
        {"\"x\n1\",y\n1,2\n\"a\nb\",3\n", "4: column 'x?1': 'a?b' is not a number"},
        {"x,y\n1.5,2\n\"1,234.5\",3\n",
         "3: column 'x': '1,234.5' has separators of thousands: write 1234.5"},
        {"x;y\n1,5;2\n-1.234.567,5;3\n",
         "3: column 'x': '-1.234.567,5' has separators of thousands: write -1234567,5"},
        {"x,y\n1.5,2\n1 234,3\n", "3: column 'x': '1 234' has separators of thousands: write 1234"},
        {"x,y\n1.5,2\n1\xc2\xa0"
         "234.5,3\n",
         "3: column 'x': '1\xc2\xa0"
         "234.5' has separators of thousands: write 1234.5"},
        {"x,y\n1.5,2\n1'234'567,3\n",
         "3: column 'x': '1'234'567' has separators of thousands: write 1234567"},
        {"x;y\n1,234;2\n",
         "2: column 'x': '1,234' may have separators of thousands: write 1234; or, if ',' is the "
         "decimal point, give .decimal = ','"},
        {"x;y\n1,5;2\n1.5;2\n",
         "2: column 'x': '1,5' is not a number, as the decimal point is '.'; .decimal = ',' reads "
         "it"},
        {"x,y\n1,2\n2,3\n\"a\tcell that goes on and on without an end, and on and on\",3\n",
         "4: column 'x': 'a?cell that goes on and on without an en...' is not a number"},
        {"x,y\n1,2\n\"1234567890123456789012345678901234567\xed\x82\xa4\xed\x82\xa4\",3\n",
         "3: column 'x': '1234567890123456789012345678901234567\xed\x82\xa4...' is not a number"},
        {"\xff\xfex",
         " UTF-16 text: save the file as UTF-8 (iconv -f UTF-16 -t UTF-8 converts it)"},
        {"\xfe\xff", " UTF-16 text: save the file as UTF-8 (iconv -f UTF-16 -t UTF-8 converts it)"},
        {"\x1f\x8b\x08",
         " a file compressed by gzip: unpack it (gunzip), or read what gunzip -c writes"},
        {"PK\3\4\x14",
         " a zip archive, such as a workbook of Excel (.xlsx): save it as CSV (UTF-8)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refused(*state, cases[i][0], strlen(cases[i][0]), cases[i][1]);
    static const char zero[] = "x,y\n1,2\n1,\0002\n", wide[] = "x\0,\0y\0\n\0";
    expect_refused(*state, zero, sizeof zero, "3: a zero byte: this is not a text file in UTF-8");
    expect_refused(*state, wide, sizeof wide, "1: a zero byte: this is not a text file in UTF-8");
}

static void test_bad_paths(void **state)
{
    assert_null(tg_read_csv(*state, "no/such.csv", NULL));
    check_error(*state, TG_ERR_IO, "read_csv: no/such.csv: No such file or directory");
#ifdef __linux__
    assert_null(tg_read_csv(*state, "/", NULL));
    check_error(*state, TG_ERR_IO, "read_csv: /:1: Is a directory");
    assert_null(tg_read_csv(*state, "/dev/zero", NULL));
    check_error(*state, TG_ERR_IO,
                "read_csv: /dev/zero:1: a zero byte: this is not a text file in UTF-8");
#endif
}

static void put_many(FILE *file, const char *text, int n)
{
    while (n--) fputs(text, file);
}

/* The memory for a line that is too long is a few times what a line may have. */
static void test_endless_lines(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"x", "abcdefghi,", "1: the line is longer than 1048576 bytes"},
        {"x,y\n1,2\n", "12345,", "3: the line is longer than 1048576 bytes"},
        {"x,y\n1,2\n", "123456789", "3: the line is longer than 1048576 bytes"},
        {"x,y\n1,\"2\n", "12345\n\n", "2: the quote that opens here is not closed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        guarded g = {0};
        const tg_options o = guarded_options(&g);
        tg_context *tg = tg_open(&o);
        FILE *file = text_stream(cases[i][0]);
        fseek(file, 0, SEEK_END);
        put_many(file, cases[i][1], 2000000);
        rewind(file);
        char whole[128];
        snprintf(whole, sizeof whole, "read_csv: a.csv:%s", cases[i][2]);
        assert_null(tg_read_csv(tg, "a.csv", TG_CSV(.file = file)));
        check_error(tg, TG_ERR_IO, whole);
        assert_true(g.peak < 16 << 20);
        fclose(file);
        tg_close(tg);
        assert_true(g.blocks == 0 && !g.damaged);
    }
}

/* ---- Streams. */

/* Rows i, with text in quotes that has separators, quotes and line ends, so that rows of all
 * lengths lie across the ends of blocks. */
static FILE *many_rows(int rows, const char *line_end)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    fprintf(file, "i,note,name,half%s", line_end);
    for (int i = 0; i < rows; i++) {
        fprintf(file, "%d,\"", i);
        put_many(file, i % 3 ? "ab" : "\"\",\n", i * 7 % 50);
        fprintf(file, "\",%s,%.1f%s", i % 5 ? "Fiat" : "\"Alfa \"\"R\"\"\"", i / 2., line_end);
    }
    rewind(file);
    return file;
}

static void check_rows(tg_csv *csv, int rows, int block)
{
    double out[64 * 3];
    int64_t i = 0, n, levels;
    while ((n = tg_csv_read(csv, block, out)) > 0)
        for (int64_t k = 0; k < n; k++, i++)
            if (out[3 * k] != (double)i / 2 || out[3 * k + 1] != (double)i ||
                out[3 * k + 2] != (i % 5 ? 1 : 0))
                fail_msg("row %lld: %g, %g, %g", (long long)i, out[3 * k], out[3 * k + 1],
                         out[3 * k + 2]);
    check_ok(csv->context);
    assert_true(i == rows && csv->rows == rows && csv->dropped == 0);
    const char *const *names = tg_csv_levels(csv, 2, &levels);
    assert_int_equal(levels, 2);
    assert_string_equal(names[0], "Alfa \"R\"");
    assert_string_equal(names[1], "Fiat");
}

static void test_rows_across_blocks(void **state)
{
    enum { ROWS = 20000 };
    static const char *const ends[] = {"\n", "\r\n", "\r"};
    static const int blocks[] = {1, 7, 64};
    for (int i = 0; i < 3; i++) {
        FILE *file = many_rows(ROWS, ends[i]);
        tg_csv *csv = open_file(*state, file, NULL);
        check_ok(*state);
        assert_true(!csv->is_text[0] && csv->is_text[1] && csv->is_text[2] && !csv->is_text[3]);
        tg_csv_choose(csv, tg_csv_find(csv, "half"), TG_CSV_NUMBER);
        tg_csv_choose(csv, tg_csv_find(csv, "i"), TG_CSV_NUMBER);
        tg_csv_choose(csv, tg_csv_find(csv, "name"), TG_CSV_TEXT);
        check_rows(csv, ROWS, blocks[i]);
        /* Each row has a line end, and each third one has some more in quotes. */
        int64_t lines = 1 + ROWS;
        for (int k = 0; k < ROWS; k += 3) lines += k * 7 % 50;
        assert_int_equal(csv->line, lines);
        close_both(csv, file);
    }
}

/* A wrong row ends the block before it. The call that fails has read nothing, and fails again. */
static void test_a_wrong_row_leaves_those_before_it(void **state)
{
    const char *text = "x,name\n1,a\n2,b\nNA,c\n3,a\nfour,d\n5,b\n";
    FILE *file = text_stream(text);
    tg_csv *csv = open_file(*state, file, TG_CSV(.missing = TG_MISSING_DROP));
    double out[8];
    int64_t n;
    tg_csv_choose(csv, 0, TG_CSV_NUMBER);
    tg_csv_choose(csv, 1, TG_CSV_TEXT);
    assert_int_equal(tg_csv_read(csv, 4, out), 3);
    assert_true(out[4] == 3 && out[5] == 0);
    assert_true(csv->rows == 3 && csv->dropped == 1 && csv->line == 5);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tg_csv_read(csv, 4, out), 0);
        assert_int_equal(tg_csv_read(csv, 4, out), 0);
        check_error(*state, TG_ERR_IO, "csv_read: a.csv:6: column 'x': 'four' is not a number");
        assert_false(csv->is_missing);
    }
    const char *const *names = tg_csv_levels(csv, 1, &n);
    assert_int_equal(n, 2); /* c and d are in rows that were not read */
    assert_string_equal(names[1], "b");
    assert_null(tg_csv_levels(csv, 0, &n));
    assert_int_equal(n, 0);
    close_both(csv, file);
}

static void test_missing_text_and_levels(void **state)
{
    const char *text = "g\nb\nNA\n\"\"\na\nb\nc\n";
    FILE *file = text_stream(text);
    tg_csv *csv = open_file(*state, file, TG_CSV(.missing = TG_MISSING_NAN, .max_levels = 2));
    double out[8];
    tg_csv_choose(csv, 0, TG_CSV_TEXT);
    assert_int_equal(tg_csv_read(csv, 8, out), 5);
    assert_true(out[0] == 0 && isnan(out[1]) && isnan(out[2]) && out[3] == 1 && out[4] == 0);
    assert_int_equal(tg_csv_read(csv, 8, out), 0);
    check_error(*state, TG_ERR_IO,
                "csv_read: a.csv:7: column 'g': 'c' is one text more than the 2 that .max_levels "
                "allows");
    close_both(csv, file);
    file = text_stream(text);
    csv = open_file(*state, file, NULL);
    tg_csv_choose(csv, 0, TG_CSV_TEXT);
    assert_int_equal(tg_csv_read(csv, 8, out), 1);
    assert_int_equal(tg_csv_read(csv, 8, out), 0);
    assert_true(csv->is_missing);
    tg_clear_error(*state);
    close_both(csv, file);
}

static void test_many_levels(void **state)
{
    enum { N = 3000 };
    static double out[3 * N];
    FILE *file = tmpfile();
    assert_non_null(file);
    fputs("g\n", file);
    for (int i = 0; i < 3 * N; i++) fprintf(file, "level %d\n", i * 7 % N);
    rewind(file);
    tg_csv *csv = open_file(*state, file, TG_CSV(.max_levels = N));
    tg_csv_choose(csv, 0, TG_CSV_TEXT);
    assert_int_equal(tg_csv_read(csv, 3 * N, out), 3 * N);
    int64_t n;
    const char *const *names = tg_csv_levels(csv, 0, &n);
    assert_int_equal(n, N);
    for (int i = 0; i < 3 * N; i++) {
        assert_true(out[i] == i % N);
        assert_int_equal(strtol(names[i % N] + 6, NULL, 10), i * 7 % N);
    }
    close_both(csv, file);
}

static void test_choosing_columns(void **state)
{
    tg_context *tg = *state;
    const char *text = "x,y,\"y\"\n1,2,3\n4,5,6\n";
    FILE *file = text_stream(text);
    tg_csv *csv = open_file(tg, file, NULL);
    assert_int_equal(tg_csv_find(csv, "x"), 0);
    assert_int_equal(tg_csv_find(csv, "z"), -1);
    check_error(tg, TG_ERR_ARGUMENT, "csv_find: a.csv:1: no column 'z'; there is x, y, y");
    assert_int_equal(tg_csv_find(csv, "y"), -1);
    check_error(tg, TG_ERR_ARGUMENT, "csv_find: a.csv:1: two columns are named 'y'");
    assert_false(tg_csv_choose(csv, 3, TG_CSV_NUMBER));
    check_error(tg, TG_ERR_INDEX, "csv_choose: column 3, where a.csv has 3 columns");
    assert_false(tg_csv_choose(csv, 0, (tg_csv_kind)2));
    check_error(tg, TG_ERR_ARGUMENT,
                "csv_choose: kind is 2, but must be TG_CSV_NUMBER or TG_CSV_TEXT");
    assert_true(tg_csv_choose(csv, 0, TG_CSV_NUMBER));
    assert_false(tg_csv_choose(csv, 0, TG_CSV_TEXT));
    check_error(tg, TG_ERR_ARGUMENT, "csv_choose: a.csv: column 0 is chosen already");
    double out[2];
    assert_int_equal(tg_csv_read(csv, 1, out), 1);
    assert_false(tg_csv_choose(csv, 1, TG_CSV_NUMBER));
    check_error(tg, TG_ERR_ARGUMENT, "csv_choose: a.csv: column 1 is chosen after rows were read");
    assert_int_equal(tg_csv_read(csv, 2, out), 1);
    assert_true(out[0] == 4);
    assert_int_equal(tg_csv_read(csv, 2, out), 0);
    check_ok(tg);
    close_both(csv, file);
}

/* A column is text if its first value is. A number that cannot be read is none. */
static void test_text_columns(void **state)
{
    const char *text = "a,b,c,d,e,f\n1,NA,NA,\"1,234\",x,-inf\n2,?,NA,2,1,3\n";
    FILE *file = text_stream(text);
    tg_csv *csv = open_file(*state, file, NULL);
    const bool expected[] = {false, true, false, false, true, false};
    for (int i = 0; i < 6; i++) assert_int_equal(csv->is_text[i], expected[i]);
    close_both(csv, file);
}

static void test_standard_input(void **state)
{
    FILE *file = fopen("csv_input", "wb");
    if (!file) fail_msg("csv_input cannot be written");
    fputs("x,y\n1,2\n3,?\n", file);
    fclose(file);
    assert_non_null(freopen("csv_input", "rb", stdin));
    assert_null(tg_read_csv(*state, "-", NULL));
    check_error(*state, TG_ERR_IO, "read_csv: standard input:3: column 'y': '?' is not a number");
    assert_int_equal(fseek(stdin, 0, SEEK_SET), 0);
    check_values(tg_read_csv(*state, "-", TG_CSV(.columns = "x")), 1, 3);
    check_values(tg_read_csv(*state, "csv_input", TG_CSV(.columns = "x")), 1, 3);
    remove("csv_input");
}

/* However many rows there are, the context holds no more. */
static void test_memory_does_not_grow(void **state)
{
    FILE *file = many_rows(50000, "\n");
    tg_csv *csv = open_file(*state, file, NULL);
    double out[100];
    tg_csv_choose(csv, 0, TG_CSV_NUMBER);
    tg_csv_read(csv, 100, out);
    const size_t held = tg_get_stats(*state).held_bytes;
    while (tg_csv_read(csv, 100, out) > 0) assert_int_equal(tg_get_stats(*state).held_bytes, held);
    check_ok(*state);
    close_both(csv, file);
}

/* Whatever ends the lines, and also where some have no row: the context never holds much more than
 * the tensor. */
static void test_a_tensor_needs_its_own_memory_alone(void **state)
{
    (void)state;
    enum { ROWS = 200000 };
    static const char *const ends[] = {"\n", "\r\n", "\r"};
    for (int i = 0; i < 3; i++) {
        FILE *file = tmpfile();
        assert_non_null(file);
        fprintf(file, "x,y%s", ends[i]);
        for (int k = 0; k < ROWS; k++) fprintf(file, "%d,%d%s", k, -k, k + 1 < ROWS ? ends[i] : "");
        rewind(file);
        tg_options o = tg_defaults();
        o.max_bytes = (size_t)ROWS * 2 * sizeof(double) + (1 << 20);
        tg_context *tg = tg_open(&o);
        tg_tensor *t = tg_read_csv(tg, "a.csv", TG_CSV(.file = file));
        check_ok(tg);
        assert_true(t->shape[0] == ROWS && t->shape[1] == 2);
        for (int k = 0; k < ROWS; k++)
            assert_true(tg_data_f64(t)[2 * k] == k && tg_data_f64(t)[2 * k + 1] == -k);
        fclose(file);
        tg_close(tg);
    }
}

#ifndef _WIN32
static void test_a_pipe(void **state)
{
    FILE *pipe = popen("echo x,y; seq 5000 | awk '{print $1 \",\" 2 * $1}'", "r");
    assert_non_null(pipe);
    tg_tensor *t = tg_read_csv(*state, "a.csv", TG_CSV(.file = pipe));
    pclose(pipe);
    check_ok(*state);
    assert_true(t->shape[0] == 5000 && t->shape[1] == 2);
    for (int i = 0; i < 5000; i++)
        assert_true(tg_data_f64(t)[2 * i] == i + 1 && tg_data_f64(t)[2 * i + 1] == 2 * (i + 1));
}
#endif

/* Each allocation fails in turn. */
static void test_failing_allocations(void **state)
{
    (void)state;
    FILE *file = many_rows(3000, "\n");
    for (long at = 2;; at++) {
        guarded g = {0};
        tg_context *tg = open_on_guarded(&g);
        g.fail_at = at;
        rewind(file);
        tg_csv *csv = open_file(tg, file, TG_CSV(.missing = TG_MISSING_NAN));
        double out[30];
        int64_t rows = 0, n;
        tg_csv_choose(csv, 0, TG_CSV_NUMBER);
        tg_csv_choose(csv, 1, TG_CSV_TEXT);
        tg_csv_choose(csv, 2, TG_CSV_TEXT);
        while ((n = tg_csv_read(csv, 10, out)) > 0) rows += n;
        const bool failed = !tg_ok(tg);
        if (failed) assert_int_equal(tg_error_code(tg), TG_ERR_MEMORY);
        tg_clear_error(tg);
        if (g.failed && csv && csv->rows > 0) /* it goes on where it stopped */
            while ((n = tg_csv_read(csv, 10, out)) > 0) rows += n;
        check_ok(tg);
        if (csv && rows) assert_int_equal(rows, 3000);
        tg_csv_close(csv);
        rewind(file);
        tg_tensor *t = tg_read_csv(tg, "a.csv", TG_CSV(.file = file, .columns = "i,half"));
        assert_true(t ? t->shape[0] == 3000 : tg_error_code(tg) == TG_ERR_MEMORY);
        tg_close(tg);
        assert_true(g.blocks == 0 && !g.damaged);
        if (!g.failed) break;
    }
    fclose(file);
}

static void test_wrong_options(void **state)
{
    tg_context *tg = *state;
    assert_null(read_text(tg, "x\n1\n", TG_CSV(.decimal = ';')));
    check_error(tg, TG_ERR_ARGUMENT, "read_csv: decimal is 59, but must be '.', ',' or 0");
    assert_null(read_text(tg, "x\n1\n", TG_CSV(.separator = ',', .decimal = ',')));
    check_error(tg, TG_ERR_ARGUMENT,
                "read_csv: separator is 44, but must be none of \", a line end, a point and the "
                "decimal point");
    assert_null(read_text(tg, "x\n1\n", TG_CSV(.missing = (tg_missing)3)));
    check_error(tg, TG_ERR_ARGUMENT,
                "read_csv: missing is 3, but must be TG_MISSING_ERROR, TG_MISSING_DROP or "
                "TG_MISSING_NAN");
    assert_null(read_text(tg, "x\n1\n", TG_CSV(.max_levels = -1)));
    check_error(tg, TG_ERR_ARGUMENT, "read_csv: max_levels is -1, but must be at least 1");
    assert_null(tg_csv_open(tg, NULL, NULL));
    check_error(tg, TG_ERR_ARGUMENT, "csv_open: the path is NULL");
    check_values(read_text(tg, "x\n1\n", &(tg_csv_options){0}), 1);
    tg_csv_close(NULL);
    assert_int_equal(tg_csv_find(NULL, "x"), -1);
    assert_false(tg_csv_choose(NULL, 0, TG_CSV_NUMBER));
    assert_int_equal(tg_csv_read(NULL, 1, NULL), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_context, close_context)
    const struct CMUnitTest tests[] = {
        TEST(test_accepted_forms),
        TEST(test_separator_and_point_are_guessed),
        TEST(test_given_separator_and_point),
#ifndef _WIN32
        TEST(test_the_locale_does_not_matter),
#endif
        TEST(test_first_column_without_a_name),
        TEST(test_last_column_without_a_name),
        TEST(test_commas_do_not_make_a_column),
        TEST(test_columns_that_are_not_read_may_have_anything),
        TEST(test_missing_values),
        TEST(test_bad_files),
        TEST(test_bad_paths),
        TEST(test_endless_lines),
        TEST(test_rows_across_blocks),
        TEST(test_a_wrong_row_leaves_those_before_it),
        TEST(test_missing_text_and_levels),
        TEST(test_many_levels),
        TEST(test_choosing_columns),
        TEST(test_text_columns),
        TEST(test_standard_input),
        TEST(test_memory_does_not_grow),
        TEST(test_a_tensor_needs_its_own_memory_alone),
#ifndef _WIN32
        TEST(test_a_pipe),
#endif
        TEST(test_failing_allocations),
        TEST(test_wrong_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
