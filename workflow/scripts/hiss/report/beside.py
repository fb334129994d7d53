"""The report's sections on the studies beside the main one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hiss.files import read_json, read_table
from hiss.report.cases import CasesTables, cases_section
from hiss.report.page import FigureOnPage, Section
from hiss.report.scenes import ScenesTables, scenes_section
from hiss.report.structure import StructureTables, structure_section
from hiss.report.targets import TargetTables, target_section


@dataclass(frozen=True)
class Beside:
    """What the studies beside the main one left behind; None, or empty, where one is switched off."""

    structure: StructureTables | None = None
    targets: Mapping[str, TargetTables] = field(default_factory=dict)
    """By the target's name."""
    cases: CasesTables | None = None
    scenes: ScenesTables | None = None

    @classmethod
    def load(
        cls,
        structure: Sequence[Path | str] = (),
        targets: Sequence[Path | str] = (),
        cases: Sequence[Path | str] = (),
        scenes: Sequence[Path | str] = (),
    ) -> "Beside":
        """Read it from files: of each study the sentences first, then its tables in the order of their fields.

        Those of ``targets`` lie in a folder a target.
        """
        folders: dict[str, list[Path]] = {}
        for path in map(Path, targets):
            folders.setdefault(path.parent.name, []).append(path)
        return cls(
            StructureTables(*_read(structure)) if structure else None,
            {name: TargetTables(*_read(paths)) for name, paths in folders.items()},
            CasesTables(*_read(cases)) if cases else None,
            ScenesTables(*_read(scenes)) if scenes else None,
        )


def _read(paths: Sequence[Path | str]) -> list[Any]:
    answers, *tables = paths
    return [read_json(answers), *map(read_table, tables)]


def beside_sections(beside: Beside, figures: Mapping[str, FigureOnPage]) -> list[Section]:
    """Return the sections of all studies there are, those on the main study's own objects first."""
    return [
        *([cases_section(beside.cases, figures)] if beside.cases else []),
        *(target_section(name, tables, figures) for name, tables in beside.targets.items()),
        *([structure_section(beside.structure, figures)] if beside.structure else []),
        *([scenes_section(beside.scenes, figures)] if beside.scenes else []),
    ]
