# phony: one flat Makefile. `make help` lists the targets.
#
#   make                programs into build/bin
#   make SANITIZE=1     the same under AddressSanitizer and UBSan, into build/asan
#   make V=1            show the commands

SANITIZE ?= 0
ifeq ($(SANITIZE),1)
BUILD ?= build/asan
SAN = -fsanitize=address,undefined -fno-sanitize-recover=undefined
else
BUILD ?= build
SAN =
endif
PREFIX ?= /usr/local
DESTDIR ?=
CC ?= gcc
PKG_CONFIG ?= pkg-config
Q = $(if $(V),,@)
say = $(if $(V),,@echo "  $(1) $(2)")

WARN = -Wall -Wextra -Werror -Wshadow -Wconversion -Wno-sign-conversion -Wmissing-prototypes \
       -Wstrict-prototypes -Wpointer-arith -Wwrite-strings -Wvla
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=gnu11 $(WARN) $(CFLAGS) $(SAN) $(call cflags,libmongoc-1.0) -fno-omit-frame-pointer -fPIE \
             -D_GNU_SOURCE -D_FORTIFY_SOURCE=$(if $(SAN),0,2) -fstack-protector-strong -I. -I$(BUILD)/gen -Ibuild/ui
ALL_LDFLAGS = $(LDFLAGS) $(SAN) -pie -Wl,-z,relro,-z,now,--as-needed

cflags = $(shell $(PKG_CONFIG) --cflags $(1) 2>/dev/null)
pkg = $(shell $(PKG_CONFIG) --libs $(1) 2>/dev/null)
LIBS_BASE   = $(call pkg,jansson libcrypto libpcre2-8) -lunistring -lm
LIBS_LOOP   = $(call pkg,libevent_core libevent_pthreads) -lpthread
LIBS_HTTP   = $(call pkg,libmicrohttpd libcurl)
LIBS_STORE  = $(call pkg,sqlite3 libmongoc-1.0)
LIBS_WORKER = $(call pkg,libwebsockets soxr libssl libcrypto libseccomp) -lunistring -lm
LIBS_SIM    = $(call pkg,libevent libevent_openssl libssl libcrypto) -lm

# ---- what is built from what -------------------------------------------------

sources = $(wildcard $(addsuffix /*.c,$(1)) $(addsuffix /*/*.c,$(1)))
objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(call sources,$(1)))

LIBS = base proto loop daemon http twilio store
lib_dir_base = lib/base lib/config
lib_dir_proto = proto
lib_dir_loop = lib/loop
lib_dir_daemon = lib/daemon
lib_dir_http = lib/http
lib_dir_twilio = lib/twilio
lib_dir_store = lib/store
archive = $(addprefix $(BUILD)/lib/lib,$(addsuffix .a,$(1)))

PROGRAMS = phony voiced callworker smsd mcpd
SIMS = sim-carrier sim-agent

.PHONY: all help deps run demo test unit e2e soak bench bench-messages bench-ui screens install uninstall deb lint layers fuzz valgrind clean
.DEFAULT_GOAL := all
all: $(addprefix $(BUILD)/bin/,$(PROGRAMS))

$(BUILD)/bin/phony: $(call objects,supervisor) $(call archive,daemon loop proto base)
$(BUILD)/bin/phony: LINK = $(LIBS_LOOP) $(LIBS_BASE)
$(BUILD)/bin/voiced: $(call objects,voiced) $(call archive,daemon twilio http store loop proto base)
$(BUILD)/bin/voiced: LINK = $(LIBS_HTTP) $(LIBS_STORE) $(LIBS_LOOP) $(LIBS_BASE)
$(BUILD)/bin/smsd: $(call objects,smsd) $(call archive,daemon twilio http store loop proto base)
$(BUILD)/bin/smsd: LINK = $(LIBS_HTTP) $(LIBS_STORE) $(LIBS_LOOP) $(LIBS_BASE)
$(BUILD)/bin/mcpd: $(call objects,mcpd) $(call archive,daemon http loop proto base)
$(BUILD)/bin/mcpd: LINK = $(LIBS_HTTP) $(LIBS_LOOP) $(LIBS_BASE)
$(BUILD)/bin/callworker: $(call objects,callworker) $(call archive,proto base)
$(BUILD)/bin/callworker: LINK = $(LIBS_WORKER) $(LIBS_BASE)
$(BUILD)/bin/sim-carrier: $(call objects,tests/sim/carrier tests/sim/common) $(call archive,base)
$(BUILD)/bin/sim-carrier: LINK = $(LIBS_SIM) $(LIBS_BASE)
$(BUILD)/bin/sim-agent: $(call objects,tests/sim/agent tests/sim/common) $(call archive,base)
$(BUILD)/bin/sim-agent: LINK = $(LIBS_SIM) $(LIBS_BASE)

$(addprefix $(BUILD)/bin/,$(PROGRAMS) $(SIMS)):
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LINK)

define lib_rule
$(call archive,$(1)): $(call objects,$(lib_dir_$(1)))
	$$(call say,AR,$$@)
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(Q)$$(AR) rcs $$@ $$^
endef
$(foreach lib,$(LIBS),$(eval $(call lib_rule,$(lib))))

# ---- unit tests: each links what it names from archives of all modules ---------

PARTS = supervisor voiced callworker smsd mcpd
define part_rule
$(BUILD)/lib/part-$(1).a: $(filter-out $(BUILD)/obj/$(1)/main.o,$(call objects,$(1)))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(Q)$$(AR) rcs $$@ $$^
endef
$(foreach part,$(PARTS),$(eval $(call part_rule,$(part))))

UNIT_TESTS = $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
UNIT_ARCHIVES = $(patsubst %,$(BUILD)/lib/part-%.a,$(PARTS)) $(call archive,daemon twilio http store loop proto base)

$(UNIT_TESTS): $(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o $(UNIT_ARCHIVES)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< -Wl,--start-group $(UNIT_ARCHIVES) -Wl,--end-group \
	  $(LIBS_HTTP) $(LIBS_STORE) $(LIBS_WORKER) $(LIBS_LOOP) $(LIBS_BASE) -lcmocka -lspandsp
$(BUILD)/obj/tests/unit/%.o: EXTRA = -Wno-conversion -Wno-format-truncation

# The simulators are judged by their tests alone.
$(BUILD)/obj/tests/sim/%.o: EXTRA = -Wno-conversion -Wno-format-nonliteral -Wno-shadow -Wno-format-truncation

# The pages of voiced/ui and the description of the API as a table.
API_SOURCES = voiced/api/openapi.mjs voiced/api/routes.c smsd/api/routes.c mcpd/features/tools.c mcpd/features/tools.json
UI_SOURCES = $(API_SOURCES) $(wildcard $(addprefix voiced/ui/,*.json *.ts *.mjs *.sh *.html public/* src/* src/pages/*))
build/ui/ui_files.h: $(UI_SOURCES)
	$(call say,UI,$@)
	@mkdir -p $(@D)
	$(Q)touch $@ && sh voiced/ui/build.sh $@
$(BUILD)/obj/voiced/web_ui.o: build/ui/ui_files.h

$(BUILD)/obj/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(EXTRA) -MMD -MP -c -o $@ $<

# A text as one C string.
$(BUILD)/gen/%_json.h: mcpd/features/%.json
	@mkdir -p $(@D)
	$(Q)awk 'BEGIN { print "static const char $*_json[] =" } \
	  { sub(/^[ \t]+/, ""); gsub(/["\\]/, "\\\\&"); print "\t\"" $$0 "\"" } END { print "\t;" }' $< > $@
$(BUILD)/gen/%_txt.h: voiced/workers/%.txt
	@mkdir -p $(@D)
	$(Q)awk 'BEGIN { print "static const char $*_txt[] =" } \
	  { gsub(/["\\]/, "\\\\&"); print "\t\"" $$0 "\\n\"" } END { print "\t;" }' $< > $@
$(BUILD)/obj/mcpd/features/tools.o: $(BUILD)/gen/tools_json.h
$(BUILD)/obj/voiced/workers/prompt.o: $(BUILD)/gen/prompt_outgoing_txt.h $(BUILD)/gen/prompt_incoming_txt.h

-include $(shell find $(BUILD)/obj build/fuzz/obj -name '*.d' 2>/dev/null)


# ---- what it needs -----------------------------------------------------------

PACKAGES = build-essential pkg-config libevent-dev libwebsockets-dev libmicrohttpd-dev libcurl4-openssl-dev \
           libjansson-dev libssl-dev libsoxr-dev libsqlite3-dev libmongoc-dev libunistring-dev libseccomp-dev \
           libpcre2-dev
TEST_PACKAGES = libcmocka-dev libspandsp-dev sox espeak-ng multimon-ng mandoc systemd nginx-light openssl strace valgrind \
           chromium clang libclang-rt-14-dev clang-format clang-tidy cppcheck curl ca-certificates unzip

deps: build/deps.stamp tests/node_modules/.package-lock.json

build/deps.stamp: Makefile
	@mkdir -p build
	@missing=""; for p in $(PACKAGES) $(TEST_PACKAGES); do \
	  dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	command -v npm >/dev/null || missing="$$missing npm"; \
	if [ -n "$$missing" ]; then \
	  echo "Installing Debian packages:$$missing"; \
	  if [ "$$(id -u)" = 0 ]; then as=""; else as="sudo"; fi; \
	  $$as apt-get update -qq && $$as env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >build/apt.log 2>&1 \
	    || { tail -20 build/apt.log; exit 1; }; \
	fi
	@# Started by root, the daemons run as the user phony.
	@[ "$$(id -u)" != 0 ] || getent passwd phony >/dev/null || \
	  useradd --system --user-group --no-create-home --home-dir /var/lib/phony --shell /usr/sbin/nologin phony
	@touch $@

tests/node_modules/.package-lock.json: tests/package.json tests/package-lock.json | build/deps.stamp
	@echo "Installing npm packages for the tests (into tests/node_modules)"
	@cd tests && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# ---- running -------------------------------------------------------------------

CONFIGURED = $(shell grep -qs '^TWILIO_ACCOUNT_SID=.' .env /etc/phony/phony.env && echo yes)

# A child make, since which packages are there is known only after deps.
run: deps
	@$(MAKE) --no-print-directory all
	exec $(BUILD)/bin/phony run $(if $(wildcard .env),--config .env)

ifeq ($(CONFIGURED),yes)
demo: run
else
demo: deps
	@$(MAKE) --no-print-directory -j4 all sims
	@BUILD=$(BUILD) $(NODE_AFTER_DEPS) tests/demo.mjs
endif
# Recursively expanded, so looked up when the recipe runs.
NODE_AFTER_DEPS = $$(ls tests/node_modules/node-linux-*/bin/node 2>/dev/null | head -1 || echo node)

.PHONY: sims
sims: $(addprefix $(BUILD)/bin/,$(SIMS)) $(BUILD)/bin/inject.so $(BUILD)/hostile/callworker

# Put in callworker's place by a test: see the file.
$(BUILD)/obj/tests/fault/%.o: EXTRA = -Wno-conversion -Wno-format-truncation
$(BUILD)/hostile/callworker: $(BUILD)/obj/tests/fault/hostile_worker.o $(BUILD)/obj/callworker/process/sandbox.o $(call archive,proto base)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS_WORKER) $(LIBS_BASE)

# Preloaded into daemons by tests: see the file.
$(BUILD)/bin/inject.so: tests/fault/inject.c
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 -g -shared -fPIC -o $@ $< -ldl

# ---- tests ---------------------------------------------------------------------

# The end of all is one line, "N passed, N failed".
test: deps mongo-server
	@$(MAKE) --no-print-directory -j4 all sims unit-programs
	@BUILD=$(BUILD) NODE="$(NODE_AFTER_DEPS)" sh tests/run.sh $(TESTS)

.PHONY: unit-programs mongo-server
mongo-server: deps
	@sh tests/mongo/build.sh

unit-programs: $(UNIT_TESTS)

# Longer than a test may be: a thousand interruptions, a hundred mixed calls at once, a thousand kills, the package.
soak: deps
	@command -v pocketsphinx_continuous >/dev/null || apt-get install -y -qq pocketsphinx pocketsphinx-en-us
	@command -v debootstrap >/dev/null || apt-get install -y -qq debootstrap
	@$(MAKE) --no-print-directory -j4 all sims
	@BUILD=$(BUILD) $(NODE_AFTER_DEPS) --test --test-reporter=spec tests/soak/*.test.mjs

bench: deps
	@$(MAKE) --no-print-directory -j4 all sims
	@BUILD=$(BUILD) $(NODE_AFTER_DEPS) tests/bench/bench.mjs

bench-messages: deps mongo-server
	@$(MAKE) --no-print-directory -j4 all sims
	@BUILD=$(BUILD) $(NODE_AFTER_DEPS) tests/bench/messages.mjs

bench-ui: deps
	@$(MAKE) --no-print-directory -j4 all sims
	@BUILD=$(BUILD) $(NODE_AFTER_DEPS) tests/bench/ui.mjs

# The pictures in docs/, taken anew.
screens: deps
	@$(MAKE) --no-print-directory -j4 all sims
	@BUILD=$(BUILD) $(NODE_AFTER_DEPS) tests/bench/screens.mjs

valgrind: deps
	@$(MAKE) --no-print-directory -j4 all sims
	@BUILD=$(BUILD) $(NODE_AFTER_DEPS) --test tests/fault/valgrind.test.mjs

# ---- fuzzing: a program for each parser of outside bytes -----------------------

FUZZERS = $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 10
FUZZ_SOURCES = $(call sources,lib/base lib/config proto) \
  lib/twilio/signature.c lib/twilio/twiml.c lib/http/client_address.c lib/http/request_target.c voiced/frontend/connection_route.c \
  smsd/messages/segments.c tests/fuzz/stubs.c \
  $(addprefix callworker/net/,twilio_stream.c json_scan.c) \
  $(addprefix callworker/providers/,elevenlabs.c elevenlabs_messages.c openai.c openai_events.c \
    openai_messages.c openai_responses.c response_state.c function_calls.c utterances.c) \
  callworker/conversation/goodbye.c \
  $(addprefix callworker/audio/,dtmf.c mulaw.c) \
  $(addprefix mcpd/,rpc.c rpc_parse.c request.c batch.c) \
  $(addprefix mcpd/features/,arguments.c server_info.c prompts.c resources.c tools.c completion.c \
    call_confirmation.c elicitation.c operator_question.c tasks.c notifications.c) \
  mcpd/transport/http_headers.c

build/fuzz/obj/%.o: %.c | $(BUILD)/gen/tools_json.h
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)
	$(Q)clang -std=gnu11 -D_GNU_SOURCE -I. -I$(BUILD)/gen -O1 -g -fsanitize=fuzzer-no-link,address,undefined -MMD -MP -c -o $@ $<

$(addprefix build/fuzz/,$(filter-out fuzz_flight fuzz_call,$(FUZZERS))): build/fuzz/%: build/fuzz/obj/tests/fuzz/%.o $(patsubst %.c,build/fuzz/obj/%.o,$(FUZZ_SOURCES))
	$(call say,LD,$@)
	$(Q)clang -fsanitize=fuzzer,address,undefined -o $@ $^ $(LIBS_BASE) -lunistring

# A whole call's process runs in these, so nothing of it is a stub; in fuzz_call the record of its flight is.
FUZZ_CALL = $(patsubst %.c,build/fuzz/obj/%.o,$(filter-out callworker/main.c,$(call sources,callworker proto lib/base lib/config)))
build/fuzz/fuzz_flight: build/fuzz/obj/tests/fuzz/fuzz_flight.o $(FUZZ_CALL)
build/fuzz/fuzz_call: build/fuzz/obj/tests/fuzz/fuzz_call.o $(filter-out %/callworker/process/flight_recorder.o,$(FUZZ_CALL))
build/fuzz/fuzz_flight build/fuzz/fuzz_call:
	$(call say,LD,$@)
	$(Q)clang -fsanitize=fuzzer,address,undefined -o $@ $^ $(LIBS_WORKER) $(LIBS_BASE)

# Short, for every run of the tests; FUZZ_SECONDS=3600 for a night.
fuzz: deps
	@$(MAKE) --no-print-directory -j2 $(addprefix build/fuzz/,$(FUZZERS))
	@printf '%s\n' $(FUZZERS) | xargs -P 2 -I@ sh -c 'mkdir -p build/corpus/@ tests/fuzz/corpus/@; \
	  build/fuzz/@ -max_total_time=$(FUZZ_SECONDS) -max_len=16384 -timeout=5 -artifact_prefix=build/fuzz/ -verbosity=0 -print_final_stats=1 build/corpus/@ tests/fuzz/corpus/@ 2>build/fuzz/@.log \
	    && echo "ok @: $$(sed -n "s/^stat::number_of_executed_units: *//p" build/fuzz/@.log) executions" || { tail -30 build/fuzz/@.log; echo "not ok @"; exit 1; }'

# ---- style ---------------------------------------------------------------------

C_FOLDERS = $(PARTS) proto $(wildcard lib/*)
C_FILES = $(wildcard $(addsuffix /*.[ch],$(C_FOLDERS)) $(addsuffix /*/*.[ch],$(C_FOLDERS)))

lint: layers build/ui/ui_files.h
	@clang-format --dry-run --Werror $(C_FILES)
	@cppcheck -j $$(nproc) --quiet --error-exitcode=1 --enable=warning,portability --inline-suppr --std=c11 -I. -D_GNU_SOURCE \
	  --suppress=missingInclude --include=/usr/include/$(shell $(CC) -dumpmachine)/sys/queue.h \
	  --include=/usr/include/jansson.h \
	  --suppress=nullPointerRedundantCheck --suppress=ctunullpointer --suppress=ctuuninitvar $(filter %.c,$(C_FILES))
	@printf '%s\n' $(filter %.c,$(C_FILES)) | xargs -P $$(nproc) -n 8 sh -c 'exec clang-tidy --quiet --warnings-as-errors="*" "$$@" \
	  -- -std=gnu11 -D_GNU_SOURCE -I. -Ibuild/gen -Ibuild/ui $(call cflags,libmongoc-1.0)' lint

# Who may include whom, and how text from outside is handled: tests/lint has the rules.
layers:
	@sh tests/lint/layers.sh
	@sh tests/lint/text.sh

# ---- installing ----------------------------------------------------------------

BINDIR = $(DESTDIR)$(PREFIX)/bin
MANDIR = $(DESTDIR)$(PREFIX)/share/man
DOCDIR = $(DESTDIR)$(PREFIX)/share/doc/phony
COMPLETIONDIR = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
SYSTEM = $(if $(filter /usr,$(PREFIX)),$(DESTDIR),$(DESTDIR)$(PREFIX)/share/phony)

# Programs, manual pages, completion, examples. With PREFIX=/usr (a package, or a machine of one's own) the service's
# files go where the system looks for them; else beside the examples, to be linked.
install: all
	install -d $(BINDIR) $(MANDIR)/man1 $(MANDIR)/man5 $(MANDIR)/man7 $(MANDIR)/man8 $(DOCDIR) $(COMPLETIONDIR)
	install -d $(SYSTEM)/etc/init.d $(SYSTEM)/etc/logrotate.d $(SYSTEM)/lib/systemd/system $(SYSTEM)/usr/lib/sysusers.d $(SYSTEM)/usr/lib/tmpfiles.d
	install -d -m 755 $(DESTDIR)/etc/phony
	install -m 755 $(addprefix $(BUILD)/bin/,$(PROGRAMS)) $(BINDIR)
	for page in etc/man/*; do install -m 644 $$page $(MANDIR)/man$${page##*.}; done
	install -m 644 etc/completion/phony $(COMPLETIONDIR)/phony
	install -m 644 etc/phony.env.example etc/nginx/phony.conf etc/nginx/phony-private.conf README.md proto/PROTOCOL.md $(DOCDIR)
	install -m 644 etc/grafana/phony.json $(DOCDIR)/grafana.json
	install -m 755 etc/init.d/phony $(SYSTEM)/etc/init.d/phony
	install -m 644 etc/logrotate/phony $(SYSTEM)/etc/logrotate.d/phony
	sed 's|/usr/bin/phony|$(PREFIX)/bin/phony|' etc/systemd/phony.service >$(SYSTEM)/lib/systemd/system/phony.service
	install -m 644 etc/systemd/phony.socket $(SYSTEM)/lib/systemd/system/phony.socket
	install -m 644 etc/sysusers/phony.conf $(SYSTEM)/usr/lib/sysusers.d/phony.conf
	install -m 644 etc/tmpfiles/phony.conf $(SYSTEM)/usr/lib/tmpfiles.d/phony.conf

uninstall:
	rm -f $(addprefix $(BINDIR)/,$(PROGRAMS)) $(COMPLETIONDIR)/phony
	for page in etc/man/*; do rm -f $(MANDIR)/man$${page##*.}/$${page##*/}; done
	rm -f $(SYSTEM)/etc/init.d/phony $(SYSTEM)/etc/logrotate.d/phony $(SYSTEM)/lib/systemd/system/phony.service \
	  $(SYSTEM)/lib/systemd/system/phony.socket \
	  $(SYSTEM)/usr/lib/sysusers.d/phony.conf $(SYSTEM)/usr/lib/tmpfiles.d/phony.conf
	rm -rf $(DOCDIR) $(DESTDIR)$(PREFIX)/share/phony

# A Debian package, in build/deb: the sources with the pages already built, so that building it needs no network.
DEB_PACKAGES = debhelper fakeroot lintian dpkg-dev
deb: deps build/ui/ui_files.h
	@missing=""; for p in $(DEB_PACKAGES); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	[ -z "$$missing" ] || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >build/apt.log 2>&1
	@rm -rf build/deb && mkdir -p build/deb/phony
	@git ls-files --cached --others --exclude-standard | grep -v '^tests/' | tar -c -T - | tar -x -C build/deb/phony
	@cp -a etc/debian build/deb/phony/debian && mkdir -p build/deb/phony/build/ui && cp build/ui/ui_files.h build/deb/phony/build/ui && touch build/deb/phony/build/ui/ui_files.h
	@cd build/deb/phony && dpkg-buildpackage -b -us -uc >../build.log 2>&1 || { tail -30 ../build.log; exit 1; }
	@lintian --fail-on error build/deb/*.changes && ls build/deb/*.deb

help:
	@sed -n '1,7p' Makefile; echo "#"; echo "# targets: all deps run demo test soak bench bench-messages bench-ui screens fuzz valgrind lint layers install uninstall deb clean"

clean:
	rm -rf build
