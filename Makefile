# What everything here is made with. `make run` and `make test` need Rust and, to install what is missing, root.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.PHONY: run demo test bench conformance fuzz lint docs install-deps install-run-deps

# The rules that the demonstration runs, and a C compiler with PCRE2 for the build.
RUN_PACKAGES := modsecurity-crs gcc pkg-config libpcre2-dev curl
# The programs that tests start, and those that benchmarks measure.
TEST_PACKAGES := $(RUN_PACKAGES) apache2 libapache2-mod-security2 nginx libnginx-mod-http-modsecurity \
	libmodsecurity-dev nghttp2-client wrk

# Installs those packages of its arguments that are missing; asks for no network if none is.
define install
	missing=(); \
	for package in $(1); do \
		dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing+=($$package); \
	done; \
	if (($${#missing[@]})); then \
		if [[ $$(id -u) != 0 ]]; then echo "as root: apt-get install $${missing[*]}" >&2; exit 1; fi; \
		apt-get update -q; \
		DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$${missing[@]}"; \
	fi
endef

# The gate before a demonstration site, with three things to try.
run: install-run-deps
	cargo build --release -p monban
	exec cargo run -q --release -p monban -- up --demo

demo: run

install-run-deps:
	@$(call install,$(RUN_PACKAGES))

install-deps:
	@$(call install,$(TEST_PACKAGES))
	@command -v cargo-nextest >/dev/null || cargo install --locked cargo-nextest

test: install-deps
	cargo build -p monban
	cargo nextest run --workspace
	cargo test -q --workspace --doc

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check --hide-inclusion-graph bans licenses sources; \
	else echo 'cargo-deny is not installed: licences and sources were NOT checked (cargo install --locked cargo-deny)'; fi

bench: install-deps
	bench/compare
	bench/end-to-end

# The regression tests of the Core Rule Set: the rule engine alone, then `monban up` over sockets.
conformance: install-deps
	@[[ -n "$(TESTS)" ]] || { echo 'usage: make conformance TESTS=DIR' >&2; exit 2; }
	cargo build -p monban -p testkit
	for target in in-process monban; do \
		cargo run -q -p testkit --bin conformance -- --tests '$(TESTS)' --target $$target \
			--expect-failures tests/e2e/conformance/monban.txt; \
	done

# Each fuzz target for FUZZ_SECONDS (default 60).
FUZZ_SECONDS ?= 60
fuzz:
	@command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
	cd fuzz && for target in $$(cargo fuzz list); do \
		RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none "$$target" -- -max_total_time=$(FUZZ_SECONDS); \
	done

# Writes the reference of the commands and the snapshots of their messages anew; look at the difference.
docs:
	MONBAN_WRITE_DOCS=1 cargo test -p monban --test main cli::
