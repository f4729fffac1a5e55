# make help    says what there is to make. Nothing here needs more than Go, but
# for what its line says.

GO      ?= go
FUZZTIME ?= 10s
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.9.0
BENCHSTAT = golang.org/x/perf/cmd/benchstat@latest

.PHONY: help build run test test-race test-olm-peers fuzz bench bench-olm lint check contract clean

help:            ## print this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' $(MAKEFILE_LIST) | expand -t 22

build:           ## build the binary ./hanse, static, without cgo
	CGO_ENABLED=0 $(GO) build -trimpath -o hanse ./cmd/hanse

run: build       ## look into an example event
	./hanse versions
	./hanse event --room-version 4 docs/example-event.json

test:            ## all tests
	$(GO) test -shuffle=on ./...

test-race:       ## all tests under the race detector (needs a C compiler)
	$(GO) test -race -shuffle=on ./...

test-olm-peers:  ## e2ee/olm against libolm, its JavaScript build and the Rust SDK (test/olmpeer/setup.sh installs them)
	HANSE_OLM_PEERS=required $(GO) test -count=1 ./test/olmpeer/...

fuzz:            ## every fuzz target for FUZZTIME (10s)
	@./internal/fuzz-all $(FUZZTIME)

bench:           ## benchmarks of the protocol, six runs, summed up by benchstat
	$(GO) test -run '^$$' -bench . -benchmem -count 6 ./matrix/... ./server/... | tee bench.out
	$(GO) run $(BENCHSTAT) bench.out

bench-olm:       ## e2ee/olm beside libolm, the ratios (needs libolm-dev and a C compiler)
	./test/olmpeer/bench.sh

lint:            ## gofmt, vet, staticcheck, govulncheck, references to the specification
	@./internal/lint $(STATICCHECK) $(GOVULNCHECK)

check: lint fuzz ## lint, and every fuzz target
	$(GO) test -count=1 .

contract:        ## print which endpoints of the specification are served, and by which test it is proved
	@cat docs/spec-status.tsv

clean:           ## remove what was built
	rm -f hanse bench.out
