"""The ledger: how many objects each step of the selection leaves (Table 2.1 of the thesis)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hiss.errors import HissError
from hiss.sdss.labels import is_label

COLUMNS = ["step", "key", "count", "removed", "thesis", "note"]


@dataclass(frozen=True)
class _Step:
    step: str
    key: str
    count: int
    thesis: int | None = None
    note: str = ""


def make_ledger(
    n_catalogue: int, n_unlisted: int, targets: pd.DataFrame, passes: pd.DataFrame, policy: str
) -> pd.DataFrame:
    """Return the ledger, one row a step; each count is the one before less ``removed``.

    Parameters
    ----------
    n_catalogue
        Rows of the SFR catalogue.
    n_unlisted
        Spectra of this sky that the catalogue does not list.
    targets
        ``dense_cube/targets``.
    passes
        `hiss.sample.clean.selection` of the labelled targets.
    policy
        ``reject`` or ``keep`` cutouts with more than one object.

    Raises
    ------
    HissError
        The steps do not add up.
    """
    avg = targets["avg"].to_numpy(dtype=float)
    flag0 = passes["flag0"].to_numpy(dtype=bool)
    gap_free = flag0 & passes["gap_free"].to_numpy(dtype=bool)
    single = gap_free & passes["single"].to_numpy(dtype=bool)
    several = int((gap_free & ~single).sum())
    final = single if policy == "reject" else gap_free
    if len(passes) != is_label(avg).sum():
        raise HissError(
            f"the sample has {len(passes)} rows and the cube {is_label(avg).sum()} labelled targets; make both again"
        )
    return _table(
        [
            _Step(
                "initial SDSS SFR catalogue",
                "catalogue",
                n_catalogue + n_unlisted,
                4_851_200,
                f"{n_catalogue:,} rows of the catalogue and {n_unlisted:,} spectra of this sky that it does not list; "
                "the thesis, too, counts spectra (of DR14) joined with it: MPA-JHU's DR7 has 927,552 rows",
            ),
            _Step(
                "image and spectrum available",
                "image_and_spectrum",
                len(targets),
                151_190,
                "targets of the dense cube; from here on the spectra of one object count once",
            ),
            _Step("AVG not NaN", "avg_not_nan", int(np.isfinite(avg).sum()), 34_613),
            _Step("AVG != -99", "avg_valid", len(passes), 30_752),
            _Step(
                "FLAG = 0",
                "flag0",
                int(flag0.sum()),
                16_841,
                f"FLAG != 0: {int((~flag0).sum()):,} (thesis 13,911)",
            ),
            _Step("gap-free spectrum", "gap_free", int(gap_free.sum()), 11_179, "no NaN flux at any zoom"),
            _Step(
                "one object in the cutout",
                "single_object",
                int(final.sum()),
                None,
                f"{several:,} with several {'cut' if policy == 'reject' else 'kept, as the config says'}; "
                "the thesis does not say where this cut falls: here it is the last",
            ),
            _Step("final sample", "final", int(final.sum()), 11_179),
        ]
    )  # fmt: skip


def _table(steps: list[_Step]) -> pd.DataFrame:
    table = pd.DataFrame([(s.step, s.key, s.count, 0, s.thesis, s.note) for s in steps], columns=COLUMNS).astype(
        {"thesis": "Int64"}
    )
    table["removed"] = -table["count"].diff().fillna(0).astype(np.int64)
    check_ledger(table)
    return table


def check_ledger(table: pd.DataFrame) -> None:
    """Raise `HissError` unless each count is the one before less ``removed``, and no step adds."""
    count, removed = table["count"].to_numpy(), table["removed"].to_numpy()
    before = np.concatenate([count[:1], count[:-1]])
    wrong = np.flatnonzero((count != before - removed) | (removed < 0) | (count < 0))
    if len(wrong):
        step = table["step"].iloc[int(wrong[0])]
        raise HissError(f"the ledger does not add up at '{step}'; build the cube and the sample again")
