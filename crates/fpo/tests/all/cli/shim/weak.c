/* A library that is loaded before the C library (LD_PRELOAD) and makes every file system one that lacks something, as far as this program uses it.
 *
 *   WEAK_FLOCK=<errno>         flock fails with it: no locks, or nobody who keeps them.
 *   WEAK_FSYNC=<errno>         fsync and fdatasync of regular files fail with it.
 *   WEAK_FSYNC_FOLDER=<errno>  fsync of folders fails with it.
 *   WEAK_OPEN_FOLDER=<errno>   opening a folder to sync it fails with it.
 *   WEAK_RENAME=<errno>        rename to a name that exists fails with it.
 *   WEAK_STAYS=<errno>         rename of a folder that has its final name fails with it: a lower layer of an overlay, a mount point.
 *   WEAK_SPACE=<bytes>         Writes to regular files fail once so many bytes were written, with
 *   WEAK_SPACE_ERROR=<errno>   this error (by default ENOSPC). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int flock(int fd, int operation);

static atomic_long written;

static int lacks(const char *what) {
    const char *code = getenv(what);
    if (code) errno = atoi(code);
    return code != NULL;
}

static int is_regular(int fd) {
    struct stat about;
    return !fstat(fd, &about) && S_ISREG(about.st_mode);
}

static int is_full(int fd, size_t n) {
    const char *space = getenv("WEAK_SPACE");
    if (!space || !is_regular(fd)) return 0;
    if (atomic_fetch_add(&written, n) + (long)n <= atol(space)) return 0;
    const char *code = getenv("WEAK_SPACE_ERROR");
    errno = code ? atoi(code) : ENOSPC;
    return 1;
}

int flock(int fd, int operation) { return lacks("WEAK_FLOCK") ? -1 : NEXT(flock)(fd, operation); }
int fsync(int fd) { return lacks(is_regular(fd) ? "WEAK_FSYNC" : "WEAK_FSYNC_FOLDER") ? -1 : NEXT(fsync)(fd); }
int fdatasync(int fd) { return lacks(is_regular(fd) ? "WEAK_FSYNC" : "WEAK_FSYNC_FOLDER") ? -1 : NEXT(fdatasync)(fd); }

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    struct stat about;
    int folder = (flags & (O_ACCMODE | O_DIRECTORY)) == O_RDONLY && !stat(path, &about) && S_ISDIR(about.st_mode);
    return folder && lacks("WEAK_OPEN_FOLDER") ? -1 : NEXT(open64)(path, flags, mode);
}

int rename(const char *from, const char *to) {
    struct stat about;
    const char *name = strrchr(from, '/');
    int final = name && name[1] != '.' && !lstat(from, &about) && S_ISDIR(about.st_mode);
    if (final && lacks("WEAK_STAYS")) return -1;
    return !lstat(to, &about) && lacks("WEAK_RENAME") ? -1 : NEXT(rename)(from, to);
}

ssize_t write(int fd, const void *bytes, size_t n) { return is_full(fd, n) ? -1 : NEXT(write)(fd, bytes, n); }

ssize_t writev(int fd, const struct iovec *parts, int count) {
    size_t n = 0;
    for (int i = 0; i < count; i++) n += parts[i].iov_len;
    return is_full(fd, n) ? -1 : NEXT(writev)(fd, parts, count);
}
