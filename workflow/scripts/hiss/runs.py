"""The table of runs: the only place that knows the grid.

Known to the Snakefile alone; a job gets its run as a plain dictionary.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any, Final

from hiss.config.experiments import DecisionTree, Experiments, LightGBM, VGGNet12
from hiss.config.side import Scenes, SideStudies, Target
from hiss.config.variants import Variant
from hiss.modality import Modality
from hiss.names import join_settings

MODELS: Final = ("decision_tree", "lightgbm", "vggnet12")

_GRID = {
    "decision_tree": ("max_depth",),
    "lightgbm": ("learning_rate", "max_depth"),
    "vggnet12": ("learning_rate",),
}
_NOT_SETTINGS = {"zooms", "weights_sha256"}
_DEFAULTS = {"decision_tree": DecisionTree(), "lightgbm": LightGBM(), "vggnet12": VGGNet12()}
_DEFAULT_SEED = Experiments.model_fields["seed"].default
_BASELINES: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "mean": ("none", [{}]),
    "magnitudes": ("photo", [{}]),
    "halpha": ("lines", [{"scale": "formula"}, {"scale": "fitted"}]),
}
"""What each baseline looks at, and its settings."""


Study = Experiments | Target | Scenes
"""What has models, modalities and zooms."""


@dataclass(frozen=True)
class Run:
    """One training job: a model on a modality at a zoom with one setting of its hyperparameters."""

    target: str
    sample: str
    model: str
    modality: str
    zoom: int
    name: str
    """The settings as the last folder of the run's path."""
    settings: dict[str, Any]
    seed: int

    @property
    def folder(self) -> str:
        """Path of the run's folder below the results folder."""
        return f"runs/{self.target}/{self.sample}/{self.model}/{self.modality}/zoom{self.zoom}/{self.name}"

    @property
    def inputs(self) -> str:
        """Name of the features it is trained on."""
        return Modality.parse(self.modality).inputs

    def as_dict(self) -> dict[str, Any]:
        """Return the run as a plain dictionary, for a job's parameters."""
        return asdict(self)


@dataclass(frozen=True)
class VariantRun(Run):
    """A selected setting trained once more with one thing changed; ``settings`` are those in place of the selected."""

    base: str
    """Modality whose selected settings it takes, and with which it is compared."""
    members: int
    train_size: int | None
    train_share: float | None
    draws: int


def plan_runs(experiments: Experiments | None) -> list[Run]:
    """Return every training run of the study, in the order of models, modalities, zooms and grid points.

    The baselines come last.
    """
    if experiments is None:
        return []
    grid = [
        Run(
            target=experiments.target,
            sample=experiments.sample,
            model=model,
            modality=modality,
            zoom=zoom,
            name=_name(model, settings, experiments.seed),
            settings=settings,
            seed=experiments.seed,
        )
        for model in MODELS
        for modality in modalities_of(experiments, model)
        for zoom in zooms_of(experiments, model)
        for settings in _grid_points(experiments, model)
    ]
    return grid + list(_baseline_runs(experiments))


def plan_side_runs(side: SideStudies, experiments: Experiments | None) -> list[Run]:
    """Return the training runs of the studies beside the main one; each target is the name of its own sample too.

    LightGBM is cross-validated where the study's own grid is: all its runs leave the same files.
    """
    boosted = experiments.lightgbm if experiments else None
    all_folds = {"cross_validate": boosted is not None and boosted.cross_validate == "all"}
    return [
        Run(
            target=target,
            sample=target,
            model=model,
            modality=modality,
            zoom=zoom,
            name=_name(model, settings, learning.seed),
            settings=settings | {"class_weights": learning.class_weights} | (all_folds if model == "lightgbm" else {}),
            seed=learning.seed,
        )
        for target, learning in side.learning().items()
        for model in models_of(learning)
        for modality in modalities_of(learning, model)
        for zoom in zooms_of(learning, model)
        for settings in _grid_points(learning, model)
    ]


def _baseline_runs(experiments: Experiments) -> Iterator[Run]:
    """Yield the baselines' runs, at the finest zoom where they look at images."""
    for model in experiments.baselines:
        modality, points = _BASELINES[model]
        for settings in points:
            name = join_settings(f"{key}={value}" for key, value in settings.items()) or "default"
            zoom = min(experiments.zooms)
            yield Run(experiments.target, experiments.sample, model, modality, zoom, name, settings, experiments.seed)


def plan_variants(experiments: Experiments | None) -> list[VariantRun]:
    """Return the runs of every variant, where the study has the model, modality and zoom that it changes."""
    if experiments is None:
        return []
    return [run for name, variant in experiments.variants.items() for run in _variant_runs(experiments, name, variant)]


def idle_variants(experiments: Experiments | None) -> list[str]:
    """Return the variants that the config names and of which the study has no model, modality or zoom to change."""
    if experiments is None or "variants" not in experiments.model_fields_set:
        return []
    return [
        name for name, variant in experiments.variants.items() if not list(_variant_runs(experiments, name, variant))
    ]


def _variant_runs(experiments: Experiments, name: str, variant: Variant) -> Iterator[VariantRun]:
    for model in models_of(experiments):
        if variant.models is not None and model not in variant.models:
            continue
        settings = getattr(experiments, model).replaced(variant.settings)
        for base in modalities_of(experiments, model):
            modality = _changed(variant, model, base)
            if modality is None or (variant.modalities is not None and base not in variant.modalities):
                continue
            have = zooms_of(experiments, model)
            for zoom in [max(have)] if variant.zooms is None else variant.zooms:
                if zoom in have and zoom != variant.spectra_zoom:
                    yield VariantRun(
                        target=experiments.target,
                        sample=variant.sample or experiments.sample,
                        model=model,
                        modality=modality,
                        zoom=zoom,
                        name=f"variant={name}",
                        settings=settings,
                        seed=experiments.seed,
                        base=base,
                        members=variant.members,
                        train_size=variant.train_size,
                        train_share=variant.train_share,
                        draws=variant.draws,
                    )


def _changed(variant: Variant, model: str, base: str) -> str | None:
    """Return the modality that a variant makes of one; None where it cannot be made of it."""
    before = Modality.parse(base)
    if variant.rest_frame and not before.spectra:
        return None
    if variant.spectra_zoom is not None and not (before.images and before.spectra):
        return None
    if variant.attention and (base != "early" or model != "vggnet12"):
        return None
    return replace(
        before,
        base="attention" if variant.attention else base,
        spectra_zoom=variant.spectra_zoom,
        rest_frame=variant.rest_frame,
        redshift=variant.redshift,
        environment=variant.environment,
    ).name


def zooms_of(experiments: Study, model: str) -> list[int]:
    """Return the zooms a model runs at."""
    return getattr(getattr(experiments, model), "zooms", None) or experiments.zooms


def modalities_of(experiments: Study, model: str) -> list[str]:
    """Return the modalities a model runs on: attention joins the trunks of a network, and is no tree's."""
    return [name for name in experiments.modalities if name != "attention" or model == "vggnet12"]


def models_of(experiments: Study | None) -> list[str]:
    """Return the models that are switched on."""
    return [model for model in MODELS if experiments and getattr(experiments, model) is not None]


def _grid_points(experiments: Study, model: str) -> list[dict[str, Any]]:
    section = getattr(experiments, model)
    if section is None:
        return []
    axes = [getattr(section, key) for key in _GRID[model]]
    fixed = _fixed(section, model)
    return [dict(zip(_GRID[model], point, strict=True)) | fixed for point in product(*axes)]


def _fixed(section: Any, model: str) -> dict[str, Any]:
    """Return the settings that all points of a grid share."""
    settings = section.model_dump(exclude={*_GRID[model], *_NOT_SETTINGS})
    if "cross_validate" in settings:
        settings["cross_validate"] = settings["cross_validate"] == "all"
    return settings


def _name(model: str, settings: dict[str, Any], seed: int) -> str:
    """Name the point of the grid, and whatever else differs from the default."""
    default = _fixed(_DEFAULTS[model], model)
    parts = {key: settings[key] for key in _GRID[model]}
    parts |= {key: value for key, value in settings.items() if key not in parts and value != default.get(key)}
    if seed != _DEFAULT_SEED:
        parts["seed"] = seed
    return join_settings(f"{key}={_plain(value)}" for key, value in parts.items())


def _plain(value: Any) -> str:
    text = f"{value:g}".replace("e+", "e") if isinstance(value, float) else str(value)
    return "".join(letter if letter.isalnum() or letter in "-._" else "-" for letter in text)
