"""What was fetched of a plan, as the manifest that every floor above starts from."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from hiss.errors import HissError
from hiss.sdss.manifest import COLUMNS, SET_ASIDE, position_of
from hiss.sdss.planning import IDS


def join_fetched(
    files: pd.DataFrame, batches: Iterable[pd.DataFrame], tables: pd.DataFrame, root: Path | str, threads: int = 1
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the manifest of a fetched plan, and what could not be had.

    Sizes and hashes are those of the fetch: nothing is read a second time but the headers of spectra whose position
    the fetch did not record.

    Parameters
    ----------
    files
        Of `hiss.sdss.planning.list_files`.
    batches
        ``path url size sha256 status reason`` of each batch, where known with ``ra dec`` [deg] of the header.
    tables
        The same of MPA-JHU's tables and the survey's lists, with ``name``.
    root
        Folder of raw files.
    threads
        Headers read at once.

    Returns
    -------
    manifest, set_aside
        As those of `hiss.sdss.manifest.survey_files`; ``stage`` is fetch, and the reason names the address.

    Raises
    ------
    HissError
        A planned file is in no batch, or of the frames or spectra none could be had.
    """
    done = pd.concat([batch.assign(ra=batch.get("ra"), dec=batch.get("dec")) for batch in batches], ignore_index=True)
    joined = files[["kind", "url", *IDS]].merge(done.drop_duplicates("url"), on="url", how="left")
    for name in ("ra", "dec"):  # of a frame the survey's list knows the centre; of a spectrum its own header counts
        joined[name] = files[name].where(files["kind"] == "frame", joined[name])
    missing = joined["status"].isna()
    if missing.any():
        raise HissError(
            f"{int(missing.sum())} planned files are in no batch, the first {joined['url'][missing].iloc[0]}; "
            "delete the results' folder sky/fetched and run the same command again"
        )
    here = joined["status"] != "rejected"
    _demand_some(joined, here)
    refused = joined[~here].assign(stage="fetch")[SET_ASIDE]
    catalogue = tables[tables["name"].isin(["gal_info", "gal_totsfr"])].rename(columns={"name": "kind"})
    manifest = pd.concat([joined[here], catalogue], ignore_index=True)
    manifest = manifest.reindex(columns=COLUMNS).sort_values("path", ignore_index=True)
    types = {name: "Int64" for name in IDS if name != "band"} | {"size": "int64", "ra": "float64", "dec": "float64"}
    manifest = manifest.astype(types)
    _add_positions(manifest, Path(root), threads)
    return manifest, refused.sort_values("path", ignore_index=True).astype(object)


def _demand_some(files: pd.DataFrame, here: pd.Series) -> None:
    """Raise when the archive has nothing of a kind: then it is not the files that are missing."""
    for kind, name in (("frame", "frames"), ("spectrum", "spectra")):
        of_kind = files["kind"] == kind
        if of_kind.any() and not (of_kind & here).any():
            first = files["reason"][of_kind].iloc[0]
            raise HissError(
                f"none of the {int(of_kind.sum()):,} {name} planned could be had, the first {first}; "
                "correct sky.archive.base_url, or ask again with snakemake --forcerun fetch_batch"
            )


def _add_positions(manifest: pd.DataFrame, root: Path, threads: int) -> None:
    """Read where spectra point that the fetch did not look into, in place."""
    blank = manifest.index[(manifest["kind"] == "spectrum") & manifest["ra"].isna()]
    if len(blank):
        with ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(position_of, (root / path for path in manifest["path"][blank])))
        manifest.loc[blank, ["ra", "dec"]] = np.array(found)
