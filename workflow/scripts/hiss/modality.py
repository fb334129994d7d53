"""What a model looks at, told by a name: which arrays, at which zooms, and what else it is given."""

import re
from dataclasses import dataclass
from typing import Final, Self

from hiss.errors import HissError

SINGLE: Final = ("photo", "spectra")
"""One kind of data alone."""

BASES: Final = ("photo", "spectra", "early", "attention", "lines", "none")
"""``early`` and ``attention`` are both kinds in one model; ``lines`` are emission lines; ``none`` is nothing."""

FUSIONS: Final = ("late", "stacked")
"""Predictions of a photo and a spectra model, joined after they are trained."""

ENVIRONMENT: Final = (
    "log_sigma_1", "log_sigma_3", "log_sigma_5", "count_1arcmin", "count_3arcmin", "count_5arcmin",
)  # fmt: skip
"""Columns of environment.parquet that are features where the surroundings of an object are."""

_FORM: Final = re.compile(
    rf"(?P<base>{'|'.join(BASES)})(?:_spectra(?P<zoom>[0-3]))?(?P<rest>_rest)?(?P<redshift>_z)?(?P<environment>_env)?"
)


@dataclass(frozen=True)
class Modality:
    """One set of inputs: ``early``, ``early_spectra0`` (spectra of zoom 0), ``spectra_rest``, ``photo_z_env``."""

    base: str
    spectra_zoom: int | None = None
    """Zoom of the spectra, where it is not that of the images."""
    rest_frame: bool = False
    """Whether the spectra are moved to rest by the redshift, which so becomes known to the model."""
    redshift: bool = False
    """Whether the redshift is a feature."""
    environment: bool = False
    """Whether the surroundings are features: galaxies about the object, at its redshift and at any."""

    @classmethod
    def parse(cls, name: str) -> Self:
        """Return the modality that a name tells.

        Raises
        ------
        HissError
            For a name of another form.
        """
        match = _FORM.fullmatch(name)
        if match is None:
            raise HissError(f"modality {name!r} is not known; it starts with one of {', '.join(BASES)}")
        zoom = match["zoom"]
        added = (bool(match[name]) for name in ("rest", "redshift", "environment"))
        return cls(match["base"], None if zoom is None else int(zoom), *added)

    @property
    def name(self) -> str:
        """The name that tells it."""
        zoom = "" if self.spectra_zoom is None else f"_spectra{self.spectra_zoom}"
        added = {"_rest": self.rest_frame, "_z": self.redshift, "_env": self.environment}
        return f"{self.base}{zoom}{''.join(suffix for suffix, applies in added.items() if applies)}"

    @property
    def images(self) -> bool:
        """Whether the model sees cutouts."""
        return self.base in ("photo", "early", "attention")

    @property
    def spectra(self) -> bool:
        """Whether the model sees spectra."""
        return self.base in ("spectra", "early", "attention")

    @property
    def lines(self) -> bool:
        """Whether the model sees the emission lines."""
        return self.base == "lines"

    @property
    def inputs(self) -> str:
        """Name of the prepared features: both fusions within a model look at the same."""
        return self.name.replace("attention", "early", 1)

    @property
    def content(self) -> str:
        """Which arrays the features hold: ``photo``, ``spectra``, ``early``, ``lines`` or ``none``."""
        return "early" if self.base == "attention" else self.base
