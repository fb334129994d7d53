"""profiles/slurm fits the study: no group asks for more time than there is, or is sized before its inputs are there."""

import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import numpy as np
import pytest
import yaml
from yte import process_yaml

from hiss.config.settings import parse_settings
from hiss.modality import Modality
from hiss.models.rest_frame import rest_edges
from hiss.runs import MODELS, plan_runs, plan_variants

from .conftest import make_workspace

REPO = Path(__file__).resolve().parents[2]
OBJECTS = 11_179  # the thesis's sample
PREPARED = 0.8  # of them: training and validation objects
SITE = yaml.safe_load((REPO / "profiles" / "slurm" / "site.yaml").read_text())
RULES = "\n".join(path.read_text() for path in sorted((REPO / "rules").glob("*.smk")))
DEFINED = set(re.findall(r"^ *(?:rule|checkpoint) (\w+):", RULES, re.MULTILINE))
ALONE = {
    *("simulate_sky", "fetch_catalogue", "prepare_catalogue", "plan_archive", "make_manifest", "build_sparse"),
    *("test_cnn", "test_target_cnn", "test_scene_cnn", "choose_structure", "simulate_scenes"),
}
SIZED = "training_minutes|training_memory|network_memory"


@pytest.fixture(scope="module")
def profile():
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(REPO)
        return process_yaml((REPO / "profiles" / "slurm" / "config.yaml").read_text())


@pytest.fixture(scope="module")
def edges(tmp_path_factory) -> set[tuple[str, str]]:
    """Pairs of rules, the second of which reads what the first has made."""
    workspace, found = make_workspace(tmp_path_factory.mktemp("edges")), set()
    for config in ("config/demo.yaml", "config/config.yaml"):
        graph = workspace.run("--rulegraph", "dot", config=config)
        names = dict(re.findall(r'^\s*(\d+)\[label = "(\w+)"', graph, re.MULTILINE))
        pairs = re.findall(r"^\s*(\d+) -> (\d+)", graph, re.MULTILINE)
        found |= {(names[one], names[other]) for one, other in pairs}
    return found


def text_of(rule: str) -> str:
    """Return a rule's lines."""
    return re.search(rf"^( *)(?:rule|checkpoint) {rule}:\n((?:\1 +.*\n|\n)+)", RULES, re.MULTILINE)[2]


def input_gb(inputs: str, zoom: int, binned: bool) -> float:
    """Return the size of prepared features [GB], and of their bins, one byte a value."""
    modality, values = Modality.parse(inputs), 0
    if modality.images:
        values += 5 * (64 >> zoom) ** 2
    if modality.spectra:
        samples = 4620 >> (zoom if modality.spectra_zoom is None else modality.spectra_zoom)
        values += len(rest_edges(np.linspace(3800, 9200, samples))) - 1 if modality.rest_frame else samples
    return OBJECTS * PREPARED * values * (4 + binned) / 1e9


def jobs_of_the_study() -> dict[str, list[float]]:
    """Return for each rule that asks by the size of its inputs that size of each of its jobs [GB]."""
    config = yaml.safe_load((REPO / "config" / "config.yaml").read_text())
    experiments = parse_settings(config, "config.yaml").experiments
    runs = [run for run in plan_runs(experiments) if run.model in MODELS]
    variants = plan_variants(experiments)
    places = dict.fromkeys((run.model, run.inputs, run.zoom) for run in runs)
    features = dict.fromkeys((run.sample, run.inputs, run.zoom) for run in (*runs, *variants))
    sizes: dict[str, list[float]] = {
        "bin_features": [input_gb(inputs, zoom, False) for _, inputs, zoom in features],
        "fit_quantiles": [input_gb(inputs, zoom, True) for model, inputs, zoom in places if model == "lightgbm"],
    }
    train = {"decision_tree": "train_tree", "lightgbm": "train_lightgbm", "vggnet12": "train_cnn"}

    def add(rule: str, model: str, inputs: str, zoom: int) -> None:
        sizes.setdefault(rule, []).append(input_gb(inputs, zoom, model == "lightgbm"))

    for run in runs:
        add(train[run.model], run.model, run.inputs, run.zoom)
    timed: dict[tuple[str, int], float] = {}
    for model, inputs, zoom in places:
        add("cross_validate_cnn" if model == "vggnet12" else "cross_validate", model, inputs, zoom)
        timed[model, zoom] = timed.get((model, zoom), 0.0) + input_gb(inputs, zoom, model == "lightgbm")
    for (model, _), size in timed.items():  # the modalities of a zoom take turns in one job
        sizes.setdefault("time_cnn" if model == "vggnet12" else "time_selected", []).append(size)
    for run in variants:
        add("refit_cnn" if run.model == "vggnet12" else "refit_variant", run.model, run.inputs, run.zoom)
    return sizes


def test_a_group_that_comes_back_for_the_third_time_fits_the_longest_partition(profile):
    """Of the largest jobs of each group; those that share its cores take turns."""
    longest = max(one["max_runtime"] for one in SITE["partitions"].values())
    assert SITE["longest"] <= longest
    attempts, cores = profile["retries"] + 1, profile["cores"]
    sizes, checked = jobs_of_the_study(), 0
    for rule, gigabytes in sizes.items():
        group = profile["groups"][rule]
        per_gb = int(re.search(r"runtime=training_minutes\((\d+)\)", text_of(rule))[1])
        minutes = sorted((10 + per_gb * size for size in gigabytes), reverse=True)
        at_once = max(1, cores // profile["set-threads"].get(rule, 1))
        taken = minutes[: profile["group-components"][group]]
        asked = attempts * sum(taken[::at_once])
        assert asked <= SITE["longest"], f"{group}: {len(taken)} of {rule} ask for {asked:.0f} min at the third attempt"
        checked += 1
    assert checked == 11


def test_no_rule_that_asks_by_its_inputs_size_stands_behind_their_maker_in_a_group(profile, edges):
    """A group's memory and time are summed before it runs; what a job cannot tell then is left out of the sum."""
    groups = profile["groups"]
    behind = [(maker, rule) for maker, rule in edges if maker in groups and groups[maker] == groups.get(rule)]
    assert ("export_zoom", "find_gaps") in behind, "the edges are those of the workflow"
    for maker, rule in behind:
        assert not re.search(SIZED, text_of(rule)), f"{rule} is sized before {maker} of the same group has run"
    for known in (("prepare_features", "bin_features"), ("cross_validate", "fit_quantiles")):
        assert known in edges


def test_no_group_waits_for_what_waits_for_it(profile, edges):
    """A group starts when all it reads from outside is there: a rule between two of its rules would never start."""
    waits: dict[str, set[str]] = {}
    for maker, rule in edges:
        one, other = profile["groups"].get(maker, maker), profile["groups"].get(rule, rule)
        if one != other:
            waits.setdefault(other, set()).add(one)
    assert "summarise" in {maker for maker, _ in edges}
    try:
        list(TopologicalSorter(waits).static_order())
    except CycleError as error:
        pytest.fail(f"these wait for each other: {' <- '.join(error.args[1])}")


def test_every_rule_that_is_submitted_is_in_a_group_or_worth_a_submission_of_its_own(profile, edges):
    snakefile = (REPO / "Snakefile").read_text()
    named = "".join(re.findall(r"^localrules:\n((?: +\w+,\n)+)", snakefile, re.MULTILINE))
    rules = {rule for pair in edges for rule in pair} - {"all"}
    local = {rule for rule in rules & DEFINED if "localrule: True" in text_of(rule)} | {*re.findall(r"\w+", named)}
    submitted = rules - local - set(profile["groups"])
    assert submitted == ALONE


def test_each_group_is_of_known_rules_and_each_number_of_a_known_group(profile):
    rules = set(re.findall(r"^ *(?:rule|checkpoint|use rule \w+ as) (\w+)", RULES, re.MULTILINE))
    assert set(profile["groups"]) <= rules
    assert set(profile["set-threads"]) <= rules
    assert set(profile["set-resources"]) <= rules
    assert set(profile["group-components"]) <= set(profile["groups"].values())
