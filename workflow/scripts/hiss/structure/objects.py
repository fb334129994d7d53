"""Which objects of a cube are looked at for structure: whole cutouts and spectra with hardly a gap, labelled or not."""

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hiss.sample.usable import few_gaps, known_targets, whole_cutout

_LEAST_SHARE: Final = 10  # a class keeps all its objects, or this part of those drawn


def choose_objects(
    targets: pd.DataFrame, missing: pd.DataFrame, max_missing: float, max_objects: int, seed: int
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return the objects that are looked at, in order of ``target_id``, and how many there were.

    The study's test objects are among them, and their labels tell, with all others, how far neighbours agree in their
    rate (``told_log_sfr``). That describes the data: no model, setting or zoom is chosen by it.

    Parameters
    ----------
    targets
        ``dense_cube/targets``.
    missing
        As `hiss.sample.usable.missing_flux` returns it, of the same rows.
    max_missing
        Largest share of a spectrum's samples without a flux.
    max_objects
        Where more pass, so many are drawn: by class, so that the rare ones stay.

    Returns
    -------
    table
        The columns of the targets; ``class`` is stripped, ``log_sfr`` is AVG where it is a label, else NaN.
    counts
        ``targets``, ``whole`` (of the cutout), ``usable`` (and of the spectrum), ``chosen``.
    """
    whole = whole_cutout(missing)
    passes = whole & few_gaps(missing, max_missing)
    usable = known_targets(targets)[passes]
    chosen = usable.iloc[draw_by_class(usable["class"].to_numpy(), max_objects, seed)].reset_index(drop=True)
    counts = {
        "targets": len(targets),
        "whole": int(whole.sum()),
        "usable": int(passes.sum()),
        "chosen": len(chosen),
    }
    return chosen, counts


def draw_by_class(kind: NDArray[np.object_], most: int, seed: int) -> NDArray[np.int64]:
    """Return, increasing, the places of at most ``most`` objects drawn by class.

    Every class has its share, but no fewer than a tenth of those drawn or all it has; the largest class gives way.
    """
    n = len(kind)
    if n <= most:
        return np.arange(n)
    names, counts = np.unique(kind.astype(str), return_counts=True)
    quota = np.minimum(counts, np.maximum(most * counts // n, most // _LEAST_SHARE))
    quota[np.argmax(counts)] += most - quota.sum()
    quota = np.clip(quota, 0, counts)
    rng = np.random.default_rng(seed)
    drawn = [
        rng.choice(np.flatnonzero(kind == name), size, replace=False) for name, size in zip(names, quota, strict=True)
    ]
    return np.sort(np.concatenate(drawn))
