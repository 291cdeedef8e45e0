# Everything one does with this repository. `make` alone lists the targets.
#
# Needed: Go 1.26, bash, and for a real Elasticsearch either a JDK (17 or newer) with Maven or a running Docker engine.
# Tools that are not part of Go are installed below bin/tools, never elsewhere.

SHELL         := bash
.SHELLFLAGS   := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS     += --no-print-directory

GOLANGCI_LINT_VERSION := v2.15.0
GOTESTSUM_VERSION     := v1.13.0
HADOLINT_VERSION      := 2.15.1

# Set by `make NAME=value`; deliberately not taken from the environment, where STATE may be anything.
STATE        = .sluice
COUNT        = 500
FUZZTIME     = 30s
BENCHTIME    = 1x
TEST_TIMEOUT = 20m
FAULT        = all
SEED         = 1
MUTANT       = all
SEEDS        = $(if $(filter all,$(FAULT)),5,1)
DURATION     = $(if $(filter outage,$(MAKECMDGOALS)),10m,1h)
RATE         = 2000
REPLAY_EVENTS = 200000
GOTEST       = go test

# The table that make bench appends to; LOAD_ROUNDS, LOAD_EVENTS and so on are read from the environment.
LOAD_RESULTS ?= $(CURDIR)/test/load/RESULTS.md

# What make fault and make soak have found: an interrupted run goes on from there.
FAULT_RESULTS = $(CURDIR)/bin/fault.tsv
SOAK_RESULTS  = $(CURDIR)/bin/soak.tsv
CLUSTER_RESULTS = $(CURDIR)/bin/fault-cluster.tsv
CLUSTER_DIR     = $(or $(TMPDIR),/tmp)/sluice-fault-cluster
FAULT_RATE      = 400
CLUSTER_RATE    = 100

TOOLS         := $(CURDIR)/bin/tools
GOLANGCI_LINT ?= $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION)/golangci-lint
GOTESTSUM     ?= $(TOOLS)/gotestsum-$(GOTESTSUM_VERSION)/gotestsum
HADOLINT      ?= $(TOOLS)/hadolint-$(HADOLINT_VERSION)/bin/hadolint

SERVICES := receiver enricher indexer retention
BINARIES := $(SERVICES) sluice
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -X github.com/sluicelog/sluice/shared/telemetry.version=$(VERSION)

# The workspace of this clone, whatever GOWORK says outside. The version is passed by LDFLAGS, so the go command need
# not ask git, which it could not do in a clone that belongs to somebody else.
export GOWORK  := $(CURDIR)/go.work
export GOFLAGS := $(filter-out -mod=%,$(shell go env GOFLAGS 2>/dev/null)) -buildvcs=false

# One entry per module; the tests' own module comes last.
MODULES = $(or $(shell GOWORK='$(GOWORK)' GOFLAGS= go list -m -f '{{.Dir}}'),$(error go list -m names no module: is Go installed?))

# The race detector needs a C compiler. Without one the tests still run, and say so; .ci/run insists on it.
RACE = $(shell command -v $$(go env CC) >/dev/null 2>&1 && echo -race)

##@ Use

.PHONY: help
help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z][a-z0-9-]*:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@printf '\nVariables, as in `make run COUNT=5000`: STATE=%s COUNT=%s FUZZTIME=%s BENCHTIME=%s\n' \
		'$(STATE)' '$(COUNT)' '$(FUZZTIME)' '$(BENCHTIME)'

.PHONY: run
run: build ## build, start everything on this machine, send demo events; Ctrl-C stops it, the data stays in STATE
	@STATE='$(STATE)' COUNT='$(COUNT)' exec scripts/run.sh

.PHONY: build
build: ## build bin/receiver, bin/enricher, bin/indexer, bin/retention and bin/sluice
	@mkdir -p bin
	@for name in $(BINARIES); do \
		go build -trimpath -ldflags '$(LDFLAGS)' -o "bin/$$name" "./services/$$name/cmd/$$name"; \
	done

.PHONY: doctor
doctor: build ## say what this machine lacks, and what to do about it
	@bin/sluice doctor --state '$(STATE)'

.PHONY: geoip
geoip: ## get a country and network database for addresses into STATE/geoip (CITY=1: cities too); needs npm
	@go run ./services/enricher/cmd/geoip --out '$(STATE)/geoip' $(if $(CITY),--city)

.PHONY: images
images: ## build one container image per binary (needs a Docker engine)
	@for name in $(BINARIES); do \
		docker build --build-arg SERVICE="$$name" --build-arg VERSION='$(VERSION)' \
			--file deployments/Dockerfile --tag "sluice/$$name:$(VERSION)" --tag "sluice/$$name:local" .; \
	done

##@ Test

# Packages are tested in the order they are named: what takes longest, and mostly waits, begins first.
LONGEST = ./test/e2e ./shared/stream ./services/indexer

.PHONY: test
test: race-note ## all tests of all modules, with the race detector, a real NATS and a real Elasticsearch
	$(GOTEST) $(RACE) -count=1 -timeout $(TEST_TIMEOUT) $(LONGEST) work

.PHONY: test-unit
test-unit: ## the tests that need neither Elasticsearch nor time (go test -short)
	$(GOTEST) -short -timeout 5m work

.PHONY: test-e2e
test-e2e: race-note ## only the end-to-end tests
	$(GOTEST) $(RACE) -count=1 -timeout $(TEST_TIMEOUT) ./test/e2e/...

.PHONY: race
race: race-note ## the quick tests again, with the race detector
	$(GOTEST) $(RACE) -short -timeout 10m work

.PHONY: race-note
race-note:
	@[ -n '$(RACE)' ] || echo 'NOTE: no C compiler on this machine, so the tests run WITHOUT the race detector' >&2

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME
	@scripts/fuzz.sh '$(FUZZTIME)'

.PHONY: bench
bench: $(CURDIR)/.sluice/geoip ## how fast it is on this machine, in about an hour; needs npm; appends to LOAD_RESULTS (empty: to nothing), then bench-page
	@failed=0; (set -x; LOAD_RESULTS='$(LOAD_RESULTS)' go test -run '^$$' -bench . -benchtime $(BENCHTIME) -timeout 3h ./test/load/...) || failed=$$?; \
		$(MAKE) bench-page; exit $$failed

.PHONY: bench-page
bench-page: ## write test/load/TARGETS.md from what make bench found: what is met, what is not, and what bounds it
	go test -count=1 -run '^TestTheTargetsArePaged' ./test/load -targets

# Places are looked up in what is measured.
$(CURDIR)/.sluice/geoip:
	@$(MAKE) --no-print-directory geoip STATE=.sluice

.PHONY: fault
fault: ## break one thing after another under load and check the promise; FAULT=name SEED=n for one, SEEDS=5, AGAIN=1, FAULT_RATE=200
	go test -count=1 -timeout 0 -v -run '^TestFaults$$' ./test/fault -fault='$(FAULT)' -seed='$(SEED)' -seeds='$(SEEDS)' \
		-rate=$(FAULT_RATE) -results='$(FAULT_RESULTS)' $(if $(or $(AGAIN),$(filter-out all,$(FAULT))),-again)

.PHONY: fault-cluster
fault-cluster: ## make fault against 3 NATS servers, 3 Elasticsearch nodes and several services, as root with network namespaces; FAULT=cluster-… SEED=n for one
	go test -count=1 -timeout 0 -v -run '^TestClusterFaults$$' ./test/fault -fault='$(or $(filter-out all,$(FAULT)),cluster)' -seed='$(SEED)' \
		-seeds='$(if $(filter all,$(FAULT)),2,$(SEEDS))' -rate=$(CLUSTER_RATE) -stay='$(CLUSTER_DIR)' -results='$(CLUSTER_RESULTS)' $(if $(or $(AGAIN),$(filter-out all,$(FAULT))),-again)

.PHONY: fault-cluster-stop
fault-cluster-stop: ## end the Elasticsearch nodes and network that make fault-cluster leaves for its next run
	go test -count=1 -v -run '^TestClusterEnds$$' ./test/fault -stay='$(CLUSTER_DIR)'

.PHONY: fault-page
fault-page: ## write test/fault/RESULTS.md from what make fault and make fault-cluster found
	go test -count=1 -run '^TestPage$$' ./test/fault -page='$(CURDIR)/test/fault/RESULTS.md' -results='$(CURDIR)/test/fault/results.tsv,$(FAULT_RESULTS),$(CLUSTER_RESULTS)'

.PHONY: mutants
mutants: ## test the fault tests: Sluices with one thing broken, each of which must fail for its reason; MUTANT=name for one
	go test -count=1 -timeout 0 -v -run '^TestMutants$$' ./test/fault -mutant='$(MUTANT)' -seed='$(SEED)'

.PHONY: soak
soak: ## random faults on one running system for DURATION; may be interrupted and goes on where it was
	go test -count=1 -timeout 0 -v -run '^TestSoak$$' ./test/fault -soak='$(DURATION)' -seed='$(SEED)' -results='$(SOAK_RESULTS)' -seeds=1

.PHONY: outage
outage: ## Elasticsearch away for DURATION at RATE events per second: answers, memory, catching up, ledger
	go test -count=1 -timeout 0 -v -run '^TestOutage$$' ./test/fault -outage='$(DURATION)' -rate='$(RATE)' -seed='$(SEED)'

.PHONY: replay
replay: ## index REPLAY_EVENTS old events, send them all again while answers are lost: 0 new documents, and what one costs
	REPLAY_EVENTS='$(REPLAY_EVENTS)' go test -count=1 -timeout 0 -v ./test/replay

.PHONY: hostile
hostile: ## send a running Sluice what nobody should send, and print each answer and what became of it
	go test -count=1 -timeout 20m -v ./test/hostile -table

.PHONY: leaks
leaks: ## look for tokens and passwords of tests in what they left behind, below the temporary folder and bin/ci
	@go run ./shared/leaktest/cmd/leaks $(wildcard bin/ci) "$${TMPDIR:-/tmp}"/sluice-*

.PHONY: cover
cover: ## coverage of the quick tests, as bin/coverage.html
	@mkdir -p bin
	go test -short -coverpkg=github.com/sluicelog/sluice/... -coverprofile=bin/coverage.out work
	go tool cover -html=bin/coverage.out -o bin/coverage.html

##@ Check

.PHONY: check
check: lint modules tidy-check test ## all that must be green before a change is shared

.PHONY: lint
lint: lint-go lint-docker ## Go and Dockerfile linters

.PHONY: lint-go
lint-go: $(GOLANGCI_LINT) ## golangci-lint over all modules
	$(GOLANGCI_LINT) run $(addsuffix /...,$(MODULES))

.PHONY: lint-docker
lint-docker: ## hadolint over the Dockerfile
	@HADOLINT='$(HADOLINT)' HADOLINT_VERSION='$(HADOLINT_VERSION)' scripts/hadolint.sh deployments/Dockerfile

.PHONY: fmt
fmt: $(GOLANGCI_LINT) ## format all Go files
	$(GOLANGCI_LINT) fmt $(addsuffix /...,$(MODULES))

.PHONY: modules
modules: ## build and vet every module on its own, without the workspace
	@for dir in $(MODULES); do \
		echo "module $${dir#$(CURDIR)/}"; \
		(cd "$$dir" && GOWORK=off go build ./... && GOWORK=off go vet ./...); \
	done

.PHONY: tidy
tidy: ## go mod tidy in every module, then align their versions
	@for dir in $(MODULES); do (cd "$$dir" && GOWORK=off go mod tidy); done
	go work sync
	@for dir in $(MODULES); do (cd "$$dir" && GOWORK=off go mod tidy); done # what the alignment left over

.PHONY: tidy-check
tidy-check: ## fail if `make tidy` would change a go.mod or go.sum
	@for dir in $(MODULES); do \
		echo "tidy $${dir#$(CURDIR)/}"; \
		(cd "$$dir" && GOWORK=off go mod tidy -diff); \
	done

.PHONY: hooks
hooks: ## install a git hook that checks format and lint of the changed modules before a commit
	@install -m 0755 scripts/pre-commit "$$(git rev-parse --git-path hooks)/pre-commit"

##@ Clean

.PHONY: clean
clean: ## delete what was built (bin/) and cached test results; never the data in STATE
	rm -rf bin
	go clean -testcache

.PHONY: stop-elasticsearch
stop-elasticsearch: ## stop the Elasticsearch that the tests leave running for one another
	@go run ./shared/elastic/elastictest/cmd/stop

.PHONY: clean-state
clean-state: ## delete STATE: all events, the endpoint and its token
	@scripts/clean-state.sh '$(STATE)'

# Tools are files named by their version, so that a new version here is installed by the next call.
$(GOLANGCI_LINT):
	@echo 'building golangci-lint $(GOLANGCI_LINT_VERSION): this takes minutes, once'
	GOWORK=off GOBIN='$(@D)' go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)

$(GOTESTSUM):
	GOWORK=off GOBIN='$(@D)' go install gotest.tools/gotestsum@$(GOTESTSUM_VERSION)

.PHONY: gotestsum print-gotestsum print-golangci-lint
gotestsum: $(GOTESTSUM)
print-gotestsum:
	@echo '$(GOTESTSUM)'
print-golangci-lint:
	@echo '$(GOLANGCI_LINT)'
