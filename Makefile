# Byway. `make help` lists every task; CI calls only these.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GOLANGCI_LINT_VERSION := 2.15.0
OAPI_CODEGEN_VERSION := 2.8.2
LINT := build/tools/golangci-lint-$(GOLANGCI_LINT_VERSION)
DEADCODE := go run golang.org/x/tools/cmd/deadcode@v0.52.0
PROGRAMS := ./cli/byway ./cli/bench ./tunnel/bench
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
BUILD_FLAGS ?= -trimpath -ldflags '-s -w -X byway/cli.stamped=$(VERSION)'
# 32 bits are a Raspberry Pi's and older ones'.
PLATFORMS := linux/amd64 linux/arm64 linux/arm linux/386 windows/amd64 darwin/arm64
FUZZTIME ?= 60s
BENCH ?= .
BENCH_COUNT ?= 3
# The tunnel's tests come first, and one package more than there are processors is tested at once: tests wait much.
PKGS ?= ./tunnel/... ./...
AT_ONCE := $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))

# What the race detector does not watch: C translated to Go, ciphers and compression. They run nothing of ours, and
# watching them took half of the tests' time.
UNWATCHED := modernc.org/sqlite/lib modernc.org/libc/... modernc.org/memory golang.org/x/crypto/scrypt \
	crypto/ecdh crypto/internal/fips140/edwards25519/... compress/flate
RACE := -race $(foreach p,$(UNWATCHED),-gcflags=$(p)=-race=false)
# What is smaller, or left out, under the race detector.
LARGE := ^Test(AdversaryManyConnections|RangesCloseExactly|TenThousandMutated|HundredThousandJunk)

.PHONY: help
help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/byway
	go build $(BUILD_FLAGS) -o bin/byway ./cli/byway

.PHONY: release
release: ## Build a static program for every platform, and one without a devnet, into build/release
	rm -rf build/release && mkdir -p build/release
	@for p in $(PLATFORMS); do \
	  export CGO_ENABLED=0 GOARM=6 GOOS=$${p%/*} GOARCH=$${p#*/}; \
	  name=build/release/byway-$$GOOS-$$GOARCH; end=; if [ $$GOOS = windows ]; then end=.exe; fi; \
	  echo "$$name$$end"; \
	  go build $(BUILD_FLAGS) -o $$name$$end ./cli/byway; \
	  go build $(BUILD_FLAGS) -tags nodevnet -o $$name-nodevnet$$end ./cli/byway; \
	done
	cd build/release && sha256sum byway-* >SHA256SUMS

.PHONY: build-all
build-all: ## Compile for every platform, and link nothing
	@for p in $(PLATFORMS); do echo $$p; CGO_ENABLED=0 GOARM=6 GOOS=$${p%/*} GOARCH=$${p#*/} go build ./cli; done

.PHONY: demo
demo: build ## Run a whole market on this machine: the first paid 64 MiB
	@bin/byway demo

.PHONY: devnet
devnet: build ## Start a devnet (chain, contracts, IPFS) that other processes join
	@bin/byway devnet up

.PHONY: test
test: ## Run every test with the race detector, and some at the size that its build is too slow for
	go test $(RACE) -p $(AT_ONCE) -timeout 40m $(PKGS)
	go test -count=1 -timeout 10m -run '$(LARGE)' ./tunnel/... ./registry/...

.PHONY: lint
lint: $(LINT) ## Check style, the import rules, dead code and go.mod
	$(LINT) run ./...
	@dead=$$($(DEADCODE) $(PROGRAMS) && $(DEADCODE) -test ./...); if [ -n "$$dead" ]; then echo "$$dead"; exit 1; fi
	go mod verify >/dev/null

.PHONY: bench
bench: ## Run every benchmark (BENCH_COUNT=3 times): figures in build/bench.json; as root with the tunnel's
	mkdir -p build
	rm -f build/bench*.json build/bench*.txt
	BYWAY_BENCH_JSON=$(CURDIR)/build/bench-market.json go test -run '^$$' -bench '$(BENCH)' -count $(BENCH_COUNT) -benchmem \
		-timeout 60m ./contracts/... ./payments/... ./registry/... ./tunnel/... ./node/... | tee build/bench.txt
	BYWAY_BENCH_JSON=$(CURDIR)/build/bench-market.json go test ./ipfs -run '^$$' -bench Discovery -benchtime 1x -timeout 30m
	if [ "$$(id -u)" = 0 ]; then $(MAKE) bench-tunnel; else echo "bench-tunnel needs root: left out" >&2; fi
	go run ./cli/bench -o build/bench.json build/bench.txt $$(ls build/bench-*.json)

.PHONY: bench-tunnel
bench-tunnel: ## Measure the tunnel in network namespaces (root; BENCH_QUICK=1 for two minutes)
	mkdir -p build
	go build -o build/tunnel-bench ./tunnel/bench
	build/tunnel-bench -json build/bench-tunnel.json

.PHONY: test-net
test-net: ## The long tests in network namespaces (root; nftables, iproute2, ethtool, tcpdump, ping, dig, curl)
	BYWAY_NET_TEST=1 go test -count=1 -v -run TestNet -parallel 4 -timeout 30m ./tunnel ./node ./cli ./tunnel/...

.PHONY: test-life
test-life: ## Lead a connection through kills, stops, sleep and other networks: what continued, the pause, the money (root; minutes)
	BYWAY_NET_TEST=1 BYWAY_LIFE_LONG=1 go test -count=1 -v -run 'TestNetLife' -timeout 60m ./node

.PHONY: adversary
adversary: ## Attack the product, as every test named TestAdversary does: attack, bound, seen (root: in namespaces too)
	mkdir -p build
	go test -count=1 -v -timeout 30m -run '^TestAdversary' $(PKGS) >build/adversary.log || { cat build/adversary.log; exit 1; }
	if [ "$$(id -u)" = 0 ]; then BYWAY_NET_TEST=1 go test -count=1 -v -timeout 30m -run '^TestNetAdversary' ./tunnel/... ./node ./cli \
		>>build/adversary.log || { cat build/adversary.log; exit 1; }; else echo "attacks in namespaces need root: left out" >&2; fi
	@sed -n 's/.*adversary: //p' build/adversary.log | awk -F ' [|] ' '{ printf "%s\n    %s\n    %s\n", $$1, $$2, $$3 } END { print NR " attacks" }' \
		| tee build/adversary.txt

.PHONY: rpc-faults
rpc-faults: ## Anvil behind endpoints with every fault, one to three of them: what works and is said, in build/rpc-faults.txt (7 minutes)
	mkdir -p build
	$(MAKE) -C contracts anvil
	ANVIL=$${ANVIL:-$$(ls $(CURDIR)/contracts/node_modules/@foundry-rs/anvil-*/bin/anvil 2>/dev/null || command -v anvil)} \
		BYWAY_RPC_FAULTS=$(CURDIR)/build go test ./cli -run '^TestAdversaryRPCFaults$$' -parallel 8 -count=1 -timeout 30m

.PHONY: load
load: ## 5,000 paid sessions from 5,000 peers while connections and streams are attacked (20,000 descriptors, 2 GB)
	ulimit -n 20000; BYWAY_LOAD_TEST=5000 go test ./node -count=1 -v -run TestAdversaryPaidSessionsFromAsManyPeers -timeout 40m

.PHONY: chaos
chaos: ## Kill, cut the power, reorganise and cheat under the payment engine, over whole lives of providers
	go test ./payments/payee -run '^TestChaos$$' -count=1 -v -timeout 20m -args -chaos -kills 200 -cuts 200 -rapid.checks 1500
	go test ./node -run '^TestChaosOfNodes$$' -count=1 -v -timeout 20m -args -lives 12 -ends 3

.PHONY: interop-ipfs
interop-ipfs: ## Exchange offers with stock kubo, both ways (builds it)
	go test -tags interop -run Kubo -count=1 -v -timeout 20m ./ipfs

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (60s); little of it goes into making found inputs smaller
	@for pkg in $$(go list ./...); do \
	  dir=$$(go list -f '{{.Dir}}' $$pkg); \
	  for target in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go 2>/dev/null | sed 's/^func //'); do \
	    echo "== $$pkg $$target"; \
	    go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$pkg; \
	  done; \
	done

.PHONY: generate
generate: ## Compile the contracts and regenerate their Go bindings (needs Node)
	$(MAKE) -C contracts generate

.PHONY: generate-api
generate-api: ## Regenerate node/api/spec from openapi.yaml
	cd node/api/spec && go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v$(OAPI_CODEGEN_VERSION) \
		-config generate.yaml openapi.yaml && cat openapi.yaml generate.yaml | sha256sum | cut -d' ' -f1 >generated.sum

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin build

$(LINT):
	mkdir -p build/tools
	GOBIN=$(CURDIR)/build/tools go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$(GOLANGCI_LINT_VERSION)
	mv build/tools/golangci-lint $@
