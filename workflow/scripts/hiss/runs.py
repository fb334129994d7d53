"""The table of runs: the only place that knows the grid.

Known to the Snakefile alone; a job gets its run as a plain dictionary.
"""

from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

from hiss.config.experiments import DecisionTree, Experiments, LightGBM, VGGNet12
from hiss.names import join_settings

MODELS = ("decision_tree", "lightgbm", "vggnet12")

_GRID = {
    "decision_tree": ("max_depth",),
    "lightgbm": ("learning_rate", "max_depth"),
    "vggnet12": ("learning_rate",),
}
_DEFAULTS = {"decision_tree": DecisionTree(), "lightgbm": LightGBM(), "vggnet12": VGGNet12()}
_DEFAULT_SEED = Experiments.model_fields["seed"].default


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

    def as_dict(self) -> dict[str, Any]:
        """Return the run as a plain dictionary, for a job's parameters."""
        return asdict(self)


def plan_runs(experiments: Experiments | None) -> list[Run]:
    """Return every training run of the study, in the order of models, modalities, zooms and grid points."""
    if experiments is None:
        return []
    return [
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
        for modality in experiments.modalities
        for zoom in zooms_of(experiments, model)
        for settings in _grid_points(experiments, model)
    ]


def zooms_of(experiments: Experiments, model: str) -> list[int]:
    """Return the zooms a model runs at."""
    return getattr(getattr(experiments, model), "zooms", None) or experiments.zooms


def models_of(experiments: Experiments | None) -> list[str]:
    """Return the models that are switched on."""
    return [model for model in MODELS if experiments and getattr(experiments, model) is not None]


def _grid_points(experiments: Experiments, model: str) -> list[dict[str, Any]]:
    section = getattr(experiments, model)
    if section is None:
        return []
    fixed = section.model_dump(exclude={*_GRID[model], "zooms"})
    axes = [getattr(section, key) for key in _GRID[model]]
    return [dict(zip(_GRID[model], point, strict=True)) | fixed for point in product(*axes)]


def _name(model: str, settings: dict[str, Any], seed: int) -> str:
    """Name the point of the grid, and whatever else differs from the default."""
    default = _DEFAULTS[model].model_dump()
    parts = {key: settings[key] for key in _GRID[model]}
    parts |= {key: value for key, value in settings.items() if key not in parts and value != default[key]}
    if seed != _DEFAULT_SEED:
        parts["seed"] = seed
    return join_settings(f"{key}={_plain(value)}" for key, value in parts.items())


def _plain(value: Any) -> str:
    text = f"{value:g}".replace("e+", "e") if isinstance(value, float) else str(value)
    return "".join(letter if letter.isalnum() or letter in "-._" else "-" for letter in text)
