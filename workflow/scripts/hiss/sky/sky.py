"""The simulated sky: raw files of SDSS's kinds below a folder, and the truth about them."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from hiss.bands import BANDS
from hiss.progress import progress
from hiss.sdss.catalogue import write_sfr_catalogue
from hiss.sky.frames import write_frames
from hiss.sky.labels import catalogue_rows
from hiss.sky.layout import list_spectra, place_objects
from hiss.sky.photometry import GRID, band_nanomaggies, magnitude
from hiss.sky.population import draw_galaxies, draw_quasars, draw_stars
from hiss.sky.sed import galaxy_nanomaggies, quasar_spectra, star_spectra
from hiss.sky.spectrum_files import write_spectra
from hiss.sky.strips import plan_strips

_CHUNK: Final = 40  # spectra a task, whatever the number of processes: they share a random stream
_Task = tuple[Callable[..., list[Any]], tuple[Any, ...]]


def simulate_sky(
    folder: Path, seed: int, fields: int, n_galaxies: int, n_stars: int, n_quasars: int, processes: int = 1
) -> pd.DataFrame:
    """Write a sky of known truth in SDSS's own formats below a folder, and return the truth.

    The same seed gives the same bytes, with any number of processes.

    Parameters
    ----------
    folder
        Gets ``images/301/<run>/<camcol>/``, ``spectra/<plate>/`` and ``catalogue/``; frames and spectra that
        an earlier sky left there are removed.
    fields
        Overlapping fields of the first run; one field of a second run covers one of them.
    n_galaxies, n_stars, n_quasars
        Objects with a spectrum; blended companions come on top.

    Returns
    -------
    DataFrame
        One row an object: ``object kind ra dec z``; of galaxies the columns of `draw_galaxies`; ``mag_u`` ...
        ``mag_z``; ``blend edge outside gap repeat boss`` (bool), ``companion_of`` (object or -1), ``plate mjd
        fiber`` of its first SDSS spectrum and ``objid`` (-1 without a spectrum), ``n_spectra``.

    Raises
    ------
    HissError
        So many objects do not fit into the fields.
    """
    population, layout, labels, frames, spectra_seed = np.random.SeedSequence(seed).spawn(5)
    strips = plan_strips(fields)
    rng = np.random.default_rng(layout)
    objects = _draw_objects(n_galaxies, n_stars, n_quasars, np.random.default_rng(population))
    placed = place_objects(objects, strips[0], rng)
    spectra = list_spectra(placed, strips[0], rng)
    spectra = _measure_redshifts(spectra, placed, rng)
    _remove_earlier(folder)
    tasks = _frame_tasks(folder, strips, placed, frames) + _spectrum_tasks(folder, spectra, placed, spectra_seed)
    done = _run(tasks, processes)
    spectra["sn_median"] = np.concatenate(done[len(strips) * len(BANDS) :])
    table = catalogue_rows(spectra, placed, np.random.default_rng(labels))
    catalogue = folder / "catalogue"
    write_sfr_catalogue(table, catalogue / "gal_info_dr7_v5_2.fit", catalogue / "gal_totsfr_dr7_v5_2.fits")
    return _truth(placed, spectra)


def _remove_earlier(folder: Path) -> None:
    """Remove what an earlier sky left below the folder: a manifest would take it for part of this one."""
    for pattern in ("images/301/*/*/frame-*.fits.bz2", "spectra/*/spec-*.fits"):
        for path in folder.glob(pattern):
            path.unlink()


def _draw_objects(n_galaxies: int, n_stars: int, n_quasars: int, rng: np.random.Generator) -> pd.DataFrame:
    """All targets with their band fluxes [nanomaggies]; stars and quasars have no extent."""
    galaxies = draw_galaxies(n_galaxies, rng).assign(kind="galaxy")
    stars = draw_stars(n_stars, rng).assign(kind="star")
    quasars = draw_quasars(n_quasars, rng).assign(kind="quasar")
    parts = [(galaxies, *galaxy_nanomaggies(galaxies))]
    for points, spectrum in ((stars, star_spectra), (quasars, quasar_spectra)):
        flux = band_nanomaggies(spectrum(points, GRID))
        parts.append((points, flux, np.zeros_like(flux)))
    for table, bulge, disk in parts:
        for index, band in enumerate(BANDS):
            table[f"mag_{band}"] = magnitude((bulge + disk)[:, index])
            table[f"flux_bulge_{band}"], table[f"flux_disk_{band}"] = bulge[:, index], disk[:, index]
    objects = pd.concat([table for table, _, _ in parts if len(table)], ignore_index=True)
    shape = ["r_bulge", "r_disk", "inclination", "angle"]
    objects[shape] = objects[shape].fillna(0.0)
    objects["quiescent"] = objects["quiescent"].eq(True)
    return objects


def _measure_redshifts(spectra: pd.DataFrame, placed: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    n = len(spectra)
    error = rng.uniform(1e-5, 4e-5, n)
    true = placed["z"].to_numpy()[spectra["object"]]
    warned = np.where(rng.random(n) < 0.02, 4, 0)
    return spectra.assign(z=true + error * rng.standard_normal(n), z_err=error, zwarning=warned)


def _frame_tasks(folder: Path, strips: list, placed: pd.DataFrame, seed: np.random.SeedSequence) -> list[_Task]:
    which = [(strip, band) for strip in strips for band in BANDS]
    return [
        (write_frames, (folder, strip, band, placed, child))
        for (strip, band), child in zip(which, seed.spawn(len(which)))
    ]


def _spectrum_tasks(
    folder: Path, spectra: pd.DataFrame, placed: pd.DataFrame, seed: np.random.SeedSequence
) -> list[_Task]:
    chunks = [spectra.iloc[start : start + _CHUNK] for start in range(0, len(spectra), _CHUNK)]
    return [(write_spectra, (folder, chunk, placed, child)) for chunk, child in zip(chunks, seed.spawn(len(chunks)))]


def _run(tasks: list[_Task], processes: int) -> list[list[Any]]:
    """Return what the tasks return, in their order."""
    if processes == 1:
        return [task(*args) for task, args in progress(tasks, len(tasks), "parts of the sky")]
    # fork: a script that Snakemake runs cannot be imported again, as spawn would
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        futures = [pool.submit(task, *args) for task, args in tasks]
        return [future.result() for future in progress(futures, len(futures), "parts of the sky")]


def _truth(placed: pd.DataFrame, spectra: pd.DataFrame) -> pd.DataFrame:
    hidden = [name for name in placed.columns if name.startswith("flux_")]
    truth = placed.drop(columns=[*hidden, "x", "y", "mag"], errors="ignore")
    of_object = spectra.sort_values(["boss", "repeat"], kind="stable").groupby("object")
    first = of_object[["plate", "mjd", "fiber", "objid"]].first()
    first = first.reindex(truth["object"], fill_value=-1)  # filled at once: a float does not hold an objID
    for name in first:
        truth[name] = first[name].astype(np.int64).to_numpy()
    truth["n_spectra"] = of_object.size().reindex(truth["object"], fill_value=0).to_numpy()
    flags = pd.DataFrame(
        {
            "object": spectra["object"],
            "gap": spectra["gap"] != "none",
            "repeat": spectra["repeat"],
            "boss": spectra["boss"],
        }
    )
    for name, flag in flags.groupby("object").any().items():
        truth[name] = flag.reindex(truth["object"], fill_value=False).to_numpy()
    return truth
