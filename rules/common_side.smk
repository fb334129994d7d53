# Functions about the studies beside the main one; rules hold none.

STRUCTURE = settings.side_studies.structure
CASES = settings.side_studies.cases
SCENES = settings.side_studies.scenes
LEARNING = settings.side_studies.learning()
# What is learned from the cube's own arrays, and what from the scenes'.
TARGETS = {name: target for name, target in settings.side_studies.targets.items() if target}
SCENE_TARGETS = SCENES.names() if SCENES else []


def _one_of(names):
    return "|".join(names) or "none"


# For wildcard_constraints: a rule's samples are the study's, those of targets, or those of scenes.
STUDY_SAMPLES = _one_of(SAMPLES)
TARGET_SAMPLES = _one_of(TARGETS)
SCENE_SAMPLES = _one_of(SCENE_TARGETS)
CUBE_SAMPLES = _one_of([*SAMPLES, *TARGETS])
SIDE_TREES = _one_of(model for model in LEARNERS if model != "vggnet12")


def target_choice(wildcards):
    """A params function: how wildcards.target chooses and labels its objects."""
    return TARGETS[wildcards.target].choice()


def side_models(target):
    """The models that learn a target."""
    return models_of(LEARNING[target])


def side_runs_of_model(file):
    """An input function: that file of every run of wildcards.target and .model."""

    def paths(wildcards):
        return [
            results(f"{run.folder}/{file}")
            for run in SIDE_RUNS
            if run.target == wildcards.target and run.model == wildcards.model
        ]

    return paths


def side_models_of_runs(wildcards):
    """An input function: the model file of every run of wildcards.target and .model."""
    return side_runs_of_model(MODEL_FILE[wildcards.model])(wildcards)


def side_zooms(wildcards):
    """The zooms at which wildcards.model learns wildcards.target."""
    return sorted(zooms_of(LEARNING[wildcards.target], wildcards.model))


def side_tests(suffix):
    """An input function: what every model of wildcards.target left of its test, files with that suffix."""

    def paths(wildcards):
        return [results(f"side/{wildcards.target}/test/{model}.{suffix}") for model in side_models(wildcards.target)]

    return paths


def structure_files(suffix):
    """What every job of the study of structure writes with that suffix; none where it is switched off."""
    if STRUCTURE is None:
        return []
    return [
        results(f"structure/{modality}/zoom{zoom}.{suffix}")
        for modality in STRUCTURE.modalities
        for zoom in sorted(STRUCTURE.zooms)
    ]


def structure_tables():
    """The tables of the study of structure as the report takes them, sentences first; none where it is switched off."""
    names = ("answers.json", "scores.csv", "survival.csv", "outliers.csv") if STRUCTURE else ()
    return [results(f"structure/{name}") for name in names]


def structure_figures():
    """The figures of the study of structure, by name."""
    if STRUCTURE is None:
        return []
    return [*(f"fig_structure_{modality}" for modality in STRUCTURE.modalities), "fig_structure_scores", "fig_outliers"]


def structure_memory(wildcards, attempt):
    """Memory of a job of the study of structure [MB]: its features four times, and all pairs of objects."""
    n = STRUCTURE.max_objects
    row_mb = {"photo": 0.082, "spectra": 0.019, "early": 0.101}[wildcards.modality] / 2 ** int(wildcards.zoom)
    return int((1200 + 4 * n * row_mb + 5 * n**2 * 8e-6) * attempt) + more_with_shards(0)(wildcards, attempt)
