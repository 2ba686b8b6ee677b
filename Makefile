# Two commands do everything on a fresh machine: `make run` and `make test`.
# PYTHON chooses the interpreter, VENV the environment it is installed into.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
SIDE_BY_SIDE = --numprocesses=auto --maxprocesses=8 --dist=loadfile --no-loadscope-reorder

.PHONY: run test suite coverage slow lint docs pages browser pages_study soak guards bench sweeps family measures tokens environments wheel audit clean

# Trains the default experiment on data that ships with scikit-learn; prints where to look.
run: $(VENV)/.run
	$(BIN)/jaxae train configs/vae_digits.py

# Style, types, then the suite: whole files side by side on as many cores as there are.
test: lint suite

suite: $(VENV)/.test
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(TESTS)

# The same, and what it covers.
coverage: $(VENV)/.test
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) --cov=jaxae --cov-report=term --cov-fail-under=90

# An hour on two slow cores: what takes long, over a Ray cluster that is begun for it.
slow: $(VENV)/.slow
	XLA_FLAGS= $(BIN)/python -m pytest -m optimised $(SIDE_BY_SIDE)  # compiled as on a user's machine
	$(BIN)/python -m pytest -m "slow and not optimised" $(SIDE_BY_SIDE)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The documentation site in site/; a warning, such as a broken link, is an error.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "site/index.html: $$(find site -name '*.html' | wc -l) pages"

# The pages of docs/ that are written from the code: capabilities, autoencoders, the command line.
pages: $(VENV)/.test
	$(BIN)/python docs/capabilities.py
	$(BIN)/python docs/autoencoders.py
	$(BIN)/python docs/command_line.py

# Three hours: everything that may go wrong, in the counts of docs/explanation/reliability.md; needs root and strace
# for some of it; writes experiments/reliability and the table of that page.
soak: $(VENV)/.slow
	$(BIN)/python experiments/reliability/damage.py
	$(BIN)/python experiments/reliability/fuzz.py
	for model in vae vq_vae vq_gan token_prior sweep ray; do $(BIN)/python experiments/reliability/kills.py --subject $$model --number 34 || exit 1; done
	for model in vae sweep; do $(BIN)/python experiments/reliability/kills.py --subject $$model --how calls --number 50 || exit 1; done
	for model in vae sweep; do $(BIN)/python experiments/reliability/kills.py --subject $$model --how signals --number 50 || exit 1; done
	$(BIN)/python experiments/reliability/disks.py
	$(BIN)/python experiments/reliability/writers.py
	for dtype in float32 float64; do $(BIN)/python experiments/reliability/members.py --dtype $$dtype || exit 1; done
	$(BIN)/python experiments/reliability/guards.py
	$(BIN)/python experiments/reliability/counts.py

# Half an hour: removes each guard of the reliability code and runs the tests that must fail then; writes
# experiments/reliability.
guards: $(VENV)/.test
	$(BIN)/python experiments/reliability/guards.py --jobs 2

# An hour or more: speed against PyTorch, pythae and Flax, in turns; writes experiments/speed. Needs JAXAE_DATA.
bench: $(VENV)/.bench
	$(BIN)/python experiments/speed/compare.py  # training: works a to g
	for work in token_prior bookkeeping first_results evaluation growth; do $(BIN)/python experiments/speed/$$work.py || exit 1; done  # h to l, and how cost grows

# Half an hour: sweeps against single runs, layouts, search, scale; writes experiments/sweep.
sweeps: $(VENV)/.test
	$(BIN)/python experiments/sweep/forty.py --epochs 50 500
	$(BIN)/python experiments/sweep/layouts.py
	$(BIN)/python experiments/sweep/search.py
	$(BIN)/python experiments/sweep/scale.py

# An hour: the family's table, codes of MNIST, costs; writes experiments/family. Needs JAXAE_DATA.
family: $(VENV)/.test
	$(BIN)/python experiments/family/expected.py
	$(BIN)/python experiments/family/table.py
	$(BIN)/python experiments/family/codes.py
	$(BIN)/python experiments/family/speed.py

# An hour: log p(x) three ways, its cost, rate against distortion, the family's measures; writes
# experiments/measures. Needs JAXAE_DATA.
measures: $(VENV)/.test
	$(BIN)/python experiments/measures/evidence.py
	$(BIN)/python experiments/measures/cost.py
	$(BIN)/python experiments/measures/rate_distortion.py
	$(BIN)/python experiments/measures/family.py

# An hour and a half: codebooks, a tokenizer and a prior end to end, images of captions, sharpness, the lecture's
# shape; writes experiments/tokens. Needs JAXAE_DATA.
tokens: $(VENV)/.test
	$(BIN)/python experiments/tokens/collapse.py
	$(BIN)/python experiments/tokens/end_to_end.py mnist
	$(BIN)/python experiments/tokens/scenes.py
	$(BIN)/python experiments/tokens/sharpness.py
	$(BIN)/python experiments/tokens/large.py
	$(BIN)/python experiments/tokens/cache.py

# The browser of the tests of pages: Debian's package. Without it these tests are skipped.
browser:
	command -v chromium >/dev/null || (apt-get update -qq && apt-get install -y -qq chromium)

# A quarter of an hour: sizes and times of pages, delays of the explorer, screenshots; writes experiments/pages and docs/pictures.
pages_study: $(VENV)/.test
	$(BIN)/python experiments/pages/measure_pages.py

# Lowest, newest and pinned versions on Python 3.11, 3.12 and 3.13: installs the wheel, runs commands and tests.
# ENVIRONMENTS chooses some of the nine, such as "lowest-3.11 newest-3.13".
environments:
	$(PYTHON) .ci/environments.py $(ENVIRONMENTS)

# The source distribution and the wheel in dist/, with a check of which files they hold.
wheel:
	$(PYTHON) .ci/distributions.py

# Known vulnerabilities of the pinned versions. Needs the advisories of the package index or of OSV. The pins are
# complete, so pip-audit resolves nothing; --strict fails for a version that it cannot look up.
audit:
	$(PYTHON) -m venv .cache/audit
	.cache/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	.cache/audit/bin/pip-audit --strict --no-deps --disable-pip --requirement constraints.txt

# Installed anew only when what is to be installed has changed.
$(VENV)/.run: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e . -c constraints.txt
	touch $@

$(VENV)/.test: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]" -c constraints.txt
	touch $@ $(VENV)/.run

$(VENV)/.slow: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev,ray,umap,trackers]" -c constraints.txt
	touch $@

$(VENV)/.docs: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[docs]" -c constraints.txt
	touch $@

$(VENV)/.bench: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev,bench]" -c constraints.txt
	touch $@

clean:
	rm -rf $(VENV) site .cache .pytest_cache .mypy_cache .ruff_cache
