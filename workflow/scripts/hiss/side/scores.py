"""How well a target beside the study is told, with intervals: of classes and of numbers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from hiss.evaluation.intervals import bootstrap_rmse, bootstrap_scores, interval, resample_groups
from hiss.models.class_metrics import class_scores
from hiss.models.metrics import nmad, scores
from hiss.models.predictions import predicted
from hiss.side.judge import COST_COLUMNS

Doubles = NDArray[np.float64]

PLACE: Final = ["model", "modality", "zoom"]
COSTS: Final = [name for name in COST_COLUMNS if name not in PLACE]
CLASS_COLUMNS: Final = ("balanced_accuracy", "macro_f1", "accuracy", "log_loss", "calibration_error")
NUMBER_COLUMNS: Final = ("r2", "mae", "rmse", "nmad")
REDSHIFT_COLUMNS: Final = ("bias", "sigma_nmad", "outliers_05", "outliers_15")
"""Of dz / (1 + z): its median, 1.4826 times its median absolute deviation, and the shares beyond 0.05 and 0.15."""

RECALL_COLUMNS: Final = [*PLACE, "name", "n", "groups", "hits", "recall", "low", "high"]
CONFUSION_COLUMNS: Final = [*PLACE, "truth", "prediction", "count", "share"]
RELIABILITY_COLUMNS: Final = [*PLACE, "bin", "n", "groups", "confidence", "hit_share", "low", "high"]
DIFFERENCE_COLUMNS: Final = [
    "model", "modality", "zoom", "against", "against_zoom", "score", "value", "other", "delta", "low", "high",
]  # fmt: skip

_BINS: Final = 10
_PAIRS: Final = (("early", "late"), ("early", "photo"), ("early", "spectra"), ("late", "photo"), ("late", "spectra"))


@dataclass(frozen=True)
class Judged:
    """The test predictions of all models of a target, and how they are resampled."""

    tests: pd.DataFrame
    """``model modality zoom target_id row truth prediction p_*``, the same objects in every place."""
    counts: NDArray[np.int64]
    """(n_resamples, n_groups) how often each group of overlapping cutouts is in each resample."""
    group: pd.Series
    """Column of ``counts`` by ``row``."""
    classes: tuple[str, ...] = ()
    """Names in order of their codes; empty: numbers are predicted."""

    @classmethod
    def of(
        cls, tests: pd.DataFrame, split: pd.DataFrame, classes: Sequence[str], n_resamples: int, seed: int
    ) -> "Judged":
        """Return it from the tables of predictions and the split, of which the test objects' groups are drawn."""
        own = split[split["split"] == "test"]
        counts, index = resample_groups(own["group"].to_numpy(), n_resamples, seed)
        return cls(tests, counts, pd.Series(index, index=own["row"].to_numpy()), tuple(classes))

    def places(self) -> Iterator[tuple[tuple[str, str, int], pd.DataFrame]]:
        """Yield model, modality and zoom, and the predictions there in order of row."""
        places = self.tests[PLACE].drop_duplicates().to_dict("records")
        for place in places:
            own = (self.tests[PLACE] == pd.Series(place)).all(axis=1)
            name = str(place["model"]), str(place["modality"]), int(place["zoom"])
            yield name, self.tests[own].sort_values("row", ignore_index=True)

    def index_of(self, part: pd.DataFrame) -> NDArray[np.int64]:
        """Return the column of ``counts`` of each object (n,)."""
        return self.group.loc[part["row"]].to_numpy()

    @property
    def score(self) -> str:
        """What runs are compared by."""
        return "balanced_accuracy" if self.classes else "rmse"


def scores_table(judged: Judged, costs: pd.DataFrame, redshift: bool) -> pd.DataFrame:
    """Return a row a model, modality and zoom: its scores with 95 % intervals ``_low, _high``, and what it cost.

    Parameters
    ----------
    costs
        `COST_COLUMNS` of every place.
    redshift
        Whether the number is a redshift, which has scores of its own.
    """
    rows = []
    for place, part in judged.places():
        index = judged.index_of(part)
        if judged.classes:
            values, draws = _class_scores(part, judged.counts, index, len(judged.classes))
        else:
            values, draws = _number_scores(part, judged.counts, index, redshift)
        ends = {f"{name}_{end}": at for name, drawn in draws.items() for end, at in _ends(drawn).items()}
        rows.append(dict(zip(PLACE, place, strict=True)) | values | ends)
    return pd.DataFrame(rows).merge(costs, on=PLACE, how="left", validate="one_to_one")


def _ends(drawn: Doubles) -> dict[str, float]:
    low, high = interval(drawn)
    return {"low": float(low), "high": float(high)}


def _class_scores(
    part: pd.DataFrame, counts: NDArray[np.int64], index: NDArray[np.int64], n_classes: int
) -> tuple[dict[str, float], dict[str, Doubles]]:
    probabilities = predicted(part)
    values = class_scores(part["truth"], probabilities)
    values["calibration_error"] = calibration_error(part["truth"].to_numpy(), probabilities)
    truth, found = part["truth"].to_numpy(np.int64), part["prediction"].to_numpy(np.int64)
    recall, f1 = resampled_recall(truth, found, counts, index, n_classes)
    with np.errstate(invalid="ignore"):
        draws = {"balanced_accuracy": np.nanmean(recall, axis=1), "macro_f1": np.nanmean(f1, axis=1)}
    return values, draws


def resampled_recall(
    truth: NDArray[np.int64],
    found: NDArray[np.int64],
    counts: NDArray[np.int64],
    index: NDArray[np.int64],
    n_classes: int,
) -> tuple[Doubles, Doubles]:
    """Return recall and F1 of each class in each resample, (n_resamples, K) each; NaN where no object is of it.

    Parameters
    ----------
    truth, found
        (n,) codes.
    counts, index
        As `hiss.evaluation.intervals.resample_groups` returns them.
    """
    n_groups = counts.shape[1]
    hit, of_class, named = np.zeros((3, n_classes, n_groups))
    for code in range(n_classes):
        own = truth == code
        hit[code] = np.bincount(index, weights=own & (found == code), minlength=n_groups)
        of_class[code] = np.bincount(index, weights=own, minlength=n_groups)
        named[code] = np.bincount(index, weights=found == code, minlength=n_groups)
    hits, n, taken = (counts @ sums.T for sums in (hit, of_class, named))
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = np.where(n > 0, hits / n, np.nan)
        f1 = np.where(n > 0, 2 * hits / (n + taken), np.nan)
    return recall, f1


def calibration_error(truth: NDArray[np.float64], probabilities: Doubles) -> float:
    """Return the expected calibration error: the mean of |share of hits - confidence| over bins, by their objects.

    The confidence is the probability of the predicted class (Guo et al. 2017, arXiv 1706.04599), in ten bins of equal
    width.
    """
    table = _reliability(truth, probabilities, np.arange(len(truth)))
    return float((table["n"] * (table["hit_share"] - table["confidence"]).abs()).sum() / table["n"].sum())


def _reliability(truth: NDArray[np.float64], probabilities: Doubles, group: NDArray[np.int64]) -> pd.DataFrame:
    confidence = probabilities.max(axis=1)
    hit = probabilities.argmax(axis=1) == truth
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    table = pd.DataFrame({"bin": bins, "confidence": confidence, "hit": hit, "group": group}).groupby("bin")
    return table.agg(
        n=("hit", "size"), groups=("group", "nunique"), confidence=("confidence", "mean"), hit_share=("hit", "mean")
    ).reset_index()


def _number_scores(
    part: pd.DataFrame, counts: NDArray[np.int64], index: NDArray[np.int64], redshift: bool
) -> tuple[dict[str, float], dict[str, Doubles]]:
    truth, found = part["truth"].to_numpy(np.float64), part["prediction"].to_numpy(np.float64)
    values, draws = scores(truth, found), bootstrap_scores(truth, found, counts, index)
    if not redshift:
        return values, draws
    error = (found - truth) / (1 + truth)
    values |= {"bias": float(np.median(error)), "sigma_nmad": nmad(error, np.zeros_like(error))}
    n = counts @ np.bincount(index, minlength=counts.shape[1])
    for name, limit in (("outliers_05", 0.05), ("outliers_15", 0.15)):
        beyond = np.abs(error) > limit
        values[name] = float(beyond.mean())
        draws[name] = counts @ np.bincount(index, weights=beyond, minlength=counts.shape[1]) / n
    return values, draws


def recall_table(judged: Judged) -> pd.DataFrame:
    """Return the recall of each class in each place, with its Wilson interval; NaN where no test object is of it."""
    rows = []
    for place, part in judged.places():
        group = judged.index_of(part)
        for code, name in enumerate(judged.classes):
            own = (part["truth"] == code).to_numpy()
            hits = int((own & (part["prediction"] == code).to_numpy()).sum())
            n, groups = int(own.sum()), np.unique(group[own]).size
            recall = hits / n if n else np.nan
            rows.append((*place, name, n, groups, hits, recall, *wilson(recall, groups)))
    return pd.DataFrame(rows, columns=RECALL_COLUMNS)


def wilson(share: float, groups: int) -> tuple[float, float]:
    """Return the ends of the 95 % score interval of a share (Wilson 1927, J. Am. Stat. Assoc. 22, 209, formula 5).

    ``groups`` stands for the number of trials: objects whose cutouts overlap, or frames of one video, are no more
    evidence than one, so that the interval is right or too wide, never too narrow. NaN without any.
    """
    if not groups:
        return np.nan, np.nan
    z2 = norm.ppf(0.975) ** 2 / groups
    centre = (share + z2 / 2) / (1 + z2)
    half = np.sqrt(z2 * share * (1 - share) + z2**2 / 4) / (1 + z2)
    return max(float(centre - half), 0.0), min(float(centre + half), 1.0)


def confusion_table(judged: Judged) -> pd.DataFrame:
    """Return how many objects of each class are taken for each, and their share of the class."""
    rows = []
    for place, part in judged.places():
        for code, truth in enumerate(judged.classes):
            own = part[part["truth"] == code]
            for other, found in enumerate(judged.classes):
                n = int((own["prediction"] == other).sum())
                rows.append((*place, truth, found, n, n / len(own) if len(own) else np.nan))
    return pd.DataFrame(rows, columns=CONFUSION_COLUMNS)


def reliability_table(judged: Judged) -> pd.DataFrame:
    """Return the share of hits against the probability of the predicted class, in bins, with Wilson intervals."""
    tables = []
    for place, part in judged.places():
        if not judged.classes:
            break
        table = _reliability(part["truth"].to_numpy(), predicted(part), judged.index_of(part))
        ends = [wilson(share, n) for share, n in zip(table["hit_share"], table["groups"], strict=True)]
        low, high = np.array(ends).T
        tables.append(table.assign(model=place[0], modality=place[1], zoom=place[2], low=low, high=high))
    return pd.concat(tables)[RELIABILITY_COLUMNS] if tables else pd.DataFrame(columns=RELIABILITY_COLUMNS)


def differences_table(judged: Judged) -> pd.DataFrame:
    """Return paired differences of the score, with 95 % intervals over the same resamples.

    Of each model: early and late fusion against each other and against each modality alone, zoom by zoom; and every
    modality at the coarser zooms against its finest one. ``delta`` is the first less the other.
    """
    drawn = {place: _drawn(judged, part) for place, part in judged.places()}
    rows: list[dict[str, Any]] = []
    for (model, modality, zoom), own in drawn.items():
        finest = min(at for name, kind, at in drawn if (name, kind) == (model, modality))
        others = [(other, zoom) for one, other in _PAIRS if one == modality]
        others += [(modality, finest)] if zoom != finest else []
        for other, at in others:
            against = drawn.get((model, other, at))
            if against is None:
                continue
            low, high = interval(own[1] - against[1])
            place = {"model": model, "modality": modality, "zoom": zoom, "against": other, "against_zoom": at}
            found = {"value": own[0], "other": against[0], "delta": own[0] - against[0]}
            rows.append(place | {"score": judged.score, **found, "low": float(low), "high": float(high)})
    return pd.DataFrame(rows, columns=DIFFERENCE_COLUMNS)


def _drawn(judged: Judged, part: pd.DataFrame) -> tuple[float, Doubles]:
    """Return the score, and that of each resample (n_resamples,)."""
    index = judged.index_of(part)
    if judged.classes:
        truth, found = part["truth"].to_numpy(np.int64), part["prediction"].to_numpy(np.int64)
        recall, _ = resampled_recall(truth, found, judged.counts, index, len(judged.classes))
        with np.errstate(invalid="ignore"):
            return class_scores(part["truth"], predicted(part))["balanced_accuracy"], np.nanmean(recall, axis=1)
    error = part["prediction"].to_numpy(np.float64) - part["truth"].to_numpy(np.float64)
    return float(np.sqrt((error**2).mean())), bootstrap_rmse(error, judged.counts, index)


def baseline_score(judged: Judged, split: pd.DataFrame) -> float:
    """Return the score of what looks at nothing: one over the classes, or the RMSE of the training objects' mean."""
    if judged.classes:
        return 1 / len(judged.classes)
    truth = {side: split.loc[split["split"] == side, "truth"].to_numpy(np.float64) for side in ("train", "test")}
    return float(np.sqrt(((truth["test"] - truth["train"].mean()) ** 2).mean()))


def tables_of(judged: Judged, costs: pd.DataFrame, redshift: bool) -> Mapping[str, pd.DataFrame]:
    """Return all tables by name."""
    makers: dict[str, Callable[[Judged], pd.DataFrame]] = {
        "recall": recall_table,
        "confusion": confusion_table,
        "reliability": reliability_table,
        "differences": differences_table,
    }
    return {"scores": scores_table(judged, costs, redshift)} | {name: make(judged) for name, make in makers.items()}
