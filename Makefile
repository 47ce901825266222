# What one does with this repository. `make help` lists it.
.DEFAULT_GOAL := help
.PHONY: build image demo demo-down test check fmt lint bench bench-check bench-reaction bench-plane clean help bench-memory

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "  make %-15s %s\n", $$1, $$2 }'

build: ## build Seaway and the demo application as static binaries
	@scripts/build-static

image: build ## build the images seaway:local and seaway-demo-app:local around them; no registry needed
	@scripts/build-images

demo: ## set everything up, start it, scale it, and be shown around
	@scripts/demo

demo-down: ## remove what the demo made
	@scripts/demo-down

test: ## run all tests, those against a real Docker Engine included
	@scripts/test

check: ## does it compile, tests and all? The fast question
	cargo check --workspace --all-targets --locked

fmt: ## format the code
	cargo fmt --all

lint: ## formatting, clippy, dependencies: every warning is an error
	@scripts/lint

bench: ## measure Seaway beside its peers (half an hour; quick: scripts/bench --quick)
	@scripts/bench

bench-check: ## count the instructions of each stage of a request; more than 3 % dearer is a failure (BLESS=1: new baseline)
	@scripts/bench-check $(if $(BLESS),--bless)

bench-reaction: ## measure how fast an event reaches the balancer, fake engine and real Docker (some minutes)
	cargo bench --bench reaction

bench-plane: ## measure what a change costs the control plane, and requests while the table changes (five minutes)
	cargo bench --bench plane

bench-memory: ## measure memory at rest, for each idle connection, and over a million requests (some minutes)
	cargo bench --bench memory

clean: ## remove build results (not the images: make demo-down)
	cargo clean
	rm -f deploy/ready/seaway deploy/ready/seaway-demo-app
