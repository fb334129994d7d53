"""Which modules of the library a script uses: what Snakemake, which does not see imports, must be told."""

import re
from functools import cache
from pathlib import Path

_LIBRARY = Path(__file__).resolve().parent
_NAME = _LIBRARY.name
_IMPORT = re.compile(
    rf"^[ \t]*(?:from[ \t]+(?P<package>{_NAME}[\w.]*)[ \t]+import[ \t]+(?P<names>\([^)]*\)|[^\n]*)"
    rf"|import[ \t]+(?P<modules>{_NAME}[^\n]*))",
    re.MULTILINE,
)
_COMMENT = re.compile(r"#[^\n]*")


def modules_of(script: Path) -> list[Path]:
    """Return the library's modules that a script imports, directly or through others, sorted.

    Read from the source without running it, by its lines: to parse 200 modules takes as long as to plan a study.
    Packages on the way are part of it.
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
    for found in _IMPORT.finditer(_COMMENT.sub("", source.read_text())):
        package, listed = found["package"], found["names"] or found["modules"]
        names = [part.split()[0] for part in listed.strip("() \t\n").split(",") if part.strip()]  # without "as ..."
        for name in [package, *(f"{package}.{name}" for name in names)] if package else names:
            modules |= _files(name)
    return frozenset(modules)


@cache
def _files(name: str) -> frozenset[Path]:
    """Return the files behind a dotted name: its module, and the packages above it."""
    first, *rest = name.split(".")
    if first != _NAME:
        return frozenset()
    files = {_LIBRARY / "__init__.py"}
    folder = _LIBRARY
    for part in rest:
        module = folder / f"{part}.py"
        if module.is_file():
            return frozenset(files | {module})
        folder = folder / part
        if not (folder / "__init__.py").is_file():
            break
        files.add(folder / "__init__.py")
    return frozenset(files)
