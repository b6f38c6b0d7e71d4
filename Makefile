# Sluice. `make run` shows it, `make test` tests it.

SCRATCH := $(shell scripts/scratch)
BUILD   := swift build --scratch-path $(SCRATCH)/debug --explicit-target-dependency-import-check error
# The Swift libraries are linked in: the binary needs nothing of the toolchain where it runs.
# Functions are specialised across modules, which takes a tenth of the work from each message.
RELEASE := swift build -c release --static-swift-stdlib -Xswiftc -cross-module-optimization \
	--scratch-path $(SCRATCH)/release

.PHONY: run try-out build test suites accuracy check release bench kill-test interop fuzz hostile-mail sanitize clean

## Installs what is missing, builds, and starts a demonstration server on 127.0.0.1.
run: build
	@$(SCRATCH)/debug/debug/sluice demo

## Sends sample messages through the running demonstration server and prints their traces.
try-out:
	@$(SCRATCH)/debug/debug/sluice try-out

build:
	@scripts/install build
	$(BUILD) --product sluice

## Installs what the tests need, builds, and runs all tests.
test:
	@scripts/install build test
	@scripts/rspamd >/dev/null
	$(BUILD) --build-tests
	scripts/test $(SCRATCH)/debug

## Third-party suites, if they are there (see scripts/suites), each with passed, failed and total.
suites:
	@scripts/install build test suites
	scripts/suites

## Spam found and good mail hurt on labelled mail, beside rspamd and SpamAssassin: make accuracy SPLIT=time
SPLIT ?= thread
accuracy: release
	@scripts/install accuracy
	accuracy/run --program dist/sluice --split $(SPLIT)

## Format, warnings as errors, imports against the module table, and the tidy test.
check:
	@scripts/install build
	swift format lint --strict --recursive --parallel Sources Tests Package.swift
	$(BUILD) --build-tests
	scripts/test $(SCRATCH)/debug --filter TidyTests

## The optimised binary, stripped, at dist/sluice.
release:
	@scripts/install build
	$(RELEASE) --product sluice
	@mkdir -p dist
	strip -o dist/sluice $(SCRATCH)/release/release/sluice
	@ls -l dist/sluice

## Sluice beside Postfix, same work, same run.
bench: release
	@scripts/install bench
	bench/run

## kill -9 under load, a hundred times; counts what was promised and what is there.
kill-test: release
	bench/kill --rounds 100

## Each parser against random input, ten minutes each by default: make fuzz SECONDS=60
SECONDS ?= 600
fuzz:
	@scripts/install build
	scripts/fuzz $(SECONDS)

## Hostile mail in numbers through everything that authenticates senders, by default a million messages.
MESSAGES ?= 1000000
hostile-mail:
	@scripts/install build
	scripts/hostile-mail $(MESSAGES)

## The unit tests under the thread sanitizer.
sanitize:
	@scripts/install build test
	scripts/sanitize

clean:
	rm -rf $(SCRATCH)/debug $(SCRATCH)/release $(SCRATCH)/thread $(SCRATCH)/fuzz dist
