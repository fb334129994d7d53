"""What the numbers of a target beside the study say, in sentences."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from hiss.evaluation.collect import model_name
from hiss.side.chosen import best_first
from hiss.side.scores import Judged

NAMES: Final[Mapping[str, str]] = {
    "class": "whether an object is a galaxy, a quasar or a star",
    "quiescent": "whether a galaxy forms stars or is quiescent",
    "redshift": "the redshift of a galaxy",
}
"""What a target of each kind of label tells."""

_MODALITY: Final[Mapping[str, str]] = {
    "photo": "on images alone",
    "spectra": "on spectra alone",
    "early": "with early fusion",
    "late": "with late fusion",
}
_MEANING: Final[Mapping[str, str]] = {
    "class": (
        "The class is the one that SDSS's pipeline gave the spectrum, by fitting templates to that very spectrum: "
        "models on spectra learn the pipeline, and only those on images tell something that the label has not seen."
    ),
    "quiescent": (
        "Quiescent is a galaxy whose star formation rate over its stellar mass is below 1e-11 per year. The rate is "
        "the catalogue's, derived from the spectrum's lines and the magnitudes; the mass is estimated here from the "
        "magnitudes and the redshift. Both kinds of data so know a part of the label."
    ),
    "redshift": (
        "The redshift is the one that SDSS's pipeline measured in the spectrum: models on spectra learn what was read "
        "off them, and those on images give what is called a photometric redshift."
    ),
}
_COSTS: Final = (
    "The times of these fits are those of their training jobs, which may have run beside others: they tell a second "
    "from a minute, not ten per cent."
)
_WEIGHTED: Final = (
    "Classes count alike in the fits, however rare: the probabilities are those of a sky with as many objects of each "
    "class, so that a rare class is named more often than it is met, and the calibration error tells by how much."
)


def sentences(
    label: str, judged: Judged, tables: Mapping[str, pd.DataFrame], counts: pd.DataFrame, baseline: float
) -> list[str]:
    """Return what was found, a sentence a thing, from the tables of `hiss.side.scores.tables_of`.

    Parameters
    ----------
    label
        Kind of label: a key of `NAMES`.
    counts
        ``name objects used why`` of the classes, or of the number.
    baseline
        Score of what looks at nothing.
    """
    scores, differences = best_first(tables["scores"]), tables["differences"]
    best = scores.to_dict("records")[0]
    said = [_counted(judged, counts), _winner(label, judged, scores, best, baseline)]
    said += _fusion(differences, judged, best)
    said += _coarser(scores, differences, judged)
    if judged.classes:
        said.append(_rarest(tables["recall"], counts, best))
        said.append(
            f"Its calibration error is {best['calibration_error']:.3f}: so far, on average, the share of hits lies "
            "from the probability that it gives."
        )
    elif "outliers_05" in best:
        said.append(
            f"Of its redshifts {100 * best['outliers_05']:.1f} % miss by more than 0.05 (1 + z) and "
            f"{100 * best['outliers_15']:.1f} % by more than 0.15 (1 + z); the others scatter by "
            f"{best['sigma_nmad']:.4f} (1 + z), with a bias of {_signed(best['bias'], 4)}."
        )
    return said


def meaning(label: str, judged: Judged, weighted: bool) -> list[str]:
    """Return what the sentences do not say of themselves."""
    return [_MEANING[label], *([_WEIGHTED] if judged.classes and weighted else []), _COSTS]


def _counted(judged: Judged, counts: pd.DataFrame) -> str:
    n_test = judged.tests["row"].nunique()
    if not judged.classes:
        used = int(counts["used"].sum())
        return f"{used:,} objects are learned from or judged by, {n_test:,} of them in the test set."
    rows = counts.iloc[:-1].to_dict("records")  # the last counts what has no label
    told = [f"{row['used']:,} {row['name']}" for row in rows if row["used"]]
    few = [f"{row['name']} ({row['why']})" for row in rows if not row["used"]]
    left = f" Left out, for a class of so few cannot be judged: {', '.join(few)}." if few else ""
    return f"{_listed(told)} are learned from or judged by, {n_test:,} of them in the test set.{left}"


def _winner(label: str, judged: Judged, scores: pd.DataFrame, best: dict[Any, Any], baseline: float) -> str:
    what = "balanced accuracy" if judged.classes else "RMSE"
    nothing = "a guess" if judged.classes else "the mean of the training objects"
    return (
        f"{model_name(best['model'])} {_MODALITY[best['modality']]} at zoom {best['zoom']} tells {NAMES[label]} best "
        f"of {len(scores)} models, kinds of data and zooms by the validation objects. On the test set: {what} "
        f"{_with_ends(best, judged.score)}, against {baseline:.{_digits(judged.score)}f} of {nothing}."
    )


def _digits(score: str) -> int:
    """Return how many decimals are told: redshifts are small."""
    return 4 if score == "rmse" else 3


def _with_ends(row: Mapping[Any, Any], name: str) -> str:
    low, high, digits = row[f"{name}_low"], row[f"{name}_high"], _digits(name)
    if not np.isfinite(low) or low == high:
        return f"{row[name]:.{digits}f} (no interval can be told of so few errors)"
    return f"{row[name]:.{digits}f} (95 % interval {low:.{digits}f} to {high:.{digits}f})"


def _fusion(differences: pd.DataFrame, judged: Judged, best: Mapping[Any, Any]) -> list[str]:
    """Say of the best run's model, at the zoom of the best run, whether fusion beats each modality alone."""
    own = differences[(differences["model"] == best["model"]) & (differences["zoom"] == best["zoom"])]
    own = own[(own["modality"] == "early") & (own["against_zoom"] == best["zoom"])]
    said = []
    for row in own.to_dict("records"):
        if row["against"] == "early":
            continue
        against = _MODALITY[row["against"]].removeprefix("on ").removeprefix("with ")
        said.append(f"{_verdict(row, judged)} {against} ({_delta(row)})")
    if not said:
        return []
    return [f"Early fusion of {model_name(best['model'])} at that zoom {_listed(said)}."]


def _verdict(row: Mapping[Any, Any], judged: Judged) -> str:
    better = row["low"] > 0 if judged.classes else row["high"] < 0
    worse = row["high"] < 0 if judged.classes else row["low"] > 0
    if better:
        return "beats"
    return "is beaten by" if worse else "cannot be told from"


def _delta(row: Mapping[Any, Any]) -> str:
    if not np.isfinite(row["low"]):
        return "too few objects for an interval"
    delta, low, high = (_signed(row[name], _digits(row["score"])) for name in ("delta", "low", "high"))
    return f"{delta}, 95 % interval {low} to {high}"


def _coarser(scores: pd.DataFrame, differences: pd.DataFrame, judged: Judged) -> list[str]:
    """Say what each coarser zoom costs in score and saves in time and memory, of the best run with several zooms."""
    for best in scores.to_dict("records"):
        own = scores[(scores["model"] == best["model"]) & (scores["modality"] == best["modality"])]
        if len(own) > 1:
            break
    else:
        return []
    fine, *coarser = (row for _, row in own.sort_values("zoom").iterrows())
    paired = differences[(differences["model"] == best["model"]) & (differences["modality"] == best["modality"])]
    paired = paired[paired["against"] == best["modality"]].set_index("zoom")
    score = judged.score.replace("_", " ").replace("rmse", "RMSE")
    who = f"{model_name(best['model'])} {_MODALITY[best['modality']]}"
    return [
        f"From zoom {fine['zoom']} to zoom {coarse['zoom']} the {score} of {who} changes by "
        f"{_delta(paired.loc[coarse['zoom']].to_dict())}; the fit takes {_ratio(fine, coarse, 'fit_s')}, a prediction "
        f"{_ratio(fine, coarse, 'predict_per_object_us')} and the memory {_ratio(fine, coarse, 'peak_memory_mb')}."
        for coarse in coarser
    ]


def _ratio(fine: pd.Series, coarse: pd.Series, name: str) -> str:
    units = {"fit_s": "s", "predict_per_object_us": "µs an object", "peak_memory_mb": "MB"}
    return f"{coarse[name]:.3g} {units[name]} in place of {fine[name]:.3g}"


def _rarest(recall: pd.DataFrame, counts: pd.DataFrame, best: Mapping[Any, Any]) -> str:
    rare = counts[counts["used"] > 0].sort_values("used", kind="stable")["name"].iloc[0]
    place = (
        (recall["model"] == best["model"]) & (recall["modality"] == best["modality"]) & (recall["zoom"] == best["zoom"])
    )
    row = recall[place & (recall["name"] == rare)].iloc[0]
    if not row["n"]:
        return f"Of the rarest class, {rare}, no object is in the test set."
    return (
        f"Of the rarest class, {rare}, it finds {row['hits']} of {row['n']} test objects: recall {row['recall']:.2f} "
        f"(95 % interval {row['low']:.2f} to {row['high']:.2f})."
    )


def _signed(value: float, digits: int = 3) -> str:
    return f"{value:+.{digits}f}".replace("-", "−")


def _listed(words: list[str]) -> str:
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)
