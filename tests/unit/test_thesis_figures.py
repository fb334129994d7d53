"""A reader of the thesis finds each of its figures here, by its number."""

import re
from pathlib import Path

import pytest

from hiss.report.page import read_caption

FIGURES = ["1.1", "1.3", *(f"2.{k}" for k in range(1, 6)), *(f"3.{k}" for k in range(3, 25))]
"""All that the thesis shows but those of its side studies."""


def _numbers(text: str) -> set[str]:
    """Return the numbers of the thesis's figures that a text names; ``3.4 to 3.6`` is all between."""
    found = set(re.findall(r"\b[1-3]\.\d+\b", text))
    for chapter, first, last in re.findall(r"\b([1-3])\.(\d+) to \1\.(\d+)\b", text):
        found |= {f"{chapter}.{k}" for k in range(int(first), int(last) + 1)}
    return found


def _titles(repo: Path) -> dict[str, str]:
    return {path.stem: read_caption(path)[0] for path in (repo / "workflow" / "report").glob("fig_*.rst")}


@pytest.mark.parametrize("number", FIGURES)
def test_each_figure_has_its_number_in_a_title_and_in_the_documentation(repo: Path, number: str) -> None:
    titled = [name for name, title in _titles(repo).items() if "thesis" in title and number in _numbers(title)]
    assert len(titled) == 1, f"Figure {number} is the title of {titled or 'no caption'}"
    table = (repo / "docs" / "figures.md").read_text()
    lines = [line for line in table.splitlines() if line.startswith("| Figure") and number in _numbers(line)]
    assert len(lines) == 1
    assert titled[0] in lines[0]


def test_every_figure_of_the_table_has_a_caption(repo: Path) -> None:
    names = set(re.findall(r"`(fig_\w+)`", (repo / "docs" / "figures.md").read_text()))
    captions = _titles(repo)
    of_models = {name for name in names if any(name.startswith(f"{kind}_") for kind in ("fig_metrics", "fig_runtime"))}
    assert not names - of_models - set(captions)
