/* Files that appear whole or not at all, src/io/sink.h. */
#define _FILE_OFFSET_BITS 64 /* without which a program of 32 bits cannot read some folders */
#define _DEFAULT_SOURCE   1
#include "check.h"
#include "child.h"

#include "io/sink.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Each test has a folder of its own, in which it runs. */
typedef struct place {
    tg_context *tg;
    char folder[64];
    int before; /* the folder in which the test program was started */
} place;

static int open_place(void **state)
{
    static place here;
    place *p = &here;
    *state = p;
    p->tg = tg_open(NULL);
    p->before = open(".", O_RDONLY);
    strcpy(p->folder, "/tmp/tinygrad-sink-XXXXXX");
    return p->tg && p->before >= 0 && mkdtemp(p->folder) && !chdir(p->folder) ? 0 : -1;
}

static int close_place(void **state)
{
    place *p = *state;
    struct dirent *e;
    DIR *d = opendir(".");
    while (d && (e = readdir(d)))
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) remove(e->d_name);
    closedir(d);
    const bool left = fchdir(p->before) || rmdir(p->folder);
    close(p->before);
    tg_close(p->tg);
    return left ? -1 : 0;
}

static const char old_text[] = "the older file", new_text[] = "what is written in its place";
enum { NEW = sizeof new_text - 1 };

static void write_plainly(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0 && fclose(file) == 0);
}

static bool has(const char *path, const char *text)
{
    char read[100] = "";
    FILE *file = fopen(path, "rb");
    if (!file) return false;
    read[fread(read, 1, sizeof read - 1, file)] = 0;
    fclose(file);
    return !strcmp(read, text);
}

static int entries(const char *folder)
{
    int n = 0;
    DIR *d = opendir(folder);
    while (readdir(d)) n++;
    closedir(d);
    return n - 2;
}

/* Writes by single bytes, then the rest at once, as writers of formats do. */
static bool save(tg_context *tg, const char *path)
{
    sink s;
    if (!tg__sink_open(&s, tg, "save", path)) return false;
    for (int i = 0; i < 5; i++)
        if (!tg__sink_write(&s, new_text + i, 1)) return false;
    if (!tg__sink_write(&s, new_text + 5, NEW - 5)) return false;
    assert_int_equal(s.at, NEW);
    return tg__sink_commit(&s);
}

static void test_a_file_is_made_and_replaced(void **state)
{
    const place *p = *state;
    assert_true(save(p->tg, "file") && has("file", new_text));
    write_plainly("file", old_text);
    char absolute[100];
    snprintf(absolute, sizeof absolute, "%s/file", p->folder);
    assert_true(save(p->tg, absolute) && has("file", new_text));
    assert_int_equal(entries("."), 1);
    check_ok(p->tg);
}

static void test_permissions_are_those_of_fopen(void **state)
{
    const place *p = *state;
    struct stat plain, ours;
    const mode_t before = umask(027);
    write_plainly("plain", old_text);
    assert_true(save(p->tg, "ours"));
    umask(before);
    assert_true(!stat("plain", &plain) && !stat("ours", &ours));
    assert_int_equal(plain.st_mode, ours.st_mode);
    assert_true(!chmod("ours", 0604) && save(p->tg, "ours") && !stat("ours", &ours));
    assert_int_equal(ours.st_mode & 07777, 0604);
    if (geteuid() != 0) return; /* another user may not write to such a file */
    assert_true(!chmod("ours", 0) && save(p->tg, "ours") && !stat("ours", &ours));
    assert_int_equal(ours.st_mode & 07777, 0);
}

static void test_what_is_given_up_leaves_the_older_file(void **state)
{
    const place *p = *state;
    sink s;
    write_plainly("file", old_text);
    assert_true(tg__sink_open(&s, p->tg, "save", "file") && tg__sink_write(&s, new_text, NEW));
    tg__sink_abandon(&s);
    tg__sink_abandon(&s);
    assert_true(has("file", old_text) && entries(".") == 1);
}

/* A limit on the size of files makes the write fail that goes beyond it, as a full disk does. */
static void test_a_disk_that_is_full_after_each_byte(void **state)
{
    const place *p = *state;
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    write_plainly("file", old_text);
    signal(SIGXFSZ, SIG_IGN);
    for (int n = 0; n <= NEW; n++) {
        small = before;
        small.rlim_cur = (rlim_t)n;
        setrlimit(RLIMIT_FSIZE, &small);
        const bool saved = save(p->tg, "file");
        setrlimit(RLIMIT_FSIZE, &before);
        assert_int_equal(saved, n == NEW);
        assert_true(has("file", n == NEW ? new_text : old_text));
        assert_int_equal(entries("."), 1);
        if (n < NEW) check_error(p->tg, TG_ERR_IO, "save: file: File too large");
    }
    signal(SIGXFSZ, SIG_DFL);
}

/* Where such a limit kills the process, the older file is whole. */
static void test_a_process_that_is_killed_at_each_byte(void **state)
{
    const place *p = *state;
    write_plainly("file", old_text);
    for (int n = 0; n < NEW; n++) {
        const pid_t child = fork();
        if (child == 0) {
            setrlimit(RLIMIT_FSIZE, &(struct rlimit){(rlim_t)n, (rlim_t)n});
            setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
            save(p->tg, "file");
            _exit(0);
        }
        int status = 0;
        assert_true(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
        assert_true(has("file", old_text));
    }
    assert_true(save(p->tg, "file") && has("file", new_text));
}

static void test_a_full_device(void **state)
{
    const place *p = *state;
    if (access("/dev/full", W_OK)) skip();
    assert_false(save(p->tg, "/dev/full"));
    check_error(p->tg, TG_ERR_IO, "save: /dev/full: No space left on device");
    assert_true(save(p->tg, "/dev/null"));
}

/* /dev/stdout leads to the pipe by links whose text is no path. */
static void test_a_pipe_is_written_to_directly(void **state)
{
    const place *p = *state;
    char path[32], read_back[100] = "";
    int ends[2];
    if (access("/proc/self/fd", X_OK)) skip();
    assert_int_equal(pipe(ends), 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[1]);
    assert_true(save(p->tg, path));
    assert_int_equal(read(ends[0], read_back, sizeof read_back), NEW);
    assert_string_equal(read_back, new_text);
    close(ends[0]);
    close(ends[1]);
    check_ok(p->tg);
}

/* The device belongs to root, and only its owner could change its permissions. */
static void test_a_device_of_another_user(void **state)
{
    const place *p = *state;
    const pid_t child = fork();
    if (child == 0) end_child((geteuid() != 0 || !setuid(65534)) && save(p->tg, "/dev/null"));
    int status = 1;
    assert_true(waitpid(child, &status, 0) == child);
    assert_int_equal(status, 0);
}

static void test_a_symbolic_link_is_followed(void **state)
{
    const place *p = *state;
    struct stat is;
    char target[100];
    assert_int_equal(mkdir("folder", 0700), 0);
    snprintf(target, sizeof target, "%s/folder/second", p->folder);
    assert_true(!symlink("folder/first", "link") && !symlink(target, "folder/first"));
    for (int round = 0; round < 2; round++) { /* the target does not exist, and does */
        assert_true(save(p->tg, "link") && has("folder/second", new_text));
        assert_true(!lstat("link", &is) && S_ISLNK(is.st_mode));
        assert_true(!lstat("folder/first", &is) && S_ISLNK(is.st_mode));
        write_plainly("folder/second", old_text);
    }
    assert_int_equal(entries("folder"), 2);
    assert_true(!remove("folder/first") && !remove("folder/second"));
    assert_true(!symlink("loop", "loop"));
    assert_false(save(p->tg, "loop"));
    char message[100];
    snprintf(message, sizeof message, "save: loop: %s", strerror(ELOOP));
    check_error(p->tg, TG_ERR_IO, message);
}

static void test_targets_that_cannot_be_written(void **state)
{
    const place *p = *state;
    char path[5000];
    assert_false(save(p->tg, "."));
    check_error(p->tg, TG_ERR_IO, "save: .: it is a directory");
    assert_false(save(p->tg, "none/file"));
    check_error(p->tg, TG_ERR_IO, "save: none/file: No such file or directory");
    assert_false(save(p->tg, ""));
    check_error(p->tg, TG_ERR_IO, "save: : No such file or directory");
    assert_false(save(p->tg, NULL));
    check_error(p->tg, TG_ERR_ARGUMENT, "save: the path is NULL");
    memset(path, 'a', sizeof path);
    for (size_t n = 200; n < sizeof path; n += 4600) {
        path[n] = 0;
        assert_int_equal(save(p->tg, path), n == 200);
        path[n] = 'a';
    }
    assert_int_equal(tg_error_code(p->tg), TG_ERR_IO);
    assert_non_null(strstr(tg_error(p->tg), strerror(ENAMETOOLONG)));
    assert_int_equal(entries("."), 1);
}

/* Root may write to all files, therefore it becomes another user. */
static void test_a_target_without_permission_to_write(void **state)
{
    const place *p = *state;
    write_plainly("file", old_text);
    assert_true(!chmod("file", 0444) && !chmod(".", 0777));
    const pid_t child = fork();
    if (child == 0) {
        const bool other = geteuid() != 0 || !setuid(65534);
        const bool refused = !save(p->tg, "file");
        end_child(other && refused && !strcmp(tg_error(p->tg), "save: file: Permission denied"));
    }
    int status = 1;
    assert_true(waitpid(child, &status, 0) == child);
    assert_int_equal(status, 0);
    assert_true(has("file", old_text) && entries(".") == 1);
}

static void test_standard_output(void **state)
{
    static const char *const paths[] = {"-", "/dev/stdout"};
    const place *p = *state;
    for (int i = 0; i < 2; i++) {
        const pid_t child = fork();
        if (child == 0) {
            const int file = open("out", O_WRONLY | O_CREAT | O_TRUNC, 0600);
            dup2(file, 1);
            const bool saved = save(p->tg, paths[i]) && printf("!") == 1 && fflush(stdout) == 0;
            end_child(saved);
        }
        int status = 1;
        assert_true(waitpid(child, &status, 0) == child);
        assert_int_equal(status, 0);
        assert_true(has("out", "what is written in its place!"));
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_place, close_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_file_is_made_and_replaced),
        TEST(test_permissions_are_those_of_fopen),
        TEST(test_what_is_given_up_leaves_the_older_file),
        TEST(test_a_disk_that_is_full_after_each_byte),
        TEST(test_a_process_that_is_killed_at_each_byte),
        TEST(test_a_full_device),
        TEST(test_a_pipe_is_written_to_directly),
        TEST(test_a_device_of_another_user),
        TEST(test_a_symbolic_link_is_followed),
        TEST(test_targets_that_cannot_be_written),
        TEST(test_a_target_without_permission_to_write),
        TEST(test_standard_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
