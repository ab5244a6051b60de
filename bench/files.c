/* The kernel's share of a Reserve and its Release: the bare operations on resctrl's files, timed.
 *
 *     files ROOT GROUP COUNT SECONDS NARROW OWN WIDE [SHARING...]
 *
 * COUNT times, or until SECONDS are over, each in nanoseconds on a line of its own: lock ROOT, write the line
 * NARROW to its schemata, make GROUP, write OWN to the group's schemata, unlock; lock, remove GROUP, write WIDE
 * to ROOT's schemata, unlock. NARROW and WIDE go to the schemata of the groups SHARING as well: those that
 * have there what the default group has. The first time, not counted, comes before.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void check(int r, const char *what) {
    if (r < 0) {
        fprintf(stderr, "files: %s: %s\n", what, strerror(errno));
        exit(EXIT_FAILURE);
    }
}

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int lock(const char *root) {
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check(fd, root);
    check(flock(fd, LOCK_EX), "flock");
    return fd;
}

static void unlock(int fd) {
    check(flock(fd, LOCK_UN), "flock");
    check(close(fd), "close");
}

static void write_line(const char *path, const char *line) {
    char text[8192];
    int length = snprintf(text, sizeof text, "%s\n", line);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    check(fd, path);
    check((int)write(fd, text, (size_t)length), line);
    check(close(fd), path);
}

/* The line into ROOT's schemata and those of the groups. */
static void write_all(const char *root, char **groups, const char *line) {
    char path[4096];
    snprintf(path, sizeof path, "%s/schemata", root);
    write_line(path, line);
    for (; *groups; groups++) {
        snprintf(path, sizeof path, "%s/%s/schemata", root, *groups);
        write_line(path, line);
    }
}

int main(int argc, char **argv) {
    if (argc < 8) {
        fprintf(stderr, "usage: files ROOT GROUP COUNT SECONDS NARROW OWN WIDE [SHARING...]\n");
        return 2;
    }
    const char *root = argv[1], *narrow = argv[5], *own = argv[6], *wide = argv[7];
    char **sharing = argv + 8; /* ends with NULL, as argv does */
    unsigned long count = strtoul(argv[3], NULL, 10);
    uint64_t deadline = now() + strtoul(argv[4], NULL, 10) * 1000000000;
    char group[4096], of_group[4096 + 16];
    snprintf(group, sizeof group, "%s/%s", root, argv[2]);
    snprintf(of_group, sizeof of_group, "%s/schemata", group);
    for (unsigned long i = 0; i <= count && (i < 2 || now() < deadline); i++) {
        uint64_t begun = now();
        int fd = lock(root);
        write_all(root, sharing, narrow);
        check(mkdir(group, 0755), group);
        write_line(of_group, own);
        unlock(fd);
        fd = lock(root);
        check(rmdir(group), group);
        write_all(root, sharing, wide);
        unlock(fd);
        uint64_t took = now() - begun;
        if (i > 0)
            printf("%" PRIu64 "\n", took);
    }
    return 0;
}
