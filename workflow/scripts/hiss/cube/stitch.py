"""One cube out of shards: arrays as virtual datasets over the shards' files, tables with their rows renumbered."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from hiss.cube.hdf5 import read_provenance, set_root
from hiss.cube.intact import seal
from hiss.cube.layout import SPECTRA_STAR_FORMATION_RATES, STAR_FORMATION_RATES
from hiss.cube.shard_sources import allow_open_files, write_sources
from hiss.cube.sparse_tables import write_star_formation_rates
from hiss.cube.stitch_rows import Family, dense_families, sparse_families
from hiss.cube.stitch_tree import Stitching
from hiss.errors import HissError
from hiss.files import atomic
from hiss.progress import say
from hiss.provenance import digest, provenance
from hiss.sdss.catalogue import read_sfr_catalogue


@dataclass(frozen=True)
class Shard:
    """One shard's files.

    Attributes
    ----------
    name
        As in its folder's name.
    folder
        With ``sparse.h5``, ``links.h5`` and ``dense.h5``.
    """

    name: str
    folder: Path


def shards_of(files: Iterable[Path | str]) -> list[Shard]:
    """Return the shards that files, one of each, lie in the folders of."""
    return [Shard(Path(file).parent.name, Path(file).parent) for file in files]


def stitch_sparse(
    shards: Sequence[Shard], gal_info: Path | str, gal_totsfr: Path | str, output: Path | str, code: Iterable[Path] = ()
) -> None:
    """Write ``sparse.h5`` over those of the shards, with the whole catalogue of SFRs.

    Parameters
    ----------
    code
        Files of the code that runs, for the provenance record.

    Raises
    ------
    HissError
        A spectrum is in two shards.
    """
    families = sparse_families([shard.folder / "sparse.h5" for shard in shards])
    catalogue = read_sfr_catalogue(gal_info, gal_totsfr)
    record = provenance({"gal_info": gal_info, "gal_totsfr": gal_totsfr}, {}, code)
    with _stitched(shards, "sparse", families, output, record) as stitching:
        stitching.copy({STAR_FORMATION_RATES, SPECTRA_STAR_FORMATION_RATES})
        write_star_formation_rates(stitching.file, catalogue)
    say(f"sparse cube: {len(families['frames'])} frames and {len(families['spectra'])} spectra of {len(shards)} shards")


def stitch_links(shards: Sequence[Shard], sparse: Path | str, output: Path | str, code: Iterable[Path] = ()) -> None:
    """Write ``links.h5`` over those of the shards.

    Parameters
    ----------
    sparse
        The stitched ``sparse.h5``.
    code
        Files of the code that runs, for the provenance record.

    Raises
    ------
    HissError
        A shard's links are of another sparse cube than the one beside them.
    """
    families = sparse_families([shard.folder / "sparse.h5" for shard in shards])
    record = provenance({"sparse": sparse}, {}, code)
    with _stitched(shards, "links", families, output, record) as stitching:
        stitching.copy()
    say(f"links: {len(families['spectra'])} spectra of {len(shards)} shards")


def stitch_dense(
    shards: Sequence[Shard], sparse: Path | str, links: Path | str, output: Path | str, code: Iterable[Path] = ()
) -> None:
    """Write ``dense.h5`` over those of the shards.

    Parameters
    ----------
    sparse, links
        The stitched ones.
    code
        Files of the code that runs, for the provenance record.

    Raises
    ------
    HissError
        A shard's dense cube is of another sparse cube than the one beside it.
    """
    families = sparse_families([shard.folder / "sparse.h5" for shard in shards])
    families |= dense_families([shard.folder / "dense.h5" for shard in shards], families["spectra"])
    record = provenance({"sparse": sparse, "links": links}, {}, code)
    with _stitched(shards, "dense", families, output, record) as stitching:
        stitching.copy()
    say(f"dense cube: {len(families['targets'])} targets of {len(shards)} shards")


@contextmanager
def _stitched(
    shards: Sequence[Shard], part: str, families: Mapping[str, Family], output: Path | str, record: Mapping[str, Any]
) -> Iterator[Stitching]:
    """Open the shards' files and a new one over them, and write the records and checksums at the end."""
    files = [shard.folder / f"{part}.h5" for shard in shards]
    paths = [Path(os.path.relpath(file, Path(output).parent)).as_posix() for file in files]
    allow_open_files(len(files))
    with ExitStack() as stack:
        temporary = stack.enter_context(atomic(output))
        pieces = [stack.enter_context(h5py.File(file, "r")) for file in files]
        records = _records(shards, pieces, part)
        file = stack.enter_context(h5py.File(temporary, "w"))
        yield Stitching(file, pieces, paths, families)
        digests = [digest(one) for one in records]
        write_sources(file, part, {"shard": [shard.name for shard in shards], "path": paths, "provenance": digests})
        settings = {**records[0]["settings"], "shards": len(shards)}
        inputs = {**record["inputs"], "shards": digest(digests)}
        set_root(file, file.attrs["default"], {**record, "settings": settings, "inputs": inputs})
        seal(file)


def _records(shards: Sequence[Shard], pieces: Sequence[h5py.File], part: str) -> list[dict[str, Any]]:
    """Give the shards' provenance records, once it is sure that each is of the sparse cube beside it."""
    records = [read_provenance(piece) for piece in pieces]
    for shard, record in zip(shards, records, strict=True) if part != "sparse" else ():
        with h5py.File(shard.folder / "sparse.h5", "r") as sparse:
            if record["inputs"].get("sparse") != digest(read_provenance(sparse)):
                raise HissError(
                    f"{shard.folder / part}.h5: was not made from the sparse.h5 beside it; remove it and run the same "
                    "command again"
                )
    return records
