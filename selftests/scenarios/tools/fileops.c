// SPDX-License-Identifier: GPL-2.0-only
/*
 * What busybox cannot do to a file:
 *	fileops attribute FILE NAME VALUE	sets an attribute and reads it back
 *	fileops map FILE			changes a byte of each page by mapping it
 *	fileops nameless FOLDER			a file without a name, written and gone
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static void attribute(const char *file, const char *name, const char *value)
{
	char back[256] = "";

	if (setxattr(file, name, value, strlen(value), 0))
		err(1, "setxattr");
	if (getxattr(file, name, back, sizeof(back) - 1) < 0 || strcmp(back, value))
		err(1, "getxattr");
}

static void map(const char *file)
{
	int fd = open(file, O_RDWR);
	struct stat st;
	char *p;

	if (fd < 0 || fstat(fd, &st))
		err(1, "%s", file);
	p = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		err(1, "mmap");
	for (off_t at = 0; at < st.st_size; at += 4096)
		p[at] ^= 0x55;
	if (msync(p, st.st_size, MS_SYNC))
		err(1, "msync");
}

static void nameless(const char *folder)
{
	static char text[10000];
	int fd = open(folder, O_TMPFILE | O_RDWR, 0600);

	if (fd < 0 || write(fd, text, sizeof(text)) != sizeof(text) || fsync(fd))
		err(1, "%s", folder);
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "attribute"))
		attribute(argv[2], argv[3], argv[4]);
	else if (argc == 3 && !strcmp(argv[1], "map"))
		map(argv[2]);
	else if (argc == 3 && !strcmp(argv[1], "nameless"))
		nameless(argv[2]);
	else
		errx(2, "attribute FILE NAME VALUE, map FILE, nameless FOLDER");
	return 0;
}
