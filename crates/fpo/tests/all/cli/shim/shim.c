/* A library that is loaded before the C library (LD_PRELOAD) and intercepts changes of files, as far as this program makes them.
 *
 * It pauses the program at a given point or kills it there, so that tests need no sleeps:
 *
 *   SHIM_HOLD=<call>:<end of a path>:<n>:<folder>
 *       Each thread that makes its n-th such call on a path with that end creates a file `held-<thread>` in the folder
 *       and waits until the folder holds a file `release`. Calls are counted per path. The process exits (99) when the folder is deleted,
 *       or after ten minutes, so that a failed test leaves no process behind.
 *   SHIM_KILL=<n>
 *       Instead of the n-th change of a file the process gets SIGKILL. If n is even and the change is a write, half of it is written first.
 *   SHIM_COUNT=<file>
 *       When the process exits by itself, the number of its changes is written to the file.
 *
 * Calls are: open (for writing), read (opening for reading, which is held but no change), write, fsync, rename (its source), unlink and mkdir. Calls that depend on the time in names or on the number of
 * its digits are not counted: TensorBoard's event files, opens that fail, and copies of rows. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define PATHS 64

static atomic_long changes;
static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER;
static struct { char path[1024]; long calls; } counts[PATHS];

/* The number of such calls on `path`, including this one. Paths beyond the table are never held. */
static long calls_on(const char *path) {
    long calls = 0;
    pthread_mutex_lock(&counting);
    for (int i = 0; i < PATHS; i++) {
        if (!counts[i].path[0]) snprintf(counts[i].path, sizeof counts[i].path, "%s", path);
        if (!strcmp(counts[i].path, path)) { calls = ++counts[i].calls; break; }
    }
    pthread_mutex_unlock(&counting);
    return calls;
}

static int ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

static void hold(const char *call, const char *path) {
    const char *asked = getenv("SHIM_HOLD");
    if (!asked) return;
    char which[16], end[256], folder[1024], name[1100];
    long n;
    if (sscanf(asked, "%15[^:]:%255[^:]:%ld:%1023[^\n]", which, end, &n, folder) != 4) abort();
    if (strcmp(which, call) || !ends_with(path, end) || calls_on(path) != n) return;
    snprintf(name, sizeof name, "%s/held-%ld", folder, (long)syscall(SYS_gettid));
    if (syscall(SYS_close, syscall(SYS_openat, AT_FDCWD, name, O_CREAT | O_WRONLY, 0600))) abort();
    snprintf(name, sizeof name, "%s/release", folder);
    struct timespec moment = { 0, 1000000 };
    for (long waited = 0; access(name, F_OK); waited++) {
        if (access(folder, F_OK) || waited > 600000) _exit(99);
        nanosleep(&moment, NULL);
    }
}

/* Counts a change of `path`; returns whether to kill the process at it. */
static int is_the_last(const char *path) {
    const char *kill_at = getenv("SHIM_KILL");
    if (strstr(path, "/events.out.") || ends_with(path, "/.partial-metrics.jsonl")) return 0;
    return atomic_fetch_add(&changes, 1) + 1 == (kill_at ? atol(kill_at) : 0);
}

/* Called before a change of `path`. */
static void changing(const char *call, const char *path) {
    hold(call, path);
    if (is_the_last(path)) kill(getpid(), SIGKILL);
}

/* The same for an open file, if it is a regular file or a folder. The first `n` of `bytes` will be written. */
static void changing_open(const char *call, int fd, const void *bytes, size_t n) {
    struct stat about;
    if (fstat(fd, &about) || !(S_ISREG(about.st_mode) || S_ISDIR(about.st_mode))) return;
    char link[64], path[1024];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    hold(call, path);
    if (!is_the_last(path)) return;
    if (atomic_load(&changes) % 2 == 0 && n > 1) syscall(SYS_write, fd, bytes, n / 2);
    kill(getpid(), SIGKILL);
}

__attribute__((destructor)) static void end(void) {
    const char *name = getenv("SHIM_COUNT");
    FILE *file = name ? fopen(name, "w") : NULL;
    if (!file) return;
    fprintf(file, "%ld", atomic_load(&changes));
    fclose(file);
}

static mode_t mode_of(int flags, va_list rest) {
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(rest, mode_t) : 0;
}

/* Held or killed before it; a failing attempt, such as with an existing name, changes nothing and is not counted. */
static int would_open(int folder, const char *path, int flags) {
    int there = !faccessat(folder, path, F_OK, AT_SYMLINK_NOFOLLOW);
    return (flags & O_ACCMODE) != O_RDONLY && (there ? !(flags & O_EXCL) : (flags & O_CREAT) != 0);
}

int open64(const char *path, int flags, ...) {
    va_list rest; va_start(rest, flags); mode_t mode = mode_of(flags, rest); va_end(rest);
    if (would_open(AT_FDCWD, path, flags)) changing("open", path);
    else if ((flags & O_ACCMODE) == O_RDONLY) hold("read", path);
    return NEXT(open64)(path, flags, mode);
}

int openat64(int folder, const char *path, int flags, ...) {
    va_list rest; va_start(rest, flags); mode_t mode = mode_of(flags, rest); va_end(rest);
    if (would_open(folder, path, flags)) changing("open", path);
    return NEXT(openat64)(folder, path, flags, mode);
}

ssize_t write(int fd, const void *bytes, size_t n) { changing_open("write", fd, bytes, n); return NEXT(write)(fd, bytes, n); }
ssize_t writev(int fd, const struct iovec *parts, int n) { changing_open("write", fd, NULL, 0); return NEXT(writev)(fd, parts, n); }
int ftruncate64(int fd, off64_t n) { changing_open("write", fd, NULL, 0); return NEXT(ftruncate64)(fd, n); }
int fsync(int fd) { changing_open("fsync", fd, NULL, 0); return NEXT(fsync)(fd); }
int fdatasync(int fd) { changing_open("fsync", fd, NULL, 0); return NEXT(fdatasync)(fd); }
int rename(const char *from, const char *to) { changing("rename", from); return NEXT(rename)(from, to); }
int unlink(const char *path) { changing("unlink", path); return NEXT(unlink)(path); }
int unlinkat(int folder, const char *path, int flags) { changing("unlink", path); return NEXT(unlinkat)(folder, path, flags); }
int rmdir(const char *path) { changing("unlink", path); return NEXT(rmdir)(path); }
int mkdir(const char *path, mode_t mode) { changing("mkdir", path); return NEXT(mkdir)(path, mode); }
