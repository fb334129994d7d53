"""The house rules that a machine can check: floors, thin scripts, packages that import nothing."""

import ast
from pathlib import Path

import pytest

from hiss.imports import modules_of

FLOORS = ["ground", "sdss", "cube", "sample", "models", "structure", "evaluation", "side", "plots", "report", "deposit"]
SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"
LIBRARY = SCRIPTS / "hiss"
MODULES = sorted(LIBRARY.rglob("*.py"))
WORKFLOW_ONLY = {"config", "runs.py", "works.py", "imports.py", "launch.py", "folders.py"}


def of_the_workflow(module: Path) -> bool:
    return module.relative_to(LIBRARY).parts[0] in WORKFLOW_ONLY


def floor_of(module: Path) -> int:
    parts = module.relative_to(LIBRARY).parts
    name = (
        "ground"
        if len(parts) == 1 or of_the_workflow(module)
        else {"sky": "sdss", "scenes": "sample"}.get(parts[0], parts[0])
    )
    return FLOORS.index(name)


def test_there_is_a_house():
    assert len(MODULES) > 30


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(LIBRARY)))
def test_imports_go_down_the_floors(module):
    if of_the_workflow(module):
        return
    used = modules_of(module)
    above = [str(other.relative_to(LIBRARY)) for other in used if floor_of(other) > floor_of(module)]
    assert not above
    assert not [other for other in used if of_the_workflow(other)]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(LIBRARY)))
def test_files_are_short_and_packages_import_nothing(module):
    source = module.read_text()
    assert source.count("\n") <= 400
    if module.name == "__init__.py":
        assert not [node for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom)]
        assert not modules_of(module)


def test_the_simulated_noise_shares_nothing_with_the_cube_s_error_model():
    for module in (LIBRARY / "sky").glob("*.py"):
        assert not [other for other in modules_of(module) if other.parent.name == "cube"]


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.py")), ids=lambda path: path.name)
def test_scripts_are_thin(script):
    tree = ast.parse(script.read_text())
    assert len(script.read_text().splitlines()) <= 80
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]


def imports_by_the_parser(source: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    paths = {LIBRARY.parent.joinpath(*name.split(".")) for name in found if name.split(".")[0] == LIBRARY.name}
    modules = {path.with_suffix(".py") for path in paths} | {path / "__init__.py" for path in paths}
    return {str(path) for path in modules if path.is_file()}


def test_imports_read_by_lines_are_those_of_python_s_parser():
    for source in [*MODULES, *SCRIPTS.glob("*.py")]:
        waiting, expected = [source], set()
        while waiting:
            new = imports_by_the_parser(Path(waiting.pop())) - expected
            expected |= new
            waiting += new
        found = {str(path) for path in modules_of(source)}
        packages = {path for path in found if path.endswith("__init__.py")}
        assert found - packages == {path for path in expected if not path.endswith("__init__.py")}, source
        assert packages == {str(parent / "__init__.py") for path in found for parent in Path(path).parents
                            if parent.is_relative_to(LIBRARY) and (parent / "__init__.py").is_file()}  # fmt: skip


def test_an_import_is_followed_through_other_modules():
    names = {path.name for path in modules_of(SCRIPTS / "train_tree.py")}
    assert "tree.py" in names
    assert "files.py" in names
    assert "vgg.py" not in names, "an edit of the CNN would retrain the trees"
    assert "lgbm.py" not in names
