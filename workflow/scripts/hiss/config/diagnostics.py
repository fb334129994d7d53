"""What the models look at: how thoroughly it is asked."""

from pydantic import Field, field_validator

from hiss.config.base import Count, Section, Zoom, unique


class Diagnostics(Section):
    """Importance of lines, bands and pixels to the selected runs of LightGBM, and saliency of those of the CNN."""

    importance_zooms: list[Zoom] | None = Field(None, description="Zooms of LightGBM asked; null: all.")
    permutations: Count = Field(5, description="Times that each line, band or range of wavelength is exchanged.")
    saliency_zooms: list[Zoom] | None = Field(None, description="Zooms of the CNN asked; null: its coarsest.")
    saliency_objects: Count = Field(512, description="Most validation objects whose gradients are taken.")
    gradients: Count = Field(64, description="Gradients on the way from the mean object to each.")

    @field_validator("importance_zooms", "saliency_zooms")
    @classmethod
    def _listed_once(cls, values: list[int] | None) -> list[int] | None:
        return values and unique(values)
