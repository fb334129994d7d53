"""The ledger: how many objects each step of the selection leaves (Table 2.1 of the thesis)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hiss.errors import HissError
from hiss.sample.accounts import Holdings
from hiss.sample.clean import gaps_pass, one_object
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
    choice: Mapping[str, Any],
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
        Of the sample, as `hiss.sample.clean.cleaned` takes it, with ``longest``.
    selection
        ``key step removed`` of each condition by which files were asked of an archive; empty for a folder of files.

    Raises
    ------
    HissError
        The steps do not add up.
    """
    table = pd.DataFrame(
        [vars(step) for step in _of_spectra(held, targets, selection) + _of_objects(passes, n_final, choice)]
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


def _of_objects(passes: pd.DataFrame, n_final: int, choice: Mapping[str, Any]) -> list[_Step]:
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

    flag, gaps = choice["flag"], choice["gaps"]
    study = flag == "zero"
    if flag == "nonzero":
        cut("FLAG != 0", "flag_nonzero", ~passes["flag0"], 13_911, "FLAG = 0: {:,} (thesis 16,841)")
    else:
        told = "FLAG != 0: {:,} (thesis 13,911)" + ("" if study else ", kept in this sample")
        step, key, thesis = ("FLAG = 0", "flag0", 16_841) if study else ("any FLAG", "any_flag", None)
        cut(step, key, passes["flag0"], thesis, told, apply=study)
    thesis = 11_179 if study and gaps == "reject" else None
    n_short = int((left & (gaps_pass(passes, gaps) & ~passes["gap_free"]).to_numpy(dtype=bool)).sum())
    step, note = _of_gaps(gaps, choice["longest"], n_short)
    cut(step, "gap_free", gaps_pass(passes, gaps), thesis, note)
    cut("image without missing pixels", "whole_image", passes["whole"])
    step, note = _of_neighbours(choice["multi_object"], choice["detector"])
    alone = one_object(passes, choice["detector"])
    cut(step, "single_object", alone, None, note, apply=choice["multi_object"] == "reject")
    return [*steps, _Step("final sample", "final", n_final, 0, thesis)]


def _of_gaps(gaps: str, longest: int, n_short: int) -> tuple[str, str]:
    """Return the name of the cut by gaps, and what is said of it."""
    if gaps == "reject":
        return "gap-free spectrum", "no NaN flux at any zoom"
    done = "bridged by a straight line" if gaps == "interpolate" else "left to the model as missing"
    ends = ", or with one at an end" if gaps == "interpolate" else ""
    return (
        "spectrum without a long gap",
        f"short gaps {done}: {n_short:,} spectra; removed: those with a gap of more than {longest} samples "
        f"of zoom 0{ends}",
    )


def _of_neighbours(policy: str, detector: str) -> tuple[str, str]:
    """Return the name of the cut by several objects, and what is said of it."""
    done = {
        "reject": "cut",
        "mask": "kept, their neighbours taken out of the cutouts",
        "keep": "kept, as the config says",
    }[policy]
    step = "one object in the cutout" + (" (by segmentation)" if detector == "segmentation" else "")
    return step, f"{{:,}} with several {done}; the thesis does not say where this cut falls: here it is the last"


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
