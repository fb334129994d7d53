"""How the sample is cleaned and split."""

from typing import Literal

from pydantic import Field, model_validator

from hiss.config.base import Section, Share


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
