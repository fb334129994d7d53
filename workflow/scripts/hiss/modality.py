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

_FORM: Final = re.compile(rf"(?P<base>{'|'.join(BASES)})(?:_spectra(?P<zoom>[0-3]))?(?P<rest>_rest)?(?P<redshift>_z)?")


@dataclass(frozen=True)
class Modality:
    """One set of inputs: ``early``, ``early_spectra0`` (spectra of zoom 0), ``spectra_rest``, ``photo_z``."""

    base: str
    spectra_zoom: int | None = None
    """Zoom of the spectra, where it is not that of the images."""
    rest_frame: bool = False
    """Whether the spectra are moved to rest by the redshift, which so becomes known to the model."""
    redshift: bool = False
    """Whether the redshift is a feature."""

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
        return cls(match["base"], None if zoom is None else int(zoom), bool(match["rest"]), bool(match["redshift"]))

    @property
    def name(self) -> str:
        """The name that tells it."""
        zoom = "" if self.spectra_zoom is None else f"_spectra{self.spectra_zoom}"
        return f"{self.base}{zoom}{'_rest' if self.rest_frame else ''}{'_z' if self.redshift else ''}"

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
