"""Variants of the study: what becomes of the selected settings when one thing is changed."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from hiss.config.base import Count, Name, Section, Share, Zoom, unique


class Variant(Section):
    """The selected settings trained once more with something changed, compared on the validation objects."""

    models: list[Literal["decision_tree", "lightgbm", "vggnet12"]] | None = Field(None, description="null: all.")
    modalities: list[Literal["photo", "spectra", "early", "attention"]] | None = Field(
        None, description="null: all it can be made of."
    )
    zooms: list[Zoom] | None = Field(None, description="null: the coarsest of each model.")
    sample: Name | None = Field(None, description="One of sample.variants.")
    rest_frame: bool = Field(False, description="Spectra moved to rest, which tells the model the redshift.")
    redshift: bool = Field(False, description="The redshift as one more feature.")
    environment: bool = Field(False, description="Densities of catalogue neighbours as features; they use redshifts.")
    spectra_zoom: Zoom | None = Field(None, description="Zoom of the spectra where it is not that of the images.")
    attention: bool = Field(False, description="The CNN's trunks joined by attention in place of concatenation.")
    members: Count = Field(1, description="Models of different seeds whose mean predicts.")
    train_size: Count | None = Field(None, description="Training objects, drawn by group; null: all.")
    train_share: Share | None = Field(None, description="Share of the training objects, drawn by group; null: all.")
    draws: Count = Field(
        1, description="Draws of so many training objects, a model each; the first predicts, all make a learning curve."
    )
    settings: dict[str, Any] = Field({}, description="Settings of the model in place of the selected ones.")

    @field_validator("models", "modalities", "zooms")
    @classmethod
    def _listed_once(cls, values: list[Any] | None) -> list[Any] | None:
        if values == []:
            raise ValueError("an empty list leaves nothing to change; leave the key out for all")
        return values and unique(values)

    @model_validator(mode="after")
    def _changes_something(self) -> "Variant":
        changes = type(self).model_fields.keys() - _WHERE
        if all(getattr(self, name) == type(self).model_fields[name].get_default() for name in changes):
            raise ValueError(f"changes nothing; name one of {', '.join(sorted(changes))}")
        if self.zooms and set(self.zooms) == {self.spectra_zoom}:
            raise ValueError("spectra_zoom is the zoom of the images too; name another in zooms")
        return self

    @model_validator(mode="after")
    def _is_possible(self) -> "Variant":
        of = set(self.modalities or ("photo", "spectra", "early", "attention"))
        if self.rest_frame and of == {"photo"}:
            raise ValueError("rest_frame moves spectra, and photo has none; name spectra or early in modalities")
        if self.spectra_zoom is not None and not of & {"early", "attention"}:
            raise ValueError("spectra_zoom mixes zooms of images and spectra; name early in modalities")
        if self.attention and "early" not in of:
            raise ValueError("attention is made of early; name it in modalities")
        if self.attention and self.models is not None and "vggnet12" not in self.models:
            raise ValueError("attention is the CNN's alone; name vggnet12 in models")
        if self.train_size is not None and self.train_share is not None:
            raise ValueError("train_size and train_share say the same in two ways; name one of them")
        if self.draws > 1 and (self.train_share is None or self.members > 1):
            raise ValueError("draws are of a train_share, each by one model; name a train_share and no members")
        return self


_WHERE = {"models", "modalities", "zooms"}
"""What tells where something is changed, not what."""


def default_variants() -> dict[str, Variant]:
    """Return the variants of the study."""
    return {
        "rest_frame": Variant(rest_frame=True, modalities=["spectra", "early"]),
        "redshift": Variant(redshift=True),
        "environment": Variant(environment=True),
        "label_weights": Variant(settings={"label_weights": True}),
        "linear_images": Variant(settings={"image_scaling": "linear"}, models=["vggnet12"], modalities=["photo"]),
        "standard_images": Variant(settings={"image_scaling": "standard"}, models=["vggnet12"], modalities=["photo"]),
        "attention": Variant(attention=True, models=["vggnet12"], modalities=["early"]),
        "coarse_images": Variant(spectra_zoom=0, zooms=[3], modalities=["early"]),
        "coarse_spectra": Variant(spectra_zoom=3, zooms=[0], modalities=["early"]),
        "five_seeds": Variant(members=5, models=["lightgbm", "vggnet12"]),
        "flagged": Variant(sample="flagged"),
        "any_flag": Variant(sample="any_flag"),
        "multi_kept": Variant(sample="multi_kept"),
        "segmented": Variant(sample="segmented", modalities=["photo", "early"]),
        "neighbours_masked": Variant(sample="neighbours_masked", modalities=["photo", "early"]),
        "gaps_interpolated": Variant(sample="gaps_interpolated", modalities=["spectra", "early"]),
        "gaps_masked": Variant(sample="gaps_masked", modalities=["spectra", "early"]),
        "share_10": Variant(train_share=0.10, draws=3),
        "share_25": Variant(train_share=0.25, draws=3),
        "share_50": Variant(train_share=0.50, draws=3),
    }
