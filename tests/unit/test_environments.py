"""The lock for pip and the conda environments name the same packages in compatible versions."""

import ast
import re
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from hiss.imports import modules_of

REPO = Path(__file__).resolve().parents[2]
CONDA_NAMES = {"pytorch": "torch", "matplotlib-base": "matplotlib", "python-xxhash": "xxhash"}
CONDA_ONLY = {"python", "openmpi"}


def locked() -> dict[str, str]:
    lines = (REPO / "requirements.lock").read_text().splitlines()
    return dict(line.split(";")[0].strip().split("==") for line in lines if "==" in line)


def environment(path: Path) -> dict[str, str]:
    specs = (line.split() for line in yaml.safe_load(path.read_text())["dependencies"])
    return {name: spec[0] if spec else "" for name, *spec in specs}


ENVIRONMENTS = sorted((REPO / "envs").glob("*.yaml"))


def test_there_is_an_environment_a_kind_of_work():
    assert {path.stem for path in ENVIRONMENTS} == {"cube", "trees", "cnn", "report"}


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_conda_ranges_hold_the_locked_versions(path):
    versions = locked()
    for name, spec in environment(path).items():
        if name in CONDA_ONLY:
            continue
        pip_name = CONDA_NAMES.get(name, name)
        assert pip_name in versions, f"{path.name} names {name}, which requirements.lock has not"
        assert Version(versions[pip_name]) in SpecifierSet(spec), (
            f"{path.name}: {name} {spec}, locked {versions[pip_name]}"
        )


def test_the_lock_pins_everything_that_is_asked_for():
    asked = re.findall(r"^([A-Za-z0-9_.-]+)", (REPO / "requirements.in").read_text(), re.MULTILINE)
    assert {name.lower() for name in asked} <= {name.lower() for name in locked()}
    assert locked()["torch"] == "2.13.0", "torch is pinned without a build of its own"


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_the_site_s_file_tells_what_its_modules_must_bring(path):
    text = (REPO / "profiles" / "slurm" / "site.yaml").read_text()
    comment = " ".join(line.strip("# ") for line in text.partition("env-modules")[2].splitlines() if line[:1] == "#")
    told = dict(re.findall(r"(all|cube|trees|cnn|report): (.*?)(?= (?:all|cube|trees|cnn|report): |$)", comment))
    words = set(re.findall(r"[a-z0-9][a-z0-9-]*", told["all"] + " " + told[path.stem]))
    named = {CONDA_NAMES.get(name, name) for name in environment(path)} - {"python", "openmpi"}
    assert named <= words


IMPORT_NAMES = {
    "sklearn": "scikit-learn", "torch": "pytorch", "matplotlib": "matplotlib-base", "mpl_toolkits": "matplotlib-base",
    "astropy_healpix": "astropy-healpix", "xxhash": "python-xxhash", "PIL": "pillow",
}  # fmt: skip
OF_THE_WORKFLOW = {"hiss", "snakemake"}
STANDARD = set(sys.stdlib_module_names)


class Rule(NamedTuple):
    name: str
    script: str
    environment: str
    modules: str


def rules() -> list[Rule]:
    """Return every rule that runs a script; one made of another has its script, and of the rest what it names."""
    found: list[Rule] = []
    for path in sorted((REPO / "rules").glob("*.smk")):
        begins = re.compile(r"^ *(?=(?:use rule|rule|checkpoint) \w+(?: as \w+ with)?:)", re.MULTILINE)
        for part in begins.split(path.read_text())[1:]:
            used, name = re.match(r"(?:use rule (\w+) as|rule|checkpoint) (\w+)", part).groups()
            told = [
                re.search(pattern, part)
                for pattern in (r'library\("(\w+\.py)"\)', r'envs/(\w+)\.yaml"', r'site_modules\("(\w+)"\)')
            ]
            inherited = next((rule[1:] for rule in found if rule.name == used), ("", "", ""))
            values = [match[1] if match else old for match, old in zip(told, inherited, strict=True)]
            if values[0]:
                found.append(Rule(name, *values))
    return found


RULES = rules()


def packages_imported(script: str) -> dict[str, str]:
    """Return the packages that a script and the modules it uses import, at once or later, and a module that does."""
    source = REPO / "workflow" / "scripts" / script
    found = {}
    for module in [source, *modules_of(source)]:
        for node in ast.walk(ast.parse(module.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            found |= {name.split(".")[0]: module.name for name in names}
    return {name: module for name, module in found.items() if name not in STANDARD | OF_THE_WORKFLOW}


def test_every_rule_with_a_script_is_seen():
    assert len(RULES) > 40
    scripts = {path.name for path in (REPO / "workflow" / "scripts").glob("*.py")}
    by_hand = scripts - {rule.script for rule in RULES}
    assert by_hand <= {"predict.py", "name_report.py", "look.py"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_s_environment_has_what_its_script_imports(rule):
    """Also what is imported late, by the name of a model or where a cube is built by ranks."""
    packages = set(environment(REPO / "envs" / f"{rule.environment}.yaml"))
    for name, module in packages_imported(rule.script).items():
        assert IMPORT_NAMES.get(name, name) in packages, f"{module} imports {name}, not in envs/{rule.environment}.yaml"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_s_modules_are_of_the_kind_of_its_environment(rule):
    assert rule.modules == rule.environment


def test_jobs_of_trees_know_nothing_of_the_cnn_and_the_cnn_s_nothing_of_trees():
    """So each runs in its own environment, and a change of the one reruns nothing of the other."""
    kinds = {rule.name: (rule.environment, packages_imported(rule.script)) for rule in RULES}
    for name in ("train_cnn", "cross_validate_cnn", "refit_cnn", "time_cnn", "test_cnn"):
        assert kinds[name][0] == "cnn"
        assert "torch" in kinds[name][1]
        assert "lightgbm" not in kinds[name][1]
    trees = ("train_tree", "train_lightgbm", "train_baseline", "cross_validate", "fit_quantiles", "refit_variant")
    for name in (*trees, "time_selected", "evaluate_test", "fuse_late", "fuse_stacked", "select_runs", "summarise"):
        assert kinds[name][0] == "trees"
        assert "torch" not in kinds[name][1]
