"""Any object of a cube, found by its name or place and drawn as Figure 1.1 of the study."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import yaml
from matplotlib.figure import Figure

from hiss.bands import BANDS
from hiss.cube.cones import separation
from hiss.cube.objects import Target, Targets
from hiss.cube.reader import Cube
from hiss.errors import HissError
from hiss.files import atomic, read_table
from hiss.plots.colour import colour_composite
from hiss.plots.example import Example, example_object, kind_of, name_of
from hiss.plots.style import plt
from hiss.sdss.labels import is_label

SUFFIXES: Final = (".png", ".svg", ".pdf")
"""Forms of a picture."""

_KEYS: Final = ("plate", "mjd", "fiber")
_NAME: Final = re.compile(r"(?:spec-)?(\d{1,18})-(\d{1,18})-(\d{1,18})(?:\.fits(?:\.gz)?)?")
_UNDATED: Final[dict[str, dict[str, Any]]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
_NEAREST: Final = 5  # names that are offered in place of a wrong one
_LISTED: Final = {"GALAXY": 8, "QSO": 2, "STAR": 2}


def cube_of_config(config: Path | str) -> Path:
    """Return the cube that the workflow makes of a config.

    Raises
    ------
    HissError
        There is no such config, or it is none.
    """
    try:
        settings = yaml.safe_load(Path(config).read_text()) or {}
    except OSError:
        raise HissError(f"{config}: there is no such config; name one with --config, or a cube with --cube") from None
    except yaml.YAMLError as error:
        raise HissError(
            f"{config}: no config ({str(error).splitlines()[0]}); name another, or a cube with --cube"
        ) from None
    if not isinstance(settings, dict):
        raise HissError(f"{config}: no config, which has keys and values; name another, or a cube with --cube")
    return Path(settings.get("results", "results/study")) / "cube" / "hiss_cube.h5"


# ---- which object ----


def find_by_name(cube: Cube, name: str, rejects: Path | None = None) -> Target:
    """Return the target that a spectrum is of, by its plate-mjd-fiber.

    Parameters
    ----------
    rejects
        The table of files set aside, beside the cube; where it is there, it may say why there is no such target.

    Raises
    ------
    HissError
        With the nearest names, where there is none.
    """
    match = _NAME.fullmatch(name.strip())
    if match is None:
        raise HissError(f"{name!r} is not the name of a spectrum; give plate-mjd-fiber, such as {_first_name(cube)}")
    wanted = dict(zip(_KEYS, (int(number) for number in match.groups()), strict=True))
    found: Targets = cube.targets.select(**wanted)
    if len(found):
        return found[0]
    plain = "-".join(str(number) for number in wanted.values())
    raise HissError(
        f"{plain} is none of the {len(cube.targets)} targets of this cube{_reason(rejects, wanted)}; "
        f"the nearest are {', '.join(_nearest(cube.targets, wanted))}"
    )


def find_by_id(cube: Cube, target_id: int) -> Target:
    """Return a target by its number in the cube."""
    n = len(cube.targets)
    if not 0 <= target_id < n:
        raise HissError(f"target_id {target_id} is not in this cube; its {n} targets are numbered from 0")
    return cube.target(target_id)


def find_by_place(cube: Cube, ra: float, dec: float, radius: float) -> tuple[Target, Targets]:
    """Return the target nearest to a place, and all within a radius, nearest first.

    Parameters
    ----------
    ra, dec, radius
        [deg].

    Raises
    ------
    HissError
        None is so near; the nearest is named.
    """
    targets = cube.targets
    if not len(targets):
        raise HissError("this cube has no target")
    near = targets.cone((ra, dec), radius)
    if not len(near):
        away = separation(targets.column("ra"), targets.column("dec"), ra, dec)
        nearest = targets[int(away.argmin())]
        raise HissError(
            f"none of the {len(targets)} targets of this cube is within {radius:g} deg of RA {ra:g}, Dec {dec:g}; "
            f"the nearest, {name_of(pd.Series(nearest.info))}, is {away.min():.4g} deg away"
        )
    order = separation(near.column("ra"), near.column("dec"), ra, dec).argsort(kind="stable")
    ordered = near[order]
    return ordered[0], ordered


def some_targets(targets: Targets) -> pd.DataFrame:
    """Return some targets to begin with, a row each: of each class those of highest S/N."""
    kinds = np.char.strip(np.char.decode(targets.column("class").astype("S"), "ascii", "replace"))
    bright = np.nan_to_num(targets.column("sn_median"), nan=-np.inf)
    order = np.argsort(-bright, kind="stable")
    rows = [order[kinds[order] == kind][:most] for kind, most in _LISTED.items()]
    return listed(targets[np.concatenate(rows)] if any(map(len, rows)) else targets[: sum(_LISTED.values())])


def listed(targets: Targets) -> pd.DataFrame:
    """Return what a person chooses by: name, class, redshift, S/N and star formation rate."""
    keys = [targets.column(key) for key in _KEYS]
    avg = targets.column("avg").astype(np.float64)
    return pd.DataFrame(
        {
            "name": ["-".join(map(str, one)) for one in zip(*keys, strict=True)],
            "class": [text.decode(errors="replace").strip() for text in targets.column("class")],
            "ra": np.round(targets.column("ra"), 5),
            "dec": np.round(targets.column("dec"), 5),
            "z": np.round(targets.column("z").astype(np.float64), 4) + 0.0,
            "S/N": np.round(targets.column("sn_median").astype(np.float64), 1),
            "log SFR": [f"{value:.2f}" if is_label(value) else "" for value in avg],
        }
    )


def _first_name(cube: Cube) -> str:
    return listed(cube.targets[:1])["name"].iloc[0] if len(cube.targets) else "266-51630-33"


def _nearest(targets: Targets, wanted: dict[str, int]) -> list[str]:
    """Give the names nearest to one: of the same plate and MJD first, then by fibre."""
    away = [np.abs(targets.column(key).astype(np.int64) - wanted[key]) for key in _KEYS]
    order = np.lexsort(away[::-1])[:_NEAREST]
    return [str(name) for name in listed(targets[order])["name"]]


def _reason(table: Path | None, wanted: dict[str, int]) -> str:
    """Say why a spectrum of the sky is no target, where the table of rejects knows."""
    if table is None or not table.is_file():
        return ""
    rejects = read_table(table)
    spectra = rejects[rejects["kind"] == "spectrum"]
    plate, mjd, fiber = (wanted[key] for key in _KEYS)
    mine = spectra["path"].str.contains(rf"-0*{plate}-0*{mjd}-0*{fiber}\.", regex=True)
    return f" (its spectrum was set aside: {spectra.loc[mine, 'reason'].iloc[0]})" if mine.any() else ""


# ---- its picture, and what is known of it ----


def example_of_target(target: Target, zoom: int) -> Example:
    """Read one target at one zoom, through the reader of cubes: any form of a cube will do."""
    cutout, spectrum = target.cutout(zoom), target.spectrum(zoom)
    wl = np.asarray(spectrum.wavelength.value)
    return Example(
        pd.Series(target.info),
        cutout.flux.value,
        cutout.sigma.value,
        spectrum.flux.value,
        spectrum.sigma.value,
        wl[target.row] if wl.ndim == 2 else wl,
    )


def look_at(example: Example, colour: bool) -> Figure:
    """Draw Figure 1.1 of one object, with its colour composite where it is asked for."""
    composite = colour_composite(example.images, example.image_sigma) if colour else None
    return example_object(example, composite)[0]


def check_picture(path: Path) -> None:
    """Raise `HissError` for a file name of a form that pictures are not written in."""
    if path.suffix not in SUFFIXES:
        raise HissError(f"{path}: a picture is written as {', '.join(SUFFIXES)}; name the file so")


def write_picture(path: Path, figure: Figure) -> None:
    """Write a figure as PNG, SVG or PDF by the path's suffix, atomically, the same bytes each time; and close it."""
    check_picture(path)
    with atomic(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], metadata=_UNDATED[path.suffix])
    plt.close(figure)


def facts(example: Example) -> list[str]:
    """Return what is known of an object, a line each."""
    target = example.target
    subclass = str(target.get("subclass", "")).strip()
    kind = kind_of(target) + (f" ({subclass})" if subclass else "")
    stacked = _told(target, "n_spectra", "{:.0f} stacked, ") + _told(target, "fiber_arcsec", "fibre {:g} arcsec, ")
    return [
        f"{name_of(target)}: {kind} at RA {target['ra']:.5f}, Dec {target['dec']:+.5f} deg, z = {target['z']:.5f}",
        f"target_id {int(target['target_id'])}, objid {int(target['objid'])}",
        _rate(target),
        f"spectrum: {stacked}S/N {target['sn_median']:.1f}, {_unmeasured(example.spectrum, 'samples')}",
        f"cutout: {_epochs(target.get('n_epochs'))}{_unmeasured(example.images, 'pixels')}",
    ]


def _rate(target: pd.Series) -> str:
    avg = float(target.get("avg", np.nan))
    if not is_label(avg):
        return "no star formation rate in the catalogue"
    told = f"log SFR (AVG) {avg:.3f} [log10 of solar masses a year]"
    p16, p84 = (float(target.get(name, np.nan)) for name in ("p16", "p84"))
    if is_label([p16, p84]).all():
        told += f", P16 to P84 {p16:.3f} to {p84:.3f}"
    return told + _told(target, "flag", ", FLAG {:.0f}")


def _told(target: pd.Series, name: str, form: str) -> str:
    value = target.get(name, np.nan)
    return form.format(value) if pd.notna(value) else ""


def _epochs(counts: Sequence[int] | None) -> str:
    if counts is None:
        return ""
    return "epochs " + ", ".join(f"{count} in {band}" for band, count in zip(BANDS, counts, strict=True)) + "; "


def _unmeasured(values: np.ndarray, what: str) -> str:
    return f"{int(np.isnan(values).sum())} of {values.size} {what} not measured"
