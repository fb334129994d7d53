# Functions about the runs of the study, which hiss/runs.py plans; rules hold none.
from dataclasses import asdict

from hiss.modality import Modality
from hiss.models.cost import cost_table, describe_objects, estimate
from hiss.runs import MODELS as LEARNERS
from hiss.runs import idle_variants, models_of, plan_runs, plan_side_runs, plan_variants, zooms_of
from hiss.works import plan_works

experiments = settings.experiments
HAS_EXPERIMENTS = experiments is not None
RUNS = plan_runs(experiments)
VARIANTS = plan_variants(experiments)
SIDE_RUNS = plan_side_runs(settings.side_studies, experiments)
RUN_AT = {run.folder: run for run in (*RUNS, *VARIANTS, *SIDE_RUNS)}
RUNS_AT = {}
for _run in RUNS:
    RUNS_AT.setdefault((_run.model, _run.modality, _run.zoom), []).append(_run)
MODELS = models_of(experiments)
BASELINES = list(experiments.baselines) if HAS_EXPERIMENTS else []
MODALITIES = list(experiments.modalities) if HAS_EXPERIMENTS else []
TARGET = experiments.target if HAS_EXPERIMENTS else "sfr"
SAMPLE = experiments.sample if HAS_EXPERIMENTS else "flag0"
SAMPLES = settings.sample.choices()
STUDY_ZOOMS = sorted(experiments.zooms) if HAS_EXPERIMENTS else []
INTERVALS = experiments.intervals if HAS_EXPERIMENTS else None

if workflow.is_main_process and idle_variants(experiments):
    print(
        f"No run of variant {', '.join(idle_variants(experiments))}: the study has no such model, modality or zoom.",
        file=sys.stderr,
    )

# The file that holds a model, by the model's name.
MODEL_FILE = {"decision_tree": "model.npz", "lightgbm": "model.txt", "vggnet12": "model.safetensors"}


def run_folder(model, modality, zoom, name):
    return f"runs/{TARGET}/{SAMPLE}/{model}/{modality}/zoom{zoom}/{name}"


def sample_choice(wildcards):
    """A params function: flag and multi-object policy of wildcards.sample."""
    if wildcards.sample not in SAMPLES:
        raise WorkflowError(f"{wildcards.sample} is no sample of the config; it has {', '.join(SAMPLES)}")
    return SAMPLES[wildcards.sample]


# ---- a run by its folder ----


def run_of(model):
    """A params function: the run of a train_* rule's wildcards, as a plain dictionary."""

    def run(wildcards):
        return _run_at(model, wildcards).as_dict()

    return run


def _run_at(model, wildcards):
    folder = (
        f"runs/{wildcards.target}/{wildcards.sample}/{model}/{wildcards.modality}/zoom{wildcards.zoom}/"
        f"{wildcards.settings}"
    )
    if folder not in RUN_AT:
        raise WorkflowError(
            f"{folder} is not in the grid of the config; its runs of this model are named like {_example(model)}"
        )
    return RUN_AT[folder]


def _example(model):
    return next((run.folder for run in (*RUNS, *SIDE_RUNS) if run.model == model), "none")


def baseline_run(wildcards):
    """A params function: the run of wildcards.model, a baseline."""
    return run_of(wildcards.model)(wildcards)


def variant_run(wildcards):
    """A params function: the variant's run of a refit rule's wildcards, as a plain dictionary."""
    return _variant(wildcards).as_dict()


def _variant(wildcards):
    folder = (
        f"runs/{wildcards.target}/{wildcards.sample}/{wildcards.model}/{wildcards.modality}/zoom{wildcards.zoom}/"
        f"variant={wildcards.variant}"
    )
    if folder not in RUN_AT:
        known = ", ".join(dict.fromkeys(run.name.removeprefix("variant=") for run in VARIANTS)) or "none"
        raise WorkflowError(f"{folder} is no variant of the config; it has {known}")
    return RUN_AT[folder]


# ---- many runs ----


def all_runs(file):
    """That file of every training run, the baselines' among them."""
    return [results(f"{run.folder}/{file}") for run in RUNS]


def all_variants(file):
    """That file of every variant's run."""
    return [results(f"{run.folder}/{file}") for run in VARIANTS]


def runs_of(model, file):
    """That file of every training run of a model."""
    return [results(f"{run.folder}/{file}") for run in RUNS if run.model == model]


def runs_of_model(file):
    """An input function: that file of every training run of wildcards.model."""

    def paths(wildcards):
        return runs_of(wildcards.model, file)

    return paths


def models_of_runs(wildcards):
    """An input function: the model of every training run of wildcards.model; a baseline's is its model.json."""
    return runs_of(wildcards.model, MODEL_FILE.get(wildcards.model, "model.json"))


def _runs_at(model, modality, zoom, file):
    return [results(f"{run.folder}/{file}") for run in RUNS_AT.get((model, modality, int(zoom)), ())]


def runs_at(file):
    """An input function: that file of the training runs of wildcards.model, .modality and .zoom."""

    def paths(wildcards):
        return _runs_at(wildcards.model, wildcards.modality, wildcards.zoom, file)

    return paths


def runs_behind(file):
    """An input function: that file of the training runs whose selected settings wildcards' variant takes."""

    def paths(wildcards):
        run = _variant(wildcards)
        return _runs_at(run.model, run.base, run.zoom, file)

    return paths


def folders_of_study():
    """Model, modality and zoom of every selected run, the baselines' aside."""
    return [place for place in RUNS_AT if place[0] in LEARNERS]


def _times(places):
    return list(dict.fromkeys(results(f"evaluation/times/{model}/zoom{zoom}.csv") for model, _, zoom in places))


def timed():
    """The times of the selected settings of every model and zoom, all modalities in one table."""
    return _times(folders_of_study())


def _modalities_at(model, zoom):
    return [modality for name, modality, at in RUNS_AT if (name, at) == (model, int(zoom))]


def runs_of_zoom(file):
    """An input function: that file of the training runs of wildcards.model and .zoom, of all modalities."""

    def paths(wildcards):
        at = wildcards.model, wildcards.zoom
        return [path for modality in _modalities_at(*at) for path in _runs_at(at[0], modality, at[1], file)]

    return paths


# ---- objects held out ----


def cross_validates(model):
    """Whether the selected settings of a model are cross-validated; the tree's grid always is."""
    return model == "decision_tree" or getattr(experiments, model).cross_validate != "none"


CROSS_VALIDATES_LIGHTGBM = bool(
    HAS_EXPERIMENTS and experiments.lightgbm and experiments.lightgbm.cross_validate == "all"
)


def grid_out_of_fold(wildcards):
    """An input function: out-of-fold predictions that wildcards' runs left behind, where their grid makes them."""
    made = wildcards.model == "decision_tree" or (wildcards.model == "lightgbm" and CROSS_VALIDATES_LIGHTGBM)
    return runs_at("out_of_fold.parquet")(wildcards) if made else []


def _out_of_fold(model, modalities, zooms):
    folder = f"evaluation/out_of_fold/{model}"
    return [
        results(f"{folder}/{modality}/zoom{zoom}.parquet")
        for modality in modalities
        for zoom in zooms
        if cross_validates(model) and (model, modality, zoom) in folders_of_study()
    ]


def out_of_fold_parts(wildcards):
    """An input function: out-of-fold predictions of the selected photo and spectra runs of wildcards.model, .zoom."""
    return _out_of_fold(wildcards.model, ("photo", "spectra"), [int(wildcards.zoom)])


def out_of_fold_of_model(wildcards):
    """An input function: out-of-fold predictions of all selected runs of wildcards.model."""
    if INTERVALS is None:
        return []
    if wildcards.model not in MODELS:
        return runs_of(wildcards.model, "out_of_fold.parquet")
    return _out_of_fold(wildcards.model, MODALITIES, zooms_of(experiments, wildcards.model))


def interval_level():
    """Share of the objects that an interval is to hold; None without intervals."""
    return INTERVALS.level if INTERVALS else None


def interval_bins():
    """Bins of the label by which coverage is told."""
    return INTERVALS.bins if INTERVALS else 1


def lightgbm_runs_at(file):
    """An input function: that file of LightGBM's training runs of wildcards.modality and .zoom."""

    def paths(wildcards):
        return _runs_at("lightgbm", wildcards.modality, wildcards.zoom, file)

    return paths


def quantiles(wildcards):
    """An input function: the fitted quantiles of wildcards.model at all zooms, where it is LightGBM."""
    return _quantiles(STUDY_ZOOMS) if wildcards.model == "lightgbm" else []


def _quantiles(zooms):
    if INTERVALS is None or not INTERVALS.quantiles or "lightgbm" not in MODELS or not cross_validates("lightgbm"):
        return []
    return [
        results(f"evaluation/quantiles/{modality}/zoom{zoom}/out_of_fold.parquet")
        for model, modality, zoom in folders_of_study()
        if model == "lightgbm" and zoom in zooms
    ]


# ---- fusions of predictions ----


def candidates(file):
    """An input function for fusions: that file of the photo and spectra runs of wildcards.model and .zoom."""

    def paths(wildcards):
        return [
            path
            for modality in ("photo", "spectra")
            for path in _runs_at(wildcards.model, modality, wildcards.zoom, file)
        ]

    return paths


def _fused(modality, name, models, file):
    if not {"photo", "spectra"} <= set(MODALITIES):
        return []
    return [
        results(run_folder(model, modality, zoom, f"{name}/{file}"))
        for model in models
        for zoom in zooms_of(experiments, model)
    ]


def fusions(file):
    """That file of every fusion of predictions: late, and stacked where a model is cross-validated."""
    stackable = [model for model in MODELS if cross_validates(model)]
    return _fused("late", "mean", MODELS, file) + _fused("stacked", "ridge", stackable, file)


def stacked_of_model(wildcards):
    """An input function: the meta-learners of wildcards.model."""
    if wildcards.model not in MODELS or not cross_validates(wildcards.model):
        return []
    return _fused("stacked", "ridge", [wildcards.model], "model.json")


# ---- the cascade ----


def cascade_zooms():
    """Coarse and fine zoom of the cascade; none where the study lacks one of them or LightGBM."""
    cascade = experiments.cascade if HAS_EXPERIMENTS else None
    if cascade is None or "lightgbm" not in MODELS:
        return []
    zooms = [cascade.cheap_zoom, cascade.fine_zoom]
    return zooms if set(zooms) <= set(STUDY_ZOOMS) else []


def cascade_inputs(wildcards):
    """What the cascade is judged by: validation predictions, times and quantiles of LightGBM at its two zooms."""
    zooms = cascade_zooms()
    runs = [run for run in RUNS if run.model == "lightgbm" and run.zoom in zooms]
    return {
        "metrics": [results(f"{run.folder}/metrics.json") for run in runs],
        "validation": [results(f"{run.folder}/validation.parquet") for run in runs],
        "times": _times(place for place in folders_of_study() if place[0] == "lightgbm" and place[2] in zooms),
        "quantiles": _quantiles(zooms[:1]),
        "out_of_fold": _out_of_fold("lightgbm", MODALITIES, zooms),
    }


def cascade():
    """The table of the cascade, where the study has one."""
    return results("evaluation/cascade.csv") if cascade_zooms() else []


def variants_table():
    """The table of the variants, where the study has some."""
    return results("evaluation/variants.csv") if VARIANTS else []


# ---- what training costs ----

WORKS = plan_works(experiments, settings.sample.split.folds)
STUDY_SPLIT = results(f"sample/{SAMPLE}/split.parquet")


def study_works():
    """The study's training jobs as plain dictionaries, for a job's parameters."""
    return [asdict(planned.work) for planned in WORKS]


def outstanding_cost(jobs):
    """What the training among the jobs about to run is estimated to cost, as text; empty where there is none."""
    written = {str(file) for job in jobs for file in job.output}
    works = [planned.work for planned in WORKS if results(planned.output) in written]
    counts, told = describe_objects(Path(STUDY_SPLIT))
    return cost_table(estimate(works, *counts), told) if works else ""


onstart:
    if cost := outstanding_cost(workflow.dag.needrun_jobs()):
        print(cost)
