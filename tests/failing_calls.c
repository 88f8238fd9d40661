/* Calls of the C library that touch files below a folder, and fail from a chosen one on: loaded before it by LD_PRELOAD. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[PATH_MAX];
static long seen, first, last;
static int error_number;
static FILE *names;

/* Fail the calls number first to last, counted from one, with an error; write the names of all calls to a file. */
void arm(const char *below, long from, long to, int error, const char *log) {
    first = from, last = to, error_number = error, seen = 0;
    names = log ? fopen(log, "w") : NULL;
    snprintf(folder, sizeof folder, "%s", below);
}

static int fails(const char *name, const char *path) {
    size_t length = strlen(folder);
    if (!length || !path || strncmp(path, folder, length) || (path[length] && path[length] != '/')) return 0;
    seen++;
    int is_hit = first <= seen && seen <= last;
    if (names) fprintf(names, "%ld %s %s%s\n", seen, name, path, is_hit ? " FAILS" : ""), fflush(names);
    if (is_hit) errno = error_number;
    return is_hit;
}

static int fails_at(const char *name, int descriptor) {
    char link[64], path[PATH_MAX];
    if (!folder[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return fails(name, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define OPEN(name, ...)                                                            \
    {                                                                             \
        va_list rest;                                                             \
        va_start(rest, flags);                                                    \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;   \
        va_end(rest);                                                             \
        return fails(#name, path) ? -1 : REAL(name)(__VA_ARGS__, flags, mode);    \
    }
int open(const char *path, int flags, ...) OPEN(open, path)
int open64(const char *path, int flags, ...) OPEN(open64, path)
int openat(int at, const char *path, int flags, ...) OPEN(openat, at, path)
int openat64(int at, const char *path, int flags, ...) OPEN(openat64, at, path)

#define BY_DESCRIPTOR(type, name, parameters, ...) \
    type name parameters { return fails_at(#name, descriptor) ? -1 : REAL(name)(descriptor, ##__VA_ARGS__); }
BY_DESCRIPTOR(ssize_t, write, (int descriptor, const void *data, size_t size), data, size)
BY_DESCRIPTOR(ssize_t, writev, (int descriptor, const struct iovec *parts, int count), parts, count)
BY_DESCRIPTOR(ssize_t, pwrite64, (int descriptor, const void *data, size_t size, off64_t at), data, size, at)
BY_DESCRIPTOR(ssize_t, read, (int descriptor, void *data, size_t size), data, size)
BY_DESCRIPTOR(int, fsync, (int descriptor))
BY_DESCRIPTOR(int, fdatasync, (int descriptor))
BY_DESCRIPTOR(int, ftruncate, (int descriptor, off_t size), size)
BY_DESCRIPTOR(int, ftruncate64, (int descriptor, off64_t size), size)
BY_DESCRIPTOR(off64_t, lseek64, (int descriptor, off64_t offset, int from), offset, from)
BY_DESCRIPTOR(int, fstat, (int descriptor, struct stat *found), found)
BY_DESCRIPTOR(int, fstat64, (int descriptor, struct stat64 *found), found)
BY_DESCRIPTOR(int, flock, (int descriptor, int operation), operation)

int close(int descriptor) { /* a descriptor is gone even where closing it fails */
    int is_hit = fails_at("close", descriptor), kept = errno, result = REAL(close)(descriptor);
    if (is_hit) errno = kept;
    return is_hit ? -1 : result;
}

#define BY_PATH(name, parameters, ...) \
    int name parameters { return fails(#name, path) ? -1 : REAL(name)(__VA_ARGS__); }
BY_PATH(stat, (const char *path, struct stat *found), path, found)
BY_PATH(stat64, (const char *path, struct stat64 *found), path, found)
BY_PATH(lstat, (const char *path, struct stat *found), path, found)
BY_PATH(lstat64, (const char *path, struct stat64 *found), path, found)
BY_PATH(fstatat, (int at, const char *path, struct stat *found, int flags), at, path, found, flags)
BY_PATH(fstatat64, (int at, const char *path, struct stat64 *found, int flags), at, path, found, flags)
BY_PATH(access, (const char *path, int mode), path, mode)
BY_PATH(mkdir, (const char *path, mode_t mode), path, mode)
BY_PATH(mkdirat, (int at, const char *path, mode_t mode), at, path, mode)
BY_PATH(unlink, (const char *path), path)
BY_PATH(unlinkat, (int at, const char *path, int flags), at, path, flags)
BY_PATH(rmdir, (const char *path), path)
BY_PATH(rename, (const char *path, const char *to), path, to)
BY_PATH(renameat, (int at, const char *path, int to_at, const char *to), at, path, to_at, to)
BY_PATH(link, (const char *path, const char *to), path, to)
BY_PATH(chmod, (const char *path, mode_t mode), path, mode)
BY_PATH(truncate64, (const char *path, off64_t size), path, size)
