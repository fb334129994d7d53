"""The plan of a fetch: every file of a study with its address, in batches, and what it comes to."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from hiss.bands import BANDS
from hiss.sdss.archive import Kept, address, frame_path, spectrum_path
from hiss.sdss.catalogue import KEY
from hiss.sdss.regions import FIELD
from hiss.sdss.spectrum import FIRST_BOSS_PLATE

IDS: Final = [*FIELD, "band", *KEY]
COLUMNS: Final = ["kind", "path", "url", *IDS, "ra", "dec", "expected_bytes", "batch"]

FRAME_BYTES: Final = 3_230_000
"""Mean of real frames, bzip2ed."""

SPECTRUM_BYTES: Final = {"lite": 174_000, "full": 726_000}
"""Of a spectrum of the SDSS spectrographs without and with its exposures; the BOSS ones' are a quarter larger."""

_BOSS: Final = 1.25


def list_files(
    objects: pd.DataFrame, fields: pd.DataFrame, release: str, base_url: str, kept: Kept, batch_files: int
) -> pd.DataFrame:
    """Return one row a file to fetch: frames by run, camcol, field and band (u g r i z), then spectra by their ids.

    Parameters
    ----------
    objects
        ``plate mjd fiber ra dec run2d``; an empty run2d is the usual one.
    fields
        ``run camcol field ra dec``.
    release, base_url, kept
        As in the config.
    batch_files
        Files a batch.

    Returns
    -------
    DataFrame
        `COLUMNS`: ``path`` below the folder of raw files, which is the archive's own; ``ra dec`` [deg] of a spectrum
        by the catalogue, of a frame's centre by the survey's list, NaN where unknown; ``expected_bytes`` is an
        estimate; ``batch`` a name such as 0001.
    """
    files = pd.concat([_frames(fields, release), _spectra(objects, release, kept)], ignore_index=True)
    files["url"] = address(base_url, "") + files["path"].astype("str")
    files["batch"] = [f"{number // batch_files + 1:04d}" for number in range(len(files))]
    types = dict.fromkeys((*FIELD, *KEY), "Int64") | {"expected_bytes": "int64"}
    return files.astype(types)[COLUMNS]


def _frames(fields: pd.DataFrame, release: str) -> pd.DataFrame:
    ids = fields[FIELD].astype(int).to_numpy().tolist()
    each = fields.loc[fields.index.repeat(len(BANDS)), [*FIELD, "ra", "dec"]].reset_index(drop=True)
    paths = [frame_path(release, run, camcol, field, band) for run, camcol, field in ids for band in BANDS]
    return each.assign(
        kind="frame", path=paths, band=list(BANDS) * len(fields), **dict.fromkeys(KEY), expected_bytes=FRAME_BYTES
    )


def _spectra(objects: pd.DataFrame, release: str, kept: Kept) -> pd.DataFrame:
    one = objects.drop_duplicates(KEY).sort_values(KEY)
    ids = zip(one["plate"], one["mjd"], one["fiber"], one["run2d"])
    paths = [spectrum_path(release, plate, mjd, fiber, run2d or None, kept) for plate, mjd, fiber, run2d in ids]
    boss = one["plate"].to_numpy() >= FIRST_BOSS_PLATE
    size = np.where(boss, _BOSS * SPECTRUM_BYTES[kept], SPECTRUM_BYTES[kept]).astype(np.int64)
    return one[[*KEY, "ra", "dec"]].assign(
        kind="spectrum", path=paths, **dict.fromkeys(FIELD), band=None, expected_bytes=size
    )


def totals(files: pd.DataFrame) -> dict[str, Any]:
    """Return files and bytes to fetch, in all and by kind, and the batches."""
    kinds = {
        name: {
            "files": int((files["kind"] == kind).sum()),
            "bytes": int(files["expected_bytes"][files["kind"] == kind].sum()),
        }
        for kind, name in (("frame", "frames"), ("spectrum", "spectra"))
    }
    return {
        "files": len(files),
        "bytes": int(files["expected_bytes"].sum()),
        **kinds,
        "batches": list(dict.fromkeys(files["batch"])),
    }


def plan_text(plan: Mapping[str, Any]) -> str:
    """Return the plan as a person reads it: the selection, what is fetched, and what each stage needs.

    Parameters
    ----------
    plan
        ``catalogue steps objects unlisted fields files`` (of `totals`), ``stages`` and ``shards``.
    """
    fetch = plan["files"]
    lines = [f"{plan['catalogue']:>12,}  rows of the catalogue"]
    left = plan["catalogue"]
    for step in plan["steps"]:
        left -= step["removed"]
        lines.append(f"{left:>12,}  {step['step']}")
    if plan["unlisted"]:
        lines.append(f"{plan['unlisted']:>12,}  spectra more, which the catalogue does not list")
    lines += ["", *_fields_text(plan["fields"]), ""]
    for name in ("frames", "spectra"):
        lines.append(f"{fetch[name]['files']:>12,}  {name} to fetch, about {fetch[name]['bytes'] / 1e9:,.1f} GB")
    lines.append(
        f"{fetch['files']:>12,}  files in {len(fetch['batches']):,} batches, about {fetch['bytes'] / 1e9:,.1f} GB"
    )
    lines += ["", "What it comes to, by the rates of docs/results.md:"]
    lines += [
        f"  {stage['stage']:<44}{size_text(stage['bytes']):>14}{stage['core_hours']:>12,.1f} core-hours"
        for stage in plan["stages"]
    ]
    lines += ["", *_shards_text(plan["shards"])]
    return "\n".join(lines) + "\n"


def _fields_text(fields: Mapping[str, int]) -> list[str]:
    words = {
        "own": "fields of the objects",
        "named": "fields more that the region names",
        "neighbour": "neighbouring fields into which a cutout may cross",
        "epoch": "fields of other epochs",
        "elsewhere": "objects whose own field the survey's list does not have: others that cover them stand in",
        "without": "objects of which no field is known: their spectra will be among the rejects",
        "unplated": "spectra on plates that the survey's list does not have: the usual reduction is asked for",
    }
    return [f"{fields[key]:>12,}  {sentence}" for key, sentence in words.items() if fields.get(key)]


def _shards_text(shards: Mapping[str, Any]) -> list[str]:
    if shards["advised"] is None:
        return ["The cube fits one piece (cube.shard_order: null)."]
    has = "as the config has it" if shards["chosen"] == shards["advised"] else f"the config has {shards['chosen']}"
    return [
        f"Shards: cube.shard_order: {shards['advised']} cuts the sky into {shards['cells']:,} pieces, the largest "
        f"about {size_text(shards['largest_bytes'])} ({has})."
    ]


def size_text(n_bytes: float) -> str:
    """Return a number of bytes as a person reads it, in powers of 1000."""
    units = ("B", "kB", "MB", "GB", "TB")
    power = min(int(np.log10(max(n_bytes, 1)) / 3), len(units) - 1)
    return f"{n_bytes / 1000**power:,.1f} {units[power]}"


def needed_gb(n_bytes: int) -> int:
    """Return the whole number of gigabytes that holds so many bytes."""
    return -(-n_bytes // 10**9)


def is_accepted(n_bytes: int, accept_gb: float) -> bool:
    """Return whether so many bytes are within what a user has accepted."""
    return n_bytes <= accept_gb * 1e9


def accept_sentence(n_bytes: int, accept_gb: float) -> str:
    """Return whether a fetch of so many bytes is accepted, and if not which key to set to what."""
    size = size_text(n_bytes)
    if is_accepted(n_bytes, accept_gb):
        return f"{size} are within sky.archive.accept_gb ({accept_gb:g}): the plan is accepted."
    return (
        f"{size} are more than sky.archive.accept_gb ({accept_gb:g}): nothing is fetched before you set "
        f"sky.archive.accept_gb: {needed_gb(n_bytes)} in the config, or choose a smaller region or max_objects"
    )
