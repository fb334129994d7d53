"""The study: models, modalities, zooms and grids."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from hiss.config.base import Count, Positive, Section, Zoom, unique


class Grid(Section):
    """Values to try; each is listed once."""

    @field_validator("max_depth", "learning_rate", "zooms", check_fields=False)
    @classmethod
    def _listed_once(cls, values: Any) -> Any:
        return unique(values) if isinstance(values, list) else values


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
        unique(self.modalities)
        unique(self.zooms)
        if not (self.decision_tree or self.lightgbm or self.vggnet12):
            raise ValueError("every model is switched off; to stop at the sample say experiments: null")
        if self.vggnet12 and not set(self.vggnet12.zooms or []) <= set(self.zooms):
            raise ValueError("vggnet12.zooms must be among experiments.zooms")
        return self
