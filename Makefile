# andon - GNU make, pkg-config, no generated build.
#
#   make            build build/release/andon
#   make demo       install what is missing, build, open the console on a live drill
#   make test       install what is missing, build with gcc + ASan + UBSan, run every test that needs no foreign server
#   make conformance  the same rollout on a real hawkBit and a real Prometheus; one story on the other fleet servers
#   make bench      speed and memory, as ratios
#   make test-statistics CASES=FILE  the reference values of the statistics, from another file too
#   make test-intel WORLD=DIR  vulnerabilities, scores, order and inventory of a whole folder against its answers.json
#   make validate-statistics  error rates and delays of the verdict by simulation, minutes (QUICK=1: one)
#   make fuzz       libFuzzer on all that reads bytes from outside, two at a time (SECONDS=60 each, FUZZ=name for one)
#   make oracles    versions, names and scores beside dpkg and packages from the registries, thousands of random ones
#   make model      the protocol of stop: every interleaving (Spin), and every state of the machine
#   make lint       include direction, banned calls, formatting, clang-tidy, missing docs, man pages
#   make picture    the README's picture, from the console itself
#   make golden     rewrite the golden screens (look at the diff before you commit it)
#   make install    DESTDIR, PREFIX
#   make room-core  one room's library; make check-core its tests (any room)
#
# MODE=release|asan|tsan|fuzz, CC=gcc|clang, BUILD=folder

MODE ?= release
CC = gcc
BUILD ?= build/$(MODE)
PREFIX ?= /usr/local
VERSION := 0.1.0

# Rooms, in the order in which a linker needs them (a room knows only those after it).
ROOMS := cli drill tui themes engine views intel audit db client conf web core
# What each room may include, besides itself. `make lint` holds the same table.
DEPS_core :=
DEPS_conf := core
DEPS_web := core
DEPS_client := core
DEPS_db := core
DEPS_audit := db core
DEPS_intel := db core
DEPS_engine := client intel audit db core
DEPS_views := core
DEPS_themes := views conf core
DEPS_tui := themes engine views client intel audit db core conf
DEPS_drill := conf core
DEPS_cli := drill tui themes engine views intel audit db client conf web core

PKGS := ncursesw libcurl jansson sqlite3 libcrypto libmicrohttpd yaml-0.1 libutf8proc libarchive
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wformat=2 -Wconversion \
	-Wswitch-enum -Werror
# No contraction of floating point: two machines must come to the same verdict to the last bit.
CFLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
LDFLAGS_release := -pie -Wl,-z,relro,-z,now
CFLAGS_asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS_asan := -fsanitize=address,undefined
CFLAGS_tsan := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
LDFLAGS_tsan := -fsanitize=thread
CFLAGS_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS_fuzz := -fsanitize=fuzzer,address,undefined

# The targets that people type use all cores, unless they said otherwise.
PAR = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc 2>/dev/null || echo 2))

# pkg-config is asked only once the packages are there: `make demo` and `make test` install them first.
PKG_CFLAGS = $(eval PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS)))$(PKG_CFLAGS)
PKG_LIBS = $(eval PKG_LIBS := $(shell pkg-config --libs $(PKGS)))$(PKG_LIBS)
TEST_LIBS = $(eval TEST_LIBS := $(shell pkg-config --libs cmocka vterm 2>/dev/null))$(TEST_LIBS)

ALL_CFLAGS = -std=c17 -D_GNU_SOURCE -D_XOPEN_SOURCE_EXTENDED -DANDON_VERSION='"$(VERSION)"' -I. -pthread \
	-ffp-contract=off $(WARN) $(CFLAGS_$(MODE)) $(PKG_CFLAGS) $(CFLAGS)
ALL_LDFLAGS = -pthread $(LDFLAGS_$(MODE)) $(LDFLAGS)

.PHONY: all
all: $(BUILD)/andon
	@echo "andon is built: $(BUILD)/andon"

.SUFFIXES:
.SECONDARY:


# A test may fail by default.
$(BUILD)/tests/%.o: WARN += -Wno-switch-enum
$(BUILD)/%.o: %.c | deps-quiet
	@mkdir -p $(@D)
	@echo "  CC  $<"
	@$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# One archive for each room.
define room
SRC_$(1) := $$(filter-out cli/main.c,$$(wildcard $(1)/*.c))
OBJ_$(1) := $$(SRC_$(1):%.c=$$(BUILD)/%.o)
$$(BUILD)/lib$(1).a: $$(OBJ_$(1))
	@mkdir -p $$(@D); rm -f $$@; ar rcs $$@ $$^
.PHONY: room-$(1)
room-$(1): $$(BUILD)/lib$(1).a
-include $$(OBJ_$(1):.o=.d)
# Tests of a room: tests/<room>/test_*.c, each a program; other .c files in the folder are linked into each of them.
TESTSRC_$(1) := $$(wildcard tests/$(1)/test_*.c)
TESTAUX_$(1) := $$(filter-out $$(TESTSRC_$(1)),$$(wildcard tests/$(1)/*.c)) $$(wildcard tests/support/*.c)
TESTBIN_$(1) := $$(TESTSRC_$(1):%.c=$$(BUILD)/%)
TESTLIBS_$(1) := $$(patsubst %,$$(BUILD)/lib%.a,$$(filter $(1) $$(DEPS_$(1)) $$(TESTDEPS_$(1)),$$(ROOMS)))
$$(TESTBIN_$(1)): $$(BUILD)/%: $$(BUILD)/%.o $$(TESTAUX_$(1):%.c=$$(BUILD)/%.o) $$(TESTLIBS_$(1))
	@echo "  LD  $$@"
	@$$(CC) $$(ALL_LDFLAGS) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(PKG_LIBS) $$(TEST_LIBS) -lutil -lm
-include $$(TESTSRC_$(1):%.c=$$(BUILD)/%.d) $$(TESTAUX_$(1):%.c=$$(BUILD)/%.d)
.PHONY: check-$(1)
check-$(1): $$(TESTBIN_$(1))
	@scripts/run-tests $$(TESTBIN_$(1))
endef
# Rooms that a test program may use beyond its own room's dependencies.
TESTDEPS_intel := conf
TESTDEPS_engine := drill conf web
TESTDEPS_client := conf drill
TESTDEPS_tui := drill
TESTDEPS_drill := client
TESTDEPS_views :=
$(foreach r,$(ROOMS),$(eval $(call room,$(r))))

$(BUILD)/andon: $(BUILD)/cli/main.o $(ROOMS:%=$(BUILD)/lib%.a)
	@echo "  LD  $@"
	@$(CC) $(ALL_LDFLAGS) -o $@ $(BUILD)/cli/main.o -Wl,--start-group $(ROOMS:%=$(BUILD)/lib%.a) -Wl,--end-group $(PKG_LIBS) -lm
-include $(BUILD)/cli/main.d

# Embedded files: the objects that hold them depend on them.
$(BUILD)/themes/shipped.o: $(wildcard themes/*.yaml)
$(BUILD)/drill/shipped.o: $(wildcard drill/scenarios/*.yaml) drill/inventory.yaml
$(BUILD)/core/policy.o: core/built-in-policy.yaml
$(BUILD)/conf/standard.o: $(wildcard docs/audit-tools/reports/*.yaml)
$(BUILD)/audit/export.o: $(wildcard docs/audit-tools/*)

ALL_TESTS := $(foreach r,$(ROOMS),$(TESTBIN_$(r)))

# Installs missing packages, saying what; quiet when nothing is missing.
.PHONY: deps deps-quiet deps-test
deps deps-quiet:
	@scripts/deps build
deps-test:
	@scripts/deps test

.PHONY: demo
demo: deps
	@$(MAKE) $(PAR) --no-print-directory -s all
	@scripts/demo $(BUILD)/andon

.PHONY: test tests
tests: $(ALL_TESTS) $(BUILD)/andon
test: deps-test
	@$(MAKE) $(PAR) --no-print-directory MODE=asan BUILD=build/asan run-tests
.PHONY: run-tests
run-tests: tests
	@ANDON=$(abspath $(BUILD))/andon scripts/run-tests $(ALL_TESTS) $(wildcard tests/scripts/test-*)

# A world of advisories, SBOMs and devices with its answers, or another folder of the same form.
WORLD = tests/intel/world
.PHONY: test-intel
test-intel: deps-test
	@$(MAKE) $(PAR) --no-print-directory MODE=asan BUILD=build/asan build/asan/tests/intel/test_world
	@build/asan/tests/intel/test_world $(WORLD)

# The reference cases of the statistics, or another file of the same format.
CASES = tests/core/statistics-cases.json
.PHONY: test-statistics
test-statistics: deps-test
	@$(MAKE) $(PAR) --no-print-directory MODE=asan BUILD=build/asan build/asan/tests/core/test_statistics
	@ANDON_CASES=$(CASES) scripts/run-tests build/asan/tests/core/test_statistics

# Error rates and delays of the verdict, by simulation, beside those of the usual methods.
VALIDATE_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/validate/*.c))
-include $(VALIDATE_OBJ:.o=.d)
$(BUILD)/tests/validate/validate: $(VALIDATE_OBJ) $(BUILD)/libclient.a $(BUILD)/libcore.a
	@echo "  LD  $@"
	@$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -lm
.PHONY: validate-statistics
validate-statistics: deps
	@$(MAKE) $(PAR) --no-print-directory -s $(BUILD)/tests/validate/validate
	@$(BUILD)/tests/validate/validate $(if $(filter-out 0,$(QUICK)),-q)

# Answers of core/ beside those of others: tests/oracles.
ORACLES := $(BUILD)/tests/oracles/compare $(BUILD)/tests/oracles/survival
-include $(ORACLES:=.d)
$(ORACLES): %: %.o $(BUILD)/libcore.a
	@echo "  LD  $@"
	@$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -lm
.PHONY: oracles
oracles: deps-test
	@scripts/deps oracles
	@$(MAKE) $(PAR) --no-print-directory -s MODE=asan BUILD=build/asan build/asan/andon \
		$(patsubst %,build/asan/tests/oracles/%,compare survival)
	@tests/oracles/run build/asan/tests/oracles/compare build/asan/tests/oracles/survival $(abspath build/asan/andon)

# Every tests/fuzz/fuzz_NAME.c is a target, with its seeds in tests/fuzz/corpus/NAME/. All rooms are at hand to the linker,
# which takes what a target uses, and so is the scene of the screens' tests.
FUZZ_BIN := $(patsubst %.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_AUX := $(patsubst tests/%.c,build/fuzz/tests/%.o,$(wildcard tests/views/fixture.c tests/views/scene.c tests/views/evidence.c))
FUZZ_ROOMS := $(patsubst %,build/fuzz/lib%.a,$(filter-out cli,$(ROOMS)))
SECONDS = 60
.PHONY: fuzz fuzz-targets
fuzz-targets: $(FUZZ_BIN)
$(FUZZ_BIN): %: %.o $(FUZZ_AUX) $(FUZZ_ROOMS)
	@echo "  LD  $@"
	@ar rcs $@.aux.a $(FUZZ_AUX)
	@$(CC) $(ALL_LDFLAGS) -o $@ $< -Wl,--start-group $@.aux.a $(FUZZ_ROOMS) -Wl,--end-group $(PKG_LIBS) -lm
-include $(FUZZ_BIN:%=%.d) $(FUZZ_AUX:.o=.d)
fuzz:
	@scripts/deps fuzz
	@$(MAKE) $(PAR) --no-print-directory -s MODE=fuzz CC=clang BUILD=build/fuzz fuzz-targets
	@scripts/fuzz $(SECONDS) $(if $(FUZZ),build/fuzz/tests/fuzz/fuzz_$(FUZZ),$(FUZZ_BIN))

# The protocol of stop, checked by Spin with the table that andon runs; and the machine alone, in every combination.
$(BUILD)/tests/model/stop_table: $(BUILD)/tests/model/stop_table.o $(BUILD)/libcore.a
	@echo "  LD  $@"
	@$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -lm
-include $(BUILD)/tests/model/stop_table.d
.PHONY: model
model: deps-test
	@scripts/deps model
	@$(MAKE) $(PAR) --no-print-directory -s $(BUILD)/tests/model/stop_table $(BUILD)/tests/core/test_stop
	@ANDON_STOP_ALL=1 $(BUILD)/tests/core/test_stop
	@$(BUILD)/tests/model/stop_table >$(BUILD)/tests/model/stop_table.pml
	@scripts/model $(BUILD)/tests/model/stop_table.pml

.PHONY: golden
golden: deps-test
	@$(MAKE) $(PAR) --no-print-directory MODE=asan BUILD=build/asan tests
	@ANDON_GOLDEN=write scripts/run-tests $(TESTBIN_views:$(BUILD)/%=build/asan/%)
	@git --no-pager diff --stat -- tests

.PHONY: lint
lint: deps-test
	@scripts/lint

.PHONY: conformance
conformance: deps-test
	@scripts/deps conformance
	@$(MAKE) $(PAR) --no-print-directory -s all $(patsubst tests/client/%.c,$(BUILD)/tests/client/%,$(wildcard tests/client/test_*_live.c))
	@tests/conformance/run $(abspath $(BUILD))/andon

.PHONY: bench
bench: deps-test
	@$(MAKE) $(PAR) --no-print-directory -s all $(patsubst %,$(BUILD)/tests/bench/bench_%,audit trial engine queue intel)
	@tests/bench/run $(abspath $(BUILD))/andon
	@echo; echo "the log"; $(BUILD)/tests/bench/bench_audit $(BUILD)
	@echo; echo "a verdict over 100,000 devices"
	@$(BUILD)/tests/bench/bench_trial
	@echo; echo "an engine with 100,000 watched devices"
	@$(BUILD)/tests/bench/bench_engine
	@echo; echo "waves of andon's own over 100,000 devices in one answer"
	@tests/bench/own_waves $(abspath $(BUILD))/andon
	@echo; echo "what to roll out next"
	@$(BUILD)/tests/bench/bench_queue
	@echo; echo "intelligence"; $(BUILD)/tests/bench/bench_intel $(BUILD)
	@echo; echo "from a breach to the pause request (goal: under 100 ms)"
	@ANDON=$(abspath $(BUILD))/andon ANDON_LATENCY_MS=100 tests/scripts/test-halt-latency
-include $(patsubst %,$(BUILD)/tests/bench/bench_%.d,audit trial engine queue intel)
$(BUILD)/tests/bench/bench_audit: $(BUILD)/tests/bench/bench_audit.o $(BUILD)/libaudit.a $(BUILD)/libdb.a $(BUILD)/libcore.a
	@echo "  LD  $@"
	@$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -lm

$(BUILD)/tests/bench/bench_intel: $(BUILD)/tests/bench/bench_intel.o \
	$(patsubst %,$(BUILD)/lib%.a,$(filter intel $(DEPS_intel),$(ROOMS)))
	@echo "  LD  $@"
	@$(CC) $(ALL_LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PKG_LIBS) -lm

$(BUILD)/tests/bench/bench_trial: $(BUILD)/tests/bench/bench_trial.o $(BUILD)/libcore.a
	@echo "  LD  $@"
	@$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -lm

$(BUILD)/tests/bench/bench_queue: $(BUILD)/tests/bench/bench_queue.o $(BUILD)/libcore.a
	@echo "  LD  $@"
	@$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -lm

$(BUILD)/tests/bench/bench_engine: $(BUILD)/tests/bench/bench_engine.o \
	$(patsubst %,$(BUILD)/lib%.a,$(filter engine $(DEPS_engine),$(ROOMS)))
	@echo "  LD  $@"
	@$(CC) $(ALL_LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PKG_LIBS) -lm

.PHONY: picture
picture: deps-test all
	@scripts/picture $(BUILD)/andon docs/board.svg 100 30

.PHONY: install
install: all
	install -D -m 755 $(BUILD)/andon $(DESTDIR)$(PREFIX)/bin/andon
	@for p in plugins/andon-backend-*; do \
	  install -D -m 755 "$$p" "$(DESTDIR)$(PREFIX)/libexec/andon/$${p##*/}"; done
	@for m in docs/man/*.[1-8]; do [ -f "$$m" ] || continue; \
	  install -D -m 644 "$$m" "$(DESTDIR)$(PREFIX)/share/man/man$${m##*.}/$${m##*/}"; done
	@for u in packaging/*.service; do [ -f "$$u" ] || continue; \
	  install -d "$(DESTDIR)$(PREFIX)/lib/systemd/system"; \
	  sed 's|@PREFIX@|$(PREFIX)|g' "$$u" > "$(DESTDIR)$(PREFIX)/lib/systemd/system/$${u##*/}"; done

.PHONY: clean
clean:
	rm -rf build
