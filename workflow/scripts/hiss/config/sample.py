"""How the sample is cleaned and split."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from hiss.config.base import Count, Positive, Section, Share

SampleName = Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9_]*$")]


class Segmentation(Section):
    """How real segmentation finds the sources of a cutout, and which neighbours of the central one matter."""

    band: Literal["u", "g", "r", "i", "z", "all"] = Field(
        "r", description="all: the five bands summed, each weighted by 1 / sigma^2 of its sky."
    )
    detect_sigma: Positive = Field(1.5, description="Threshold [sigma of a pixel of sky], of the smoothed image.")
    min_pixels: Count = Field(5, description="Fewest connected pixels of a source.")
    deblend_levels: Count = Field(32, description="Levels at which a source may fall apart.")
    deblend_contrast: float = Field(0.005, gt=0, le=1, description="Least share of a source's flux that a part has.")
    min_snr: Positive = Field(10.0, description="Least S/N of a neighbour, above the central source's own light.")
    min_flux_ratio: float = Field(0.05, ge=0, description="Least flux of a neighbour over that of the central source.")
    grow_pixels: int = Field(3, ge=0, le=16, description="Pixels by which a neighbour reaches beyond its threshold.")


class MultiObject(Section):
    """What is done with cutouts that hold more than one object."""

    policy: Literal["reject", "mask", "keep"] = Field(
        "reject", description="mask: segmentation's neighbours are taken out, and the central source stays."
    )
    detector: Literal["threshold", "segmentation"] = Field(
        "threshold", description="Which cutouts hold several: those of the thesis's rule, or of real segmentation."
    )
    threshold: Share = Field(0.9, description="Of the cutout scaled to [0, 1].")
    band: Literal["u", "g", "r", "i", "z"] = "r"
    segmentation: Segmentation = Segmentation()


class Gaps(Section):
    """What is done with spectra in which samples are missing."""

    policy: Literal["reject", "interpolate", "mask"] = Field(
        "reject",
        description="interpolate: a straight line bridges short gaps; mask: the model is told what is missing.",
    )
    longest: Count = Field(20, description="Samples of zoom 0 of the longest gap that is short; longer ones reject.")


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
    multi_object: Literal["reject", "mask", "keep"] | None = None
    detector: Literal["threshold", "segmentation"] | None = None
    gaps: Literal["reject", "interpolate", "mask"] | None = None


class Sample(Section):
    """How the sample is cleaned and split."""

    multi_object: MultiObject = MultiObject()
    gaps: Gaps = Gaps()
    split: Split = Split()
    variants: dict[SampleName, SampleVariant] = Field(
        {
            "flagged": SampleVariant(flag="nonzero"),
            "any_flag": SampleVariant(flag="any"),
            "multi_kept": SampleVariant(multi_object="keep"),
            "segmented": SampleVariant(multi_object="reject", detector="segmentation"),
            "neighbours_masked": SampleVariant(multi_object="mask"),
            "gaps_interpolated": SampleVariant(gaps="interpolate"),
            "gaps_masked": SampleVariant(gaps="mask"),
        },
        description="Samples beside the study's, for its variants. All keep the sides of one split.",
    )

    def choices(self) -> dict[str, dict[str, str | int]]:
        """Return the choice of every sample, the study's ``flag0`` first.

        ``flag``, ``multi_object``, ``detector`` (what counts the objects; segmentation where neighbours are masked),
        ``gaps`` and ``longest``, the samples of zoom 0 of the longest gap that is short; 0 where every gap rejects,
        so that another length is no reason to choose the same objects again.
        """
        own = SampleVariant(
            multi_object=self.multi_object.policy, detector=self.multi_object.detector, gaps=self.gaps.policy
        )
        return {name: self._choice(own, variant) for name, variant in {"flag0": own, **self.variants}.items()}

    def _choice(self, own: SampleVariant, variant: SampleVariant) -> dict[str, str | int]:
        chosen = {
            name: str(getattr(variant, name) or getattr(own, name)) for name in ("multi_object", "detector", "gaps")
        }
        if chosen["multi_object"] == "mask":
            chosen["detector"] = "segmentation"
        return {"flag": variant.flag, **chosen, "longest": 0 if chosen["gaps"] == "reject" else self.gaps.longest}

    @model_validator(mode="after")
    def _are_other_samples(self) -> "Sample":
        if "flag0" in self.variants:
            raise ValueError("flag0 is the study's own sample; give the variant another name")
        study, *others = [(name, _objects_of(choice)) for name, choice in self.choices().items()]
        same = [name for name, objects in others if objects == study[1]]
        if same and "variants" in self.model_fields_set:
            raise ValueError(
                f"{same[0]} is the study's own sample; name a flag, a multi_object, a detector or gaps that differ"
            )
        return self


def _objects_of(choice: Mapping[str, str | int]) -> dict[str, str | int]:
    """Return what of a choice makes a difference: where all are kept, nothing does that counts the objects."""
    return {**choice, "detector": ""} if choice["multi_object"] == "keep" else dict(choice)
