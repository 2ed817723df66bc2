# make help lists the targets that have a ## comment.

GO     ?= go
BUILD  := .build
BINARY := $(BUILD)/shotline

# SQLite uses fdatasync instead of fsync, like SQLite's own build. It keeps no
# memory statistics, because these take a lock for each allocation.
CGO_CFLAGS ?= -O2 -DHAVE_FDATASYNC=1 -DSQLITE_DEFAULT_MEMSTATUS=0
export CGO_CFLAGS

# Without a C compiler, Go would leave out the SQLite library and report undefined
# names. With this setting it reports the missing compiler.
export CGO_ENABLED := 1

# All commands use the same flags, so they share the build cache. The tag excludes
# the part of urfave/cli that writes manuals, and with it the Markdown libraries.
export GOFLAGS := $(strip $(GOFLAGS) -trimpath -tags=urfave_cli_no_docs)

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

.PHONY: help demo build install quick test lint simulate plant torture fuzz bench waiters benchmarks deps clean

help: ## list the targets
	@awk -F ' *:.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: deps build ## build it and run all parts in one process
	$(BINARY) demo testdata/csv/demo.csv

build: ## build .build/shotline
	@mkdir -p $(BUILD)
	$(GO) build -ldflags "-s -w -X main.version=$(VERSION)" -o $(BINARY) ./cmd/shotline

# Packages set DESTDIR: it precedes the paths of the files, but is not in their text.
# The units of systemd are examples: copy them to /etc/systemd/system.
PREFIX      ?= /usr/local
INSTALL     ?= install
INSTALLED    = $(DESTDIR)$(PREFIX)
COMPLETIONS := cmd/shotline/completions
install: build ## install the program and its completions in PREFIX=/usr/local
	$(INSTALL) -d $(INSTALLED)/bin $(INSTALLED)/share/bash-completion/completions $(INSTALLED)/share/zsh/site-functions \
		$(INSTALLED)/share/fish/vendor_completions.d $(INSTALLED)/share/shotline
	$(INSTALL) -m 755 $(BINARY) $(INSTALLED)/bin/shotline
	$(INSTALL) -m 644 $(COMPLETIONS)/bash $(INSTALLED)/share/bash-completion/completions/shotline
	$(INSTALL) -m 644 $(COMPLETIONS)/zsh $(INSTALLED)/share/zsh/site-functions/_shotline
	$(INSTALL) -m 644 $(COMPLETIONS)/fish $(INSTALLED)/share/fish/vendor_completions.d/shotline.fish
	env -i $(BINARY) init systemd --program $(PREFIX)/bin/shotline --out $(INSTALLED)/share/shotline --force

# Without the race detector. Slow tests run a small version of themselves or are
# skipped. Results are cached: only changed packages are tested again. Tests mostly
# wait, so two packages run at a time for each core. Their files are in memory, where
# no commit waits for the disk, if programs can run there and it has 2 GB of room.
MEMORY = $(shell grep -q ' /dev/shm .*noexec' /proc/mounts || df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 2000000 { print "/dev/shm" }')
quick: lint ## lint, then a small version of the tests
	$(MEMORY:%=TMPDIR=%) $(GO) test -short -vet=off -p $$((2 * $$(getconf _NPROCESSORS_ONLN))) ./...

# With the seed, random test sequences are the same in every run. Without it, go
# test draws other and more sequences. The browser's tests depend on time, so they
# run alone.
#
# Image codecs and the compiler that translates libwebp to machine code work on data
# of one goroutine. The race detector would make them ten times slower, so it skips
# them. It must not skip a package that uses sync.Map or atomic.Pointer: the linker
# might use that package's copy of the generic code in all packages, and the
# detector would no longer see what it synchronizes.
BROWSER := ./client/sandbox/chrome
WAZERO  := github.com/tetratelabs/wazero/internal
UNRACED := compress/flate image/... golang.org/x/image/draw golang.org/x/image/vp8 golang.org/x/image/vp8l golang.org/x/image/vector \
	$(addprefix $(WAZERO)/,leb128 wasm/binary engine/wazevo/ssa engine/wazevo/frontend engine/wazevo/backend/...)
# TestTorture builds the program with RACEFLAGS, so that the packages are compiled
# once.
RACEFLAGS = $(UNRACED:%=-gcflags=%=-race=false)
GOTEST   = RACEFLAGS="$(RACEFLAGS)" RAPID_SEED=1 RAPID_CHECKS=50 $(GO) tool gotestsum --format pkgname --jsonfile $(BUILD)/$(1).json -- -race $(RACEFLAGS) -count=1 -timeout 10m
test: deps lint ## lint, then all tests with the race detector
	@mkdir -p $(BUILD)
	$(call GOTEST,browser-test) $(BROWSER)
	$(call GOTEST,test) $$($(GO) list ./... | grep -v '/sandbox/chrome$$')

KILLS ?= 50
SEED  ?= 0
torture: deps ## kill real processes KILLS=50 times and check the promises
	$(GO) test -count=1 -timeout 60m -v -run '^TestTorture$$' ./cmd/shotline/torture -torture.kills=$(KILLS) -torture.seed=$(SEED)

lint: ## gofmt, go vet and staticcheck
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt: $$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

# Stops at the first failure. The failing input stays in testdata/fuzz of its
# package, and every later go test runs it.
FUZZTIME ?= 10s
fuzz: ## run each fuzz test for FUZZTIME=10s
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

# A failing seed prints its number: make simulate FIRST=seed SEEDS=1 LINES=1
SEEDS ?= 1000
FIRST ?= 1
simulate: ## run SEEDS=1000 simulations of crashes and outages
	@mkdir -p $(BUILD)
	$(GO) test -c -o $(BUILD)/simulation.test ./orchestrator/simulation
	$(BUILD)/simulation.test -test.timeout 0 -test.run '^TestSeeds$$' -seeds $(SEEDS) -first $(FIRST) $(if $(LINES),-lines)

plant: ## plant each known bug and check that the simulation finds it
	$(GO) test -count=1 -timeout 60m -v -run '^TestPlantedBugs$$' ./orchestrator/simulation -bugs 0

bench: build ## measure the binary and write .build/bench.json
	$(GO) run ./cmd/bench -json $(BUILD)/bench.json

PACKAGES ?= ./...
benchmarks: ## run the Go benchmarks of PACKAGES=./...
	$(GO) test -run '^$$' -bench . -benchmem $(PACKAGES)

waiters: build ## measure how soon 2,000 requests and 200 streams are answered
	$(GO) run ./cmd/bench waiters

# A real redis-server and a real Chromium. Without them, tests are skipped and the
# demo draws placeholders.
deps: ## install the tools for demo and test, or list the missing ones
	@sh .ci/deps

clean: ## remove .build
	rm -rf $(BUILD)
