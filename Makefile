# Byway. `make help` lists every task; CI calls only these.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GOLANGCI_LINT_VERSION := 2.15.0
LINT := build/tools/golangci-lint-$(GOLANGCI_LINT_VERSION)
FUZZTIME ?= 60s
BENCH ?= .
PKGS ?= ./...

.PHONY: help
help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/byway
	go build -trimpath -ldflags '-s -w' -o bin/byway ./cli/byway

.PHONY: demo
demo: build ## Run a whole market on this machine: the first paid 64 MiB
	@bin/byway demo

.PHONY: devnet
devnet: build ## Start a devnet (chain, contracts, IPFS) that other processes join
	@bin/byway devnet up

.PHONY: test
test: ## Run every test with the race detector
	go test -race -timeout 15m $(PKGS)

.PHONY: lint
lint: $(LINT) ## Check style, the import rules and go.mod
	$(LINT) run ./...
	go mod verify >/dev/null

.PHONY: bench
bench: ## Run the benchmarks
	go test -run '^$$' -bench '$(BENCH)' -benchmem -timeout 60m $(PKGS)

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (60s)
	@for pkg in $$(go list ./...); do \
	  dir=$$(go list -f '{{.Dir}}' $$pkg); \
	  for target in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go 2>/dev/null | sed 's/^func //'); do \
	    echo "== $$pkg $$target"; \
	    go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg; \
	  done; \
	done

.PHONY: generate
generate: ## Compile the contracts and regenerate their Go bindings (needs Node)
	$(MAKE) -C contracts generate

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin build

$(LINT):
	mkdir -p build/tools
	GOBIN=$(CURDIR)/build/tools go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$(GOLANGCI_LINT_VERSION)
	mv build/tools/golangci-lint $@
