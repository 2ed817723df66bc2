/*
 * A model of the page cache of Linux, preloaded before the C library.
 *
 * For each file in the folder $SHOTLINE_CACHE_DIR it keeps two more:
 * NAME.disk has the bytes that are on the disk, NAME.dirty one byte for each
 * page that is only in memory. A sync writes the dirty pages to the disk. A
 * sync that fails writes none of them, and the pages count as clean from then
 * on, as in Linux: a later sync that succeeds does not write them.
 *
 * Faults are files beside them: while NAME.failsync exists, syncs of NAME
 * fail, and while NAME.failread exists, reads. NAME.failonce holds a number: so
 * many reads succeed, then one fails and removes it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 1 << 18, FILES = 64 };

typedef struct {
	dev_t dev;
	ino_t ino;
	int disk;
	unsigned char *dirty;
} tracked;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static tracked files[FILES];
static int known;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int ends(const char *name, const char *suffix) {
	size_t n = strlen(name), m = strlen(suffix);
	return n >= m && strcmp(name + n - m, suffix) == 0;
}

/* path_of finds the name of an open file that is modelled. */
static int path_of(int fd, char *path, size_t size) {
	static const char *others[] = {"-shm", ".disk", ".dirty", ".failsync", ".failread", ".failonce", " (deleted)"};
	const char *dir = getenv("SHOTLINE_CACHE_DIR");
	char link[64];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, size - 1);
	if (!dir || n < 0)
		return 0;
	path[n] = 0;
	if (strncmp(path, dir, strlen(dir)) != 0)
		return 0;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (ends(path, others[i]))
			return 0;
	return 1;
}

static void beside(char *to, size_t size, const char *path, const char *suffix) {
	snprintf(to, size, "%s%s", path, suffix);
}

/* faulty reports whether the fault of that name is on. */
static int faulty(const char *path, const char *fault) {
	char name[4200];
	beside(name, sizeof name, path, fault);
	return access(name, F_OK) == 0;
}

/* find returns the model of an open file; the caller holds the mutex. */
static tracked *find(int fd, const char *path) {
	struct stat st;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return NULL;
	for (int i = 0; i < known; i++)
		if (files[i].dev == st.st_dev && files[i].ino == st.st_ino)
			return &files[i];
	if (known == FILES)
		abort();
	char name[4200];
	beside(name, sizeof name, path, ".dirty");
	int dirty = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	beside(name, sizeof name, path, ".disk");
	tracked *f = &files[known];
	f->dev = st.st_dev, f->ino = st.st_ino;
	f->disk = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (dirty < 0 || f->disk < 0 || REAL(ftruncate64)(dirty, PAGES) != 0)
		abort();
	f->dirty = mmap(NULL, PAGES, PROT_READ | PROT_WRITE, MAP_SHARED, dirty, 0);
	if (f->dirty == MAP_FAILED)
		abort();
	close(dirty);
	known++;
	return f;
}

static void wrote(int fd, off64_t at, ssize_t n) {
	char path[4096];
	if (n <= 0 || !path_of(fd, path, sizeof path))
		return;
	pthread_mutex_lock(&mutex);
	tracked *f = find(fd, path);
	if (f)
		for (off64_t page = at / PAGE; page <= (at + n - 1) / PAGE; page++)
			f->dirty[page] = 1;
	pthread_mutex_unlock(&mutex);
}

/* write_back is the work of a sync that succeeds. */
static void write_back(int fd, tracked *f) {
	struct stat st;
	char page[PAGE];
	if (fstat(fd, &st) != 0)
		abort();
	for (off64_t i = 0; i * PAGE < st.st_size; i++) {
		if (!f->dirty[i])
			continue;
		ssize_t n = REAL(pread64)(fd, page, PAGE, i * PAGE);
		if (n < 0 || REAL(pwrite64)(f->disk, page, n, i * PAGE) != n)
			abort();
	}
	if (REAL(ftruncate64)(f->disk, st.st_size) != 0)
		abort();
}

static int synced(int fd, int (*sync)(int)) {
	char path[4096];
	if (!path_of(fd, path, sizeof path))
		return sync(fd);
	int failed = faulty(path, ".failsync");
	pthread_mutex_lock(&mutex);
	tracked *f = find(fd, path);
	if (f) {
		if (!failed)
			write_back(fd, f);
		memset(f->dirty, 0, PAGES);
	}
	pthread_mutex_unlock(&mutex);
	if (failed) {
		errno = EIO;
		return -1;
	}
	return 0;
}

int fsync(int fd) { return synced(fd, REAL(fsync)); }
int fdatasync(int fd) { return synced(fd, REAL(fdatasync)); }

ssize_t write(int fd, const void *data, size_t size) {
	off64_t at = lseek64(fd, 0, SEEK_CUR);
	ssize_t n = REAL(write)(fd, data, size);
	if (at >= 0)
		wrote(fd, at, n);
	return n;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
	ssize_t n = REAL(pwrite64)(fd, data, size, at);
	wrote(fd, at, n);
	return n;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return pwrite64(fd, data, size, at); }

/* once counts a read, and reports whether it is the one to fail. */
static int once(const char *path) {
	char name[4200], count[32] = "";
	beside(name, sizeof name, path, ".failonce");
	pthread_mutex_lock(&mutex);
	int fd = open(name, O_RDWR | O_CLOEXEC), fails = 0;
	if (fd >= 0) {
		if (REAL(pread64)(fd, count, sizeof count - 1, 0) < 0)
			abort();
		int left = atoi(count);
		fails = left == 0;
		int n = snprintf(count, sizeof count, "%-10d", left - 1);
		if (fails ? REAL(unlink)(name) != 0 : REAL(pwrite64)(fd, count, n, 0) != n)
			abort();
		close(fd);
	}
	pthread_mutex_unlock(&mutex);
	return fails;
}

static int unreadable(int fd) {
	char path[4096];
	if (!path_of(fd, path, sizeof path))
		return 0;
	if (!faulty(path, ".failread") && !once(path))
		return 0;
	errno = EIO;
	return 1;
}

ssize_t read(int fd, void *data, size_t size) { return unreadable(fd) ? -1 : REAL(read)(fd, data, size); }

ssize_t pread64(int fd, void *data, size_t size, off64_t at) {
	return unreadable(fd) ? -1 : REAL(pread64)(fd, data, size, at);
}

ssize_t pread(int fd, void *data, size_t size, off_t at) { return pread64(fd, data, size, at); }

/* forget drops the model of a file that is about to be removed: its inode may be used again. */
static void forget(const char *path) {
	struct stat st;
	if (stat(path, &st) != 0)
		return;
	pthread_mutex_lock(&mutex);
	for (int i = 0; i < known; i++)
		if (files[i].dev == st.st_dev && files[i].ino == st.st_ino) {
			munmap(files[i].dirty, PAGES);
			close(files[i].disk);
			files[i] = files[--known];
			break;
		}
	pthread_mutex_unlock(&mutex);
}

/* A file that is removed is gone from the disk as well. */
int unlink(const char *path) {
	char name[4200];
	const char *dir = getenv("SHOTLINE_CACHE_DIR");
	int inside = dir && strncmp(path, dir, strlen(dir)) == 0;
	if (inside)
		forget(path);
	int result = REAL(unlink)(path);
	if (result == 0 && inside) {
		beside(name, sizeof name, path, ".disk");
		REAL(unlink)(name);
		beside(name, sizeof name, path, ".dirty");
		REAL(unlink)(name);
	}
	return result;
}
