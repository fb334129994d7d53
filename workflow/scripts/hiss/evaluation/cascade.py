"""Coarse to fine: a cheap model for all objects, a dear one for those worth it; accuracy against total cost.

All of it is told of validation objects. The share that goes on is a choice, and a choice made on the test set would
not be honest. Both models were selected on these objects too, so their errors here are a little low, but the orders are
compared on the very same predictions: what one order gains over another does not come from that.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hiss.errors import HissError
from hiss.evaluation.collect import relative_folder
from hiss.evaluation.intervals import interval, resample_groups
from hiss.evaluation.worth import expected_gain
from hiss.files import read_json, read_table

Array = NDArray[np.float64]

SHARES: Final = np.arange(21) / 20
"""Shares of the objects that go on to the fine zoom."""

CASCADE_COLUMNS: Final = [
    "order", "share", "n", "n_fine", "rmse", "r2", "cost_us", "gain", "gain_low", "gain_high",
    "mean_gain", "mean_gain_low", "mean_gain_high", "difficulty", "cheap", "fine", "train_s",
]  # fmt: skip

_BLOCK: Final = 2_000_000  # resampled weights held at once: 16 MB an array
_TREE_MARK: Final = "\nTree="  # begins each tree in LightGBM's text


@dataclass(frozen=True)
class Stage:
    """The selected run of one zoom, and what it costs alone."""

    modality: str
    zoom: int
    folder: Path
    predictions: pd.DataFrame
    """``row, truth, prediction`` of the validation objects, in order of row."""
    object_us: float
    """Reading and prediction of one object [microseconds]."""
    predict_us: float
    """Prediction of one object alone [microseconds]."""
    fit_s: float
    bin_s: float

    @property
    def train_s(self) -> float:
        """Binning and fit [s]."""
        return self.bin_s + self.fit_s

    @property
    def name(self) -> str:
        """What a reader is shown."""
        return f"{self.modality}, zoom {self.zoom}"


@dataclass(frozen=True)
class Difficulty:
    """How uncertain the cheap model is of each object, and what it costs to know."""

    kind: str
    """``interval``: width between its quantiles; ``disagreement``: of its photo and spectra models; ``none``."""
    values: Array
    """(n,) larger is less certain."""
    object_us: float
    train_s: float
    held_out: pd.Series | None = None
    """The same of the training objects, by row, told by models that did not see them."""


def evaluate_cascade(
    selection: pd.DataFrame,
    metrics: Iterable[Path | str],
    times: Iterable[Path | str],
    quantiles: Iterable[Path | str],
    split: pd.DataFrame,
    zooms: Sequence[int],
    n_resamples: int,
    seed: int,
    out_of_fold: Iterable[Path | str] = (),
) -> pd.DataFrame:
    """Tell what becomes of the validation objects when a share of them goes on from a coarse zoom to a fine one.

    The best modality of the coarse zoom predicts all; those of which it is least certain are predicted by the best of
    the fine zoom instead. Their features are read and their cost is paid twice.

    Parameters
    ----------
    selection
        As `hiss.evaluation.selection.select_runs` returns it.
    metrics
        metrics.json of LightGBM's runs at both zooms; validation.parquet lies beside each.
    times
        Tables of `hiss.evaluation.timing.time_selected` for the selected ones of them.
    quantiles
        ``<modality>/zoom<k>/out_of_fold.parquet`` of the coarse zoom; validation.parquet with ``low, high`` and the two
        models lie beside each. Without any, the disagreement of the photo and the spectra model tells who is uncertain.
    split
        The split's table, for ``row`` and ``group``.
    zooms
        The coarse and the fine zoom.
    n_resamples, seed
        Of the bootstrap by groups of objects.
    out_of_fold
        ``<modality>/zoom<k>.parquet`` of the selected runs at both zooms, of which the gain is learned to be expected.

    Returns
    -------
    DataFrame
        One row for each ``order`` and ``share``: ``n`` objects, ``n_fine`` of them predicted at the fine zoom, ``rmse,
        r2``, ``cost_us`` an object for reading and prediction, ``gain``: how much lower the RMSE is than with as many
        objects drawn at random, and its 95 % interval; ``mean_gain``: its mean over the shares between none and all,
        by which an order is judged. ``difficulty`` says by what objects were ordered, ``cheap`` and ``fine`` name the
        two models and ``train_s`` is what their training costs, folds aside. Orders: ``uncertainty``; ``expected``, by
        the gain that the training objects let one expect (`hiss.evaluation.worth`); ``random``, the mean over all
        draws; ``oracle``, by the squared error that the fine model takes away, which nobody can know and no order can
        beat; ``fine``, the fine model by itself.

    Raises
    ------
    HissError
        When a run, its times or its predictions are missing, or the two zooms were not made on the same objects.
    """
    folders = {relative_folder(path): Path(path).parent for path in metrics}
    costs = pd.concat([read_table(path) for path in times], ignore_index=True)
    chosen = selection[selection["path"].isin(list(folders))]
    parts = [_stage(pd.Series(run), folders, costs) for run in chosen.to_dict("records")]
    stages = {(stage.modality, stage.zoom): stage for stage in parts}
    cheap, fine = (_best(selection, stages, zoom) for zoom in zooms)
    _demand_same_objects(cheap, fine)
    held = {(Path(path).parent.name, int(Path(path).stem.removeprefix("zoom"))): Path(path) for path in out_of_fold}
    difficulty = _difficulty(cheap, stages, [Path(path) for path in quantiles], held)
    validation = split.loc[split["split"] == "validation"].set_index("row")["group"]
    counts, index = resample_groups(validation.loc[cheap.predictions["row"]], n_resamples, seed)
    table = cascade_table(cheap, fine, difficulty, counts, index, _expected(cheap, fine, difficulty, held))
    return table[CASCADE_COLUMNS]


def cascade_table(
    cheap: Stage,
    fine: Stage,
    difficulty: Difficulty,
    counts: NDArray[np.int64],
    index: NDArray[np.int64],
    expected: Array | None = None,
) -> pd.DataFrame:
    """Return the rows of `evaluate_cascade` for two models of the same objects.

    Parameters
    ----------
    counts, index
        Resamples of the objects' groups, as `hiss.evaluation.intervals.resample_groups` returns them.
    expected
        (n,) what each object's squared error is expected to fall by; None where nothing tells.
    """
    truth, before, after = _squared_errors(cheap, fine)
    spread = float(truth.var())
    parts = []
    for order, key in _orders(difficulty, expected, before - after).items():
        knows = order in ("uncertainty", "expected")
        part = _curve(before, before - after, key, counts, index)
        part["cost_us"] = cheap.object_us + part["share"] * fine.object_us + knows * difficulty.object_us
        parts.append(part.assign(order=order, train_s=cheap.train_s + fine.train_s + knows * difficulty.train_s))
    alone = {"order": "fine", "share": 1.0, "mse": after.mean(), "cost_us": fine.object_us, "train_s": fine.train_s}
    table = pd.concat([*parts, pd.DataFrame([alone])], ignore_index=True)
    table["n_fine"] = (table["share"] * len(truth)).round().astype(np.int64)
    table["rmse"] = np.sqrt(table["mse"])
    table["r2"] = 1 - table["mse"] / spread if spread > 0 else np.nan
    return table.assign(n=len(truth), difficulty=difficulty.kind, cheap=cheap.name, fine=fine.name)


def _orders(difficulty: Difficulty, expected: Array | None, saved: Array) -> dict[str, Array | None]:
    """Return by what objects are ordered, the largest first; None: by chance."""
    uncertainty = None if difficulty.kind == "none" else difficulty.values
    orders = {"uncertainty": uncertainty, "expected": expected, "random": None, "oracle": saved}
    return {order: key for order, key in orders.items() if order == "random" or key is not None}


# ---- the two models ----


def _stage(run: pd.Series, folders: dict[str, Path], costs: pd.DataFrame) -> Stage:
    folder = folders[run["path"]]
    found = costs[costs["path"] == run["path"]]
    if len(found) != 1:
        raise HissError(f"{run['path']} was timed {len(found)} times where once is needed; delete its times and rerun")
    time = found.to_dict("records")[0]
    each = 1e6 / time["n_predict"]
    return Stage(
        modality=run["modality"],
        zoom=int(run["zoom"]),
        folder=folder,
        predictions=read_table(folder / "validation.parquet").sort_values("row").reset_index(drop=True),
        object_us=(time["read_s"] + time["predict_s"]) * each,
        predict_us=time["predict_s"] * each,
        fit_s=time["fit_s"],
        bin_s=time["bin_s"],
    )


def _best(selection: pd.DataFrame, stages: dict[tuple[str, int], Stage], zoom: int) -> Stage:
    here = selection[[(name, at) in stages for name, at in zip(selection["modality"], selection["zoom"], strict=True)]]
    here = here[(here["zoom"] == zoom) & (here["model"] == "lightgbm")]
    if here.empty:
        raise HissError(f"no run of LightGBM is selected at zoom {zoom}; name other zooms under experiments.cascade")
    return stages[str(here.sort_values(["value", "modality"]).iloc[0]["modality"]), zoom]


def _demand_same_objects(cheap: Stage, fine: Stage) -> None:
    one, other = cheap.predictions, fine.predictions
    if not (np.array_equal(one["row"], other["row"]) and np.array_equal(one["truth"], other["truth"])):
        raise HissError(f"{cheap.folder} and {fine.folder} predict different objects; delete both and rerun them")


def _difficulty(
    cheap: Stage,
    stages: dict[tuple[str, int], Stage],
    quantiles: Sequence[Path],
    held: dict[tuple[str, int], Path],
) -> Difficulty:
    """Return how uncertain the cheap model is, by its quantiles where there are some."""
    for path in quantiles:
        if path.parts[-3:-1] == (cheap.modality, f"zoom{cheap.zoom}"):
            return _width(cheap, path.parent)
    photo, spectra = (stages.get((name, cheap.zoom)) for name in ("photo", "spectra"))
    if photo is None or spectra is None:
        return Difficulty("none", np.zeros(len(cheap.predictions)), 0.0, 0.0)
    more = [stage for stage in (photo, spectra) if stage.modality != cheap.modality]
    apart = _of(cheap, photo.predictions)["prediction"] - _of(cheap, spectra.predictions)["prediction"]
    # An early fusion has read what both look at; beside one modality the other is still to be read.
    costs = (stage.predict_us if cheap.modality == "early" else stage.object_us for stage in more)
    both = [held.get((stage.modality, stage.zoom)) for stage in (photo, spectra)]
    one, other = (None if path is None else read_table(path).set_index("row")["prediction"] for path in both)
    apart_held = None if one is None or other is None else (one - other).abs()
    train_s = sum(stage.train_s for stage in more)
    return Difficulty("disagreement", np.abs(apart.to_numpy()), sum(costs), train_s, apart_held)


def _expected(cheap: Stage, fine: Stage, difficulty: Difficulty, held: dict[tuple[str, int], Path]) -> Array | None:
    """Return what each object's squared error is expected to fall by; None without predictions out of fold."""
    paths = [held.get((stage.modality, stage.zoom)) for stage in (cheap, fine)]
    if paths[0] is None or paths[1] is None or difficulty.held_out is None:
        return None
    before = read_table(paths[0]).set_index("row")
    after = read_table(paths[1]).set_index("row").loc[before.index]
    gain = (before["prediction"] - before["truth"]) ** 2 - (after["prediction"] - before["truth"]) ** 2
    clues = pd.DataFrame({"prediction": before["prediction"], "uncertainty": difficulty.held_out.loc[before.index]})
    new = {"prediction": cheap.predictions["prediction"].to_numpy(), "uncertainty": difficulty.values}
    return expected_gain(clues, gain, pd.DataFrame(new))


def _width(cheap: Stage, folder: Path) -> Difficulty:
    """Return the width between the quantiles; their models were not timed, but a model's time goes with its trees."""
    ends = _of(cheap, read_table(folder / "validation.parquet"))
    trees = sum(_trees(folder / end / "model.txt") for end in ("low", "high"))
    ratio = trees / max(1, int(read_json(cheap.folder / "metrics.json")["best_iteration"]))
    width = (ends["high"] - ends["low"]).to_numpy()
    path = folder / "out_of_fold.parquet"
    held = read_table(path).set_index("row") if path.is_file() else None
    held_width = None if held is None else held["high"] - held["low"]
    return Difficulty("interval", width, ratio * cheap.predict_us, ratio * cheap.fit_s, held_width)


def _of(stage: Stage, table: pd.DataFrame) -> pd.DataFrame:
    """Return a table's rows of the objects that a stage predicts, in its order."""
    table = table.set_index("row")
    missing = ~stage.predictions["row"].isin(table.index)
    if missing.any():
        raise HissError(
            f"{stage.folder}: {missing.sum()} of its objects lack what tells their uncertainty; rerun the run"
        )
    return table.loc[stage.predictions["row"]]


def _trees(model: Path) -> int:
    return model.read_text().count(_TREE_MARK)


# ---- accuracy at each share ----


def _squared_errors(cheap: Stage, fine: Stage) -> tuple[Array, Array, Array]:
    truth = cheap.predictions["truth"].to_numpy(dtype=np.float64)
    before, after = (stage.predictions["prediction"].to_numpy(dtype=np.float64) - truth for stage in (cheap, fine))
    return truth, before**2, after**2


def _curve(
    before: Array, saved: Array, key: Array | None, counts: NDArray[np.int64], index: NDArray[np.int64]
) -> pd.DataFrame:
    """Return ``share, mse`` of an order, and what its RMSE gains over chance, with intervals.

    The mean over all draws of objects needs no draw: on average a share of them saves that share of what all would.
    """
    by_chance = before.mean() - saved.mean() * SHARES
    if key is None:
        return pd.DataFrame({"share": SHARES, "mse": by_chance, "gain": 0.0, "mean_gain": 0.0})
    mse = before.mean() - saved_at(saved, key, np.ones((1, len(saved))))[0]
    gain = np.sqrt(by_chance) - np.sqrt(np.maximum(mse, 0))
    table = pd.DataFrame({"share": SHARES, "mse": mse, "gain": gain, "mean_gain": gain[1:-1].mean()})
    resampled = _gains(before, saved, key, counts, index)
    table["gain_low"], table["gain_high"] = np.array([interval(column) for column in resampled.T]).T
    table["mean_gain_low"], table["mean_gain_high"] = interval(resampled[:, 1:-1].mean(axis=1))
    return table


def saved_at(saved: Array, key: Array, weight: Array) -> Array:
    """Return the mean squared error that is saved at each share, (n_resamples, n_shares).

    Objects go on in order of falling ``key``. Where a share ends within an object (of a resample that holds it several
    times, say), that part of it goes on.

    Parameters
    ----------
    saved
        (n,) what each object's squared error falls by.
    weight
        (n_resamples, n) how often each object is there.
    """
    order = np.argsort(-key, kind="stable")
    weight = weight[:, order]
    start = np.zeros((len(weight), 1))
    gone = np.concatenate([start, np.cumsum(weight, axis=1)], axis=1)
    total = np.concatenate([start, np.cumsum(weight * saved[order], axis=1)], axis=1)
    n = gone[:, -1:]
    at = [np.interp(SHARES * size, here, sums) for size, here, sums in zip(n[:, 0], gone, total, strict=True)]
    return np.stack(at) / n


def _gains(before: Array, saved: Array, key: Array, counts: NDArray[np.int64], index: NDArray[np.int64]) -> Array:
    """Return how much lower the RMSE of each resample is than by chance, (n_resamples, n_shares)."""
    parts = []
    step = max(1, _BLOCK // len(saved))
    for start in range(0, len(counts), step):
        weight = counts[start : start + step][:, index].astype(np.float64)
        n = weight.sum(axis=1, keepdims=True)
        mse, all_saved = (weight @ values[:, None] / n for values in (before, saved))
        ordered = np.maximum(mse - saved_at(saved, key, weight), 0)
        parts.append(np.sqrt(np.maximum(mse - all_saved * SHARES, 0)) - np.sqrt(ordered))
    return np.concatenate(parts)
