// SPDX-License-Identifier: GPL-2.0-only
/*
 * Draws on a screen: draw CARD FLIPS WIDTHxHEIGHT...
 *
 * Sets each of these modes with a first picture, shows the second and the first
 * in turn until there were that many changes, says which one is left, and waits
 * for a line. In picture n, the pixel at (x, y) is colour(n * 5000 + x + 3 * y).
 */
#include <drm/drm.h>
#include <drm/drm_mode.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

struct picture {
	struct drm_mode_create_dumb buffer;
	struct drm_mode_fb_cmd2 fb;
};

static int card;

static void call(unsigned long request, void *arg, const char *what)
{
	if (ioctl(card, request, arg)) {
		fprintf(stderr, "draw: ");
		perror(what);
		exit(1);
	}
}

static uint32_t colour(uint32_t i)
{
	return i * 2654435761u >> 8;
}

static void make(struct picture *p, unsigned int n, unsigned int width, unsigned int height)
{
	struct drm_mode_map_dumb map;
	unsigned int x, y;
	uint32_t *pixels;

	*p = (struct picture){ .buffer = { .width = width, .height = height, .bpp = 32 } };
	call(DRM_IOCTL_MODE_CREATE_DUMB, &p->buffer, "a buffer");
	p->fb.width = width;
	p->fb.height = height;
	p->fb.pixel_format = 'X' | 'R' << 8 | '2' << 16 | '4' << 24;
	p->fb.handles[0] = p->buffer.handle;
	p->fb.pitches[0] = p->buffer.pitch;
	call(DRM_IOCTL_MODE_ADDFB2, &p->fb, "a framebuffer");
	map = (struct drm_mode_map_dumb){ .handle = p->buffer.handle };
	call(DRM_IOCTL_MODE_MAP_DUMB, &map, "the buffer's address");
	pixels = mmap(NULL, p->buffer.size, PROT_WRITE, MAP_SHARED, card, map.offset);
	if (pixels == MAP_FAILED) {
		perror("draw: mmap");
		exit(1);
	}
	for (y = 0; y < height; y++)
		for (x = 0; x < width; x++)
			pixels[y * p->buffer.pitch / 4 + x] = colour(n * 5000 + x + 3 * y);
	munmap(pixels, p->buffer.size);
}

static void drop(struct picture *p)
{
	struct drm_mode_destroy_dumb buffer = { .handle = p->buffer.handle };

	call(DRM_IOCTL_MODE_RMFB, &p->fb.fb_id, "the framebuffer's end");
	call(DRM_IOCTL_MODE_DESTROY_DUMB, &buffer, "the buffer's end");
}

static void flip(uint32_t crtc, const struct picture *p)
{
	struct drm_mode_crtc_page_flip change = {
		.crtc_id = crtc, .fb_id = p->fb.fb_id, .flags = DRM_MODE_PAGE_FLIP_EVENT,
	};
	struct drm_event_vblank done;

	call(DRM_IOCTL_MODE_PAGE_FLIP, &change, "another picture");
	if (read(card, &done, sizeof(done)) != sizeof(done) ||
	    done.base.type != DRM_EVENT_FLIP_COMPLETE) {
		fprintf(stderr, "draw: the picture was not changed\n");
		exit(1);
	}
}

/* Of the modes that the screen offers, the first of this size. */
static const struct drm_mode_modeinfo *mode_of(const struct drm_mode_modeinfo *modes, size_t n,
					       const char *size)
{
	unsigned int width, height;
	size_t i;

	if (sscanf(size, "%ux%u", &width, &height) == 2)
		for (i = 0; i < n; i++)
			if (modes[i].hdisplay == width && modes[i].vdisplay == height)
				return &modes[i];
	fprintf(stderr, "draw: no mode %s\n", size);
	exit(1);
}

int main(int argc, char **argv)
{
	uint32_t connector, crtc;
	struct drm_mode_modeinfo modes[128];
	struct drm_mode_card_res card_has = {
		.connector_id_ptr = (uintptr_t)&connector, .count_connectors = 1,
		.crtc_id_ptr = (uintptr_t)&crtc, .count_crtcs = 1,
	};
	struct drm_mode_get_connector screen = {
		.modes_ptr = (uintptr_t)modes, .count_modes = sizeof(modes) / sizeof(*modes),
	};
	char line[16];
	int i, n, flips;

	if (argc < 4)
		return 2;
	card = open(argv[1], O_RDWR);
	if (card < 0) {
		perror(argv[1]);
		return 1;
	}
	flips = atoi(argv[2]);
	call(DRM_IOCTL_MODE_GETRESOURCES, &card_has, "what the card has");
	screen.connector_id = connector;
	call(DRM_IOCTL_MODE_GETCONNECTOR, &screen, "the screen");
	if (card_has.count_connectors != 1 || card_has.count_crtcs != 1 ||
	    screen.count_modes > sizeof(modes) / sizeof(*modes)) {
		fprintf(stderr, "draw: not the card that this was written for\n");
		return 1;
	}
	for (i = 3; i < argc; i++) {
		const struct drm_mode_modeinfo *mode = mode_of(modes, screen.count_modes, argv[i]);
		struct picture pictures[2];
		struct drm_mode_crtc set = {
			.crtc_id = crtc, .set_connectors_ptr = (uintptr_t)&connector,
			.count_connectors = 1, .mode_valid = 1, .mode = *mode,
		};

		make(&pictures[0], 0, mode->hdisplay, mode->vdisplay);
		make(&pictures[1], 1, mode->hdisplay, mode->vdisplay);
		set.fb_id = pictures[0].fb.fb_id;
		call(DRM_IOCTL_MODE_SETCRTC, &set, "the mode");
		for (n = 1; n <= flips; n++)
			flip(crtc, &pictures[n % 2]);
		printf("drawn %d %s %d\n", i - 2, argv[i], flips % 2);
		fflush(stdout);
		if (!fgets(line, sizeof(line), stdin))
			return 1;
		drop(&pictures[0]);
		drop(&pictures[1]);
	}
	return 0;
}
