"""The ledger: how many objects each step of the selection leaves (Table 2.1 of the thesis)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hiss.errors import HissError
from hiss.sample.accounts import Holdings
from hiss.sdss.labels import NO_SFR, is_label

COLUMNS = ["step", "key", "count", "removed", "thesis", "note"]


@dataclass(frozen=True)
class _Step:
    step: str
    key: str
    count: int
    removed: int
    thesis: int | None = None
    note: str = ""


def make_ledger(
    held: Holdings,
    targets: pd.DataFrame,
    passes: pd.DataFrame,
    n_final: int,
    choice: Mapping[str, str],
    selection: Sequence[Mapping[str, Any]] = (),
) -> pd.DataFrame:
    """Return the ledger, one row a step; each count is the one before less ``removed``.

    What is left and what is removed are counted apart, so that their agreement says something.

    Parameters
    ----------
    held
        Rows and spectra before there are objects.
    targets
        ``dense_cube/targets``.
    passes
        `hiss.sample.clean.selection` of the labelled targets.
    n_final
        Objects of the cleaned sample.
    choice
        ``flag`` and ``multi_object`` of the sample, as `hiss.sample.clean.cleaned` takes them.
    selection
        ``key step removed`` of each condition by which files were asked of an archive; empty for a folder of files.

    Raises
    ------
    HissError
        The steps do not add up.
    """
    table = pd.DataFrame(
        [vars(step) for step in _of_spectra(held, targets, selection) + _of_objects(passes, n_final, **choice)]
    )
    table = table[COLUMNS].astype({"thesis": "Int64"})
    check_ledger(table)
    return table


def _of_spectra(held: Holdings, targets: pd.DataFrame, selection: Sequence[Mapping[str, Any]]) -> list[_Step]:
    avg = targets["avg"].to_numpy(dtype=float)
    start = held.catalogue + held.unlisted
    chosen: list[_Step] = []
    for condition in selection:
        left = (chosen[-1].count if chosen else start) - condition["removed"]
        chosen.append(_Step(condition["step"], condition["key"], left, condition["removed"]))
    left_out = sum(step.removed for step in chosen)
    absent = "removed: spectra that the archive does not have" if chosen else "removed: rows without a file"
    return [
        _Step(
            "initial SDSS SFR catalogue",
            "catalogue",
            start,
            0,
            4_851_200,
            f"{held.catalogue:,} rows of the catalogue and {held.unlisted:,} spectra that it does not list; "
            "the thesis, too, counts spectra (of DR14) joined with it: MPA-JHU's DR7 has 927,552 rows",
        ),
        *chosen,
        _Step("spectrum here", "on_disk", held.spectra, held.absent - left_out, None, absent),
        _Step(
            "spectrum readable, cutout whole in five bands",
            "in_cube",
            held.in_cube,
            held.rejected,
            None,
            "removed: spectra among the rejects, each with its reason",
        ),
        _Step(
            "image and spectrum available",
            "image_and_spectrum",
            len(targets),
            held.repeats,
            151_190,
            "targets of the dense cube; from here on the spectra of one object count once",
        ),
        _Step("AVG not NaN", "avg_not_nan", int(np.isfinite(avg).sum()), int(np.isnan(avg).sum()), 34_613),
        _Step("AVG != -99", "avg_valid", int(is_label(avg).sum()), int((avg == NO_SFR).sum()), 30_752),
    ]


def _of_objects(passes: pd.DataFrame, n_final: int, flag: str, multi_object: str) -> list[_Step]:
    steps = []
    left = np.ones(len(passes), dtype=bool)

    def cut(
        step: str, key: str, passing: pd.Series, thesis: int | None = None, note: str = "", apply: bool = True
    ) -> None:
        nonlocal left
        fails = left & ~passing.to_numpy(dtype=bool)
        left = left & ~fails if apply else left
        removed = int(fails.sum())
        steps.append(_Step(step, key, int(left.sum()), removed if apply else 0, thesis, note.format(removed)))

    study = flag == "zero"
    if flag == "nonzero":
        cut("FLAG != 0", "flag_nonzero", ~passes["flag0"], 13_911, "FLAG = 0: {:,} (thesis 16,841)")
    else:
        told = "FLAG != 0: {:,} (thesis 13,911)" + ("" if study else ", kept in this sample")
        step, key, thesis = ("FLAG = 0", "flag0", 16_841) if study else ("any FLAG", "any_flag", None)
        cut(step, key, passes["flag0"], thesis, told, apply=study)
    thesis = 11_179 if study else None
    cut("gap-free spectrum", "gap_free", passes["gap_free"], thesis, "no NaN flux at any zoom")
    cut("image without missing pixels", "whole_image", passes["whole"])
    reject = multi_object == "reject"
    note = f"{{:,}} with several {'cut' if reject else 'kept, as the config says'}; "
    note += "the thesis does not say where this cut falls: here it is the last"
    cut("one object in the cutout", "single_object", passes["single"], None, note, apply=reject)
    return [*steps, _Step("final sample", "final", n_final, 0, thesis)]


def check_ledger(table: pd.DataFrame) -> None:
    """Raise `HissError` unless each count is the one before less ``removed``, and no step adds."""
    count, removed = table["count"].to_numpy(), table["removed"].to_numpy()
    before = np.concatenate([count[:1], count[:-1]])
    wrong = np.flatnonzero((count != before - removed) | (removed < 0) | (count < 0))
    if len(wrong):
        step = int(wrong[0])
        raise HissError(
            f"the ledger does not add up at '{table['step'].iloc[step]}': {before[step]:,} less {removed[step]:,} "
            f"is not {count[step]:,}; delete the results' cube and sample folders and build them again"
        )
