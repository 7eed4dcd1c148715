.DEFAULT_GOAL := help
.PHONY: help run test race lint fuzz bench rig tidy ci

TOOL = go tool -modfile=tools/go.mod

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## run the example and keep it serving
	go run ./cmd/example

test: ## run all tests
	go test ./...

race: ## run all tests under the race detector, in random order
	go test -race -shuffle=on ./...

lint: ## check style, imports and mistakes
	$(TOOL) golangci-lint run ./...

fuzz: ## fuzz each target for FUZZTIME (default 10s)
	.ci/fuzz $(or $(FUZZTIME),10s)

bench: ## measure against what a user would pick instead
	cd bench && go test -run '^$$' -bench . -benchmem ./...

rig: ## measure the SQS consumer and publisher against loops by hand and go-cloud
	cd bench && go run ./sqs/cmd/rig

tidy: ## bring go.mod and go.sum in order
	go mod tidy
	cd bench && go mod tidy
	cd tools && go mod tidy

ci: ## run what CI runs
	.ci/run
