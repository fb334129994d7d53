"""How the HiSS-Cube is built."""

from typing import Literal

from pydantic import Field, model_validator

from hiss.config.base import Positive, Section


class Cube(Section):
    """How the HiSS-Cube is built."""

    source: Literal["build", "existing"] = Field(
        "build", description="build: from the sky's raw files; existing: a file made by the public HiSS-Cube."
    )
    existing: str | None = Field(
        None,
        description="That file, where source is existing; sky is then not read, and of this section only "
        "image_fiber_arcsec and compression count.",
    )
    mode: Literal["full", "targets"] = Field(
        "full", description="targets: only the windows around targets are calibrated and stored, not whole frames."
    )
    match_radius_arcsec: Positive = Field(1.5, description="Spectra closer than this are of one target.")
    link_radius_arcmin: Positive = Field(8.4, description="Search radius around a spectrum for frames that cover it.")
    image_fiber_arcsec: Positive | None = Field(
        3.0, description="Aperture to which the flux of an image pixel is scaled; null: the flux of one pixel."
    )
    missing: Literal["any", "measured"] = Field(
        "any",
        description="A coarse pixel or bin is NaN where any native one was not measured (any), or the mean of the "
        "measured ones, NaN only where none was (measured).",
    )
    mix_fibers: bool = Field(False, description="Stack spectra of fibres of different sizes.")
    max_chi2_dof: Positive | None = Field(
        None,
        description="Epochs that agree worse than this chi-square per degree of freedom are not stacked: the label's "
        "spectrum, or the best epoch of each band, stands alone.",
    )
    transmission: bool = Field(False, description="Multiply spectra by the largest of the five filters' transmissions.")
    mantissa_bits: int | None = Field(
        None, ge=1, le=22, description="Bits kept of the mantissa of flux and sigma: fewer compress better."
    )
    compression: Literal["gzip", "lzf"] | None = Field(None, description="Of the arrays of flux and sigma.")
    shard_order: int | None = Field(
        None, ge=0, le=8, description="Cut the sky into shards, the HEALPix cells of this order; null: one piece."
    )

    def for_build(self) -> str:
        """Return what changes the stored values, JSON for a program's command line."""
        return self.model_dump_json(exclude={"source", "existing", "shard_order"})

    @model_validator(mode="after")
    def _existing_is_named(self) -> "Cube":
        if (self.source == "existing") != (self.existing is not None):
            raise ValueError("source 'existing' and the file's path in cube.existing go together")
        return self
