"""What a sample's choice does to its arrays before a model sees them: neighbours taken out, short gaps bridged."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from hiss.errors import HissError
from hiss.sample.arrays import Objects, load_rows
from hiss.sample.choice import Treatment
from hiss.sample.fill import fill_short, has_long_gap, rebinned
from hiss.sample.neighbours import Masks, load_masks, without_neighbours


@dataclass(frozen=True)
class Treated:
    """A treatment, and the files it needs."""

    treatment: Treatment
    fine: Path | str | None = None
    """The arrays of zoom 0, where both masks and gaps are known."""
    neighbours: Path | str | None = None
    """``neighbours.h5``."""

    @classmethod
    def of(
        cls, treatment: Mapping[str, Any] | None, fine: Path | str | None, neighbours: Path | str | None
    ) -> Self | None:
        """Return it from a job's parameters and inputs, any of which may be empty; None where nothing is treated."""
        return None if treatment is None else cls(Treatment(**treatment), fine or None, neighbours or None)

    def images(self, objects: Objects) -> Objects:
        """Return objects at any zoom without the neighbours in their cutouts, where the treatment says so."""
        if self.treatment.neighbours != "mask" or objects.images is None:
            return objects
        masks = load_masks(_given(self.neighbours, "neighbours.h5"), objects.row)
        hit = np.flatnonzero(masks.mask.any(axis=(1, 2)))
        if not len(hit):
            return objects
        some = Masks(masks.mask[hit], masks.centre[hit])
        with_sigma = objects.image_sigma is not None
        fine = self._fine(objects, hit, "photo", with_sigma)
        images, sigma = objects.images.copy(), objects.image_sigma
        own = None if sigma is None else sigma[hit]
        images[hit], clean_sigma = without_neighbours(images[hit], own, fine.images, fine.image_sigma, some)
        if sigma is not None:
            sigma = sigma.copy()
            sigma[hit] = clean_sigma
        return replace(objects, images=images, image_sigma=sigma)

    def spectra(self, objects: Objects) -> Objects:
        """Return objects at any zoom with their short gaps bridged or left, as the treatment says.

        Bridged gaps have a flux at every zoom, and others stay NaN. Where gaps are left to the model, a spectrum with a
        longer one is NaN throughout, so that nothing takes it for one that a model can do with.
        """
        if self.treatment.gaps == "reject" or objects.spectra is None or objects.wl is None:
            return objects
        hit = np.flatnonzero(np.isnan(objects.spectra).any(axis=1))
        if not len(hit):
            return objects
        fine = self._fine(objects, hit, "spectra", False)
        spectra = objects.spectra.copy()
        if self.treatment.gaps == "interpolate":
            bridged = fill_short(fine.spectra, self.treatment.longest)
            spectra[hit] = rebinned(spectra[hit], objects.wl, bridged, fine.wl)
        else:
            spectra[hit[has_long_gap(fine.spectra, self.treatment.longest)]] = np.nan
        return replace(objects, spectra=spectra)

    def _fine(self, objects: Objects, hit: np.ndarray, modality: str, sigma: bool) -> Any:
        fine = load_rows(_given(self.fine, "the arrays of zoom 0"), objects.row[hit], modality, sigma=sigma)
        if not np.array_equal(fine.target_id, objects.target_id[hit]):
            raise HissError(f"{self.fine}: holds other objects than the zoom it is to treat; export both anew")
        return fine


def _given(path: Path | str | None, what: str) -> Path | str:
    if path is None:
        raise HissError(f"the sample's choice asks for {what}, and none is given; run it through the workflow")
    return path
