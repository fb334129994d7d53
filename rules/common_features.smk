# Functions about what the runs are trained on: features, bins, tables beside them, weights to start from.


def features(wildcards):
    """An input function: the features that wildcards' run is trained on."""
    sample = getattr(wildcards, "sample", SAMPLE)
    inputs = Modality.parse(wildcards.modality).inputs
    return results(f"features/{sample}/{inputs}/zoom{wildcards.zoom}.h5")


def features_of_zoom(wildcards):
    """An input function: the features that the runs of wildcards.model and .zoom are trained on."""
    inputs = dict.fromkeys(Modality.parse(name).inputs for name in _modalities_at(wildcards.model, wildcards.zoom))
    return [results(f"features/{SAMPLE}/{name}/zoom{wildcards.zoom}.h5") for name in inputs]


def bins(wildcards):
    """An input function: the bins of wildcards' run, where it is one of LightGBM."""
    return _bins(wildcards, [features(wildcards)])


def bins_of_zoom(wildcards):
    """An input function: the bins of the features of wildcards.zoom, where wildcards.model is LightGBM."""
    return _bins(wildcards, features_of_zoom(wildcards))


def _bins(wildcards, features):
    if wildcards.get("model", "lightgbm") != "lightgbm":
        return []
    return [f"{Path(path).with_suffix('')}_{side}.bins" for path in features for side in ("train", "validation")]


def spectra_arrays(wildcards):
    """An input function: the arrays of the spectra, where their zoom is not that of the images."""
    zoom = Modality.parse(wildcards.inputs).spectra_zoom
    return [] if zoom is None else arrays_of(wildcards.get("sample", SAMPLE), zoom)


def line_table(wildcards):
    """An input function: the emission lines, where they are asked for."""
    return results("sample/lines.parquet") if Modality.parse(wildcards.inputs).lines else []


def environment_table(wildcards):
    """An input function: the surroundings of the objects, where they are asked for."""
    return results("sample/environment.parquet") if Modality.parse(wildcards.inputs).environment else []


def line_table_of_model(wildcards):
    """An input function: the emission lines, where a run of wildcards.model sees them."""
    runs = [run for run in RUNS if run.model == wildcards.model]
    return results("sample/lines.parquet") if any(Modality.parse(run.modality).lines for run in runs) else []


def max_bin(wildcards):
    """A params function: bins of a feature of wildcards.sample."""
    return settings.side_studies.learning().get(wildcards.sample, experiments).lightgbm.max_bin


def imagenet_weights(wildcards):
    """An input function: the file of ImageNet weights, fetched where the config names an address or its hash."""
    if (beside := wildcards.get("sample")) in settings.side_studies.learning():
        return settings.side_studies.learning()[beside].vggnet12.weights or []
    study, named = experiments.vggnet12, experiments.vggnet12.weights
    if wildcards.get("variant"):
        named = _variant(wildcards).settings.get("weights", named)
    if named is None:
        return []
    checked = named == study.weights and ("://" in named or study.weights_sha256)
    return results("weights/imagenet.safetensors") if checked else named


def weights_address():
    """Where ImageNet weights are fetched from: an address, or a file whose hash the config names."""
    return experiments.vggnet12.weights if HAS_EXPERIMENTS and experiments.vggnet12 else None


def weights_file():
    """The file of ImageNet weights that the config names, where it is no address."""
    named = weights_address()
    return [] if named is None or "://" in named else named


def weights_sha256():
    """What fetched weights must hash to."""
    return experiments.vggnet12.weights_sha256 if HAS_EXPERIMENTS and experiments.vggnet12 else None
