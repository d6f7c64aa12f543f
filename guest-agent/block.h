/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Disks, and block requests while a driver has them. What may be called where the functions
 * may be called that the catalogue names.
 */
#ifndef CHARIOT_BLOCK_H
#define CHARIOT_BLOCK_H

#include <linux/blkdev.h>
#include <linux/types.h>

/* A list of requests, which is of a type of its own in newer kernels only. */
#define chariot_rq_list typeof_member(struct io_comp_batch, req_list)

/* A disk, and what drivers set of its device and its queue. */
void chariot_disk_give(u16 domain, struct gendisk *disk);
void chariot_disk_take(u16 domain, struct gendisk *disk);

/* A request and the driver's part behind it. */
void chariot_request_give(u16 domain, const struct request *rq);
void chariot_request_take(u16 domain, const struct request *rq);

/* It is freed: whatever references there are. */
void chariot_request_gone(const struct request *rq);

/*
 * The driver ends it. If nobody is to be told, it is freed right then; else who is
 * told says whether it is (the callback request_end).
 */
void chariot_request_end(u16 domain, const struct request *rq);

/*
 * All that are in the list, which stays as it is. They are of one queue, which is lent from
 * give, which returns it, to take: what drivers themselves write in it.
 */
struct request_queue *chariot_requests_give(u16 domain, chariot_rq_list *list);
void chariot_requests_take(u16 domain, chariot_rq_list *list, struct request_queue *q);
void chariot_requests_end(u16 domain, chariot_rq_list *list);

#endif /* CHARIOT_BLOCK_H */
