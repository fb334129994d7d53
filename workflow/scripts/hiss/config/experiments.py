"""The study: models, modalities, zooms and grids; what is done with the settings that win."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from hiss.config.base import Count, Name, Positive, Section, Share, Zoom, unique
from hiss.config.diagnostics import Diagnostics
from hiss.config.variants import Variant, default_variants


class Grid(Section):
    """Values to try; each is listed once."""

    @field_validator("max_depth", "learning_rate", "zooms", check_fields=False)
    @classmethod
    def _listed_once(cls, values: Any) -> Any:
        if isinstance(values, list):
            unique([f"{value:g}" for value in values])  # as the runs' folders are named
        return values

    def replaced(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return settings to be put in place of one point's, with the types they are to have.

        Raises
        ------
        ValueError
            With a sentence, for a setting that the model does not have, or a value that it does not take.
        """
        known = type(self).model_fields.keys() - {"zooms", "cross_validate", "weights_sha256"}
        found = {}
        for key, value in settings.items():
            if key not in known:
                raise ValueError(f"no setting {key!r}; it has {', '.join(sorted(known))}")
            varied = isinstance(getattr(self, key), list)
            try:
                whole = type(self).model_validate({**self.model_dump(), key: [value] if varied else value})
            except ValidationError as error:
                raise ValueError(f"{key} {value!r}: {error.errors()[0]['msg']}") from None
            found[key] = getattr(whole, key)[0] if varied else getattr(whole, key)
        return found


class DecisionTree(Grid):
    """The decision tree's grid."""

    max_depth: list[Count] = Field([1, 2, 3, 4, 5, 6], min_length=1)
    min_samples_leaf: Count = 1
    label_weights: bool = Field(False, description="Weigh objects by the certainty of their label.")


class LightGBM(Grid):
    """LightGBM's grid, learning_rate x max_depth, and its fixed settings."""

    learning_rate: list[Positive] = Field([0.01, 0.03, 0.1, 0.3], min_length=1)
    max_depth: list[Count] = Field([3, 4, 5, 6, 7, 8, 9, 10], min_length=1)
    num_leaves: int = Field(31, ge=2, description="Upper limit; never more than 2^max_depth.")
    min_data_in_leaf: Count = 20
    feature_fraction: float = Field(0.2, gt=0, le=1)
    max_bin: int = Field(
        63, ge=2, le=255, description="Most bins of a feature; they are made once a modality and zoom."
    )
    rounds: Count = Field(2000, description="Most iterations; early stopping ends sooner.")
    early_stopping_rounds: Count = 10
    label_weights: bool = Field(False, description="Weigh objects by the certainty of their label.")
    cross_validate: Literal["none", "selected", "all"] = Field(
        "selected", description="Which settings are cross-validated, at a fit's cost a fold."
    )


class VGGNet12(Grid):
    """The CNN's grid and its fixed settings."""

    learning_rate: list[Positive] = Field([1e-6, 3e-6, 1e-5, 3e-5, 1e-4], min_length=1)
    zooms: list[Zoom] | None = Field(None, min_length=1, description="Zooms of the CNN, where not all of the study's.")
    epochs: Count = 300
    patience: Count = 30
    batch_size: Count = 64
    width: Count = Field(64, description="Channels of the first block.")
    dropout: float = Field(0.5, ge=0, lt=1)
    image_scaling: Literal["asinh", "standard", "linear"] = "asinh"
    spectrum_scaling: Literal["log_norm", "standard"] = Field(
        "log_norm", description="The log of a spectrum over its own mean, and of that mean; or each sample by itself."
    )
    augment: bool = Field(True, description="Flip and turn the cutouts at random while training.")
    batch_norm: bool = Field(False, description="Normalise after each convolution; weights must be of the same kind.")
    label_weights: bool = Field(False, description="Weigh objects by the certainty of their label.")
    cross_validate: Literal["none", "selected"] = Field(
        "selected", description="Whether the selected settings are cross-validated, at a fit's cost a fold."
    )
    weights: str | None = Field(
        None,
        description="ImageNet weights of VGG13 with torchvision's key names: path or address of a safetensors file.",
    )
    weights_sha256: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="What the file of weights must hash to."
    )


class Intervals(Section):
    """Prediction intervals of the selected settings, made true by their errors on objects held out."""

    level: Share = Field(0.9, description="Share of the objects that an interval is to hold.")
    quantiles: bool = Field(
        True,
        description="Quantiles of LightGBM's errors too, whose width follows the object.",
    )
    bins: Count = Field(4, description="Quantile bins of AVG by which coverage is told.")


class Cascade(Section):
    """A cheap model at a coarse zoom for all objects, a dear one at a fine zoom for those that are worth it."""

    cheap_zoom: Zoom = 3
    fine_zoom: Zoom = 0

    @model_validator(mode="after")
    def _goes_down(self) -> "Cascade":
        if self.cheap_zoom <= self.fine_zoom:
            raise ValueError("cheap_zoom must be coarser, a larger number, than fine_zoom")
        return self


class Experiments(Section):
    """The study: every model on every modality at every zoom, for each point of the model's grid."""

    target: Literal["sfr"] = "sfr"
    sample: Literal["flag0"] = "flag0"
    modalities: list[Literal["photo", "spectra", "early", "attention"]] = Field(
        ["photo", "spectra", "early"], min_length=1, description="attention is the CNN's alone."
    )
    zooms: list[Zoom] = Field([0, 1, 2, 3], min_length=1)
    seed: int = 1
    decision_tree: DecisionTree | None = DecisionTree()
    lightgbm: LightGBM | None = LightGBM()
    vggnet12: VGGNet12 | None = VGGNet12()
    baselines: list[Literal["mean", "magnitudes", "halpha"]] = Field(
        ["mean", "magnitudes", "halpha"], description="What every model is to beat."
    )
    intervals: Intervals | None = Intervals()
    cascade: Cascade | None = Cascade()
    diagnostics: Diagnostics | None = Field(Diagnostics(), description="null: do not ask what the models look at.")
    variants: dict[Name, Variant] = Field(
        default_factory=default_variants,
        description="Selected settings trained once more on another sample, input or setting, and compared.",
    )

    @model_validator(mode="after")
    def _is_a_study(self) -> "Experiments":
        unique(self.modalities)
        unique(self.zooms)
        unique(self.baselines)
        if not (self.decision_tree or self.lightgbm or self.vggnet12):
            raise ValueError("every model is switched off; to stop at the sample say experiments: null")
        if self.vggnet12 and not set(self.vggnet12.zooms or []) <= set(self.zooms):
            raise ValueError("vggnet12.zooms must be among experiments.zooms")
        if self.modalities == ["attention"] and (self.decision_tree or self.lightgbm):
            raise ValueError("attention is the CNN's alone; name photo, spectra or early too, or switch the trees off")
        return self

    @model_validator(mode="after")
    def _what_is_asked_for_can_be_done(self) -> "Experiments":
        if self.cascade and "cascade" in self.model_fields_set:
            lacking = {self.cascade.cheap_zoom, self.cascade.fine_zoom} - set(self.zooms)
            if lacking:
                zooms = " and ".join(map(str, sorted(lacking)))
                raise ValueError(
                    f"cascade needs zoom {zooms}, not among experiments.zooms; change one, or say cascade: null"
                )
            if self.lightgbm is None:
                raise ValueError("cascade is made of LightGBM's runs, which is switched off; say cascade: null too")
        for name, variant in self.variants.items():
            for model in variant.models or ("decision_tree", "lightgbm", "vggnet12"):
                section: Grid | None = getattr(self, model)
                try:
                    found = section.replaced(variant.settings) if section else {}
                    if "://" in str(found.get("weights")):
                        raise ValueError(
                            "weights of a variant are a file or null; name the address in vggnet12.weights"
                        )
                except ValueError as error:
                    raise ValueError(
                        f"variants.{name}: {model}: {error} (its key models says which it is of)"
                    ) from None
        return self
