/* Preloaded into a writer: after each sync that succeeded, the file as it was when the sync began goes into the folder SYNCED, under its own name.
   What is there when the power fails is what the disk has for certain: another thread may write while a sync runs. The file is read through the writer's own descriptor,
   because closing another one would give up its locks (fcntl(2)). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Node syncs files in several threads. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Copies the file and names the copy. Returns 0 if it keeps none. */
static int copy_file(int fd, char part[8192], char kept[8192]) {
  struct stat file;
  char link[64], path[4096];
  static char bytes[1 << 16];
  const char *folder = getenv("SYNCED");
  if (folder == NULL || fstat(fd, &file) != 0 || !S_ISREG(file.st_mode)) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) abort();
  path[length] = 0;
  snprintf(part, 8192, "%s/.part", folder);
  snprintf(kept, 8192, "%s/%s", folder, strrchr(path, '/') + 1);
  int copy = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (copy < 0) abort();
  /* SQLite opens its files for reading and writing. A file without locks may be open for writing only. */
  int writeOnly = (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY;
  int source = writeOnly ? open(path, O_RDONLY) : fd;
  if (source < 0) abort();
  for (off_t at = 0;;) {
    ssize_t count = pread(source, bytes, sizeof bytes, at);
    if (count == 0) break;
    if (count < 0 || write(copy, bytes, count) != count) abort();
    at += count;
  }
  if (writeOnly) close(source);
  if (close(copy) != 0) abort();
  return 1;
}

static int sync_with(const char *name, int fd) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  char part[8192], kept[8192];
  pthread_mutex_lock(&lock);
  int has_copy = copy_file(fd, part, kept);
  int result = real(fd);
  if (result == 0 && has_copy && renameat(AT_FDCWD, part, AT_FDCWD, kept) != 0) abort();
  pthread_mutex_unlock(&lock);
  return result;
}

int fsync(int fd) { return sync_with("fsync", fd); }
int fdatasync(int fd) { return sync_with("fdatasync", fd); }

/* A removal counts as done at once: file systems with a journal write it before what is synced after it. */
int unlink(const char *path) {
  int (*real)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "unlink");
  const char *folder = getenv("SYNCED"), *name = strrchr(path, '/');
  char kept[8192];
  int result = real(path);
  if (result != 0 || folder == NULL || name == NULL) return result;
  snprintf(kept, sizeof kept, "%s%s", folder, name);
  real(kept);
  return result;
}

/* The checkpoint file is synced under another name first. The directory is synced right after, so the new name counts as durable. */
int rename(const char *from, const char *to) {
  int (*real)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
  const char *folder = getenv("SYNCED"), *old = strrchr(from, '/'), *new = strrchr(to, '/');
  char kept[8192], renamed[8192];
  int result = real(from, to);
  if (result != 0 || folder == NULL || old == NULL || new == NULL) return result;
  snprintf(kept, sizeof kept, "%s%s", folder, old);
  snprintf(renamed, sizeof renamed, "%s%s", folder, new);
  real(kept, renamed);
  return result;
}
