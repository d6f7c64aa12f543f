/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints chariot:* */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM chariot

#if !defined(CHARIOT_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define CHARIOT_TRACE_H

#include <linux/tracepoint.h>

#include "../include/uapi/chariot.h"

TRACE_EVENT(chariot_crossing,
	TP_PROTO(int vcpu, u32 from, u32 to, u64 rip),
	TP_ARGS(vcpu, from, to, rip),
	TP_STRUCT__entry(
		__field(int, vcpu)
		__field(u32, from)
		__field(u32, to)
		__field(u64, rip)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->from = from;
		__entry->to = to;
		__entry->rip = rip;
	),
	TP_printk("vcpu %d domain %u -> %u rip 0x%llx", __entry->vcpu, __entry->from,
		  __entry->to, __entry->rip)
);

TRACE_EVENT(chariot_fill,
	TP_PROTO(int vcpu, u32 domain, u64 gpa, int level, u32 rights, int result),
	TP_ARGS(vcpu, domain, gpa, level, rights, result),
	TP_STRUCT__entry(
		__field(int, vcpu)
		__field(u32, domain)
		__field(u64, gpa)
		__field(int, level)
		__field(u32, rights)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->domain = domain;
		__entry->gpa = gpa;
		__entry->level = level;
		__entry->rights = rights;
		__entry->result = result;
	),
	TP_printk("vcpu %d domain %u gpa 0x%llx level %d rights %x result %d", __entry->vcpu,
		  __entry->domain, __entry->gpa, __entry->level, __entry->rights,
		  __entry->result)
);

TRACE_EVENT(chariot_emulate,
	TP_PROTO(int vcpu, u32 domain, u64 rip, u64 gpa),
	TP_ARGS(vcpu, domain, rip, gpa),
	TP_STRUCT__entry(
		__field(int, vcpu)
		__field(u32, domain)
		__field(u64, rip)
		__field(u64, gpa)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->domain = domain;
		__entry->rip = rip;
		__entry->gpa = gpa;
	),
	TP_printk("vcpu %d domain %u rip 0x%llx gpa 0x%llx", __entry->vcpu, __entry->domain,
		  __entry->rip, __entry->gpa)
);

TRACE_EVENT(chariot_record,
	TP_PROTO(u32 type, u32 domain, u64 gpa, u64 len, int bad),
	TP_ARGS(type, domain, gpa, len, bad),
	TP_STRUCT__entry(
		__field(u32, type)
		__field(u32, domain)
		__field(u64, gpa)
		__field(u64, len)
		__field(int, bad)
	),
	TP_fast_assign(
		__entry->type = type;
		__entry->domain = domain;
		__entry->gpa = gpa;
		__entry->len = len;
		__entry->bad = bad;
	),
	TP_printk("type %u domain %u gpa 0x%llx len 0x%llx bad %d", __entry->type,
		  __entry->domain, __entry->gpa, __entry->len, __entry->bad)
);

TRACE_EVENT(chariot_violation,
	TP_PROTO(const struct chariot_event *event),
	TP_ARGS(event),
	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(u32, domain)
		__field(u64, rip)
		__field(u64, gva)
		__field(u64, gpa)
		__field(u32, size)
		__field(u32, flags)
		__field(u32, why)
	),
	TP_fast_assign(
		__entry->vcpu = event->vcpu;
		__entry->domain = event->domain;
		__entry->rip = event->violation.rip;
		__entry->gva = event->violation.gva;
		__entry->gpa = event->violation.gpa;
		__entry->size = event->violation.size;
		__entry->flags = event->violation.flags;
		__entry->why = event->violation.why;
	),
	TP_printk("vcpu %d domain %u rip 0x%llx gva 0x%llx gpa 0x%llx size %u flags %x why %u",
		  (int)__entry->vcpu, __entry->domain, __entry->rip, __entry->gva, __entry->gpa,
		  __entry->size, __entry->flags, __entry->why)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
