# make run    set up and run the workflow          make test   set up, then every check and test
# make run CONFIG=config/real_field.yaml           make lock   resolve requirements.in again
# make predict RUN=<folder of a run> CUBE=<hiss_cube.h5> OUT=<predictions.parquet, .csv, .fits or .vot>
# make look TARGET=<plate-mjd-fiber>               draw any object of a cube; without TARGET it lists some
#           or ID=<target_id> or CONE="<ra> <dec> <radius>" [deg]; CUBE=<hiss_cube.h5> (else of CONFIG) ZOOM=0 OUT=<.png, .svg, .pdf>
CONFIG  ?= config/demo.yaml
PROFILE ?= profiles/default
# Folder of raw SDSS files, in place of the config's sky.local.path
SDSS    ?=
# Share of the objects that the interval of `make predict` holds
LEVEL   ?= 0.9
# Extra arguments for snakemake, for instance ARGS=--dry-run
ARGS    ?=
BIN     := .venv/bin

LOCAL   := $(if $(SDSS),--config 'sky={"local": {"path": "$(SDSS)"}}')

.PHONY: run predict look setup test check format lock schema clean

run: setup
	@$(BIN)/snakemake --profile $(PROFILE) --cores all $(ARGS) --quiet rules host reason $(LOCAL) --configfile $(CONFIG)
	@$(BIN)/python workflow/scripts/name_report.py $(CONFIG)

predict: setup
	@$(foreach name,RUN CUBE OUT,$(if $($(name)),,$(error make predict needs $(name)=..., see the first lines of the Makefile)))
	@$(BIN)/python workflow/scripts/predict.py --run '$(RUN)' --cube '$(CUBE)' --out '$(OUT)' --level $(LEVEL)

look: setup
	@$(BIN)/python workflow/scripts/look.py --config '$(CONFIG)' $(if $(CUBE),--cube '$(CUBE)') $(if $(OUT),--out '$(OUT)') \
	    $(if $(ZOOM),--zoom $(ZOOM)) $(if $(ID),--id $(ID)) $(if $(CONE),--cone $(CONE)) $(if $(TARGET),'$(TARGET)')

setup:
	@envs/setup.sh

test: setup check
	@envs/setup_tests.sh
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile tests/unit tests/study
	$(BIN)/python -m pytest tests/workflow tests/slurm

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules
	for config in config/*.yaml; do $(BIN)/snakemake --lint --configfile $$config || exit 1; done

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile rules

schema: setup
	PYTHONPATH=workflow/scripts $(BIN)/python -c 'import json; from hiss.config.settings import schema; print(json.dumps(schema(), indent=2))' > config/schema.json
	PYTHONPATH=workflow/scripts $(BIN)/python -c 'import json; from hiss.deposit.summary import schema; print(json.dumps(schema(), indent=2))' > workflow/schemas/summary.json

# torch is pinned without its build (+cpu, +cu130): each machine takes the one its index offers.
lock: setup
	$(BIN)/python -m pip install -q pip-tools
	$(BIN)/pip-compile -q --upgrade --strip-extras --allow-unsafe --no-annotate --no-header --no-emit-index-url \
	    --no-emit-find-links --no-emit-trusted-host -o requirements.lock requirements.in
	sed -i 's/^\(torch==[0-9.]*\)+.*/\1/' requirements.lock

clean:
	rm -rf results .snakemake
