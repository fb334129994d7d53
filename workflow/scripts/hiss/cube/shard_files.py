"""The files that a shard is built from; those that did not change stay as they are, so that it is not built again."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from pyarrow import ArrowException

from hiss.cube.shards import Shards
from hiss.files import sha256_of, write_table
from hiss.progress import progress, say
from hiss.sdss.catalogue import KEY, write_sfr_catalogue

MANIFEST: Final = "manifest.parquet"
_RATES: Final = {"gal_info": "gal_info.fits", "gal_totsfr": "gal_totsfr.fits"}


def write_shards(folder: Path | str, shards: Shards, catalogue: pd.DataFrame) -> list[str]:
    """Write, below a folder, each shard's manifest and its spectra's rows of the catalogue of SFRs.

    A shard whose files would say the same again is left alone, their times too. Folders of shards that are no
    more are named, not removed.

    Returns
    -------
    Names of the shards that are new or changed.
    """
    folder = Path(folder)
    changed = []
    for name, rates in progress(_rates(shards, catalogue), len(shards.table), "shards planned"):
        manifest = shards.manifests[name]
        content = _content(manifest, rates)
        here = {key: folder / name / file for key, file in _RATES.items()}
        if _written(folder / name / MANIFEST, here) == content:
            continue
        write_sfr_catalogue(rates, *here.values())
        record = {"inputs": {"content": content, **{key: sha256_of(path) for key, path in here.items()}}}
        write_table(folder / name / MANIFEST, manifest, {"size": "byte"}, record)
        changed.append(name)
    for manifest_path in sorted(folder.glob(f"*/{MANIFEST}")):
        if manifest_path.parent.name not in shards.manifests:
            say(f"{manifest_path.parent}: the sky has no such shard any more; the folder can be deleted")
    return changed


def _rates(shards: Shards, catalogue: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Give the name of each shard and its spectra's rows of the catalogue, in its order."""
    listed = pd.MultiIndex.from_frame(catalogue[KEY])
    for name, manifest in shards.manifests.items():
        spectra = manifest.loc[manifest["kind"] == "spectrum", KEY].astype("int64")
        rows = np.asarray(listed.get_indexer(pd.MultiIndex.from_frame(spectra)))
        yield name, catalogue.take(np.sort(rows[rows >= 0]))


def _content(*tables: pd.DataFrame) -> str:
    digest = hashlib.sha256()
    for table in tables:
        digest.update(table.to_csv(index=False).encode())
    return digest.hexdigest()


def _written(manifest: Path, rates: Mapping[str, Path]) -> str | None:
    """Return the digest of what a shard's files were made of; None where one of them is missing or changed."""
    try:
        metadata = pq.read_schema(manifest).metadata or {}
        inputs = json.loads(metadata[b"provenance"])["inputs"]
        whole = all(inputs[key] == sha256_of(path) for key, path in rates.items())
        return str(inputs["content"]) if whole else None
    except (ArrowException, KeyError, OSError, ValueError):
        return None
