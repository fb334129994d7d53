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
# Samples of the study's own, and names that are of no study, which its rules tell apart.
NO_SIDE_SAMPLES = f"(?!({_one_of([*TARGETS, *SCENE_TARGETS])})/)[a-z0-9_]+"
NO_SCENE_SAMPLES = f"(?!({_one_of(SCENE_TARGETS)})/)[a-z0-9_]+"
SIDE_TREES = _one_of(model for model in LEARNERS if model != "vggnet12")


def target_choice(wildcards):
    """A params function: how wildcards.target chooses and labels its objects."""
    return TARGETS[wildcards.target].choice()


def sample_arrays(wildcards):
    """An input function: the arrays of wildcards.zoom that hold the objects of wildcards.sample."""
    return arrays_of(wildcards.sample, wildcards.zoom)


def arrays_of(sample, zoom):
    """The arrays of a zoom: those of the labelled objects, or of all targets where another target is learned."""
    return results(f"{'targets' if sample in TARGETS else 'sample'}/zoom{zoom}.h5")


def objects_of_sample(wildcards):
    """An input function: the table of the objects of wildcards.sample, which a row of the arrays has one row of."""
    sample = wildcards.sample
    return results(f"side/{sample}/objects.parquet" if sample in TARGETS else "sample/objects.parquet")


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


def target_arrays(wildcards):
    """An input function: the arrays of all targets at the zooms of wildcards.model."""
    return [arrays_of(wildcards.target, zoom) for zoom in side_zooms(wildcards)]


def target_treatment(wildcards):
    """A params function: what is done to the arrays of wildcards.target."""
    return Treatment.bridging(TARGETS[wildcards.target].max_missing).as_dict()


def target_label(wildcards):
    """A params function: what kind of label wildcards.target has."""
    return TARGETS[wildcards.target].label


def target_weights(wildcards):
    """A params function: whether classes of wildcards.target count alike in the fits."""
    return TARGETS[wildcards.target].class_weights


# What is drawn of each further target, and what the report takes of it.
TARGET_TABLES = ["scores", "confusion", "reliability"]


def target_files():
    """The tables of the further targets as the report takes them."""
    names = ("answers.json", "counts.csv", "scores.csv", "recall.csv", "differences.csv")
    return [results(f"side/{target}/{name}") for target in TARGETS for name in names]


def target_tests():
    """The test predictions of every model of every further target."""
    return [results(f"side/{target}/test/{model}.parquet") for target in TARGETS for model in side_models(target)]


def side_tests_and_tables():
    """What a deposit holds of the further targets and the scenes beside the report's tables."""
    names = ("scores", "recall", "confusion", "reliability", "differences")
    tables = [results(f"side/{target}/{name}.csv") for target in SCENE_TARGETS for name in names]
    tables += [results(f"side/{target}/{name}.csv") for target in TARGETS for name in names[2:4]]
    tables += [results("scenes/rejects.csv")] if SCENES else []
    tables += [results("cases/objects.parquet")] if CASES else []
    return [*tables, *target_tests(), *scene_tests("parquet")]


def target_labels():
    """The kind of label of each further target."""
    return {name: target.label for name, target in TARGETS.items()}


def target_figures():
    """The figures of the further targets, by name."""
    return [
        f"fig_side_{what}_{name}"
        for name, target in TARGETS.items()
        for what in ("cost", "zoom", *(("scatter",) if target.label == "redshift" else ("confusion", "reliability")))
    ]


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


def cases_tables():
    """The tables of the science cases as the report takes them, sentences first; none where they are switched off."""
    return [results(f"cases/{name}") for name in ("answers.json", "cases.csv")] if CASES else []


def structure_memory(wildcards, attempt):
    """Memory of a job of the study of structure [MB]: its features four times, and all pairs of objects."""
    n = STRUCTURE.max_objects
    row_mb = {"photo": 0.082, "spectra": 0.019, "early": 0.101}[wildcards.modality] / 2 ** int(wildcards.zoom)
    return int((1200 + 4 * n * row_mb + 5 * n**2 * 8e-6) * attempt) + more_with_shards(0)(wildcards, attempt)


def compare_structure_memory(wildcards, attempt):
    """Memory of the comparison of structures [MB]: all pairs of objects three times, beside its tables."""
    return int((3000 + 3 * STRUCTURE.max_objects**2 * 8e-6) * attempt)


def scene_archive():
    """Folder of the fetched zip of scenes."""
    return results("scenes/archive")


def scene_set():
    """What the set of scenes is read by: its table, its zip, or what the fetch of one left."""
    if SCENES.source == "local":
        return SCENES.local.csv
    return results("scenes/raw/dataset.csv" if SCENES.source == "simulated" else "scenes/fetched.json")


def scene_folder():
    """Where the pictures of the set of scenes are looked for, where not beside its table."""
    if SCENES.source == "local":
        return SCENES.local.folder
    return None if SCENES.source == "simulated" else scene_archive()


def scene_state():
    """What a local folder of frames holds now, so that a picture added or changed below it is seen."""
    if SCENES.source != "local":
        return "made here"
    if Path(SCENES.local.csv).suffix.lower() == ".zip":
        return "in the zip"
    return folder_state(SCENES.local.folder or str(Path(SCENES.local.csv).parent))


def scene_shares():
    """How frames of scenes are shared out among the sides."""
    return {**SCENES.split.model_dump(), "min_class": SCENES.min_class, "seed": SCENES.seed}


def scene_tests(suffix):
    """What every model of every target of the scenes left of its test, files with that suffix."""
    return [
        results(f"side/{target}/test/{model}.{suffix}") for target in SCENE_TARGETS for model in side_models(target)
    ]


def scene_figures():
    """The figures of the study of scenes, by name."""
    return [f"fig_scenes_{name}" for name in ("classes", "mfcc", "examples", "leak")] if SCENES else []


def scene_tables():
    """The tables of the study of scenes as the report takes them, sentences first; none where it is switched off."""
    names = ("answers.json", "table.csv", "leak.csv", "ledger.csv") if SCENES else ()
    return [results(f"scenes/{name}") for name in names]
