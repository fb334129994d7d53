"""A tree of the archive, a server on the loopback that has it, and a folder to fetch into."""

import bz2
import gzip
from pathlib import Path

import pytest
from archive_server import ArchiveServer
from fetched_tree import FOLDER, SPECTRA, fits_bytes, put


@pytest.fixture
def tree(tmp_path) -> Path:
    """Four frames, two spectra and a catalogue in the archive's own tree."""
    root = tmp_path / "archive"
    for field in range(4):
        put(root, f"{FOLDER}/frame-r-000094-1-{field:04d}.fits.bz2", bz2.compress(fits_bytes(field)))
    for fiber in (1, 2):
        put(root, f"{SPECTRA}/spec-0266-51602-{fiber:04d}.fits", fits_bytes(10 + fiber))
    put(root, "catalogue/gal_info_dr7_v5_2.fit.gz", gzip.compress(fits_bytes(20)))
    return root


@pytest.fixture
def server(tree):
    with ArchiveServer(tree) as running:
        yield running


@pytest.fixture
def raw(tmp_path) -> Path:
    return tmp_path / "raw"
