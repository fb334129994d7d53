"""From the catalogue and a config to a plan: the objects, the files, and what they come to."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from hiss.bands import BANDS
from hiss.sdss.catalogue import read_photo_fields, read_sfr_catalogue
from hiss.sdss.estimates import advise_shards, estimate_stages
from hiss.sdss.fields import read_field_list
from hiss.sdss.frames_wanted import WantedFields, fields_by_catalogue, fields_by_list
from hiss.sdss.planning import list_files, totals
from hiss.sdss.plates import read_plate_list, reductions
from hiss.sdss.regions import FIELD, read_ids
from hiss.sdss.selection import COLUMNS, Selection, select

_SPARSE: Final = "sparse cube"


@dataclass(frozen=True)
class Plan:
    """What would be fetched.

    Attributes
    ----------
    objects
        One row a spectrum of the study.
    files
        Of `hiss.sdss.planning.list_files`.
    summary
        What `hiss.sdss.planning.plan_text` prints.
    """

    objects: pd.DataFrame
    files: pd.DataFrame
    summary: dict[str, Any]


def make_plan(
    gal_info: Path | str,
    gal_totsfr: Path | str,
    archive: Mapping[str, Any],
    cube: Mapping[str, Any],
    field_list: Path | str | None,
    plate_list: Path | str | None,
) -> Plan:
    """Return the plan of a study.

    Parameters
    ----------
    gal_info, gal_totsfr
        MPA-JHU's two tables.
    archive
        The config's ``sky.archive``.
    cube
        ``mode`` and ``shard_order`` of the config's cube.
    field_list, plate_list
        The survey's lists, or None.

    Raises
    ------
    HissError
        No object is left, or a table or CSV is not what it should be.
    """
    catalogue = read_candidates(gal_info, gal_totsfr)
    chosen = select(catalogue, archive)
    csv = archive["region"].get("fields")
    named = read_ids(csv, FIELD) if csv else pd.DataFrame({name: np.empty(0, np.int64) for name in FIELD})
    if field_list is None:
        wanted = fields_by_catalogue(chosen.objects, catalogue, named)
    else:
        del catalogue  # a list of a million fields comes on top
        wanted = fields_by_list(chosen.objects, read_field_list(field_list), named, archive["epochs"])
    objects = chosen.objects
    plates = None if plate_list is None else read_plate_list(plate_list)
    run2d = reductions(objects, plates)
    files = list_files(
        objects.assign(run2d=run2d),
        wanted.fields,
        archive["data_release"],
        archive["base_url"],
        archive["spectra"],
        archive["batch_files"],
    )
    unplated = 0 if plates is None else int((run2d == "").sum())
    return Plan(objects, files, _summary(chosen, wanted, files, archive, cube, unplated))


def read_candidates(gal_info: Path | str, gal_totsfr: Path | str) -> pd.DataFrame:
    """Return the columns of the catalogue by which objects are chosen, one row a spectrum."""
    table = read_sfr_catalogue(gal_info, gal_totsfr)
    photo = read_photo_fields(gal_info)
    return table[[name for name in COLUMNS if name not in FIELD]].assign(**{name: photo[name] for name in FIELD})


def _summary(
    chosen: Selection,
    wanted: WantedFields,
    files: pd.DataFrame,
    archive: Mapping[str, Any],
    cube: Mapping[str, Any],
    unplated: int,
) -> dict[str, Any]:
    fetch = totals(files)
    why = wanted.fields["why"].value_counts().to_dict()
    n = len(chosen.objects)
    n_windows = max(n, wanted.covers) * len(BANDS)
    stages = estimate_stages(
        n,
        fetch["frames"]["files"],
        n_windows,
        fetch["bytes"],
        cube["mode"],
        archive["repack"],
        archive["keep_bz2"],
    )
    sparse = next(stage for stage in stages if stage["stage"].startswith(_SPARSE))
    ra, dec = (chosen.objects[name].to_numpy(dtype=float) for name in ("ra", "dec"))
    return {
        "catalogue": chosen.catalogue,
        "steps": chosen.steps,
        "objects": n,
        "unlisted": chosen.unlisted,
        "fields": {**why, "elsewhere": wanted.elsewhere, "without": wanted.without, "unplated": unplated},
        "files": fetch,
        "stages": stages,
        "shards": advise_shards(ra, dec, sparse["bytes"], sparse["core_hours"], cube["shard_order"]),
    }
