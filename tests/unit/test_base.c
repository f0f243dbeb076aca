/* lib/base: texts from outside, read and written. */
#include "lib/base/base64.h"
#include "lib/base/clock.h"
#include "lib/base/e164.h"
#include "lib/base/form.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/model_shutdown.h"
#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "lib/config/config.h"
#include "lib/config/setting.h"
#include "tests/unit/unit.h"

#include <sys/stat.h>
#include <unistd.h>

static void test_base64(void **state)
{
	(void)state;
	static const char *const vectors[][2] = {
		{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}};
	char text[64];
	uint8_t bytes[64];
	for (size_t i = 0; i < 5; i++) {
		size_t len = strlen(vectors[i][0]);
		text[base64_encode(vectors[i][0], len, text)] = '\0';
		assert_string_equal(text, vectors[i][1]);
		assert_int_equal(base64_decode(text, strlen(text), bytes), len);
		assert_true(base64_valid(text, strlen(text)));
		assert_memory_equal(bytes, vectors[i][0], len);
	}
	static const char *const bad[] = {"Zg=", "Z===", "====", "Zg==Zg==", "Zm9\n", "Z", "Zm-_"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(base64_decode(bad[i], strlen(bad[i]), bytes), -1);
		assert_false(base64_valid(bad[i], strlen(bad[i])));
	}
}

static void test_e164(void **state)
{
	(void)state;
	assert_true(e164_valid("+12025550198"));
	assert_true(e164_valid("+123456789012345"));
	static const char *const bad[] = {"",
					  "+",
					  "12025550198",
					  "+02025550198",
					  "+1 202 555",
					  "+1202555019a",
					  "+1234567890123456",
					  "+1-202"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(e164_valid(bad[i]));
}

static void test_form(void **state)
{
	(void)state;
	struct form f;
	const char *text = "From=%2B1202&Body=a+b%26c&Empty=&Flag&X=1&X=2&City=Z%C3%BCrich";
	assert_true(form_parse(text, strlen(text), &f));
	assert_int_equal(f.count, 7);
	assert_string_equal(form_get(&f, "From"), "+1202");
	assert_string_equal(form_get(&f, "Body"), "a b&c");
	assert_string_equal(form_get(&f, "Empty"), "");
	assert_string_equal(form_get(&f, "Flag"), "");
	assert_string_equal(form_get(&f, "X"), "1");
	assert_string_equal(form_get(&f, "City"), "Zürich");
	assert_null(form_get(&f, "Y"));
	form_free(&f);
	static const char *const bad[] = {"a=%", "a=%4", "a=%zz", "%0=1"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_false(form_parse(bad[i], strlen(bad[i]), &f));
		form_free(&f);
	}
	/* What is no text becomes one; the bytes that a signature covers stay. */
	static const char odd[] = "a%00b=x%00y&From=Qu%E9bec&s=%ED%A0%BD&z=%00";
	assert_true(form_parse(odd, sizeof odd - 1, &f));
	assert_string_equal(form_get(&f, "a\xef\xbf\xbd"
					 "b"),
			    "x\xef\xbf\xbdy");
	assert_string_equal(form_get(&f, "From"), "Qu\xef\xbf\xbd"
						  "bec");
	assert_true(text_valid(form_get(&f, "s"), strlen(form_get(&f, "s"))));
	assert_string_equal(form_get(&f, "z"), "\xef\xbf\xbd");
	assert_int_equal(f.fields[0].raw_value.len, 3);
	assert_memory_equal(f.fields[0].raw_value.bytes, "x\0y", 3);
	assert_int_equal(f.fields[1].raw_value.len, 6);
	form_free(&f);
	assert_null(form_unescape("a%00", 4, false));
	struct buffer b = {0};
	form_append(&b, "To", "+1 2&ü");
	form_append(&b, "StartTime>", "x");
	buffer_append(&b, "", 1);
	assert_string_equal((char *)b.data, "To=%2B1%202%26%C3%BC&StartTime%3E=x");
	buffer_free(&b);
}

static void test_clock(void **state)
{
	(void)state;
	struct wall_ms t;
	char text[WALL_TEXT_SIZE];
	assert_true(wall_parse("2026-11-24T16:40:03.120Z", &t));
	wall_format(t, text);
	assert_string_equal(text, "2026-11-24T16:40:03.120Z");
	assert_true(wall_parse("2026-11-24T17:40:03.120+01:00", &t));
	wall_format(t, text);
	assert_string_equal(text, "2026-11-24T16:40:03.120Z");
	assert_true(wall_parse("2026-11-24", &t));
	assert_true(wall_parse("2028-02-29 10:00", &t));
	static const char *const bad[] = {"",
					  "2026",
					  "2026-13-01",
					  "2026-02-29",
					  "2026-11-31",
					  "2026-11-24T25:00",
					  "2026-11-24T10:00:00X",
					  "24.11.2026",
					  "2026-11-24T10:00:00+99:00"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(wall_parse(bad[i], &t));
}

static void test_json_read(void **state)
{
	(void)state;
	char error[100];
	const char *text = "{\"a\":\"x\",\"n\":5,\"b\":true,\"z\":1}";
	json_t *o = json_parse_object(text, strlen(text), error, sizeof error);
	struct json_reader r;
	const char *a = NULL;
	int64_t n = 0;
	bool b = false;
	assert_non_null(o);
	json_read_open(&r, o);
	json_read_text(&r, "a", JSON_NEEDED, 1, 5, &a);
	json_read_int(&r, "n", JSON_NEEDED, 1, 9, &n);
	json_read_bool(&r, "b", JSON_NEEDED, &b);
	assert_true(json_read_ok(&r));
	assert_string_equal(a, "x");
	assert_int_equal(n, 5);
	assert_true(b);
	json_read_close(&r, JSON_KNOWN_ONLY);
	assert_string_equal(r.faults, "z is not known here");
	json_read_open(&r, o);
	json_read_text(&r, "n", JSON_NEEDED, 1, 5, &a);
	json_read_int(&r, "a", JSON_NEEDED, 1, 9, &n);
	json_read_int(&r, "n", JSON_NEEDED, 6, 9, &n);
	json_read_text(&r, "missing", JSON_NEEDED, 1, 5, &a);
	assert_string_equal(
		r.faults, "n must be a text; a must be a whole number; n must be 6 to 9; missing is missing");
	json_decref(o);
	assert_null(json_parse_object("[1]", 3, error, sizeof error));
	assert_null(json_parse_object("{\"a\":1,\"a\":2}", 13, error, sizeof error));
	assert_null(json_parse_object("{", 1, error, sizeof error));
	json_read_open(&r, NULL);
	assert_false(json_read_ok(&r));
}

/* Numbers, null and unknown members mean what they mean in JSON Schema. */
static void test_json_read_schema(void **state)
{
	(void)state;
	static const struct {
		const char *number;
		bool whole;
		int64_t value;
	} numbers[] = {
		{"5", true, 5},       {"5.0", true, 5},    {"5e0", true, 5},
		{"0.5e1", true, 5},   {"-0.0", true, 0},   {"1E2", true, 100},
		{"5.5", false, 0},    {"1e300", false, 0}, {"-1e300", false, 0},
		{"1e-300", false, 0}, {"true", false, 0},  {"\"5\"", false, 0},
		{"null", false, 0},   {"[5.0]", false, 0}, {"9007199254740991.0", true, 9007199254740991}};
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		json_t *value = json_loads(numbers[i].number, JSON_DECODE_ANY, NULL);
		int64_t read = 0;
		assert_non_null(value);
		assert_int_equal(json_whole(value, &read), numbers[i].whole);
		assert_int_equal(read, numbers[i].value);
		json_decref(value);
	}
	static const char *const words[] = {"one", NULL};
	json_t *nulls =
		json_pack("{s:n, s:n, s:n, s:n, s:n, s:n, s:n, s:n, s:n, s:f, s:s}", "text", "int", "bool",
			  "any", "object", "number", "time", "word", "texts", "limit", 7.0, "sessionId", "x");
	struct json_reader r;
	const char *text = "kept";
	int64_t number = -1;
	bool flag = true;
	json_t *any = NULL;
	json_read_open(&r, nulls);
	json_read_text(&r, "text", JSON_OPTIONAL, 1, 5, &text);
	json_read_int(&r, "int", JSON_OPTIONAL, 1, 9, &number);
	json_read_bool(&r, "bool", JSON_OPTIONAL, &flag);
	json_read_any(&r, "any", JSON_OPTIONAL, &any);
	json_read_object(&r, "object", JSON_OPTIONAL, &any);
	json_read_number(&r, "number", JSON_OPTIONAL, &text);
	json_read_time(&r, "time", JSON_OPTIONAL, &number);
	json_read_word(&r, "word", JSON_OPTIONAL, words, &text);
	json_read_texts(&r, "texts", JSON_OPTIONAL, 1, 2, 5, &any);
	assert_false(json_read_given(&r, "text"));
	assert_false(json_read_given(&r, "never"));
	assert_true(json_read_given(&r, "limit"));
	assert_true(json_read_ok(&r));
	assert_string_equal(text, "kept");
	assert_int_equal(number, -1);
	assert_true(flag);
	assert_null(any);
	json_read_int(&r, "limit", JSON_NEEDED, 1, 9, &number);
	assert_int_equal(number, 7);
	json_read_close(&r, JSON_OTHERS_LOGGED);
	assert_true(json_read_ok(&r));
	json_read_text(&r, "text", JSON_NEEDED, 1, 5, &text);
	assert_string_equal(r.faults, "text is missing");
	json_decref(nulls);
}

static void test_moments(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t ms; /* 0: a fault */
	} moments[] = {
		{"2026-11-24T16:40:00Z", 1795538400000},
		{"2026-11-24T16:40Z", 1795538400000},
		{"2026-11-24T17:40:00+01:00", 1795538400000},
		{"2026-11-24 11:40-0500", 1795538400000},
		{"2026-11-24T16:40:00", 0},
		{"2026-11-24 16:40", 0},
		{"2026-11-24", 0},
		{"tomorrow at five", 0},
		{"2026-13-24T16:40:00Z", 0},
	};
	for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
		struct json_reader r;
		int64_t ms = 0;
		json_t *args = json_pack("{s:s}", "callAt", moments[i].text);
		json_read_open(&r, args);
		json_read_moment(&r, "callAt", JSON_NEEDED, &ms);
		assert_int_equal(json_read_ok(&r), moments[i].ms != 0);
		if (moments[i].ms != 0)
			assert_int_equal(ms, moments[i].ms);
		else
			assert_non_null(
				strstr(r.faults, "callAt must be a date, a time and the time's zone"));
		json_decref(args);
	}
}

static void test_log_scrub(void **state)
{
	(void)state;
	char text[200] =
		"call +12025550198 by hunter2hunter2 at /call/connection-outgoing/AbC123 and ?call=TOKEN1&x";
	log_open("test", LOG_SEV_INFO, false);
	log_hide_secret("hunter2hunter2");
	log_scrub(text, sizeof text);
	assert_string_equal(text,
			    "call +1202***0198 by *** at /call/connection-outgoing/*** and ?call=***&x");
}

static void test_secret(void **state)
{
	(void)state;
	char a[33], b[33];
	secret_make(a, 32);
	secret_make(b, 32);
	assert_int_equal(strlen(a), 32);
	assert_string_not_equal(a, b);
	assert_true(secret_equal(a, a));
	assert_false(secret_equal(a, b));
	assert_false(secret_equal(a, "short"));
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
}

static void test_config(void **state)
{
	(void)state;
	struct config c;
	struct buffer faults = {0};
	write_file("build/unit-config.env",
		   "# comment\nexport "
		   "PORT=8080\nTWILIO_NUMBER='+12025550143'\nMONGODB_URI=mongodb://x\nRECORD=true\n"
		   "PUBLIC_URL=https://example.com/\n");
	assert_int_equal(config_load(&c, "build/unit-config.env", &faults), 0);
	assert_int_equal(c.port, 8080);
	assert_string_equal(c.twilio_number, "+12025550143");
	assert_string_equal(c.mongodb_url, "mongodb://x");
	assert_true(c.record_calls);
	assert_string_equal(c.public_url, "https://example.com");
	assert_string_equal(c.voice_provider, "elevenlabs");
	assert_int_equal(config_require_telephony(&c, &faults), 2);
	config_free(&c);
	faults.len = 0;
	write_file("build/unit-config.env", "PORT=0\nPUBLIC_URL=http://"
					    "example.com\nTWILIO_ACCOUNT_SID=AC12\nTWILIO_NUMBER=555\nLOG_"
					    "LEVEL=loud\nRECORD_CALLS=maybe\n");
	assert_int_equal(config_load(&c, "build/unit-config.env", &faults), 6);
	buffer_append(&faults, "", 1);
	static const char *const names[] = {"PORT:",          "PUBLIC_URL:", "TWILIO_ACCOUNT_SID:",
					    "TWILIO_NUMBER:", "LOG_LEVEL:",  "RECORD_CALLS:"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		assert_non_null(strstr((char *)faults.data, names[i]));
	config_free(&c);
	buffer_free(&faults);
	/* What is wrong is told once. */
	write_file("build/unit-config.env",
		   "TWILIO_ACCOUNT_SID=AC12\nTWILIO_NUMBER=555\nBIND_ADDRESS=localhost\n");
	assert_int_equal(config_load(&c, "build/unit-config.env", &faults), 3);
	assert_int_equal(config_require_telephony(&c, &faults), 2);
	buffer_append(&faults, "", 1);
	assert_null(strstr((char *)faults.data, "TWILIO_NUMBER environment variable is required"));
	assert_non_null(strstr((char *)faults.data, "BIND_ADDRESS: must be an IP address"));
	assert_non_null(strstr((char *)faults.data, "PUBLIC_URL environment variable is required"));
	config_free(&c);
	buffer_free(&faults);
	/* Of a file that cannot be read nobody knows what it sets. */
	static const char *const unread[] = {"/nonexistent/file", "/tmp"};
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(config_load(&c, unread[i], &faults), 1);
		assert_int_equal(config_require_telephony(&c, &faults), 0);
		config_free(&c);
		buffer_free(&faults);
	}
	unlink("build/unit-config.env");
}

static void test_config_unknown(void **state)
{
	(void)state;
	struct buffer unknown = {0};
	write_file("build/unit-config.env",
		   "\xef\xbb\xbf# comment\n\nPORT=1\nLOG_LEVL=debug\nTWILIO_AUTH_TOKEN=\nhunter2\n"
		   "  export OTHER = x\n");
	assert_true(config_unknown("build/unit-config.env", &unknown));
	buffer_append(&unknown, "", 1);
	assert_string_equal((char *)unknown.data, "LOG_LEVL (line 4), no KEY=value (line 6), OTHER (line 7)");
	buffer_free(&unknown);
	write_file("build/unit-config.env", "PORT=1\nMONGODB_URI=x\n");
	assert_false(config_unknown("build/unit-config.env", &unknown));
	assert_false(config_unknown("/nonexistent/file", &unknown));
	unlink("build/unit-config.env");
}

static char *loaded(const char *text, const char *(*get)(const struct config *c), unsigned faults_expected)
{
	struct config c;
	struct buffer faults = {0};
	write_file("build/unit-config.env", text);
	assert_int_equal(config_load(&c, "build/unit-config.env", &faults), faults_expected);
	char *value = strdup(get(&c));
	config_free(&c);
	buffer_free(&faults);
	unlink("build/unit-config.env");
	return value;
}

static const char *get_model(const struct config *c)
{
	return c->openai_model;
}

static const char *get_openai_url(const struct config *c)
{
	return c->openai_websocket_url;
}

/* A model named in the address goes before OPENAI_MODEL, which is added where there is none. */
static void test_config_model(void **state)
{
	(void)state;
	static const struct {
		const char *lines, *model, *url;
	} cases[] = {
		{"", "gpt-realtime-2.1", "wss://api.openai.com/v1/realtime?model=gpt-realtime-2.1"},
		{"OPENAI_MODEL=a b", "a b", "wss://api.openai.com/v1/realtime?model=a%20b"},
		{"OPENAI_WEBSOCKET_URL=wss://h/r?x=1\nOPENAI_MODEL=m", "m", "wss://h/r?x=1&model=m"},
		{"OPENAI_WEBSOCKET_URL=wss://h/r?model=n\nOPENAI_MODEL=m", "n", "wss://h/r?model=n"},
		{"OPENAI_WEBSOCKET_URL=wss://h/r?a=1&model=n&b=2", "n", "wss://h/r?a=1&model=n&b=2"},
		{"OPENAI_WEBSOCKET_URL=wss://h/r?deployment=d", "d", "wss://h/r?deployment=d"},
		{"OPENAI_WEBSOCKET_URL=wss://h/r?amodel=n", "gpt-realtime-2.1",
		 "wss://h/r?amodel=n&model=gpt-realtime-2.1"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *model = loaded(cases[i].lines, get_model, 0),
		     *url = loaded(cases[i].lines, get_openai_url, 0);
		assert_string_equal(model, cases[i].model);
		assert_string_equal(url, cases[i].url);
		free(model);
		free(url);
	}
}

static void test_model_shutdown(void **state)
{
	(void)state;
	struct wall_ms now;
	static const struct {
		const char *model, *day, *words;
		enum model_end end;
	} cases[] = {
		{"gpt-realtime", "2026-10-21", "", MODEL_LASTS},
		{"gpt-realtime", "2026-10-22",
		 "gpt-realtime is shut down on 2027-01-20; set S to gpt-realtime-2.1.", MODEL_ENDS_SOON},
		{"gpt-realtime", "2027-01-20", "gpt-realtime was shut down on 2027-01-20", MODEL_ENDED},
		{"whisper-1", "2027-02-25", "set S to gpt-transcribe.", MODEL_ENDS_SOON},
		{"gpt-realtime-2.1", "2030-01-01", "", MODEL_LASTS},
		{"gpt-transcribe", "2030-01-01", "", MODEL_LASTS},
	};
	char words[300];
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_true(wall_parse(cases[i].day, &now));
		const char *date = model_shutdown_date(cases[i].model);
		assert_int_equal(model_shutdown_check("S", cases[i].model, date, now, words, sizeof words),
				 cases[i].end);
		assert_non_null(strstr(words, cases[i].words));
	}
	/* The defaults are none that end. */
	assert_null(model_shutdown_date("gpt-realtime-2.1"));
	assert_null(model_shutdown_date("gpt-transcribe"));
	/* What is no date, from outside. */
	assert_int_equal(model_shutdown_check("S", "m", "soon", now, words, sizeof words), MODEL_LASTS);
	assert_int_equal(model_shutdown_check("S", "m", "2020-01-01", now, words, sizeof words), MODEL_ENDED);
	assert_non_null(strstr(words, "set S to one that lasts"));
}

static const char *get_voice(const struct config *c)
{
	return c->openai_voice;
}

/* Quotes, comments, marks and long lines of a settings file. */
static void test_config_lines(void **state)
{
	(void)state;
	static const struct {
		const char *line, *value;
		unsigned faults;
	} cases[] = {
		{"OPENAI_VOICE=\"ash\" # the voice", "ash", 0},
		{"OPENAI_VOICE='ash' # it's the voice", "ash", 0},
		{"OPENAI_VOICE=\"ash\"", "ash", 0},
		{"OPENAI_VOICE=ash # the voice", "ash", 0},
		{"OPENAI_VOICE=ash\t#x", "ash", 0},
		{"OPENAI_VOICE=a#sh", "a#sh", 0},
		{"OPENAI_VOICE=\"a # sh\"", "a # sh", 0},
		{"OPENAI_VOICE=\"a\"sh\"", "a\"sh", 0},
		{"OPENAI_VOICE= # none", "sage", 0},
		{"OPENAI_VOICE=\"\" # none", "sage", 0},
		{"OPENAI_VOICE=\"ash", "sage", 1},
		{"OPENAI_VOICE=ash\r\n", "ash", 0},
		{"OPENAI_VOICE=ash\nOPENAI_VOICE=coral", "coral", 0},
		{"OPENAI_VOICE=ash\nOPENAI_VOICE=", "sage", 0},
		{"\xef\xbb\xbfOPENAI_VOICE=ash", "ash", 0},
		{"export OPENAI_VOICE = ash", "ash", 0},
		{"RUN_DIR=run", "sage", 1},
		{"TLS_CA_FILE=./ca.pem", "sage", 1},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *value = loaded(cases[i].line, get_voice, cases[i].faults);
		assert_string_equal(value, cases[i].value);
		free(value);
	}
	char long_line[20000];
	memset(long_line, 'x', sizeof long_line);
	memcpy(long_line, "UNKNOWN=", 8);
	snprintf(long_line + 15000, sizeof long_line - 15000, "OPENAI_VOICE=ash\nOPENAI_VOICE=coral\n");
	char *value = loaded(long_line, get_voice, 0);
	assert_string_equal(value, "coral");
	free(value);
}

/* What passes is what is compared with numbers: nothing of it is left out. */
static void test_config_lists(void **state)
{
	(void)state;
	char why[200];
	static const char *const good[] = {"+1", "+1,+4420", " +1 , +4420 "};
	static const char *const bad[] = {"+44 20",
					  "+1 +44",
					  "+1\t,+44",
					  "+1,",
					  "1",
					  "+1;+44",
					  "+1,\xef\xbc\x8b"
					  "44"};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_null(setting_check(setting_find("ALLOWED_PREFIXES"), good[i], why, sizeof why));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_non_null(setting_check(setting_find("ALLOWED_PREFIXES"), bad[i], why, sizeof why));
	assert_non_null(setting_check(setting_find("SMS_ENABLED_NUMBERS"), "+1202555 0143", why, sizeof why));
}

/* What phony hands down is what it has, whatever the files say meanwhile. */
static void test_config_snapshot(void **state)
{
	(void)state;
	struct config a, b;
	struct buffer faults = {0};
	write_file("build/unit-config.env",
		   "OPENAI_VOICE=ash\nPORT=8080\nRECORD_CALLS=true\nDENIED_PREFIXES=\n");
	assert_int_equal(config_load(&a, "build/unit-config.env", &faults), 0);
	write_file("build/unit-config.env", "OPENAI_VOICE=coral\nPORT=none\nDENIED_PREFIXES=none\n");
	int fd = config_snapshot(&a);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_true(fd == 3 || dup2(fd, 3) == 3);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_FDNAMES", "settings", 1);
	setenv("OPENAI_VOICE", "verse", 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(config_load(&b, "build/unit-config.env", &faults), 0);
		assert_string_equal(b.openai_voice, "ash");
		assert_string_equal(b.denied_prefixes, "");
		assert_string_equal(b.state_dir, a.state_dir);
		assert_int_equal(b.port, 8080);
		assert_true(b.record_calls);
		config_free(&b);
	}
	/* Descriptors of another process are not ours. */
	setenv("LISTEN_PID", "1", 1);
	assert_int_equal(config_load(&b, NULL, &faults), 0);
	assert_string_equal(b.openai_voice, "verse");
	config_free(&b);
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	unsetenv("LISTEN_PID");
	unsetenv("OPENAI_VOICE");
	close(3);
	config_free(&a);
	buffer_free(&faults);
	unlink("build/unit-config.env");
}

static void test_loopback(void **state)
{
	(void)state;
	assert_true(url_is_loopback("http://127.0.0.1:80/x"));
	assert_true(url_is_loopback("ws://localhost"));
	assert_true(url_is_loopback("http://[::1]:3004/"));
	assert_false(url_is_loopback("http://127.0.0.1.evil.example/"));
	assert_false(url_is_loopback("http://localhost.evil.example/"));
	assert_false(url_is_loopback("http://127.0.0.1@evil.example/"));
	assert_false(url_is_loopback("http://example.com"));
}

static void test_api_token(void **state)
{
	(void)state;
	struct config a = {0}, b = {0};
	char folder[] = "build/unit-state";
	a.state_dir = b.state_dir = folder;
	a.api_token = strdup("");
	b.api_token = strdup("");
	struct stat status;
	unlink("build/unit-state/api-token");
	assert_true(config_make_dir("build/unit-state"));
	assert_true(config_api_token(&a));
	assert_true(config_api_token(&b));
	assert_string_equal(a.api_token, b.api_token);
	assert_int_equal(stat("build/unit-state/api-token", &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	free(a.api_token);
	free(b.api_token);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_e164),
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_json_read),
		cmocka_unit_test(test_json_read_schema),
		cmocka_unit_test(test_moments),
		cmocka_unit_test(test_log_scrub),
		cmocka_unit_test(test_secret),
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_config_lines),
		cmocka_unit_test(test_config_unknown),
		cmocka_unit_test(test_config_model),
		cmocka_unit_test(test_model_shutdown),
		cmocka_unit_test(test_config_lists),
		cmocka_unit_test(test_config_snapshot),
		cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_api_token),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
