# Two commands matter: `make demo` and `make test`. Each sets up all it needs in environments of its own, from constraints
# files that pin every package, so that everybody runs what was tested.

PYTHON ?= python3.11
# Python compiles what it imports; to compile all 40,000 files beforehand takes longer than to install them.
PIP_FLAGS := --quiet --disable-pip-version-check --no-compile
BASE := .venv/.ready
DEV := .venv-dev/.ready
TRAIN := .venv-train/.ready
SPEECH := .venv-speech/.ready
PEERS := .venv-peers/.ready

.PHONY: help demo speech test test-base test-train test-speech check format lint types bench bench-peers demo-train clean

help:  ## Show what can be made.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{sub(/:.*/, "", $$1); printf "  make %-12s %s\n", $$1, $$2}'

demo: $(BASE)  ## Make and check twenty minutes of streams with built-in voices and sounds, and draw a few.
	.venv/bin/soundflow run quickstart demo/quickstart --banks demo/banks --executor ray --validate

speech: $(SPEECH)  ## Set up .venv-speech: neural voices, word times and checks by recognition.

test: test-train test-base test-speech  ## Run all tests.

test-base: $(DEV)
	.venv-dev/bin/python -m pytest -n 2 --ignore tests/trainer --ignore tests/speech

test-train: $(TRAIN)
	.venv-train/bin/python -m pytest -n 2 tests/trainer tests/test_reader.py

test-speech: $(SPEECH)
	.venv-speech/bin/python -m pytest -n 2 tests/speech tests/test_architecture.py tests/test_containers.py

check: lint types test  ## Format, lint, types and tests.

format: $(DEV)  ## Format the code.
	.venv-dev/bin/ruff format .
	.venv-dev/bin/ruff check --fix .

lint: $(DEV)
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/ruff check .

types: $(DEV) $(TRAIN)
	.venv-dev/bin/mypy
	.venv-train/bin/mypy trainer/soundflow_trainer

bench: $(DEV)  ## Measure speed and memory; results as a table and in benchmarks/results.
	.venv-dev/bin/python -m benchmarks

bench-peers: $(PEERS)  ## Measure beside lhotse and a script written by hand.
	.venv-peers/bin/python -m benchmarks peers

demo-train: $(TRAIN)  ## Make a small corpus, train a small model on it, evaluate it and draw what it does.
	.venv-train/bin/soundflow run recipes/demo_train.yaml demo/train-corpus --banks demo/train-banks --executor local
	.venv-train/bin/soundflow train trainer/stages/demo.yaml
	.venv-train/bin/soundflow eval demo/train demo/train-corpus

$(BASE): constraints/base.txt pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install $(PIP_FLAGS) -c constraints/base.txt -e .
	@touch $@

$(DEV): constraints/base.txt pyproject.toml
	$(PYTHON) -m venv .venv-dev
	.venv-dev/bin/python -m pip install $(PIP_FLAGS) -c constraints/base.txt -e '.[dev]'
	@touch $@

# The plain torch of the index would bring several GB of CUDA packages; the pinned version has a small CPU build.
$(TRAIN): constraints/trainer.txt pyproject.toml
	$(PYTHON) -m venv .venv-train
	.venv-train/bin/python -m pip install $(PIP_FLAGS) -c constraints/trainer.txt torch
	.venv-train/bin/python -m pip install $(PIP_FLAGS) -c constraints/trainer.txt -e '.[dev,train]'
	@touch $@

# whisperx needs torch 2.8 with a torchaudio whose wheel loads only beside a CUDA build, so this one is large. Its largest
# wheels are installed one by one: all at once, pip would hold 4 GB of downloads beside the 9 GB that they become.
SPEECH_GB := 10
LARGE_WHEELS := grep -E '^(nvidia-.*|torch|triton)==' constraints/speech.txt

$(SPEECH): constraints/speech.txt pyproject.toml
	@free=$$(df -Pk . | awk 'NR == 2 {print int($$4 / 1048576)}'); test -d .venv-speech -o $$free -ge $(SPEECH_GB) || { \
		echo "The speech environment takes $(SPEECH_GB) GB while it is set up, and $$free GB are free on this disk."; \
		echo "Make room and run the same command again; 'make test-base test-train' needs no speech environment."; exit 1; }
	$(PYTHON) -m venv .venv-speech
	$(LARGE_WHEELS) | xargs -n 1 .venv-speech/bin/python -m pip install $(PIP_FLAGS) --no-cache-dir --no-deps
	.venv-speech/bin/python -m pip install $(PIP_FLAGS) --no-cache-dir -c constraints/speech.txt -e '.[containers,dev,speech]'
	@touch $@

$(PEERS): constraints/bench-peers.txt pyproject.toml
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install $(PIP_FLAGS) -c constraints/bench-peers.txt torch
	.venv-peers/bin/python -m pip install $(PIP_FLAGS) -c constraints/bench-peers.txt -e . lhotse librosa
	@touch $@

clean:  ## Remove environments and what the demos made.
	rm -rf .venv .venv-dev .venv-train .venv-speech .venv-peers demo
