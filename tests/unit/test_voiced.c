/* The door's decision, from the first bytes of a connection. */
#include "tests/unit/unit.h"
#include "voiced/route.h"

static enum route_kind kind(const char *bytes)
{
	struct route r;
	route_request(bytes, strlen(bytes), &r);
	return r.kind;
}

static void test_routes(void **state)
{
	(void)state;
	assert_int_equal(kind("GET / HTTP/1.1\r\n"), ROUTE_SELF);
	assert_int_equal(kind("POST /sms/incoming HTTP/1.1\r\n"), ROUTE_SMSD);
	assert_int_equal(kind("GET /api/sms/messages?x=1 HTTP/1.1\r\n"), ROUTE_SMSD);
	assert_int_equal(kind("GET /api/smsx HTTP/1.1\r\n"), ROUTE_SELF);
	assert_int_equal(kind("POST /mcp HTTP/1.1\r\n"), ROUTE_MCPD);
	assert_int_equal(kind("POST /mcp?x HTTP/1.1\r\n"), ROUTE_MCPD);
	assert_int_equal(kind("POST /mcpx HTTP/1.1\r\n"), ROUTE_SELF);
	assert_int_equal(kind("POST /api/calls HTTP/1.1\r\n"), ROUTE_SELF);
}

static void test_unclear(void **state)
{
	(void)state;
	assert_int_equal(kind("GET /api/calls/%2e%2e%2f%2e%2e%2fcall%2fx HTTP/1.1\r\n"), ROUTE_UNCLEAR);
	assert_int_equal(kind("GET /sms/../api/calls HTTP/1.1\r\n"), ROUTE_UNCLEAR);
	assert_int_equal(kind("GET //mcp HTTP/1.1\r\n"), ROUTE_UNCLEAR);
	assert_int_equal(kind("GET /call\\..\\api HTTP/1.1\r\n"), ROUTE_UNCLEAR);
	assert_int_equal(kind("GET /api/calls?next=/../ HTTP/1.1\r\n"), ROUTE_SELF);
	static const char *const twice[] = {
		"X-Twilio-Signature: a\r\nx-twilio-signature: b\r\nUpgrade: websocket",
		"Upgrade: websocket\r\nUpgrade: h2c"};
	for (size_t i = 0; i < sizeof twice / sizeof *twice; i++) {
		char request[300];
		snprintf(request, sizeof request, "GET /call/connection-outgoing/abc HTTP/1.1\r\n%s\r\n\r\n",
			 twice[i]);
		assert_int_equal(kind(request), ROUTE_UNCLEAR);
	}
}

static void test_partial_and_bad(void **state)
{
	(void)state;
	assert_int_equal(kind(""), ROUTE_PARTIAL);
	assert_int_equal(kind("GET /sms/inco"), ROUTE_PARTIAL);
	assert_int_equal(kind("get / HTTP/1.1"), ROUTE_BAD);
	assert_int_equal(kind("\x16\x03\x01\x02\x00"), ROUTE_BAD);
	assert_int_equal(kind("GET\r\n"), ROUTE_BAD);
	assert_int_equal(kind("GET /\r\n"), ROUTE_BAD);
	assert_int_equal(kind(" / HTTP/1.1\r\n"), ROUTE_BAD);
	assert_int_equal(kind("GET / HTTP/2.0\r\n"), ROUTE_BAD);
	assert_int_equal(kind("AVERYLONGMETHODNAMEINDEED"), ROUTE_BAD);
}

static void test_stream(void **state)
{
	(void)state;
	const char *request =
		"GET /call/connection-outgoing/abc123 HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\n"
		"X-TWILIO-SIGNATURE:  sig=  \r\n\r\n";
	struct route r;
	for (size_t cut = 50; cut < strlen(request); cut++) {
		route_request(request, cut, &r);
		assert_int_equal(r.kind, ROUTE_PARTIAL);
	}
	route_request(request, strlen(request), &r);
	assert_int_equal(r.kind, ROUTE_STREAM);
	assert_string_equal(r.token, "abc123");
	assert_string_equal(r.target, "/call/connection-outgoing/abc123");
	assert_string_equal(r.signature, "sig=");
	assert_int_equal(kind("GET /call/connection-outgoing/abc HTTP/1.1\r\nHost: x\r\n\r\n"), ROUTE_SELF);
	char longer[400];
	snprintf(longer, sizeof longer,
		 "GET /call/connection-outgoing/%0300d HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", 1);
	assert_int_equal(kind(longer), ROUTE_BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_unclear),
		cmocka_unit_test(test_partial_and_bad),
		cmocka_unit_test(test_stream),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
