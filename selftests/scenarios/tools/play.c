// SPDX-License-Identifier: GPL-2.0-only
/*
 * Plays what comes from standard input on /dev/dsp, as 16-bit stereo, at full
 * volume: play RATE. It fails where the card would have to play anything but
 * these very samples; with status 3 where they were not played in the time that
 * the kernel waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/soundcard.h>
#include <unistd.h>

static int lead;	/* bytes to be written before anything is played */

static void set(int fd, unsigned long request, const char *what, int value)
{
	int got = value;

	if (ioctl(fd, request, &got) || got != value) {
		fprintf(stderr, "play: %s: wanted %d, got %d\n", what, value, got);
		exit(1);
	}
}

/* A card without one of these is loud anyway. */
static void louder(int mixer, unsigned long request)
{
	int full = 100 | 100 << 8;

	ioctl(mixer, request, &full);
}

static void trigger(int fd, int on)
{
	if (ioctl(fd, SNDCTL_DSP_SETTRIGGER, &on)) {
		perror("play: trigger");
		exit(1);
	}
}

static void play(int fd, const char *buf, ssize_t n)
{
	if (write(fd, buf, n) != n) {
		perror("play: write");
		exit(1);
	}
	/* It begins when the next write could not be taken any more. */
	if (lead > 0) {
		lead -= n;
		if (lead <= 0)
			trigger(fd, PCM_ENABLE_OUTPUT);
	}
}

int main(int argc, char **argv)
{
	char buf[4096];
	ssize_t n;
	int fragments = 16 << 16 | 12;
	int fd, mixer, left;
	audio_buf_info space;

	if (argc != 2)
		return 2;
	mixer = open("/dev/mixer", O_RDWR);
	if (mixer >= 0) {
		louder(mixer, SOUND_MIXER_WRITE_VOLUME);
		louder(mixer, SOUND_MIXER_WRITE_PCM);
	}
	fd = open("/dev/dsp", O_WRONLY);
	if (fd < 0) {
		perror("play: /dev/dsp");
		return 1;
	}
	/* As much as OSS allows, 16 x 4 KiB: no gap on a machine that is slow for a moment. */
	ioctl(fd, SNDCTL_DSP_SETFRAGMENT, &fragments);
	set(fd, SNDCTL_DSP_SETFMT, "format", AFMT_S16_LE);
	set(fd, SNDCTL_DSP_CHANNELS, "channels", 2);
	set(fd, SNDCTL_DSP_SPEED, "rate", atoi(argv[1]));
	trigger(fd, 0);
	if (ioctl(fd, SNDCTL_DSP_GETOSPACE, &space)) {
		perror("play: space");
		return 1;
	}
	lead = space.bytes - sizeof(buf);
	while ((n = read(0, buf, sizeof(buf))) > 0)
		play(fd, buf, n);
	/*
	 * A device that is stopped drops what it has not passed on yet, and one that
	 * is stopped too late plays what was in its buffer before: let that be silence.
	 */
	memset(buf, 0, sizeof(buf));
	for (left = space.fragstotal * space.fragsize; left > 0; left -= sizeof(buf))
		play(fd, buf, sizeof(buf));
	if (ioctl(fd, SNDCTL_DSP_SYNC, NULL)) {
		perror("play: sync");
		return errno == EIO ? 3 : 1;
	}
	return 0;
}
