# make demo    the main job, in one command: builds and shows a whole exchange
# make test    everything that must hold
# make build   di-node and di-center into target/release
# make bench [CASES="s10k p10k"]   documents per second, latency, CPU and memory per document; nothing lost, nothing doubled
# make bench-peer [PEER=path/to/run.sh]    the same beside another product, in turns, and beside the limit
# make bench-sweep [SIZES="100 1000000"]   whether a document costs the same, and a start takes as long, when many are stored
# make bench-parts   the hot inner parts alone: read, container, seal, frame, store
# make bench-di      how fast a letter is read and judged, in every shape, with xmllint beside it; how much memory it takes
# make judge-di      10,000 broken documents: our verdict against that of xmllint (MUTANTS=, needs ../shared for the official DTDs)
# make network ROUNDS=5 [SEED=…]   a bad network, silent partners, a center that misbehaves: many times over
# make crash DOCUMENTS=300 KILLS=60 SEED=...   kill -9 of everybody at random times and at every fail point; what must hold after
# make power-loss   the power fails after every step on disk of an exchange (CUTS=, SEED=)
# make fuzz SECONDS=1200 [TARGETS="parse validate"]   fuzzing, so long for each target (nightly Rust, cargo-fuzz)

CARGO ?= cargo
PACE ?=
RELEASE = $(or $(CARGO_TARGET_DIR),target)/release
SHELL := /bin/sh
export CARGO_TERM_COLOR ?= auto

.PHONY: demo build failpoints power-loss test fmt clippy doc deps deps-test bench-di judge-di crash fuzz help

help:
	@sed -n 's/^# make/make/p' Makefile

deps:
	@command -v $(CARGO) >/dev/null || { echo "需要 Rust：https://www.rust-lang.org/tools/install" >&2; exit 1; }
	@scripts/install-missing cc=gcc cc=libc6-dev pkg-config=pkg-config pc:libpcsclite=libpcsclite-dev

deps-test: deps
	@scripts/install-missing openssl=openssl xmllint=libxml2-utils unzip=unzip python3=python3 ps=procps \
	  faketime=faketime softhsm2-util=softhsm2 '/usr/lib/softhsm/libsofthsm2.so=libsofthsm2' pkcs11-tool=opensc \
	  '/usr/lib/*/opensc-pkcs11.so=opensc-pkcs11' /usr/sbin/pcscd=pcscd \
	  /usr/lib/pcsc/drivers/serial/libifdvpcd.so=vsmartcard-vpcd

build: deps
	$(CARGO) build --locked --release -p node -p center

demo: build
	$(RELEASE)/di-node demo $(if $(PACE),--pace $(PACE)) </dev/null

fmt:
	$(CARGO) fmt --all --check

clippy: deps
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) check --locked --quiet -p node --no-default-features

doc: deps
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps

# Measurements (docs/performance.md). With the right to it, ahead of what else the machine does.
NICE ?= scripts/ahead

.PHONY: bench bench-peer bench-sweep bench-parts

# CASES="s10k p10k …" picks, IDLE=600 is how long idle lasts, SOFTHSM=/usr/lib/softhsm/libsofthsm2.so puts the sender's
# keys on a token, BENCH_DIR= is where it happens (a real disk)
bench: build
	@scripts/install-missing strace=strace
	$(CARGO) build --locked --release -p tests --bin bench
	$(NICE) $(RELEASE)/bench $(RELEASE) $(if $(SOFTHSM),--softhsm $(SOFTHSM)) $(if $(BENCH_DIR),--dir $(BENCH_DIR)) $(if $(IDLE),--idle $(IDLE)) $(CASES)

# The side-by-side peer; its packages come from PyPI the first time and stay in PEER_WORK
PEER ?= ../shared/peers/pyas2/run.sh
LIMIT ?= ../shared/peers/cms-limit/run.sh
bench-peer:
	@for program in $(PEER) $(LIMIT); do [ -f "$$program" ] || { echo "沒有 $$program：請把比較對象（shared/peers）放在專案旁邊，或指明 PEER=path/to/run.sh LIMIT=path/to/run.sh" >&2; exit 1; }; done
	@scripts/install-missing openssl=openssl curl=curl python3=python3 gcc=gcc /usr/include/openssl/cms.h=libssl-dev
	@python3 -c 'import ensurepip' 2>/dev/null || scripts/install-missing /none=python3-venv
	@$(MAKE) build
	$(CARGO) build --locked --release -p tests --bin bench
	$(NICE) $(RELEASE)/bench $(RELEASE) --peer $(PEER) $(LIMIT) $(if $(PEER_WORK),--work $(PEER_WORK)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(BENCH_DIR),--dir $(BENCH_DIR))

bench-sweep: build
	$(CARGO) build --locked --release -p tests --bin bench
	$(NICE) $(RELEASE)/bench $(RELEASE) --sizes "$(or $(SIZES),100 1000 10000 100000)" $(if $(BENCH_DIR),--dir $(BENCH_DIR)) sweep

# FILTER= picks, as Criterion does
bench-parts: deps
	$(NICE) $(CARGO) bench --locked -p di-format -p envelope -p wire -p store --bench parts -- $(FILTER)

bench-di: deps-test
	$(CARGO) bench --locked -p di-format --bench speed -- $(if $(QUICK),--quick)

judge-di: deps-test
	DI_MUTANTS=$(or $(MUTANTS),10000) $(CARGO) test --locked --release -p di-format --test official -- --nocapture

# The short form of it runs with the other tests.
.PHONY: network
network: deps-test
	$(CARGO) build --locked -p node -p center
	DI_NETWORK_ROUNDS=$(or $(ROUNDS),5) $(if $(SEED),DI_NETWORK_SEED=$(SEED)) \
	  $(CARGO) test --locked -p tests --test network -- --nocapture

# Kills at random times hit the release build, deaths at points the one with fail points. A smaller run is in `make test`.
crash: build failpoints deps-test
	$(CARGO) build --locked -p tests --bin crash --target-dir target/failpoints
	target/failpoints/debug/crash $(RELEASE) --points target/failpoints/debug \
	  --documents $(or $(DOCUMENTS),300) --kills $(or $(KILLS),60) $(if $(SEED),--seed $(SEED))

fuzz: deps
	scripts/fuzz $(or $(SECONDS),60) $(TARGETS)

# The programs with fail points (crate `durable`), for the tests that break them; never what people run.
failpoints: deps
	$(CARGO) build --locked -p node -p center --features node/failpoints,center/failpoints --target-dir target/failpoints

# The power fails after every step on disk, and SQLite's log is cut at every byte (docs/reliability.md). CUTS=N SEED=N: so many.
power-loss: failpoints
	CUTS=$(or $(CUTS),0) SEED=$(or $(SEED),1) $(CARGO) test --locked -p tests --test power_loss -- --nocapture
	CUTS=$(or $(CUTS),0) $(CARGO) test --locked -p store --test power_loss
	CUTS=$(or $(CUTS),0) $(CARGO) test --locked -p center --lib a_log_cut

# The binaries come first: the whole-system tests start them as a person would.
test: deps-test fmt clippy
	$(CARGO) build --locked -p node -p center
	$(MAKE) failpoints
	$(CARGO) test --locked --workspace --no-fail-fast
	$(CARGO) test --locked -p durable --features failpoints --target-dir target/failpoints
	$(MAKE) doc
	$(MAKE) demo
