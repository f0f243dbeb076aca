/*
 * The table of settings: SETTING(kind, field, name, alias, default, help).
 *
 * kinds: TEXT, SECRET (a text that never appears in a line), ABSOLUTE_PATH, URL_HTTP and
 * URL_WS (TLS, or plain on loopback hosts), NUMBER (E.164), NUMBERS (several,
 * by commas), PREFIXES (of numbers, by commas), HOURS (of a day), SID,
 * UINT(min, max), BOOL, ADDRESS (IP), CHOICE (words by '|' in the help).
 * An empty default means unset.
 */
#ifndef SETTING
#error "define SETTING(kind, field, name, alias, fallback, help) first"
#endif

/* clang-format off */
SETTING(URL_HTTP, public_url, "PUBLIC_URL", "", "", "https URL that Twilio reaches")
SETTING(SID, twilio_account_sid, "TWILIO_ACCOUNT_SID", "", "", "the Twilio account")
SETTING(SECRET, twilio_auth_token, "TWILIO_AUTH_TOKEN", "", "", "its auth token")
SETTING(NUMBER, twilio_number, "TWILIO_NUMBER", "", "", "number that calls and texts come from")
SETTING(URL_HTTP, twilio_api_url, "TWILIO_API_URL", "", "https://api.twilio.com", "Twilio's REST API")
SETTING(UINT(5, 30), twilio_timeout_s, "TWILIO_TIMEOUT_SECONDS", "", "30",
	"how long a request to Twilio may take; a message without an answer waits so long before it is sent again")
SETTING(SECRET, elevenlabs_api_key, "ELEVENLABS_API_KEY", "", "", "key for private agents")
SETTING(TEXT, elevenlabs_agent_id, "ELEVENLABS_AGENT_ID", "ELEVENLABS_DEFAULT_AGENT_ID", "",
	"agent that speaks")
SETTING(TEXT, elevenlabs_voice_id, "ELEVENLABS_VOICE_ID", "ELEVENLABS_DEFAULT_VOICE_ID", "",
	"voice that replaces the agent's own")
SETTING(URL_HTTP, elevenlabs_api_url, "ELEVENLABS_API_URL", "", "https://api.elevenlabs.io",
	"ElevenLabs' REST API")
SETTING(URL_WS, elevenlabs_websocket_url, "ELEVENLABS_WEBSOCKET_URL", "",
	"wss://api.elevenlabs.io/v1/convai/conversation", "ElevenLabs' agent socket")
SETTING(SECRET, openai_api_key, "OPENAI_API_KEY", "", "", "key for OpenAI Realtime")
SETTING(URL_WS, openai_websocket_url, "OPENAI_WEBSOCKET_URL", "",
	"wss://api.openai.com/v1/realtime", "OpenAI's realtime socket; ?model= in it goes before OPENAI_MODEL")
SETTING(TEXT, openai_model, "OPENAI_MODEL", "", "gpt-realtime-2.1", "model that speaks, with OpenAI")
SETTING(TEXT, openai_transcription_model, "OPENAI_TRANSCRIPTION_MODEL", "", "gpt-transcribe",
	"model that writes down what the caller says, with OpenAI")
SETTING(TEXT, openai_voice, "OPENAI_VOICE", "", "sage", "voice with OpenAI")
SETTING(CHOICE, voice_provider, "VOICE_PROVIDER", "DEFAULT_VOICE_PROVIDER", "", "openai|elevenlabs")
SETTING(ABSOLUTE_PATH, prompt_file, "PROMPT_FILE", "", "", "template that replaces the prompt of outgoing calls")
SETTING(ABSOLUTE_PATH, incoming_prompt_file, "INCOMING_PROMPT_FILE", "", "", "the same of incoming calls")
SETTING(UINT(0, 3600), silence_s, "SILENCE_SECONDS", "", "20",
	"silence until the caller is asked whether they are there; 0: never")
SETTING(UINT(5, 3600), operator_s, "OPERATOR_SECONDS", "", "60",
	"how long the agent's question to a person may stay open")
SETTING(UINT(5, 600), ring_s, "RING_TIMEOUT", "", "60", "seconds that an outgoing call rings")
SETTING(TEXT, mongodb_url, "MONGODB_URL", "MONGODB_URI", "", "unset: SQLite in STATE_DIR")
SETTING(UINT(1, 65535), port, "PORT", "", "3004", "TCP port")
SETTING(ADDRESS, bind_address, "BIND_ADDRESS", "", "127.0.0.1", "IP address of the TCP port")
SETTING(ABSOLUTE_PATH, state_dir, "STATE_DIR", "", "", "where data is kept")
SETTING(ABSOLUTE_PATH, run_dir, "RUN_DIR", "", "", "where the sockets are")
SETTING(SECRET, api_token, "API_TOKEN", "", "", "bearer token of /api; made at first start")
SETTING(BOOL, record_calls, "RECORD_CALLS", "RECORD", "false", "record calls, here and at Twilio")
SETTING(BOOL, flight_recorder, "FLIGHT_RECORDER", "", "false", "record all that a call sends and gets, to run it again")
SETTING(TEXT, callworker_wrapper, "CALLWORKER_WRAPPER", "", "",
	"command put before callworker; %p becomes a process id")
SETTING(CHOICE, log_level, "LOG_LEVEL", "", "info", "debug|info|warn|error")
SETTING(CHOICE, log_format, "LOG_FORMAT", "", "text", "text|json")
SETTING(UINT(1, 10000), max_calls, "MAX_CONCURRENT_CALLS", "", "10", "live calls")
SETTING(UINT(1, 10000), max_outgoing_calls, "MAX_CONCURRENT_OUTGOING_CALLS", "", "5",
	"live calls that we placed")
SETTING(UINT(1, 10000), max_incoming_calls, "MAX_CONCURRENT_INCOMING_CALLS", "", "5",
	"live calls that came in")
SETTING(UINT(1, 14400), max_outgoing_duration_s, "MAX_OUTGOING_CALL_DURATION", "", "600", "seconds")
SETTING(UINT(1, 14400), max_incoming_duration_s, "MAX_INCOMING_CALL_DURATION", "", "1800", "seconds")
SETTING(PREFIXES, allowed_prefixes, "ALLOWED_PREFIXES", "", "", "only numbers that begin so are called, comma-separated")
SETTING(PREFIXES, denied_prefixes, "DENIED_PREFIXES", "", "", "numbers that begin so are not called")
SETTING(UINT(1, 100000), max_calls_per_hour, "MAX_CALLS_PER_HOUR", "", "60", "calls placed in an hour, by all hosts")
SETTING(UINT(1, 1000000), max_calls_per_day, "MAX_CALLS_PER_DAY", "", "300", "calls placed in 24 hours, by all hosts")
SETTING(HOURS, quiet_hours, "QUIET_HOURS", "", "22:00-07:00", "where the phone rings, no calls then; off")
SETTING(BOOL, confirm_calls, "CONFIRM_CALLS", "", "false", "ask the person before a call, where the client can")
SETTING(UINT(0, 36500), retention_days, "RETENTION_DAYS", "", "0", "recordings are kept so long; 0: for ever")
SETTING(NUMBERS, sms_enabled_numbers, "SMS_ENABLED_NUMBERS", "", "",
	"numbers that may send messages (TWILIO_NUMBER)")
SETTING(UINT(0, 64), warm_workers, "WARM_WORKERS", "", "2", "callworkers kept ready")
SETTING(UINT(0, 3600), drain_s, "DRAIN_SECONDS", "", "30", "how long calls may go on after SIGTERM")
SETTING(UINT(0, 3600), heartbeat_s, "HEARTBEAT_SECONDS", "", "20",
	"a daemon that does not answer for so long is killed and started again; 0: never")
SETTING(UINT(1, 86400), idle_exit_s, "IDLE_EXIT_SECONDS", "", "60",
	"an instance brought up by `phony mcp` ends after so long without client or call")
SETTING(TEXT, trusted_proxies, "TRUSTED_PROXIES", "", "", "addresses whose X-Forwarded-For is believed, comma-separated")
SETTING(UINT(0, 1000000), max_requests_per_s, "MAX_REQUESTS_PER_SECOND", "", "50",
	"of the API and the pages, from one address other than this machine's; 0: any")
SETTING(TEXT, run_as, "RUN_AS", "", "", "user of the daemons when phony is started as root (the user phony)")
SETTING(UINT(64, 65536), worker_memory_mb, "WORKER_MEMORY_MB", "", "256", "memory that a call's process may use")
SETTING(UINT(10, 86400), worker_cpu_s, "WORKER_CPU_SECONDS", "", "1800", "CPU time that a call's process may use")
SETTING(UINT(0, 65536), worker_core_mb, "WORKER_CORE_MB", "", "0", "largest core that a call's process may leave")
SETTING(ABSOLUTE_PATH, tls_ca_file, "TLS_CA_FILE", "", "", "certificates trusted beside the system's")
/* clang-format on */
