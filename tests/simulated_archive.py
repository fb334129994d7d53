"""The simulated sky laid out as SDSS's public archive lays out its own, with the survey's lists beside it."""

import gzip
import os
from pathlib import Path

import numpy as np
from astropy.io import fits

from hiss.sdss.archive import field_list_path, frame_path, plate_list_path, spectrum_path
from hiss.sdss.frame import parse_frame_name
from hiss.sdss.spectrum import parse_spectrum_name
from hiss.sky.strips import ROWS_A_FIELD, Strip, plan_strips

RELEASE = "dr17"
PIXEL = 0.396 / 3600


def lay_out(sky: Path, tree: Path, n_fields: int, kept: str = "lite") -> None:
    """Link a simulated sky's files under the archive's paths in ``tree/sas`` and MPA-JHU's in ``tree/mpa``."""
    sas, mpa = tree / "sas", tree / "mpa"
    plates = set()
    for path in sky.rglob("frame-*.fits.bz2"):
        run, camcol, field, band = parse_frame_name(path)
        link(path, sas / frame_path(RELEASE, run, camcol, field, band))
    for path in sky.rglob("spec-*.fits"):
        ids = parse_spectrum_name(path)
        plates.add(ids[:2])
        link(path, sas / spectrum_path(RELEASE, *ids, kept=kept))
    write_plate_list(sas / plate_list_path(RELEASE), sorted(plates))
    write_field_list(sas / field_list_path(RELEASE), plan_strips(n_fields))
    mpa.mkdir(parents=True)
    for path in (sky / "catalogue").iterdir():
        with gzip.open(mpa / f"{path.name}.gz", "wb", compresslevel=1) as stream:
            stream.write(path.read_bytes())


def link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    os.link(source, target)


def write_plate_list(path: Path, plates: list[tuple[int, int]]) -> None:
    run2d = ["v5_13_2" if plate >= 3510 else "26" for plate, _ in plates]
    columns = [
        fits.Column("PLATE", "I", array=[plate for plate, _ in plates]),
        fits.Column("MJD", "J", array=[mjd for _, mjd in plates]),
        fits.Column("RUN2D", "7A", array=run2d),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.BinTableHDU.from_columns(columns).writeto(path)


def field_rows(strip: Strip) -> list[dict]:
    """Return the rows of a strip; the simulated camera scans the equator, so mu is RA and nu is Dec."""
    rows = []
    for number in range(strip.n_fields):
        low = strip.wcs("r").wcs_pix2world([[-0.5, number * ROWS_A_FIELD - 0.5]], 0)[0]
        rows.append(field_row(strip.run, strip.camcol, strip.first_field + number, low[0], low[1]))
    return rows


def field_row(run, camcol, field, ra_start, dec_start, rerun="301", image_status=1, score=0.9) -> dict:
    return {
        "RUN": run, "RERUN": rerun, "CAMCOL": camcol, "FIELD": field, "RA": ra_start + 744.5 * PIXEL,
        "DEC": dec_start + 1024 * PIXEL, "NODE": 95.0, "INCL": 0.0, "MU_START": ra_start,
        "MU_END": ra_start + 1489 * PIXEL, "NU_START": dec_start, "NU_END": dec_start + 2048 * PIXEL,
        "SCORE": score, "IMAGE_STATUS": image_status,
    }  # fmt: skip


def write_field_rows(path: Path, rows: list[dict]) -> None:
    forms = dict.fromkeys(rows[0], "D") | {"RUN": "J", "RERUN": "3A", "CAMCOL": "I", "FIELD": "J", "IMAGE_STATUS": "J"}
    columns = [fits.Column(name, form, array=np.array([row[name] for row in rows])) for name, form in forms.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.BinTableHDU.from_columns(columns).writeto(path, overwrite=True)


def write_field_list(path: Path, strips: list[Strip]) -> None:
    write_field_rows(path, [row for strip in strips for row in field_rows(strip)])
