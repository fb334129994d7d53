"""Where SDSS's public archive keeps the files of this workflow, and what a region of the sky asks of it."""

from collections.abc import Mapping
from typing import Any, Final

from hiss.bands import BANDS
from hiss.errors import HissError
from hiss.sdss.spectrum import FIRST_BOSS_PLATE

STRIPE_82: Final = {"ra_min": 310.0, "ra_max": 60.0, "dec_min": -1.27, "dec_max": 1.27}
"""The equatorial stripe that was imaged again and again [deg]; RA runs through 0."""

SDSS_RUN2D: Final = ("26", "103", "104")
"""Reductions of the SDSS spectrographs: the legacy survey, SEGUE-1, SEGUE-2."""

BOSS_RUN2D: Final = "v5_13_2"
CATALOGUE_TABLES: Final = ("gal_info_dr7_v5_2.fit.gz", "gal_totsfr_dr7_v5_2.fits.gz")

_FRAME_MB, _SPECTRUM_MB = 3.2, 0.18  # means of the real files: a frame bzip2ed, a spectrum without exposures


def frame_path(run: int, camcol: int, field: int, band: str, rerun: int = 301) -> str:
    """Return a frame's path below a data release's ``eboss`` folder."""
    name = f"frame-{band}-{run:06d}-{camcol}-{field:04d}.fits.bz2"
    return f"photoObj/frames/{rerun}/{run}/{camcol}/{name}"


def spectrum_path(plate: int, mjd: int, fiber: int, run2d: str | None = None) -> str:
    """Return a spectrum's path below a data release.

    Parameters
    ----------
    run2d
        Reduction of a plate of the SDSS spectrographs, one of `SDSS_RUN2D`; the legacy survey's where it is
        not given. Plates of the BOSS spectrographs are of `BOSS_RUN2D` unless another is given.

    Raises
    ------
    HissError
        The reduction is not one of the SDSS spectrographs'.
    """
    name = f"spec-{plate:04d}-{mjd}-{fiber:04d}.fits"
    if plate >= FIRST_BOSS_PLATE:
        return f"eboss/spectro/redux/{run2d or BOSS_RUN2D}/spectra/full/{plate:04d}/{name}"
    run2d = run2d or SDSS_RUN2D[0]
    if run2d not in SDSS_RUN2D:
        raise HissError(f"plate {plate}: run2d {run2d!r} is none of {', '.join(SDSS_RUN2D)}; correct it")
    return f"sdss/spectro/redux/{run2d}/spectra/{plate:04d}/{name}"


def frame_address(base_url: str, data_release: str, run: int, camcol: int, field: int, band: str) -> str:
    """Return a frame's address in the archive."""
    return f"{base_url.rstrip('/')}/{data_release}/eboss/{frame_path(run, camcol, field, band)}"


def spectrum_address(
    base_url: str, data_release: str, plate: int, mjd: int, fiber: int, run2d: str | None = None
) -> str:
    """Return a spectrum's address in the archive."""
    return f"{base_url.rstrip('/')}/{data_release}/{spectrum_path(plate, mjd, fiber, run2d)}"


def catalogue_addresses(catalogue_url: str) -> list[str]:
    """Return the addresses of gal_info and gal_totsfr."""
    return [f"{catalogue_url.rstrip('/')}/{name}" for name in CATALOGUE_TABLES]


def describe_selection(
    region: str | Mapping[str, float],
    data_release: str,
    base_url: str,
    catalogue_url: str,
    max_objects: int | None = None,
) -> list[str]:
    """Return, in plain sentences, what an archive run would fetch.

    Parameters
    ----------
    region
        ``"stripe82"``, or a box with ``ra_min ra_max dec_min dec_max`` [deg]; RA may run through 0.

    Raises
    ------
    HissError
        The region is neither.
    """
    box = _box(region)
    name = "Stripe 82" if region == "stripe82" else "The region"
    some = f"the first {max_objects:,}" if max_objects else "all"
    first, second = catalogue_addresses(catalogue_url)
    return [
        f"{name} is the box RA {box['ra_min']:g} to {box['ra_max']:g} deg, "
        f"Dec {box['dec_min']:g} to {box['dec_max']:g} deg.",
        f"The star formation rates: {first} and {second}.",
        f"Of the catalogue's objects in the box, {some} would be taken.",
        f"Each object's spectrum, about {_SPECTRUM_MB} MB: {base_url}/{data_release}/sdss/spectro/redux/<run2d>/"
        f"spectra/ with run2d {', '.join(SDSS_RUN2D)}, or {base_url}/{data_release}/eboss/spectro/redux/"
        f"{BOSS_RUN2D}/spectra/full/ from plate {FIRST_BOSS_PLATE} on.",
        f"Each field that its objID or PHOTOID names, {len(BANDS)} frames of about {_FRAME_MB} MB: "
        f"{base_url}/{data_release}/eboss/photoObj/frames/301/.",
    ]


def _box(region: str | Mapping[str, float]) -> dict[str, Any]:
    if isinstance(region, str):
        if region != "stripe82":
            raise HissError(f"the region {region!r} is not known; name 'stripe82' or give a box")
        return dict(STRIPE_82)
    missing = [key for key in STRIPE_82 if key not in region]
    if missing:
        raise HissError(f"the region lacks {', '.join(missing)}; give all four sides of the box")
    return dict(region)
