"""All of config.yaml: validation with messages a person can act on, and the schema an editor uses."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from hiss.config.base import Section
from hiss.config.cube import Cube
from hiss.config.experiments import Experiments
from hiss.config.sample import Sample
from hiss.config.side import SideStudies
from hiss.config.sky import Sky
from hiss.errors import HissError


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
    sky: Sky = Field(Sky(source="existing"), description="Where the raw files come from; an existing cube needs none.")
    cube: Cube = Cube()
    sample: Sample = Sample()
    experiments: Experiments | None = Field(Experiments(), description="null: stop at the sample and its report.")
    side_studies: SideStudies = Field(SideStudies(), description="Beside the main study; null switches one off.")
    report: Report = Report()

    @model_validator(mode="before")
    @classmethod
    def _without_raw_files(cls, config: Any) -> Any:
        """Leave out the sky where an existing cube is read in place of raw files."""
        cube = config.get("cube") if isinstance(config, Mapping) else None
        if isinstance(cube, Mapping) and cube.get("source") == "existing":
            return {**config, "sky": {"source": "existing"}}
        return config

    @model_validator(mode="after")
    def _raw_files_are_named(self) -> "Settings":
        if self.cube.source == "build" and self.sky.source == "existing":
            raise ValueError("'sky' is missing: name the raw files' sky, or an existing cube in cube.existing")
        return self

    @model_validator(mode="after")
    def _samples_are_known(self) -> "Settings":
        """Refuse a variant whose sample is none of the config's or is the study's own; leave out a default one."""
        if self.experiments is None:
            return self
        choices = self.sample.choices()
        study = choices.pop(self.experiments.sample)
        wrong = {}
        for name, variant in self.experiments.variants.items():
            if variant.sample is not None and variant.sample not in choices:
                known = ", ".join(choices) or "none"
                wrong[name] = f"no sample {variant.sample!r} in sample.variants, which has {known}"
            elif variant.sample is not None and choices[variant.sample] == study:
                wrong[name] = (
                    f"sample {variant.sample!r} is the study's own, by what the config's sample says of it; leave the "
                    "variant out, or let the sample differ in sample.variants"
                )
        if wrong and "variants" in self.experiments.model_fields_set:
            raise ValueError("; ".join(f"experiments.variants.{name}: {what}" for name, what in wrong.items()))
        if not wrong:
            return self
        kept = {name: variant for name, variant in self.experiments.variants.items() if name not in wrong}
        experiments = self.experiments.model_copy(update={"variants": kept})
        experiments.model_fields_set.discard("variants")  # they stay the default's: nobody named them
        return self.model_copy(update={"experiments": experiments})

    @model_validator(mode="after")
    def _side_studies_fit(self) -> "Settings":
        """Refuse names that are taken; leave out what is trained where nothing is, unless it is asked for."""
        taken = {*self.sample.choices(), "sfr"}
        if wrong := sorted(taken & self.side_studies.learning().keys()):
            raise ValueError(f"side_studies.targets.{wrong[0]}: the study itself uses that name; take another")
        if self.experiments is not None:
            return self
        if self.side_studies.cases and "cases" in self.side_studies.model_fields_set:
            raise ValueError("side_studies.cases are of the study's test objects; say cases: null too")
        left: dict[str, Any] = {"targets": {}, "scenes": None, "cases": None}
        off = {key: none for key, none in left.items() if key not in self.side_studies.model_fields_set}
        return self.model_copy(update={"side_studies": self.side_studies.model_copy(update=off)})

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
    location = [str(part) for part in detail["loc"] if part != "[key]"]  # pydantic's word for the name itself
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
