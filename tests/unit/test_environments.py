"""The lock for pip and the conda environments name the same packages in compatible versions."""

import re
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version

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


def test_every_rule_s_environment_has_what_its_script_imports():
    """A module imported by a rule's script is in the conda environment the rule names."""
    import ast

    from hiss.imports import modules_of

    names = {"yaml": None, "sklearn": "scikit-learn", "torch": "pytorch", "matplotlib": "matplotlib-base",
             "astropy_healpix": "astropy-healpix", "xxhash": "python-xxhash", "mpl_toolkits": "matplotlib-base",
             }  # fmt: skip
    own = {"hiss", "snakemake"}
    standard = set(__import__("sys").stdlib_module_names)
    checked = 0
    for rules in (REPO / "rules").glob("*.smk"):
        for rule in re.split(r"^\s*rule ", rules.read_text(), flags=re.MULTILINE)[1:]:
            env = re.search(r"envs/(\w+)\.yaml", rule)
            script = re.search(r'library\("(\w+\.py)"\)', rule)
            if not env or not script:
                continue
            packages = set(environment(REPO / "envs" / f"{env[1]}.yaml"))
            source = REPO / "workflow" / "scripts" / script[1]
            for module in [source, *modules_of(source)]:
                for node in ast.walk(ast.parse(module.read_text())):
                    found = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                    found += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
                    for name in {item.split(".")[0] for item in found} - standard - own:
                        assert names.get(name, name) in packages, (
                            f"{rule.split(':')[0]} uses {name}, not in envs/{env[1]}.yaml"
                        )
                        checked += 1
    assert checked > 20
