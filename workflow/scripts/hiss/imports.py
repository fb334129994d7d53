"""Which modules of the library a script uses: what Snakemake, which does not see imports, must be told."""

import ast
from functools import cache
from pathlib import Path

_LIBRARY = Path(__file__).resolve().parent


def modules_of(script: Path) -> list[Path]:
    """Return the library's modules that a script imports, directly or through others, sorted.

    Read from the source without running it. Packages on the way are part of it.
    """
    found: set[Path] = set()
    waiting = [script.resolve()]
    while waiting:
        for module in _imported(waiting.pop()):
            if module not in found:
                found.add(module)
                waiting.append(module)
    return sorted(found)


@cache
def _imported(source: Path) -> frozenset[Path]:
    modules: set[Path] = set()
    for node in ast.walk(ast.parse(source.read_text(), filename=str(source))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                modules |= _files(alias.name)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules |= _files(node.module)
            for alias in node.names:
                modules |= _files(f"{node.module}.{alias.name}")
    return frozenset(modules)


def _files(name: str) -> set[Path]:
    """Return the files behind a dotted name: its module, and the packages above it."""
    first, *rest = name.split(".")
    if first != _LIBRARY.name:
        return set()
    files = {_LIBRARY / "__init__.py"}
    folder = _LIBRARY
    for part in rest:
        module = folder / f"{part}.py"
        if module.is_file():
            return files | {module}
        folder = folder / part
        if not (folder / "__init__.py").is_file():
            break
        files.add(folder / "__init__.py")
    return files
