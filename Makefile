# Commands for development. .ci/run uses the same ones.

GOLANGCI_LINT = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
VERSION      ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT       ?= $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
FUZZTIME     ?= 1m
SOAK         ?= 1h
BENCHTIME    ?= 1s
BENCH        ?=
VMAGENT      ?=
PROMETHEUS   ?=
SCENARIO     ?=
ENGINE       ?=

.PHONY: help demo build test lint e2e chaos soak bench bench-paths bench-agents allocs size fuzz golden image

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: ## the whole agent against simulated containers and embedded receivers
	go run ./cmd/lighter demo

build: ## bin/lighter, static
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)" -o bin/lighter ./cmd/lighter

test: ## all tests except e2e, with the race detector
	go test -race ./...

lint: ## golangci-lint, whose first build takes a few minutes
	go run $(GOLANGCI_LINT) run ./...

e2e: ## containers of three Engines, a real Loki, a real Prometheus, the image; each fault lasts seconds
	cd deploy/e2e && go test -count=1 -timeout 75m -v -short -skip '^TestSoak$$' ./...

chaos: ## every fault at its full length, about half an hour; SCENARIO=kill20 runs one; ENGINE=28 or podman uses another Engine
	cd deploy/e2e && LIGHTER_E2E_ENGINE=$(ENGINE) go test -count=1 -timeout 90m -v -run '^TestChaos$$/$(addsuffix $$/,$(addprefix ^,$(filter-out machine,$(ENGINE))))^$(SCENARIO)' .

soak: ## random floods, restarts and faults for SOAK; LIGHTER_E2E_SEED repeats a run's choices
	cd deploy/e2e && LIGHTER_E2E_SOAK=$(SOAK) go test -count=1 -timeout 0 -v -run '^TestSoak$$' .

bench: bench-paths bench-agents ## both benchmarks; docs/performance.md describes what they measure

bench-paths: ## benchmarks of the hot paths, each compared with its reference, with allocations
	go test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...

bench-agents: ## whole agents: CPU time per million lines and samples, peak memory; a short run: make bench-agents BENCH="-for 5s -lines 20000"
	CGO_ENABLED=0 go run ./deploy/bench $(if $(VMAGENT),-vmagent $(VMAGENT)) $(if $(PROMETHEUS),-prometheus $(PROMETHEUS)) $(BENCH)

allocs: ## allocations per line and per sample on the hot paths, checked against their limits
	go test -run '^TestAllocs' -count=1 ./...

size: ## what each module adds to the binary; docs/size.md has the results
	go run ./deploy/size

# go test -fuzz runs one target at a time.
fuzz: ## each fuzz target for FUZZTIME
	@grep -rlE '^func Fuzz' --include='*_test.go' . | grep -v '^./deploy/e2e/' | sort | while read -r file; do \
		grep -oE '^func Fuzz[A-Za-z0-9_]+' "$$file" | cut -c6- | while read -r target; do \
			echo "== $$target ($$file)"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")" </dev/null || exit 1; \
		done || exit 1; \
	done

golden: ## rewrite golden files and README's tables; then read the diff
	@grep -rlE 'flag\.Bool\("update"' --include='*_test.go' . | grep -v '^./deploy/e2e/' | xargs -n1 dirname | sort -u | while read -r dir; do \
		go test "$$dir" -update </dev/null || exit 1; \
	done

image: ## the image lighter:VERSION, also as lighter:latest
	docker build --build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) -t lighter:$(VERSION) -t lighter:latest .
