"""The one typed description of config.yaml: validation, defaults and the schema an editor uses.

Known to the Snakefile alone; scripts get the plain values they need.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from hiss.errors import HissError


def _yaml_float(value: Any) -> Any:
    """Read ``1e-5``, which YAML 1.1 takes for text, as the number it is."""
    try:
        return float(value) if isinstance(value, str) and "e" in value.lower() else value
    except ValueError:
        return value


Zoom = Annotated[int, Field(ge=0, le=3)]
Share = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, BeforeValidator(_yaml_float), Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]


class Section(BaseModel):
    """A part of the config in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SimulatedSky(Section):
    """The sky made here: galaxies, stars and quasars of known truth in SDSS's own files."""

    seed: int = 1
    fields: Count = Field(3, description="Consecutive fields of the first run; the second epoch covers one of them.")
    n_galaxies: Count = 520
    n_stars: int = Field(40, ge=0)
    n_quasars: int = Field(40, ge=0)


class LocalSky(Section):
    """A folder of raw SDSS files, in any layout below it."""

    path: str = Field(description="The folder, relative to the working directory or absolute.")
    catalogue: str = Field("catalogue", description="Folder of the two MPA-JHU tables, below the folder.")
    sfr_csv: str | None = Field(
        None,
        description="A CSV of catalogue rows, below the folder, where it has no gal_info / gal_totsfr tables.",
    )


class Box(Section):
    """A box on the sky [deg]."""

    ra_min: float = Field(ge=0, le=360)
    ra_max: float = Field(ge=0, le=360)
    dec_min: float = Field(ge=-90, le=90)
    dec_max: float = Field(ge=-90, le=90)


class ArchiveSky(Section):
    """A region of the sky out of SDSS's public archive."""

    data_release: Literal["dr17"] = "dr17"
    region: Literal["stripe82"] | Box = "stripe82"
    base_url: str = "https://data.sdss.org/sas"
    catalogue_url: str = "https://wwwmpa.mpa-garching.mpg.de/SDSS/DR7/Data"
    max_objects: Count | None = Field(None, description="For a pilot: take the first so many objects of the catalogue.")


class Sky(Section):
    """Where the raw files come from."""

    source: Literal["simulated", "local", "archive"]
    simulated: SimulatedSky = SimulatedSky()
    local: LocalSky | None = None
    archive: ArchiveSky = ArchiveSky()

    @model_validator(mode="after")
    def _local_is_named(self) -> "Sky":
        if self.source == "local" and self.local is None:
            raise ValueError("source is 'local', so the folder must be named in sky.local.path")
        return self


class Cube(Section):
    """How the HiSS-Cube is built."""

    match_radius_arcsec: Positive = Field(1.5, description="Spectra closer than this are of one target.")
    link_radius_arcmin: Positive = Field(8.4, description="Search radius around a spectrum for frames that cover it.")
    image_fiber_arcsec: Positive = Field(3.0, description="Aperture to which the flux of an image pixel is scaled.")


class MultiObject(Section):
    """What is done with cutouts that hold more than one object."""

    policy: Literal["reject", "keep"] = "reject"
    threshold: Share = Field(0.9, description="Of the cutout scaled to [0, 1].")
    band: Literal["u", "g", "r", "i", "z"] = "r"


class Split(Section):
    """The split by object, stratified on AVG."""

    seed: int = 1
    train: Share = 0.6
    validation: Share = 0.2
    test: Share = 0.2
    folds: int = Field(5, ge=2)
    bins: int = Field(10, ge=1, description="Quantile bins of AVG for the stratification.")

    @model_validator(mode="after")
    def _adds_up(self) -> "Split":
        if abs(self.train + self.validation + self.test - 1) > 1e-9:
            raise ValueError("train, validation and test must add up to 1")
        return self


class Sample(Section):
    """How the sample is cleaned and split."""

    multi_object: MultiObject = MultiObject()
    split: Split = Split()


def _unique(values: list[Any]) -> list[Any]:
    if len(set(values)) != len(values):
        raise ValueError("a value stands twice")
    return values


class Grid(Section):
    """Values to try; each is listed once."""

    @field_validator("max_depth", "learning_rate", "zooms", check_fields=False)
    @classmethod
    def _listed_once(cls, values: Any) -> Any:
        return _unique(values) if isinstance(values, list) else values


class DecisionTree(Grid):
    """The decision tree's grid."""

    max_depth: list[Count] = Field([1, 2, 3, 4, 5, 6], min_length=1)
    min_samples_leaf: Count = 1


class LightGBM(Grid):
    """LightGBM's grid, learning_rate x max_depth, and its fixed settings."""

    learning_rate: list[Positive] = Field([0.01, 0.03, 0.1, 0.3], min_length=1)
    max_depth: list[Count] = Field([3, 4, 5, 6, 7, 8, 9, 10], min_length=1)
    num_leaves: int = Field(31, ge=2, description="Upper limit; never more than 2^max_depth.")
    min_data_in_leaf: Count = 20
    feature_fraction: float = Field(0.2, gt=0, le=1)
    max_bin: int = Field(255, ge=2)
    rounds: Count = Field(2000, description="Most iterations; early stopping ends sooner.")
    early_stopping_rounds: Count = 10
    cross_validate: bool = Field(False, description="Cross-validate every setting, at a fit's cost a fold.")


class VGGNet12(Grid):
    """The CNN's grid and its fixed settings."""

    learning_rate: list[Positive] = Field([1e-6, 3e-6, 1e-5, 3e-5, 1e-4], min_length=1)
    zooms: list[Zoom] | None = Field(None, min_length=1, description="Zooms of the CNN, where not all of the study's.")
    epochs: Count = 300
    patience: Count = 30
    batch_size: Count = 64
    width: Count = Field(64, description="Channels of the first block.")
    dropout: float = Field(0.5, ge=0, lt=1)
    image_scaling: Literal["asinh", "linear"] = "asinh"
    weights: str | None = Field(
        None, description="ImageNet weights of VGG13, a safetensors file with torchvision's key names."
    )


class Experiments(Section):
    """The study: every model on every modality at every zoom, for each point of the model's grid."""

    target: Literal["sfr"] = "sfr"
    sample: Literal["flag0"] = "flag0"
    modalities: list[Literal["photo", "spectra", "early"]] = Field(["photo", "spectra", "early"], min_length=1)
    zooms: list[Zoom] = Field([0, 1, 2, 3], min_length=1)
    seed: int = 1
    decision_tree: DecisionTree | None = DecisionTree()
    lightgbm: LightGBM | None = LightGBM()
    vggnet12: VGGNet12 | None = VGGNet12()

    @model_validator(mode="after")
    def _is_a_study(self) -> "Experiments":
        _unique(self.modalities)
        _unique(self.zooms)
        if not (self.decision_tree or self.lightgbm or self.vggnet12):
            raise ValueError("every model is switched off; to stop at the sample say experiments: null")
        if self.vggnet12 and not set(self.vggnet12.zooms or []) <= set(self.zooms):
            raise ValueError("vggnet12.zooms must be among experiments.zooms")
        return self


class Report(Section):
    """The report at the end."""

    title: str = "Star formation rates from images, spectra and both"
    bootstrap: int = Field(1000, ge=100, description="Resamplings behind each interval.")
    seed: int = 1


class Settings(Section):
    """All of config.yaml."""

    results: str = Field(
        "results/study", description="Folder of everything that is made, relative to the working directory."
    )
    sky: Sky
    cube: Cube = Cube()
    sample: Sample = Sample()
    experiments: Experiments | None = Field(Experiments(), description="null: stop at the sample and its report.")
    report: Report = Report()

    @field_validator("results")
    @classmethod
    def _relative(cls, value: str) -> str:
        path = PurePosixPath(value)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise ValueError("must be a folder below the working directory, for instance results/study")
        return str(path)


def parse_settings(config: Mapping[str, Any], where: str) -> Settings:
    """Return the validated settings.

    Parameters
    ----------
    config
        What Snakemake read.
    where
        Name of the config file, for the message.

    Raises
    ------
    HissError
        With one line for each wrong key: the key, what is allowed, and where.
    """
    try:
        return Settings.model_validate(dict(config))
    except ValidationError as error:
        wrong = "; ".join(dict.fromkeys(_sentence(detail) for detail in error.errors()))
        raise HissError(f"{where}: {wrong}. Every key is described in config/schema.json.") from None


def _sentence(detail: Any) -> str:
    location = [str(part) for part in detail["loc"]]
    if detail["type"] == "extra_forbidden":
        *parents, key = location
        allowed = sorted(_keys_below(parents))
        close = get_close_matches(key, allowed, 1)
        hint = f" (did you mean '{close[0]}'?)" if close else ""
        place = f"under '{'.'.join(parents)}'" if parents else "at the top level"
        return f"unknown key '{'.'.join(location)}'{hint}; allowed {place}: {', '.join(allowed)}"
    message = str(detail["msg"]).removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    key = ".".join(location) or "the config"
    if detail["type"] == "missing":
        return f"'{key}' is missing"
    given = "" if isinstance(detail["input"], Mapping | BaseModel) else f", not {detail['input']!r}"
    return f"'{key}': {message}{given}"


def _keys_below(parents: list[str]) -> list[str]:
    """Return the keys of the section at a location, through optional and union types."""
    model: Any = Settings
    for name in parents:
        fields = getattr(model, "model_fields", {})
        if name in fields:
            model = _section_of(fields[name].annotation) or model
    return list(getattr(model, "model_fields", {}))


def _section_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type):
        return annotation if issubclass(annotation, BaseModel) else None
    found = (_section_of(part) for part in getattr(annotation, "__args__", ()))
    return next((section for section in found if section), None)


def schema() -> dict[str, Any]:
    """Return the JSON schema of config.yaml, as kept in config/schema.json."""
    return Settings.model_json_schema()
