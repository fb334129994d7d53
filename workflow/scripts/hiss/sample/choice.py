"""What a sample's choice does to its arrays, as a plain record; `hiss.sample.treatment` does it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from hiss.bands import SPECTRUM_SIZE


@dataclass(frozen=True)
class Treatment:
    """How arrays are treated; the default leaves them as they are."""

    neighbours: str = "keep"
    """``mask``: neighbours are taken out of the cutouts."""
    gaps: str = "reject"
    """``interpolate``: short gaps are bridged; ``mask``: they stay, for a model that can do with them."""
    longest: int = 0
    """Samples of zoom 0 of the longest gap that is short."""
    segmentation: Mapping[str, Any] = field(default_factory=dict)
    """Settings by which neighbours are found, so that they can be found in another cube."""

    @classmethod
    def of_choice(cls, choice: Mapping[str, Any], segmentation: Mapping[str, Any]) -> Self:
        """Return the treatment of a sample by its choice: ``multi_object``, ``gaps`` and ``longest`` among others."""
        masks, gaps = choice["multi_object"] == "mask", choice["gaps"] != "reject"
        return cls(
            neighbours="mask" if masks else "keep",
            gaps=choice["gaps"],
            longest=choice["longest"] if gaps else 0,
            segmentation=segmentation if masks else {},
        )

    @classmethod
    def bridging(cls, max_missing: float) -> Self:
        """Return the treatment that bridges all gaps of spectra of which at most that share of samples is missing."""
        return cls(gaps="interpolate", longest=int(max_missing * SPECTRUM_SIZE))

    @property
    def leaves_all(self) -> bool:
        """Whether the arrays stay as they are."""
        return self == Treatment()

    def as_dict(self) -> dict[str, Any]:
        """Return a plain dictionary."""
        return asdict(self)
