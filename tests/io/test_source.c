/* The bytes of files, src/io/source.h. */
#define _DEFAULT_SOURCE 1
#include "check.h"

#include "io/source.h"

#include <sys/stat.h>
#include <unistd.h>

static const char text[] = "0123456789";
enum { SIZE = sizeof text - 1 };

/* Makes a file with this text, and writes its path to `path`. */
static void make_file(char path[64], size_t n)
{
    strcpy(path, "/tmp/tinygrad-source-XXXXXX");
    const int file = mkstemp(path);
    assert_true(file >= 0 && write(file, text, n) == (ssize_t)n && close(file) == 0);
}

static void read_all(source *s)
{
    char out[SIZE];
    assert_int_equal(s->size, SIZE);
    for (size_t from = 0; from <= SIZE; from++)
        for (size_t n = 0; n <= SIZE - from; n++) {
            assert_true(tg__source_read(s, from, out, n));
            assert_memory_equal(out, text + from, n);
        }
}

static void test_bytes_are_read_at_any_place(void **state)
{
    source s;
    char path[64];
    make_file(path, SIZE);
    for (int map = 0; map < 2; map++) {
        assert_true(tg__source_open(&s, *state, "load", path, map));
        assert_int_equal(s.memory != NULL, map);
        read_all(&s);
        tg__source_close(&s);
    }
    tg__source_memory(&s, *state, "load", "memory", text, SIZE);
    read_all(&s);
    remove(path);
}

static void check_ends(source *s)
{
    char out[2];
    assert_false(tg__source_read(s, SIZE, out, 1) || tg__source_read(s, UINT64_MAX, out, 2) ||
                 tg__source_read(s, SIZE - 1, out, 2));
    assert_non_null(strstr(tg_error(s->tg), "it ends after 10 bytes, where byte 11 is needed"));
    tg_clear_error(s->tg);
}

static void test_nothing_is_read_beyond_the_end(void **state)
{
    source s;
    char path[64], out[SIZE];
    make_file(path, SIZE);
    tg__source_memory(&s, *state, "load", "memory", text, SIZE);
    check_ends(&s);
    assert_true(tg__source_open(&s, *state, "load", path, false));
    check_ends(&s);
    assert_int_equal(truncate(path, 4), 0);
    assert_false(tg__source_read(&s, 0, out, SIZE));
    assert_non_null(strstr(tg_error(*state), ": the file became shorter while it was read"));
    tg_clear_error(*state);
    assert_true(tg__source_read(&s, 1, out, 2) && !memcmp(out, "12", 2));
    tg__source_close(&s);
    remove(path);
}

static void test_an_empty_file(void **state)
{
    source s;
    char path[64];
    make_file(path, 0);
    for (int map = 0; map < 2; map++) {
        assert_true(tg__source_open(&s, *state, "load", path, map) && s.size == 0 && !s.memory);
        assert_true(tg__source_read(&s, 0, NULL, 0));
        tg__source_close(&s);
    }
    remove(path);
}

static void test_what_is_no_file(void **state)
{
    source s;
    char pipe[80], message[200];
    assert_false(tg__source_open(&s, *state, "load", "/tmp", false));
    check_error(*state, TG_ERR_IO, "load: /tmp: it is a directory");
    assert_false(tg__source_open(&s, *state, "load", "/tmp/none/file", true));
    check_error(*state, TG_ERR_IO, "load: /tmp/none/file: No such file or directory");
    assert_false(tg__source_open(&s, *state, "load", NULL, true));
    check_error(*state, TG_ERR_ARGUMENT, "load: the path is NULL");
    make_file(pipe, 0);
    remove(pipe);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_false(tg__source_open(&s, *state, "load", pipe, false));
    snprintf(message, sizeof message,
             "load: %s: it is a pipe or a device, and only a regular file can be read", pipe);
    check_error(*state, TG_ERR_IO, message);
    remove(pipe);
}

/* The mapping can be read, and the file is gone, until the scope ends. */
static void test_a_mapping_is_kept_until_the_end_of_the_scope(void **state)
{
    tg_context *tg = *state;
    char path[64];
    make_file(path, SIZE);
    const unsigned char *memory = NULL;
    TG_SCOPE (tg) {
        source s;
        assert_true(tg__source_open(&s, tg, "load", path, true));
        memory = s.memory;
        assert_true(tg__source_keep(&s));
        tg__source_close(&s);
        remove(path);
        assert_memory_equal(memory, text, SIZE);
    }
}

static void test_a_message_shows_what_a_file_has(void **state)
{
    (void)state;
    char shown[12];
    assert_string_equal(tg__shorten("a\nb\x7f", 4, shown, sizeof shown), "a?b?");
    assert_string_equal(tg__shorten("12345678", 8, shown, sizeof shown), "12345678");
    assert_string_equal(tg__shorten("123456789", 9, shown, sizeof shown), "12345678...");
    assert_string_equal(tg__shorten("1234567\xc3\xa9"
                                    "9",
                                    10, shown, sizeof shown),
                        "1234567...");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_context, close_context)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_bytes_are_read_at_any_place),
        TEST(test_nothing_is_read_beyond_the_end),
        TEST(test_an_empty_file),
        TEST(test_what_is_no_file),
        TEST(test_a_mapping_is_kept_until_the_end_of_the_scope),
        TEST(test_a_message_shows_what_a_file_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
