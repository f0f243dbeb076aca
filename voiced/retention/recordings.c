#include "voiced/retention/recordings.h"

#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/http/auth.h"
#include "lib/http/json_api.h"
#include "lib/loop/loop.h"
#include "lib/store/result.h"
#include "voiced/api/call_commands.h"
#include "voiced/calls/schedule.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SWEEP_MS = 3600 * 1000, HEADER = 44, BYTES_PER_S = 32000 };

struct recordings {
	struct voiced *v;
	struct timer timer;
};

static char *folder(const struct voiced *v)
{
	return config_state_path(v->config, "recordings");
}

static char *path_of(const struct voiced *v, const char *call_id)
{
	char *dir = folder(v), *path = xasprintf("%s/%s.wav", dir, call_id);
	free(dir);
	return path;
}

int recordings_open(struct voiced *v, const struct call *call)
{
	if (!json_is_true(call_value(call, "record")))
		return -1;
	char *dir = folder(v), *path = path_of(v, call_id(call));
	int fd = config_make_dir(dir) ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
	if (fd < 0)
		log_call(LOG_SEV_ERROR, call_sid(call), "the call cannot be recorded: %s: %s", path,
			 strerror(errno));
	free(dir);
	free(path);
	return fd;
}

static void on_begun(void *arg, const struct twilio_answer *answer)
{
	char *sid = arg;
	if (answer->outcome != TWILIO_DONE)
		log_call(LOG_SEV_WARN, sid, "Twilio does not record this call: %s", answer->message);
	free(sid);
}

void recordings_begin(struct voiced *v, const struct call *call)
{
	if (!json_is_true(call_value(call, "record")) || !call_is_inbound(call))
		return;
	char *url =
		xasprintf("%s/call/recording?call=%s#rc=5&rp=all", v->config->public_url, call_token(call));
	twilio_record_call(v->twilio, call_sid(call), url, on_begun, xstrdup(call_sid(call)));
	free(url);
}

void recordings_delete(struct voiced *v, const char *call_id)
{
	char *path = path_of(v, call_id);
	if (unlink(path) != 0 && errno != ENOENT)
		log_warn("%s cannot be removed: %s", path, strerror(errno));
	free(path);
}

/* ---- what is too old ---- */

static void sweep_folder(const struct voiced *v, const char *name, const char *ending)
{
	char *path = config_state_path(v->config, name);
	DIR *files = opendir(path);
	int64_t before = wall_now().ms / 1000 - (int64_t)v->config->retention_days * 86400;
	struct dirent *file;
	struct stat st;
	while (files != NULL && (file = readdir(files)) != NULL)
		if (strstr(file->d_name, ending) != NULL &&
		    fstatat(dirfd(files), file->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_mtime < before && unlinkat(dirfd(files), file->d_name, 0) == 0)
			log_info("%s/%s is older than RETENTION_DAYS: removed", name, file->d_name);
	if (files != NULL)
		closedir(files);
	free(path);
}

static void sweep(void *arg)
{
	struct recordings *r = arg;
	if (r->v->config->retention_days > 0) {
		sweep_folder(r->v, "recordings", ".wav");
		sweep_folder(r->v, "flights", ".jsonl");
	}
	timer_start(&r->timer, r->v->base, SWEEP_MS, sweep, r);
}

struct recordings *recordings_new(struct voiced *v)
{
	struct recordings *r = xcalloc(1, sizeof *r);
	r->v = v;
	sweep(r);
	return r;
}

void recordings_free(struct recordings **rr)
{
	struct recordings *r = *rr;
	if (r == NULL)
		return;
	timer_stop(&r->timer);
	free(r);
	*rr = NULL;
}

/* ---- fetching ---- */

struct fetching {
	struct voiced *v;
	struct reply reply;
	struct http_request *request; /* NULL: only told about */
	char *sid;
};

static void end(struct fetching *f)
{
	free(f->sid);
	free(f);
}

static void fail(struct fetching *f, int http_status, const char *code, const char *message)
{
	f->reply.fail(f->reply.arg, http_status, code, message);
	end(f);
}

/*
 * Where the file is served: on this machine, since /api is not among what nginx
 * passes on for PUBLIC_URL (etc/nginx/phony.conf).
 */
static char *local_url(const struct fetching *f)
{
	const char *address = f->v->config->bind_address;
	if (strcmp(address, "0.0.0.0") == 0)
		address = "127.0.0.1";
	else if (strcmp(address, "::") == 0)
		address = "::1";
	bool ipv6 = strchr(address, ':') != NULL;
	return xasprintf("http://%s%s%s:%u/api/calls/%s/recording", ipv6 ? "[" : "", address, ipv6 ? "]" : "",
			 (unsigned)f->v->config->port, f->sid);
}

static void tell(struct fetching *f, long long bytes)
{
	char *url = local_url(f);
	answer_success(
		f->reply, 200,
		json_build("{s:s, s:I, s:f, s:s, s:s}", "callSid", f->sid, "bytes", (json_int_t)bytes,
			   "seconds", (double)(bytes > HEADER ? bytes - HEADER : 0) / BYTES_PER_S, "mimeType",
			   "audio/wav", "url", url),
		"GET url on the machine that phony runs on, with the header Authorization: Bearer and the "
		"API token. PUBLIC_URL does not serve it. From another machine, ask for the same path "
		"through an SSH tunnel or phony's private address, if it has one (docs/operation.md)");
	free(url);
	end(f);
}

static void on_call(void *arg, json_t *document, const char *error)
{
	struct fetching *f = arg;
	struct stat st;
	const char *id = json_string_value(json_object_get(document, "callId"));
	if (answer_store_error(f->reply, error)) {
		end(f);
		return;
	}
	if (id == NULL) {
		fail(f, 404, "not_found", "No call has this callSid; phony_list_calls lists them.");
		return;
	}
	char *path = path_of(f->v, id);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	free(path);
	if (fd < 0 || fstat(fd, &st) != 0 || st.st_size <= HEADER) {
		if (fd >= 0)
			close(fd);
		fail(f, 404, "not_recorded",
		     "There is no recording of this call on this host: RECORD_CALLS or record asks for one.");
	} else if (f->request != NULL) {
		http_reply_file(f->request, "audio/wav", fd, (size_t)st.st_size);
		end(f);
	} else {
		close(fd);
		tell(f, (long long)st.st_size);
	}
}

static void look_up(struct fetching *f)
{
	store_get(f->v->store, STORE_CALLS, schedule_is_id(f->sid) ? "requestId" : "callSid", f->sid, on_call,
		  f);
}

void recordings_get(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *sid = verb_read_sid(&r, args);
	if (answer_faults(reply, &r))
		return;
	struct fetching *f = xcalloc(1, sizeof *f);
	*f = (struct fetching){v, reply, NULL, xstrdup(sid)};
	look_up(f);
}

bool recordings_serve(struct voiced *v, struct http_request *r)
{
	static const char before[] = "/api/calls/", after[] = "/recording";
	const char *path = http_path(r), *sid = path + sizeof before - 1;
	if (strncmp(path, before, sizeof before - 1) != 0 || strlen(sid) != 34 + sizeof after - 1 ||
	    strcmp(sid + 34, after) != 0)
		return false;
	if (!http_method_is(r, "GET"))
		return true;
	if (!auth_admit(r, v->config))
		return true;
	struct fetching *f = xcalloc(1, sizeof *f);
	*f = (struct fetching){
		.v = v, .reply = http_reply_to(r), .request = r, .sid = xasprintf("%.*s", TEXT_CUT(sid, 34))};
	look_up(f);
	return true;
}
