# make demo    the main job, in one command: builds and shows a whole exchange
# make test    everything that must hold
# make build   di-node and di-center into target/release
# make bench-rough   documents per second and CPU per document, roughly

CARGO ?= cargo
PACE ?=
RELEASE = $(or $(CARGO_TARGET_DIR),target)/release
SHELL := /bin/sh
export CARGO_TERM_COLOR ?= auto

.PHONY: demo build test fmt clippy doc deps deps-test bench-rough help

help:
	@sed -n 's/^# make/make/p' Makefile

deps:
	@command -v $(CARGO) >/dev/null || { echo "需要 Rust：https://www.rust-lang.org/tools/install" >&2; exit 1; }
	@scripts/install-missing cc=gcc cc=libc6-dev

deps-test: deps
	@scripts/install-missing openssl=openssl xmllint=libxml2-utils unzip=unzip python3=python3 ps=procps

build: deps
	$(CARGO) build --locked --release -p node -p center

demo: build
	$(RELEASE)/di-node demo $(if $(PACE),--pace $(PACE)) </dev/null

fmt:
	$(CARGO) fmt --all --check

clippy: deps
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

doc: deps
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps

# A first, rough measurement (docs/performance.md): BENCH="NAME=COUNTxBYTES@IN-FLIGHT …"
bench-rough: build
	$(CARGO) build --locked --release -p tests --bin rough-bench
	$(RELEASE)/rough-bench $(RELEASE) $(BENCH)

# The binaries come first: the whole-system tests start them as a person would.
test: deps-test fmt clippy
	$(CARGO) build --locked -p node -p center
	$(CARGO) test --locked --workspace
	$(MAKE) doc
	$(MAKE) demo
