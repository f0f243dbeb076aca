#include "proto/frame.h"

#include "lib/base/json_read.h"
#include "lib/base/text.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

enum { TELLS, ASKS };
enum { BARE, CARRIES };

struct message_rule {
	const char *name;
	unsigned type, from, to;
	bool asks, carries;
};

static const struct message_rule rules[] = {
#define MESSAGE(number, name, from, to, answer, fd) {#name, number, from, to, answer, fd},
	MESSAGES(MESSAGE)
#undef MESSAGE
};

static const struct message_rule *find_rule(unsigned type)
{
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
		if (rules[i].type == type)
			return &rules[i];
	return NULL;
}

const char *message_name(unsigned type)
{
	const struct message_rule *rule = find_rule(type);
	return rule ? rule->name : "?";
}

bool message_asks(unsigned type)
{
	const struct message_rule *rule = find_rule(type);
	return rule != NULL && rule->asks;
}

bool message_carries(unsigned type)
{
	const struct message_rule *rule = find_rule(type);
	return rule != NULL && rule->carries;
}

bool message_known(unsigned type, unsigned version)
{
	switch (type) {
	case MSG_WORKER_LEVELS:
		return version >= 5;
	case MSG_ALIVE:
		return version >= 7;
	default:
		return version >= PROTO_VERSION_LEAST;
	}
}

static const struct {
	enum role role;
	const char *name;
} roles[] = {
	{ROLE_SUPERVISOR, "supervisor"}, {ROLE_VOICED, "voiced"}, {ROLE_SMSD, "smsd"}, {ROLE_MCPD, "mcpd"},
	{ROLE_CALLWORKER, "callworker"}, {ROLE_TOOL, "tool"}};

const char *role_name(enum role role)
{
	for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
		if (roles[i].role == role)
			return roles[i].name;
	return "?";
}

enum role role_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
		if (strcmp(roles[i].name, name) == 0)
			return roles[i].role;
	return 0;
}

bool message_allowed(const struct frame *f, enum role from, enum role to)
{
	const struct message_rule *rule = find_rule(f->type);
	if (rule == NULL)
		return false;
	if (f->flags & FRAME_REPLY)
		return rule->asks && (rule->to & from) && (rule->from & to) && !(f->flags & FRAME_FD);
	return (rule->from & from) && (rule->to & to) && (f->id != 0) == rule->asks &&
	       ((f->flags & FRAME_FD) != 0) == rule->carries && !(f->flags & FRAME_ERROR);
}

bool frame_encode(struct buffer *b, const struct frame *f)
{
	size_t len = json_dumpb(f->body, NULL, 0, JSON_COMPACT);
	if (len == 0 || len > FRAME_PAYLOAD_MAX || !buffer_reserve(b, FRAME_HEADER_LEN + len))
		return false;
	unsigned char *at = b->data + b->len;
	uint32_t length = htole32((uint32_t)len);
	uint16_t type = htole16(f->type), flags = htole16(f->flags);
	uint64_t id = htole64(f->id);
	memcpy(at, &length, 4);
	memcpy(at + 4, &type, 2);
	memcpy(at + 6, &flags, 2);
	memcpy(at + 8, &id, 8);
	json_dumpb(f->body, (char *)at + FRAME_HEADER_LEN, len, JSON_COMPACT);
	b->len += FRAME_HEADER_LEN + len;
	return true;
}

enum frame_result frame_decode(struct buffer *b, struct frame *f, char *why, size_t why_size)
{
	if (b->len < FRAME_HEADER_LEN)
		return FRAME_PARTIAL;
	uint32_t length;
	uint16_t type, flags;
	uint64_t id;
	memcpy(&length, b->data, 4);
	memcpy(&type, b->data + 4, 2);
	memcpy(&flags, b->data + 6, 2);
	memcpy(&id, b->data + 8, 8);
	size_t len = le32toh(length);
	*f = (struct frame){le16toh(type), le16toh(flags), le64toh(id), NULL};
	if (len > FRAME_PAYLOAD_MAX) {
		text_printf(why, why_size, "a frame of %zu bytes, %d are allowed", len, FRAME_PAYLOAD_MAX);
		return FRAME_BROKEN;
	}
	if (find_rule(f->type) == NULL) {
		text_printf(why, why_size, "no message has number %u", f->type);
		return FRAME_BROKEN;
	}
	if (b->len < FRAME_HEADER_LEN + len)
		return FRAME_PARTIAL;
	char fault[160];
	f->body = json_parse_object((char *)b->data + FRAME_HEADER_LEN, len, fault, sizeof fault);
	if (f->body == NULL) {
		text_printf(why, why_size, "%s: %s", message_name(f->type), fault);
		return FRAME_BROKEN;
	}
	buffer_consume(b, FRAME_HEADER_LEN + len);
	return FRAME_WHOLE;
}
