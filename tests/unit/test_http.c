/* What is read from a request before anything is served: who asks, how often, for which path. */
#include "lib/config/config.h"
#include "lib/config/setting.h"
#include "lib/http/client_address.h"
#include "lib/http/rate_limit.h"
#include "lib/http/request_target.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>

static void test_target(void **state)
{
	(void)state;
	static const char *const plain[] = {"/",
					    "/api/calls",
					    "/api/do-not-call/%2B12025550101",
					    "/call/connection-outgoing/aB3_-x",
					    "/a.b/..c/.well-known/oauth-protected-resource",
					    "/api/calls?path=/../x//y\\%2e%2f",
					    "/%C3%A9?",
					    "*"};
	static const char *const unclear[] = {"/api/calls/../../call/x",
					      "/api/calls/%2e%2e%2f%2e%2e%2fcall%2fx",
					      "/./x",
					      "/x/.",
					      "/x/..?a=1",
					      "/x//y",
					      "//x",
					      "/x\\y",
					      "/x%5cy",
					      "/x%5Cy",
					      "/x%2Fy",
					      "/x%2fy",
					      "/x%2Ey",
					      "/%2e/x",
					      "/x%",
					      "/x%2",
					      "/x%zz",
					      "/x%00",
					      "/x%0a",
					      "/x%7f",
					      "/x%252e",
					      "/x\ty",
					      "/x#y",
					      "http://host/api",
					      "/call/%2E%2E/api"};
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
		if (!target_is_plain(plain[i], strlen(plain[i])))
			fail_msg("%s is refused", plain[i]);
	for (size_t i = 0; i < sizeof unclear / sizeof *unclear; i++)
		if (target_is_plain(unclear[i], strlen(unclear[i])))
			fail_msg("%s is taken", unclear[i]);
	assert_true(target_is_plain("/x/..", 3)); /* no byte beyond the length counts */
}

static void test_rate_by_network(void **state)
{
	(void)state;
	/* Addresses of one /64 share a bucket, however they are written; others do not. */
	static const struct {
		const char *first, *second;
		bool same;
	} pairs[] = {
		{"2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true},
		{"2001:db8::1", "2001:db8::2:3:4:5", true},
		{"2001:db8::1", "2001:db8:0:0:9:8:7:6", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"2001:db8::1", "2001:db9::1", false},
		{"fe80::1", "fe80::2:0:0:1", true},
		{"1:2:3:4:5:6:7:8", "1:2:3:4::", true},
		{"1:2:3:4:5:6:7:8", "1:2:3:5:5:6:7:8", false},
		{"192.0.2.1", "192.0.2.2", false},
	};
	struct mono_us now = {1000000};
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		struct rate *r = rate_new(1);
		assert_true(rate_take(r, pairs[i].first, RATE_BURST_S, now));
		assert_false(rate_take(r, pairs[i].first, 1, now));
		if (rate_take(r, pairs[i].second, 1, now) == pairs[i].same)
			fail_msg("%s and %s", pairs[i].first, pairs[i].second);
		rate_free(&r);
	}
}

static void test_source(void **state)
{
	(void)state;
	struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
	static const struct {
		const char *forwarded, *source;
	} cases[] = {
		{NULL, "127.0.0.1"},
		{"198.51.100.1", "198.51.100.1"},
		{"203.0.113.5, 198.51.100.1", "198.51.100.1"},
		{"203.0.113.5, 198.51.100.1, 10.0.0.1", "198.51.100.1"},
		{"nonsense", "127.0.0.1"},
		{"203.0.113.5, nonsense, 10.0.0.1", "10.0.0.1"},
	};
	char out[SOURCE_SIZE];
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		source_find((struct sockaddr *)&peer, cases[i].forwarded, "127.0.0.1,10.0.0.1", out);
		assert_string_equal(out, cases[i].source);
	}
}

static void test_urls(void **state)
{
	(void)state;
	char why[256];
	const struct setting *public = setting_find("PUBLIC_URL"),
			     *agent = setting_find("OPENAI_WEBSOCKET_URL");
	assert_null(setting_check(public, "https://phony.example", why, sizeof why));
	assert_null(setting_check(public, "https://phony.example:8443/base/", why, sizeof why));
	assert_null(setting_check(agent, "wss://api.example/v1?model=x@y", why, sizeof why));
	static const char *const wrong[] = {"https://user:password@phony.example",
					    "https://user@phony.example/x", "http://u:p@127.0.0.1:3004",
					    "https://phony.example/?a=1", "https://phony.example/#top"};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_non_null(setting_check(public, wrong[i], why, sizeof why));
	assert_non_null(strstr(setting_check(public, wrong[0], why, sizeof why), "user or password"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_target),
		cmocka_unit_test(test_rate_by_network),
		cmocka_unit_test(test_source),
		cmocka_unit_test(test_urls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
