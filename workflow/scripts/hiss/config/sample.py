"""How the sample is cleaned and split."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from hiss.config.base import Section, Share

SampleName = Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9_]*$")]


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


class SampleVariant(Section):
    """Another choice of objects; what it does not name is as in the study's sample."""

    flag: Literal["zero", "nonzero", "any"] = Field("zero", description="FLAG of MPA-JHU; zero: the SFR is good.")
    multi_object: Literal["reject", "keep"] | None = None


class Sample(Section):
    """How the sample is cleaned and split."""

    multi_object: MultiObject = MultiObject()
    split: Split = Split()
    variants: dict[SampleName, SampleVariant] = Field(
        {
            "flagged": SampleVariant(flag="nonzero"),
            "any_flag": SampleVariant(flag="any"),
            "multi_kept": SampleVariant(multi_object="keep"),
        },
        description="Samples beside the study's, for its variants. All keep the sides of one split.",
    )

    def choices(self) -> dict[str, dict[str, str]]:
        """Return flag and multi-object policy of every sample, the study's ``flag0`` first."""
        policy = self.multi_object.policy
        choices: dict[str, dict[str, str]] = {"flag0": {"flag": "zero", "multi_object": policy}}
        for name, variant in self.variants.items():
            choices[name] = {"flag": variant.flag, "multi_object": variant.multi_object or policy}
        return choices

    @model_validator(mode="after")
    def _are_other_samples(self) -> "Sample":
        if "flag0" in self.variants:
            raise ValueError("flag0 is the study's own sample; give the variant another name")
        study, *others = self.choices().items()
        same = [name for name, choice in others if choice == study[1]]
        if same and "variants" in self.model_fields_set:
            raise ValueError(f"{same[0]} is the study's own sample; name a flag or a multi_object that differs")
        return self
