"""The training jobs of a study as work to be costed.

Known to the Snakefile alone; what they cost is `hiss.models.cost`'s.
"""

from collections.abc import Iterator
from typing import NamedTuple

from hiss.config.experiments import Experiments
from hiss.models.cost import Work
from hiss.runs import MODELS, Run, VariantRun, plan_runs, plan_variants


class Planned(NamedTuple):
    """The work of one job, and a file it writes, below the results folder; the times of a zoom are several works."""

    output: str
    work: Work


def plan_works(experiments: Experiments | None, folds: int) -> list[Planned]:
    """Return the study's training jobs, model by model; baselines cost seconds and are left out.

    Which settings will win is not known: those in the middle of the grid stand for them.

    Parameters
    ----------
    folds
        Of the cross-validation.
    """
    if experiments is None:
        return []
    runs = [run for run in plan_runs(experiments) if run.model in MODELS]
    variants = plan_variants(experiments)
    middle = {key: points[len(points) // 2] for key, points in _by_place(runs).items()}
    works = [
        *_features([*runs, *variants]),
        *_grid(runs, folds),
        *_selected(experiments, middle, folds),
        *_variants(variants, middle),
    ]
    order = ("features", "bins", *MODELS)
    return sorted(works, key=lambda planned: (order.index(planned.work.model), planned.work.zoom))


def _by_place(runs: list[Run]) -> dict[tuple[str, str, int], list[Run]]:
    places: dict[tuple[str, str, int], list[Run]] = {}
    for run in runs:
        places.setdefault((run.model, run.modality, run.zoom), []).append(run)
    return places


def _features(runs: list[Run]) -> Iterator[Planned]:
    binned = {(run.sample, run.inputs, run.zoom) for run in runs if run.model == "lightgbm"}
    for sample, inputs, zoom in dict.fromkeys((run.sample, run.inputs, run.zoom) for run in runs):
        path = f"features/{sample}/{inputs}/zoom{zoom}"
        yield Planned(f"{path}.h5", Work("features", inputs, zoom, {}))
        if (sample, inputs, zoom) in binned:
            yield Planned(f"{path}_train.bins", Work("bins", inputs, zoom, {}))


def _grid(runs: list[Run], folds: int) -> Iterator[Planned]:
    for run in runs:
        folded = run.model == "decision_tree" or run.settings.get("cross_validate", False)
        fits = 1 + (folds - 1 if folded else 0)  # each fold's fit leaves a part of 1 / folds out
        yield Planned(f"{run.folder}/metrics.json", Work(run.model, run.modality, run.zoom, run.settings, fits))


def _selected(experiments: Experiments, middle: dict[tuple[str, str, int], Run], folds: int) -> Iterator[Planned]:
    intervals = experiments.intervals is not None and experiments.intervals.quantiles
    timed = set()
    for (model, modality, zoom), run in middle.items():
        folded, where = getattr(experiments, model), f"{modality}/zoom{zoom}"
        times = f"evaluation/times/{model}/zoom{zoom}.csv"
        yield Planned(times, Work(model, modality, zoom, run.settings, selected=True, begun=times in timed))
        timed.add(times)
        jobs = []
        if getattr(folded, "cross_validate", "none") == "selected":
            jobs.append((f"evaluation/out_of_fold/{model}/{where}.parquet", folds))
        if model == "lightgbm" and intervals:
            jobs.append((f"evaluation/quantiles/{where}/out_of_fold.parquet", 2 * folds))
        for output, fits in jobs:
            yield Planned(output, Work(model, modality, zoom, run.settings, fits, selected=True))


def _variants(variants: list[VariantRun], middle: dict[tuple[str, str, int], Run]) -> Iterator[Planned]:
    for run in variants:
        settings = middle[run.model, run.base, run.zoom].settings | run.settings
        share = 1.0 if run.train_share is None else run.train_share
        fits = run.members * run.draws * share  # a fit on a part of the objects takes that part of the time
        work = Work(run.model, run.modality, run.zoom, settings, fits, selected=True)
        yield Planned(f"{run.folder}/metrics.json", work)
