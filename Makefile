# The two commands of a newcomer: `make demo` and `make test`. Both need only make and rustup.

CARGO  ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)

# demo, build and test take the whole workspace with one profile, so that every dependency is
# compiled once, with one set of features.
BUILD := $(CARGO) build --workspace --locked

.PHONY: demo build test bench torture torture-store torture-mail torture-calendar fuzz clean setup lint plugins test-plugins servers oracles caldav help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

help:
	@echo "make demo      build everything and watch Liaison work on a sample firm"
	@echo "make build     daemon and plugins, in $(TARGET)/debug and $(TARGET)/plugins"
	@echo "make test      lints, then every test, against real mail and calendar servers"
	@echo "make bench     the figures of the README, each beside what it is compared with"
	@echo "make torture   kill the daemon again and again while it works; nothing lost, nothing doubled"
	@echo "make torture-store, torture-mail, torture-calendar   one part of it, longer"
	@echo "make fuzz      look for input that breaks a reader: TARGET=mime SECONDS=60 (nightly)"
	@echo "make clean     remove everything that was built"

demo: build
	$(TARGET)/debug/liaison demo

build: setup plugins
	$(BUILD)

test: setup lint servers oracles caldav plugins test-plugins
	$(BUILD)
	$(CARGO) test --workspace --locked

bench: setup servers oracles plugins
	@tests/setup/peers.sh $(TARGET)/peers
	$(CARGO) bench --locked -p liaison-tests --bench reading --bench store --bench import \
		--bench ingest --bench delay --bench sending --bench idle --bench days --bench figures \
		--bench calendar

# ROUNDS=1000 for a long one; SEED=n to have a run again.
torture: torture-store torture-mail setup servers plugins test-plugins
	$(BUILD)
	LIAISON_TORTURE_ROUNDS=$(or $(ROUNDS),200) $(if $(SEED),LIAISON_SEED=$(SEED)) \
		$(CARGO) test --workspace --locked --test restart -- --nocapture

# 10,000 messages to five mailboxes while links, servers and the daemon break, and 1,000 mails that
# leave meanwhile.
torture-mail: setup servers plugins test-plugins
	$(BUILD)
	LIAISON_TORTURE_ROUNDS=$(or $(ROUNDS),10) LIAISON_TORTURE_MESSAGES=$(or $(MESSAGES),10000) \
		$(if $(SEED),LIAISON_SEED=$(SEED)) \
		$(CARGO) test --workspace --locked --test watching --test sending -- \
		--nocapture --test-threads=1

# A person and Liaison in one calendar, while the link and the daemon break.
torture-calendar: setup servers caldav plugins test-plugins
	$(BUILD)
	LIAISON_TORTURE_ROUNDS=$(or $(ROUNDS),1500) $(if $(SEED),LIAISON_SEED=$(SEED)) \
		$(CARGO) test --workspace --locked --test conflicts -- --nocapture --test-threads=1

# Kills, power cuts, full disks, failing syncs and flipped bits against the store alone. Needs root
# for loop mounts, and strace. A second build has bugs planted, which must be found.
torture-store: setup
	$(BUILD) --features liaison-tests/torture-bugs
	cp $(TARGET)/debug/liaison-torture $(TARGET)/liaison-torture-bugs
	$(BUILD)
	$(if $(SEED),LIAISON_SEED=$(SEED)) $(TARGET)/debug/liaison-torture store \
		--only kill,opening,cut,full,sync,flip,space
	$(TARGET)/liaison-torture-bugs store --only bugs

# One target of tests/fuzz for so many seconds, from its corpus. An input that breaks something is
# laid into tests/fuzz/corpus/TARGET, where `make test` replays it.
fuzz: setup
	@tests/fuzz/run.sh $(if $(filter command line,$(origin TARGET)),$(TARGET),mime) $(or $(SECONDS),60)

clean:
	$(CARGO) clean

setup:
	@config/setup/toolchain.sh

lint: setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

plugins: setup
	@config/setup/plugins.sh plugins $(TARGET)/plugins

# Plugins that misbehave on purpose; kept apart, so that nothing but a test ever loads them.
test-plugins: setup
	@config/setup/plugins.sh tests/plugins $(TARGET)/test-plugins

servers:
	@tests/setup/servers.sh

# Python libraries with which our reading of recurrence rules is compared.
oracles: servers
	@tests/setup/venv.sh oracles $(TARGET)/oracles

caldav: servers
	@tests/setup/venv.sh caldav $(TARGET)/caldav
