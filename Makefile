# What everything here is made with. `make run` and `make test` need Rust, Node 20 and, to install what is missing, root.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.PHONY: help run demo deb rpm web web-check body-parsers dns-clients screenshots test bench bench-record bench-docs conformance fuzz lint docs \
	install-deps install-run-deps install-bench-deps
.DEFAULT_GOAL := help

# The rules that the demonstration runs, and a C compiler with PCRE2 for the build.
RUN_PACKAGES := modsecurity-crs gcc pkg-config libpcre2-dev curl
# What packs monban, and the packages that it needs to find libraries and to strip the binary.
CARGO_DEB := 3.8.0
CARGO_GENERATE_RPM := 0.21.1
PACKAGE_PACKAGES := dpkg-dev binutils
# The programs that tests start, and those that benchmarks measure.
TEST_PACKAGES := $(RUN_PACKAGES) e2fsprogs iproute2 apache2 libapache2-mod-security2 nginx libnginx-mod-http-modsecurity \
	libmodsecurity-dev nghttp2-client wrk openssl git postfix sasl2-bin libsasl2-modules libsasl2-modules-db chromium \
	firefox-esr age bind9 bind9-utils bind9-dnsutils pebble certbot golang-go php-cli php-xml python3-venv locales tzdata gnupg gpgv libxml2-utils \
	mmdebstrap systemd-container rpm $(PACKAGE_PACKAGES)
BENCH_PACKAGES := $(TEST_PACKAGES) valgrind python3
# Japanese letters for pictures of the console, and what makes them small.
PICTURE_PACKAGES := $(TEST_PACKAGES) fonts-vlgothic fonts-dejavu-core pngquant

# Installs those packages of its arguments that are missing; asks for no network if none is. Their services are not
# started (policy-rc.d says so meanwhile): Apache and nginx would both want port 80, and tests start their own.
define install
	missing=(); \
	if ! command -v dpkg-query >/dev/null; then echo 'not a Debian: packaging/README.md lists what to install' >&2; exit 0; fi; \
	for package in $(1); do \
		dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing+=($$package); \
	done; \
	if (($${#missing[@]})); then \
		if [[ $$(id -u) != 0 ]]; then echo "as root: apt-get install $${missing[*]}" >&2; exit 1; fi; \
		policy=/usr/sbin/policy-rc.d; \
		if [[ ! -e $$policy ]]; then \
			trap "rm -f $$policy" EXIT; \
			printf '#!/bin/sh\nexit 101\n' >$$policy; chmod 755 $$policy; \
		fi; \
		apt-get update -q; \
		DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$${missing[@]}"; \
	fi
endef

# Installs those versions which are known to read [package.metadata.deb] and [package.metadata.generate-rpm] of
# crates/monban/Cargo.toml.
define install-cargo-deb
	[[ "$$(cargo deb --version 2>/dev/null)" =~ (^|[^0-9])$(CARGO_DEB)$$ ]] || cargo install --locked cargo-deb --version $(CARGO_DEB)
endef
define install-cargo-generate-rpm
	[[ "$$(cargo generate-rpm --version 2>/dev/null)" =~ (^|[^0-9])$(CARGO_GENERATE_RPM)$$ ]] || \
		cargo install --locked cargo-generate-rpm --version $(CARGO_GENERATE_RPM)
endef

# Prints the 20 slowest tests of nextest's last run: seconds, crate and test.
define slowest
	printf '\nThe 20 slowest tests, in seconds\n'; \
	sed -nE 's/.*<testcase name="([^"]*)" classname="([^"]*)".* time="([0-9.]+)".*/\3 \2 \1/p' \
		target/nextest/default/junit.xml | sort -rn | awk "NR <= 20"
endef

help:
	@echo 'make run                        the gate before a demonstration site, with three things to try'
	@echo 'make deb                        the Debian package of this machine: target/debian/monban_VERSION_ARCH.deb'
	@echo 'make rpm                        the same for Alma and Rocky Linux: target/generate-rpm/monban-VERSION-1.ARCH.rpm'
	@echo 'make web                        the console in the browser, which the next build embeds'
	@echo 'make screenshots                the pictures of the console in docs/images'
	@echo 'make test                       all tests'
	@echo 'make lint                       layout, clippy, licences'
	@echo 'make bench                      speed and memory beside libmodsecurity, nginx and Apache'
	@echo 'make bench-record               records the instruction counts that make bench compares with'
	@echo 'make bench-docs                 puts the tables of the last make bench into docs/performance.md'
	@echo 'make conformance TESTS=DIR      the regression tests of the Core Rule Set in DIR'
	@echo 'make fuzz [FUZZ_SECONDS=600]    each fuzz target for so long; TARGETS="json xml" for some'
	@echo 'make docs                       documentation that is made from the code'
	@echo 'make install-deps               the programs that tests and benchmarks start'

# The gate before a demonstration site, with three things to try.
run: install-run-deps web
	cargo build --release -p monban
	exec cargo run -q --release -p monban -- up --demo

demo: run

# The Debian package, in target/debian.
deb: install-run-deps web
	@$(call install,$(PACKAGE_PACKAGES))
	@$(install-cargo-deb)
	cargo build --release -p monban
	packaging/deb/build release

# The package for Alma and Rocky Linux, in target/generate-rpm.
rpm: install-run-deps web
	@$(call install,$(PACKAGE_PACKAGES))
	@$(install-cargo-generate-rpm)
	cargo build --release -p monban
	packaging/rpm/build release

# The console in the browser. Nothing runs unless a source is newer than what was built; npm only if the lock file is.
WEB_SOURCES := $(shell find web/src -type f ! -name types.ts) web/build.mjs web/parts.mjs web/docs.mjs web/tsconfig.json \
	$(wildcard docs/user/*.md) CHANGELOG.md
web: web/dist/index.html

web/node_modules/.installed: web/package.json web/package-lock.json
	@node -e 'process.exit(process.versions.node.split(".")[0] < 20 ? 1 : 0)' 2>/dev/null && command -v npm >/dev/null || \
		{ echo 'Node 20 or later with npm is missing' >&2; exit 1; }
	cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

web/dist/index.html: $(WEB_SOURCES) web/node_modules/.installed
	cd web && node build.mjs

web/src/api/types.ts: docs/reference/openapi.json web/types.mjs web/node_modules/.installed
	cd web && npm run --silent types

# What the compiler says of it, with the API's types as they are now, and its tests that need no browser.
web-check: web/src/api/types.ts
	cd web && npm run --silent check && npm test --silent

# Light and dark, wide and at a phone's width.
screenshots: web
	@$(call install,$(PICTURE_PACKAGES))
	cargo build -p monban
	cargo run -q -p testkit --bin screenshots
	MONBAN_IMAGES=docs/images/gallery node --test --test-name-pattern 'the blocks' web/tests/browser/gallery.test.mjs
	node web/tests/browser/pictures.mjs

install-run-deps:
	@$(call install,$(RUN_PACKAGES))

install-deps:
	@$(call install,$(TEST_PACKAGES))
	@command -v cargo-nextest >/dev/null || cargo install --locked cargo-nextest
	@$(install-cargo-deb)
	@$(install-cargo-generate-rpm)

install-bench-deps:
	@$(call install,$(BENCH_PACKAGES))

# What reads the bodies of tests/e2e/bodies beside monban.
PARSERS := tests/e2e/bodies/stacks
body-parsers: $(PARSERS)/node/node_modules/.installed $(PARSERS)/python/venv/.installed

$(PARSERS)/node/node_modules/.installed: $(PARSERS)/node/package.json $(PARSERS)/node/package-lock.json
	cd $(PARSERS)/node && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(PARSERS)/python/venv/.installed: $(PARSERS)/python/requirements.txt
	/usr/bin/python3 -m venv --clear $(PARSERS)/python/venv
	$(PARSERS)/python/venv/bin/pip -q --disable-pip-version-check install -r $(PARSERS)/python/requirements.txt
	@touch $@

# lego and OpenStack's SDK, which prove the stand-ins of providers' APIs. Certbot, around which the package is built, is not needed.
dns-clients: tests/e2e/dns/venv/.installed

tests/e2e/dns/venv/.installed: tests/e2e/dns/requirements.txt tests/e2e/dns/openstack.txt
	/usr/bin/python3 -m venv --clear tests/e2e/dns/venv
	tests/e2e/dns/venv/bin/pip -q --disable-pip-version-check install --no-deps -r $<
	tests/e2e/dns/venv/bin/pip -q --disable-pip-version-check install -r tests/e2e/dns/openstack.txt
	@touch $@

test: install-deps web web-check body-parsers dns-clients
	packaging/previous
	cargo build -p monban
	cargo nextest run --workspace --no-fail-fast || failed=1; $(slowest); exit $${failed:-0}
	cargo test -q --workspace --doc

lint: web
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check --hide-inclusion-graph bans licenses sources; \
	else echo 'cargo-deny is not installed: licences and sources were NOT checked (cargo install --locked cargo-deny)'; fi

# Everything is measured before a slowdown by instructions makes it fail.
bench: install-bench-deps web
	@bench/machine
	@echo
	@bench/compare
	@echo
	@bench/growth
	@echo
	@bench/end-to-end | tee "$${CARGO_TARGET_DIR:-target}/bench/tables/end-to-end.txt"
	@echo
	@bench/memory | bench/table memory
	@echo
	@bench/handshakes
	@echo
	@bench/warden
	@echo
	@bench/receiving
	@bench/logins
	@echo
	@bench/looking
	@echo
	@bench/instructions

bench-record: install-bench-deps
	@bench/instructions --record

bench-docs:
	@bench/docs

# The regression tests of the Core Rule Set: the rule engine alone, then `monban up` over sockets.
conformance: install-deps
	@[[ -n "$(TESTS)" ]] || { echo 'usage: make conformance TESTS=DIR' >&2; exit 2; }
	cargo build -p monban -p testkit
	for target in in-process monban; do \
		cargo run -q -p testkit --bin conformance -- --tests '$(TESTS)' --target $$target \
			--expect-failures tests/e2e/conformance/monban.txt; \
	done

# Each fuzz target for FUZZ_SECONDS. RUSTC_BOOTSTRAP lets the stable compiler do what coverage needs; the sanitizer would
# need a nightly one, and unsafe code is denied anyway.
FUZZ_SECONDS ?= 600
TARGETS ?= $$(cargo fuzz list)
fuzz: install-run-deps
	@command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
	export RUSTC_BOOTSTRAP=1; cd fuzz; \
	for target in $(TARGETS); do \
		echo "== $$target"; \
		cargo fuzz run --sanitizer none "$$target" -- -max_total_time=$(FUZZ_SECONDS); \
	done

# Writes the reference of the commands and the snapshots of their messages anew; look at the difference.
docs:
	MONBAN_WRITE_DOCS=1 cargo test -p monban --bin monban -- known:: reference
	MONBAN_WRITE_DOCS=1 cargo test -p monban --test main cli::
