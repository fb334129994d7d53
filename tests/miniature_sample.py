"""A sky and a sample in small, as the contract describes them, made without a build."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from hiss.cube.layout import TARGETS, ml_image_data, ml_image_group, ml_spectrum_data, ml_spectrum_group
from hiss.files import write_table
from hiss.sample.gaps import find_gaps, gap_table
from hiss.sample.multi import find_multi_objects


def make_objects(n: int, rng: np.random.Generator) -> pd.DataFrame:
    avg = np.concatenate([rng.normal(0.4, 0.45, n - n // 3), rng.normal(-1.2, 0.5, n // 3)])
    avg = rng.permutation(avg)
    width = np.where(avg < -0.6, 0.55, 0.2) * rng.uniform(0.8, 1.2, n)
    return pd.DataFrame(
        {
            "row": np.arange(n),
            "target_id": np.arange(n) * 2,
            "ra": rng.uniform(38, 39, n),
            "dec": rng.uniform(-1, 1, n),
            "z": rng.uniform(0.02, 0.3, n),
            "class": "GALAXY",
            "subclass": "",
            "zwarning": 0,
            "plate": 411,
            "mjd": 51817,
            "fiber": np.arange(n) + 1,
            "objid": np.arange(n) + 10**18,
            "sn_median": rng.uniform(2, 30, n),
            "has_sfr": True,
            "avg": avg,
            "median": avg,
            "p16": avg - width,
            "p84": avg + width,
            "flag": np.where(rng.random(n) < 0.2, 2.0, 0.0),
            "refused_image": np.arange(n) % 50 == 7,
            "refused_spectrum": np.arange(n) % 60 == 8,
        }
    )


def make_split(objects: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    good = objects[objects["flag"] == 0]
    side = rng.choice(["train", "validation", "test"], len(good), p=[0.6, 0.2, 0.2])
    fold = np.where(side == "train", rng.integers(0, 5, len(good)), -1)
    columns = {"group": np.arange(len(good)) // 2 * 2, "avg": good["avg"], "split": side, "fold": fold}
    return good[["row", "target_id"]].assign(**columns).reset_index(drop=True)


def sky_pixels(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return (n, 5, 64, 64) cutouts: a round galaxy, every eighth with a neighbour as bright."""
    y, x = np.mgrid[:64, :64] - 31.5
    radius = rng.uniform(3, 8, n)[:, None, None]
    galaxy = np.exp(-np.hypot(x, y) / radius)
    galaxy[::8] += np.exp(-np.hypot(x - 15, y - 9) / radius[::8])
    colour = np.array([0.3, 0.8, 1.0, 1.1, 1.2])[None, :, None, None]
    noise = rng.normal(0, 0.02, (n, 5, 64, 64))
    return (galaxy[:, None] * colour + noise).astype(np.float32)


def _spectra(z: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    wl = 10 ** (3.5795 + 1e-4 * np.arange(4620))
    flux = np.tile(8 + 3 * np.sin(wl / 900), (len(z), 1)) + rng.normal(0, 0.8, (len(z), 4620))
    for rest, strength in ((3728.5, 12), (4862.7, 8), (5008.2, 10), (6564.6, 30), (5176.6, -4)):
        flux += strength * np.exp(-0.5 * ((wl - rest * (1 + z[:, None])) / 5) ** 2)
    return wl, flux.astype(np.float32)


def write_arrays(path: Path, objects: pd.DataFrame, rng: np.random.Generator) -> None:
    wl, spectra = _spectra(objects["z"].to_numpy(), rng)
    for row in range(0, len(objects), 3):
        start = int(rng.integers(0, 4500))
        spectra[row, start : start + int(rng.integers(1, 120))] = np.nan
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["images"] = sky_pixels(len(objects), rng)
        file["image_sigma"] = np.full((len(objects), 5, 64, 64), 0.02, np.float32)
        file["spectra"] = spectra
        file["spectrum_sigma"] = np.full(spectra.shape, 0.8, np.float32)
        file["wl"] = wl
        file["target_id"] = objects["target_id"].to_numpy()


def write_dense(path: Path, targets: pd.DataFrame, rng: np.random.Generator) -> None:
    """A cube of a star and two more, none with a label."""
    wl, spectra = _spectra(np.zeros(len(targets)), rng)
    table = targets.drop(columns="row").assign(target_id=np.arange(len(targets)), avg=np.nan, has_sfr=False)
    table["class"] = "STAR"
    records = table.astype({"class": "S16", "subclass": "S64"}).to_records(
        index=False, column_dtypes={"class": "S16", "subclass": "S64"}
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file[TARGETS] = np.asarray(records)
        file[ml_image_data(0)] = sky_pixels(len(targets), rng)
        file[f"{ml_image_group(0)}/errors"] = np.full((len(targets), 5, 64, 64), 0.02, np.float32)
        file[ml_spectrum_data(0)] = spectra
        file[f"{ml_spectrum_group(0)}/errors"] = np.full(spectra.shape, 0.8, np.float32)
        file[f"{ml_spectrum_group(0)}/wl"] = np.tile(wl, (len(targets), 1))


def write_sample_tables(folder: Path, objects: pd.DataFrame, rng: np.random.Generator) -> None:
    gaps, missing = find_gaps({0: folder / "sample" / "zoom0.h5"})
    finer = gaps
    for zoom in (1, 2, 3):
        finer = finer.assign(zoom=zoom, first=finer["first"] // 2, length=(finer["length"] + 1) // 2)
        gaps = pd.concat([gaps, finer], ignore_index=True)
    good = objects.loc[objects["flag"] == 0, "row"].to_numpy()
    tables = {
        "sample/gaps.parquet": gaps,
        "sample/missing.parquet": missing,
        "sample/multi_object.parquet": find_multi_objects(folder / "sample" / "zoom0.h5", 0.9, "r"),
        "sample/gap_table.csv": gap_table(gaps, good, [0, 1, 2, 3]),
        "sample/flag0/ledger.csv": _ledger(len(objects)),
        "sky/manifest.parquet": pd.DataFrame({"kind": ["frame"] * 20 + ["spectrum"] * 250, "path": "x"}),
        "cube/rejects.parquet": pd.DataFrame(
            {
                "stage": ["sparse", "links", "links", "links"],
                "kind": ["frame", "spectrum", "spectrum", "spectrum"],
                "path": ["frame-u.fits.bz2", "spec-1.fits", "spec-2.fits", "spec-3.fits"],
                "reason": [
                    "truncated <bz2> & broken",
                    "no frame covers it",
                    "no frame covers it",
                    "cutout not whole: 10 px from the edge",
                ],
            }
        ),
    }
    for name, table in tables.items():
        write_table(folder / name, table)


def _ledger(labelled: int) -> pd.DataFrame:
    counts = [900, 230, labelled, labelled, int(0.8 * labelled), int(0.7 * labelled)]
    return pd.DataFrame(
        {
            "step": [
                "initial catalogue",
                "image and spectrum available",
                "AVG not NaN",
                "AVG != -99",
                "FLAG = 0",
                "final",
            ],
            "key": ["catalogue", "image_and_spectrum", "avg_not_nan", "avg_valid", "flag0", "final"],
            "count": counts,
            "removed": [0, *(-np.diff(counts))],
            "thesis": pd.array([4851200, 151190, 34613, 30752, 16841, 11179], dtype="Int64"),
            "note": ["", "targets of the dense cube", "", "", "", None],
        }
    )
