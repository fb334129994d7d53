"""What a user chose about the cube's values, as the builds get it; config/cube.py describes each."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hiss.errors import HissError

Missing = Literal["any", "measured"]
"""A coarse value is NaN where any native one was not measured, or is the mean of those that were."""


@dataclass(frozen=True)
class Options:
    """The choices of config section ``cube`` that change what is stored, without defaults of their own."""

    mode: Literal["full", "targets"]
    match_radius_arcsec: float
    link_radius_arcmin: float
    image_fiber_arcsec: float | None
    missing: Missing
    mix_fibers: bool
    max_chi2_dof: float | None
    transmission: bool
    mantissa_bits: int | None
    compression: Literal["gzip", "lzf"] | None

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Options":
        """Return the options in a mapping; `HissError` names those that are missing or not known."""
        names = {field.name for field in dataclasses.fields(cls)}
        missing, unknown = names - settings.keys(), settings.keys() - names
        if missing or unknown:
            wrong = [f"lack {', '.join(sorted(missing))}"] if missing else []
            wrong += [f"have an unknown {', '.join(sorted(unknown))}"] if unknown else []
            raise HissError(f"the cube's settings {' and '.join(wrong)}; correct --settings")
        return cls(**settings)

    def as_dict(self) -> dict[str, Any]:
        """Return the options for a provenance record."""
        return dataclasses.asdict(self)
