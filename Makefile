# The two commands: make demo, make test. Both look after what they need (make deps).

GO     ?= go
BUILD  := .build
BINARY := $(BUILD)/shotline

# SQLite with fdatasync instead of fsync, as its own build has it, and without
# statistics of memory, which take a lock at each allocation.
CGO_CFLAGS ?= -O2 -DHAVE_FDATASYNC=1 -DSQLITE_DEFAULT_MEMSTATUS=0
export CGO_CFLAGS

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

.PHONY: help build demo test torture lint fuzz bench benchmarks waiters simulate plant deps clean

help:
	@echo 'make demo    build, and see everything at work in one process'
	@echo 'make test    lint, then all tests with the race detector'
	@echo 'make torture kill serves KILLS (50) times beside a faulty vendor, SEED to repeat a plan, and check the promises'
	@echo 'make fuzz    every fuzz test for FUZZTIME (10s)'
	@echo 'make bench   measure the binary against bare machinery: a table, and .build/bench.json'
	@echo 'make benchmarks  Go benchmarks of the hot functions in PACKAGES (all)'
	@echo 'make waiters 2,000 requests and 200 event streams wait: how soon they hear'
	@echo 'make simulate SEEDS=n   that many simulated disasters, on all cores'
	@echo 'make plant   plant every known bug, and see that simulated disasters catch it'
	@echo 'make deps    install what demo and test need, or say what is missing'
	@echo 'make build   $(BINARY)'

build:
	@mkdir -p $(BUILD)
	$(GO) build -trimpath -ldflags "-X main.version=$(VERSION)" -o $(BINARY) ./cmd/shotline

demo: deps build
	$(BINARY) demo testdata/csv/demo.csv

# The seed makes a run of drawn sequences the same everywhere; without it, go test
# draws others, and more of them. The browser's tests count seconds, and so have the
# machine to themselves.
BROWSER := ./client/sandbox/chrome
GOTEST   = RAPID_SEED=1 RAPID_CHECKS=50 $(GO) tool gotestsum --format pkgname --jsonfile $(BUILD)/$(1).json -- -race -count=1 -timeout 10m
test: deps lint
	@mkdir -p $(BUILD)
	$(call GOTEST,browser-test) $(BROWSER)
	$(call GOTEST,test) $$($(GO) list ./... | grep -v '/sandbox/chrome$$')

KILLS ?= 50
SEED  ?= 0
torture: deps
	$(GO) test -count=1 -timeout 60m -v -run '^TestTorture$$' ./cmd/shotline/torture -torture.kills=$(KILLS) -torture.seed=$(SEED)

lint:
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt: $$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

# Stops at the first failure; what failed stays in testdata/fuzz of its package,
# and every go test tries it again from then on.
FUZZTIME ?= 10s
fuzz:
	@set -e; ran=0; \
	for package in $$($(GO) list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...); do \
		listed=$$($(GO) test -list '^Fuzz' $$package); \
		for target in $$(echo "$$listed" | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 2s $$package; \
			ran=$$((ran + 1)); \
		done; \
	done; \
	echo "$$ran fuzz tests, $(FUZZTIME) each"

# A failing seed names itself: make simulate FIRST=seed SEEDS=1 LINES=1
SEEDS ?= 1000
FIRST ?= 1
simulate:
	@mkdir -p $(BUILD)
	$(GO) test -c -o $(BUILD)/simulation.test ./orchestrator/simulation
	$(BUILD)/simulation.test -test.timeout 0 -test.run '^TestSeeds$$' -seeds $(SEEDS) -first $(FIRST) $(if $(LINES),-lines)

plant:
	$(GO) test -count=1 -timeout 60m -v -run '^TestPlantedBugs$$' ./orchestrator/simulation -bugs 0

bench: build
	$(GO) run ./cmd/bench -json $(BUILD)/bench.json

PACKAGES ?= ./...
benchmarks:
	$(GO) test -run '^$$' -bench . -benchmem $(PACKAGES)

waiters: build
	$(GO) run ./cmd/bench waiters

# A real redis-server and a real Chromium: without them tests are skipped and
# the demo draws placeholders.
deps:
	@sh .ci/deps

clean:
	rm -rf $(BUILD)
