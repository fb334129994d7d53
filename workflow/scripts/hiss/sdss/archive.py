"""Where SDSS's public archive keeps the files of this workflow: each path as below the archive's root."""

from dataclasses import dataclass
from typing import Final, Literal

from hiss.errors import HissError
from hiss.sdss.spectrum import FIRST_BOSS_PLATE

SDSS_RUN2D: Final = ("26", "103", "104")
"""Reductions of the SDSS spectrographs: the legacy survey, SEGUE-1, SEGUE-2."""

RERUN: Final = 301
"""The reduction of the images from data release 8 on."""

Kept = Literal["lite", "full"]
"""A spectrum's file alone, or with the exposures it was made of (four times the bytes; the cube reads none of them)."""


@dataclass(frozen=True)
class _Release:
    """Where a data release keeps the survey's later half.

    Attributes
    ----------
    survey
        Folder of the images and of the BOSS spectra.
    run2d
        Reduction of the BOSS spectrographs.
    full
        Folder of their files with exposures, below ``spectra``.
    resolve
        Folder of the list of fields.
    """

    survey: str
    run2d: str
    full: str
    resolve: str


_RELEASES: Final = {
    "dr17": _Release("eboss", "v5_13_2", "full/", "2013-07-29"),
    "dr16": _Release("eboss", "v5_13_0", "full/", "2013-07-29"),
    "dr12": _Release("boss", "v5_7_0", "", "2010-05-23"),
}

CATALOGUE_TABLES: Final = {
    "dr7": {"gal_info": "gal_info_dr7_v5_2.fit.gz", "gal_totsfr": "gal_totsfr_dr7_v5_2.fits.gz"},
    "dr8": {"gal_info": "galSpecInfo-dr8.fits", "gal_totsfr": "galSpecExtra-dr8.fits"},
}
"""File names of MPA-JHU's two tables, by release: of the spectra, and of their total SFR."""

CATALOGUE_FOLDER: Final = "catalogue"
"""Where they are kept, below the folder of raw files."""

CATALOGUE_ROWS: Final = {"dr7": 927_552, "dr8": 1_843_200}
"""Rows of these tables as they were published."""

_CATALOGUE_FOLDERS: Final = {
    "dr7": "https://wwwmpa.mpa-garching.mpg.de/SDSS/DR7/Data",
    "dr8": "https://data.sdss.org/sas/dr8/common/sdss-spectro/redux",
}


def frame_path(release: str, run: int, camcol: int, field: int, band: str) -> str:
    """Return a frame's path below the archive's root."""
    folder = f"{release}/{_release(release).survey}/photoObj/frames/{RERUN}/{run}/{camcol}"
    return f"{folder}/frame-{band}-{run:06d}-{camcol}-{field:04d}.fits.bz2"


def spectrum_path(release: str, plate: int, mjd: int, fiber: int, run2d: str | None = None, kept: Kept = "full") -> str:
    """Return a spectrum's path below the archive's root.

    Parameters
    ----------
    run2d
        Reduction of its plate. Where it is not given, that of the legacy survey, or from the first BOSS plate on
        the release's own.
    kept
        Which of the two files.

    Raises
    ------
    HissError
        The reduction of a plate of the SDSS spectrographs is none of `SDSS_RUN2D`.
    """
    known = _release(release)
    name = f"{plate:04d}/spec-{plate:04d}-{mjd}-{fiber:04d}.fits"
    if plate >= FIRST_BOSS_PLATE:
        folder = "lite/" if kept == "lite" else known.full
        return f"{release}/{known.survey}/spectro/redux/{run2d or known.run2d}/spectra/{folder}{name}"
    run2d = run2d or SDSS_RUN2D[0]
    if run2d not in SDSS_RUN2D:
        raise HissError(f"plate {plate}: run2d {run2d!r} is none of {', '.join(SDSS_RUN2D)}; correct it")
    return f"{release}/sdss/spectro/redux/{run2d}/spectra/{'lite/' if kept == 'lite' else ''}{name}"


def field_list_path(release: str) -> str:
    """Return the path of the list of every field of the survey, below the archive's root."""
    known = _release(release)
    return f"{release}/{known.survey}/resolve/{known.resolve}/window_flist.fits"


def plate_list_path(release: str) -> str:
    """Return the path of the list of every plate and its reduction, below the archive's root."""
    return f"{release}/sdss/spectro/redux/plates-{release}.fits"


SURVEY_LISTS: Final = {"field_list": field_list_path, "plate_list": plate_list_path}
"""The survey's own lists, each with its path in a release."""


def catalogue_addresses(catalogue: str, folder: str | None = None) -> dict[str, str]:
    """Return the addresses of MPA-JHU's two tables, ``gal_info`` and ``gal_totsfr``.

    Parameters
    ----------
    catalogue
        ``dr7`` or ``dr8``.
    folder
        Where they lie, in place of where they were published.
    """
    folder = (folder or _CATALOGUE_FOLDERS[catalogue]).rstrip("/")
    return {name: f"{folder}/{file}" for name, file in CATALOGUE_TABLES[catalogue].items()}


def address(base_url: str, path: str) -> str:
    """Return the address of a path below the archive's root."""
    return f"{base_url.rstrip('/')}/{path}"


def _release(name: str) -> _Release:
    if name not in _RELEASES:
        raise HissError(f"the data release {name!r} is not known; name one of {', '.join(_RELEASES)}")
    return _RELEASES[name]
