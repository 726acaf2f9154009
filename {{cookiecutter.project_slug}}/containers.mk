# Images and services: docs/containers.md.
DOCKER ?= docker
COMPOSE ?= $(DOCKER) compose
IMAGE := {{ cookiecutter.project_slug }}
IMAGE_OPTIONS ?=
BUILD = DOCKER_BUILDKIT=1 $(DOCKER) build $(foreach name,VERSION REVISION FOLDER SOURCE,--build-arg $(name)) $(IMAGE_OPTIONS)
# What may be said: make image IMAGE_OPTIONS="--build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130"
BASE = $(shell sed -n 's/^ARG BASE=\([^@]*\).*/\1/p' Dockerfile)

# What the labels and the records of runs say: the version, the commit (and whether what .dockerignore lets in differs from
# it), the folder of the project in its repository, and where that is (without the password that an address may hold).
image up: export VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
image up: export REVISION = $(shell git rev-parse --verify --quiet HEAD 2>/dev/null)$(shell sed -n 's/^!/:(glob)/p' .dockerignore | xargs git status --porcelain -- Dockerfile 2>/dev/null | sed 's/.*/-dirty/;q')
image up: export FOLDER = $(shell git rev-parse --show-prefix 2>/dev/null)
image up: export SOURCE = $(shell git config --get remote.origin.url 2>/dev/null | sed 's|://[^/]*@|://|')
# Compose runs as the user who owns the mounted folders.
up down: export RUN_AS ?= $(shell id -u):$(shell id -g)

.PHONY: engine image pin-base up down scan image-sbom

engine:
	@command -v $(DOCKER) >/dev/null || { echo "error: $(DOCKER) is not installed; see https://docs.docker.com/engine/install" >&2; exit 1; }

image: engine  ## Build the images {{ cookiecutter.project_slug }}:training and {{ cookiecutter.project_slug }}:api
	@for file in $$(sed -n 's|^COPY \([^-*]*\) \./$$|\1|p' Dockerfile); do \
		test -f $$file || { echo "error: $$file is missing, and goes into the image; make setup writes it" >&2; exit 1; }; done
	$(BUILD) --target runtime --tag $(IMAGE):training .
	$(BUILD) --target api --tag $(IMAGE):api .

pin-base: engine  ## Write the digest of the base image into the Dockerfile
	digest=$$($(DOCKER) pull $(BASE) | sed -n 's/^Digest: //p') && test -n "$$digest" \
		&& sed "s|^ARG BASE=.*|ARG BASE=$(BASE)@$$digest|" Dockerfile > Dockerfile.part && mv Dockerfile.part Dockerfile
	@grep '^ARG BASE=' Dockerfile

up: image  ## Train in containers, and serve the model
	$(COMPOSE) up --detach

down: engine  ## Stop the containers; data, models and tracked runs stay
	$(COMPOSE) down

# Another image looks at a copy, so that it needs no access to the engine.
TRIVY := aquasec/trivy:0.69.3@sha256:bcc376de8d77cfe086a917230e818dc9f8528e3c852f7b1aff648949b6258d1c
LOOK = folder=$$(mktemp -d) && trap 'rm -r "$$folder"' EXIT && $(DOCKER) save --output "$$folder/image.tar" $(IMAGE):api \
	&& $(DOCKER) run --rm --volume "$$folder:/scan:ro" $(TRIVY) image --input /scan/image.tar

scan: engine  ## Look for known vulnerabilities in the image
	$(LOOK) --severity HIGH,CRITICAL --ignore-unfixed --exit-code 1

image-sbom: engine  ## List the packages of the image, including Debian's, in reports/image.cdx.json (CycloneDX)
	$(LOOK) --format cyclonedx > reports/image.cdx.json.part && mv reports/image.cdx.json.part reports/image.cdx.json
