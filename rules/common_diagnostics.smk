# Functions about what is asked of the selected runs beyond their scores; rules hold none.

DIAGNOSTICS = experiments.diagnostics if HAS_EXPERIMENTS else None


# ---- importance and saliency ----


def _asked(model, zooms):
    """Modality and zoom of the selected runs of a model that are asked what they look at."""
    if DIAGNOSTICS is None or model not in MODELS:
        return []
    return [(modality, zoom) for one, modality, zoom in folders_of_study() if one == model and zoom in zooms]


def importance(file):
    """That file of the importance of every modality and zoom that is asked for: zoom<k><file>."""
    zooms = (DIAGNOSTICS and DIAGNOSTICS.importance_zooms) or STUDY_ZOOMS
    return [
        results(f"evaluation/importance/{modality}/zoom{zoom}{file}") for modality, zoom in _asked("lightgbm", zooms)
    ]


def saliency(file):
    """That file of the saliency of every modality and zoom that is asked for."""
    if DIAGNOSTICS is None or "vggnet12" not in MODELS:
        return []
    zooms = DIAGNOSTICS.saliency_zooms or [max(zooms_of(experiments, "vggnet12"))]
    return [results(f"evaluation/saliency/{modality}/zoom{zoom}{file}") for modality, zoom in _asked("vggnet12", zooms)]


def network_runs_at(file):
    """An input function: that file of the CNN's training runs of wildcards.modality and .zoom."""

    def paths(wildcards):
        return _runs_at("vggnet12", wildcards.modality, wildcards.zoom, file)

    return paths


def diagnostics_settings(*names):
    """A params value: those keys of experiments.diagnostics, and the seed of the bootstrap."""
    return DIAGNOSTICS.model_dump(include=set(names)) if DIAGNOSTICS else {}


def importance_summary():
    """The importance of all, in one table, where there is some."""
    return results("evaluation/importance/summary.csv") if importance(".csv") else []


# ---- calibration ----


def held_out_of_study():
    """Out-of-fold predictions of every selected run and of every stacked fusion, where there are some."""
    if INTERVALS is None:
        return []
    folded = [model for model in MODELS if cross_validates(model)]
    of_runs = [path for model in folded for path in _out_of_fold(model, MODALITIES, zooms_of(experiments, model))]
    return of_runs + _fused("stacked", "ridge", folded, "out_of_fold.parquet")


def quantiles_of_study():
    """Out-of-fold ends of all of LightGBM's quantiles."""
    return _quantiles(STUDY_ZOOMS)


# ---- learning curves ----

# A variant that changes anything else is no point of a curve.
_SHARES = [
    run
    for run in VARIANTS
    if run.train_share is not None
    and (run.sample, run.modality, run.members, run.settings) == (SAMPLE, run.base, 1, {})
]


def share_variants(file):
    """That file of every variant that trains on a share of the objects and changes nothing else."""
    return [results(f"{run.folder}/{file}") for run in _SHARES]


def runs_behind_shares(file):
    """That file of the runs of the study at the models, modalities and zooms of those variants."""
    places = dict.fromkeys((run.model, run.base, run.zoom) for run in _SHARES)
    return [path for place in places for path in _runs_at(*place, file)]


def learning_table():
    """The learning curves, where the config has shares of the training objects."""
    return results("evaluation/learning_curve.csv") if _SHARES else []


# ---- all of it ----


def diagnostic_tables():
    """The tables of the diagnostics that are worth a deposit beside those that the report shows."""
    if not HAS_EXPERIMENTS:
        return []
    regions = [path for file in (".csv", "_map.csv") for path in (*importance(file), *saliency(file))]
    described = [results(f"sample/{name}") for name in ("magnitudes.parquet", "wavelengths.csv")]
    return [results("evaluation/residuals.csv"), *([learning_table()] if _SHARES else []), *regions, *described]
