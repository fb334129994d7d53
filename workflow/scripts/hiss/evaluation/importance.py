"""What LightGBM looks at: gain, TreeSHAP, and what is lost when a part of its features tells nothing.

Gain counts what the splits on a feature brought while the model was fitted. It is biased: of many samples that tell
the same, chance decides which is split on, and noise that was fitted counts too. TreeSHAP (Lundberg et al. 2020,
Nature Machine Intelligence 2, 56) tells how far a feature moves the predictions of objects that were not trained on,
right or wrong. Permutation (Breiman 2001; Fisher, Rudin & Dominici 2019, JMLR 20, 177) tells what is lost: a region is
exchanged among the validation objects, all its features together, and the RMSE rises by what the model had from it
alone. What other regions tell too is not lost; and an exchanged region beside a galaxy's own others is an object that
does not exist, so the rise is that of this model, not of one trained without the region.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hiss.errors import HissError
from hiss.evaluation.attribution import Attribution
from hiss.evaluation.intervals import bootstrap_rmse, interval, resample_groups
from hiss.evaluation.regions import Layout, Region, exchange_line, has_line, lines_within, regions_of
from hiss.evaluation.selection import selected_metrics
from hiss.models.base import Data
from hiss.models.features import open_part
from hiss.models.lgbm import LightGBM
from hiss.progress import say
from hiss.spectral_lines import Line

Array = NDArray[np.float64]

IMPORTANCE_COLUMNS: Final = [
    "kind", "name", "low", "high", "n", "feature_share", "gain_share", "contribution",
    "rmse", "delta_rmse", "delta_low", "delta_high",
]  # fmt: skip

_BLOCK_BYTES: Final = 2**25  # of contributions, 8 bytes a feature, or of features, held at once


def layout_of(data: Data, wl: Array) -> Layout:
    """Return what the columns of a model's features are.

    Parameters
    ----------
    wl
        (n_samples,) observed wavelengths of the spectra's zoom [Angstrom]; not looked at where there is no spectrum.

    Raises
    ------
    HissError
        When the wavelengths are of another zoom.
    """
    if data.n_samples and len(wl) != data.n_samples:
        raise HissError(f"{len(wl)} wavelengths for spectra of {data.n_samples} samples; take those of their zoom")
    extras = [f"extra {place}" for place in range(data.n_extras)]
    return Layout(data.side, np.asarray(wl, dtype=np.float64) if data.n_samples else np.empty(0), extras)


def importance_of_selected(
    selection: pd.DataFrame,
    metrics: Iterable[Path | str],
    features: Path | str,
    wl: Array,
    objects: pd.DataFrame,
    split: pd.DataFrame,
    repeats: int,
    n_resamples: int,
    seed: int,
    threads: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what `measure_importance` finds of LightGBM's selected run of a modality and zoom.

    Parameters
    ----------
    selection
        As `hiss.evaluation.selection.select_runs` returns it.
    metrics
        metrics.json of LightGBM's runs of the modality and zoom; model.txt lies beside each.
    features
        The prepared features, of which the validation objects are read.
    wl
        (n_samples,) observed wavelengths of the zoom [Angstrom].
    objects, split
        For ``z`` and ``group``, by ``row``.
    """
    model = LightGBM.load(selected_metrics(selection, metrics).parent, threads=threads)
    data, table = open_part(features, "validation")
    redshift = objects.set_index("row")["z"].reindex(table["row"]).to_numpy(dtype=np.float64)
    group = split.set_index("row")["group"].reindex(table["row"]).to_numpy(dtype=np.int64)
    return measure_importance(model, data, wl, redshift, group, repeats, n_resamples, seed)


def measure_importance(
    model: LightGBM,
    data: Data,
    wl: Array,
    redshift: Array,
    group: NDArray[np.int64],
    repeats: int,
    n_resamples: int,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what regions of the features mean to a model, and the maps behind it.

    Parameters
    ----------
    data
        The validation objects.
    wl
        (n_samples,) observed wavelengths [Angstrom].
    redshift
        (n,) which the model is not told; NaN where unknown.
    group
        (n,) of objects that are drawn together by the bootstrap.
    repeats
        Permutations of each region.

    Returns
    -------
    regions
        `IMPORTANCE_COLUMNS`: ``rmse`` with the region's own features, ``delta_rmse`` [dex] by how much it rises with
        those of other objects, in the mean over the permutations, with its 95 % interval over objects.
    maps
        As `hiss.evaluation.attribution.Attribution.map_table`, and ``gain_share`` of each feature.
    """
    layout = layout_of(data, wl)
    attribution = Attribution(layout, redshift)
    for rows in _blocks(len(data), 8 * (layout.n_columns + 1)):
        attribution.add(model.contributions(data.take(rows)))
    say(f"contributions of {layout.n_columns} features to the predictions of {len(data)} objects")
    gain = model.gain()
    regions, maps = attribution.regions_table(), attribution.map_table()
    regions["gain_share"] = attribution.shares(gain)
    maps["gain_share"] = np.pad(gain / (gain.sum() or 1.0), (0, len(maps) - len(gain)), constant_values=np.nan)
    lost = _losses(model, data, layout, redshift, group, repeats, n_resamples, seed)
    return regions.merge(lost, on=["kind", "name"], how="left")[IMPORTANCE_COLUMNS], maps


def _losses(
    model: LightGBM,
    data: Data,
    layout: Layout,
    redshift: Array,
    group: NDArray[np.int64],
    repeats: int,
    n_resamples: int,
    seed: int,
) -> pd.DataFrame:
    squares = squared_errors(model.predict, data, layout, redshift, repeats, seed)
    counts, index = resample_groups(group, n_resamples, seed)
    own = squares.pop(("", ""))
    before, resampled = np.sqrt(own.mean()), bootstrap_rmse(np.sqrt(own), counts, index)
    rows = []
    for (kind, name), after in squares.items():
        low, high = interval(bootstrap_rmse(np.sqrt(after), counts, index) - resampled)
        rows.append((kind, name, before, np.sqrt(after.mean()) - before, low, high))
    return pd.DataFrame(rows, columns=["kind", "name", "rmse", "delta_rmse", "delta_low", "delta_high"])


def squared_errors(
    predict: Callable[[Data], Array], data: Data, layout: Layout, redshift: Array, repeats: int, seed: int
) -> dict[tuple[str, str], Array]:
    """Return squared errors (n,) [dex^2]: as they are, by key ``("", "")``, and with each region exchanged.

    The latter, by the region's kind and name, are means over the permutations. A line is exchanged among the objects
    that have it; the others keep their errors.
    """
    lines = lines_within(layout.wl, redshift)
    fixed = regions_of(layout)
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(data)) for _ in range(repeats)]
    donors = {line.name: [_among(has_line(layout.wl, redshift, line), rng) for _ in range(repeats)] for line in lines}
    keys = [("", ""), *((one.kind, one.name) for one in fixed), *(("line", line.name) for line in lines)]
    found = {key: np.zeros(len(data)) for key in keys}
    for rows in _blocks(len(data), 4 * layout.n_columns):
        block = data.take(rows)
        predictor = _Errors(predict, block)
        found["", ""][rows] = predictor(block.features)
        for region in fixed:
            for order in orders:
                found[region.kind, region.name][rows] += predictor(_exchanged(data, block, region, order[rows]))
            found[region.kind, region.name][rows] /= repeats
        for line in lines:
            for donor in donors[line.name]:
                features = _line_exchanged(data, block, layout, redshift, rows, donor[rows], line)
                found["line", line.name][rows] += predictor(features)
            found["line", line.name][rows] /= repeats
    return found


class _Errors:
    """Squared errors of one block of objects with other features."""

    def __init__(self, predict: Callable[[Data], Array], block: Data) -> None:
        self._predict, self._block = predict, replace(block, bins=None)

    def __call__(self, features: NDArray[np.float32]) -> Array:
        squares: Array = (self._predict(replace(self._block, features=features)) - self._block.target) ** 2
        return squares


def _exchanged(data: Data, block: Data, region: Region, donors: NDArray[np.int64]) -> NDArray[np.float32]:
    features = block.features.copy()
    features[:, region.columns] = data.features[donors[:, None], region.columns]
    return features


def _line_exchanged(
    data: Data,
    block: Data,
    layout: Layout,
    redshift: Array,
    rows: NDArray[np.int64],
    donors: NDArray[np.int64],
    line: Line,
) -> NDArray[np.float32]:
    features = block.features.copy()
    given = np.flatnonzero(donors >= 0)
    if len(given):
        own = block.spectra[given].astype(np.float64)
        theirs = data.features[donors[given], layout.samples].astype(np.float64)
        changed = exchange_line(own, redshift[rows[given]], theirs, redshift[donors[given]], layout.wl, line)
        features[given, layout.samples] = changed
    return features


def _among(taking_part: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return (n,) another object of those that take part for each of them, in an order drawn; -1 for the rest."""
    places = np.flatnonzero(taking_part)
    donors = np.full(len(taking_part), -1)
    donors[places] = rng.permutation(places)
    return donors


def _blocks(n: int, row_bytes: int) -> Iterator[NDArray[np.int64]]:
    step = max(1, _BLOCK_BYTES // max(1, row_bytes))
    for start in range(0, n, step):
        yield np.arange(start, min(start + step, n))


def summarise_importance(tables: dict[tuple[str, int], pd.DataFrame]) -> pd.DataFrame:
    """Return the regions of all modalities and zooms, one below the other, in order of modality and zoom.

    Parameters
    ----------
    tables
        `IMPORTANCE_COLUMNS` by modality and zoom.
    """
    order = ("photo", "spectra", "early")
    keys = sorted(tables, key=lambda key: (order.index(key[0]) if key[0] in order else len(order), key))
    parts = [tables[key].assign(modality=key[0], zoom=key[1]) for key in keys]
    return pd.concat(parts, ignore_index=True)[["modality", "zoom", *IMPORTANCE_COLUMNS]]
