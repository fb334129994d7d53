"""Frames out of bzip2: the same FITS bytes, whatever happens on the way."""

import bz2
import gzip
import hashlib
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest

from hiss.errors import HissError
from hiss.sdss import repack
from hiss.sdss.fetch import Limits, fetch_files
from hiss.sdss.fetch_one import Wanted
from hiss.sdss.frame import read_frame
from hiss.sdss.manifest import files_of, make_manifest

FRAME = "301/2820/3/frame-u-002820-3-0122.fits.bz2"
SPECTRUM = "spec-0266-51602-0001.fits"
UNPACK = {"plain": lambda content: content, "gzip": gzip.decompress}


@pytest.fixture
def tree(tmp_path, sdss_files) -> Path:
    (tmp_path / "tree/301/2820/3").mkdir(parents=True)
    shutil.copy(sdss_files / "images" / FRAME, tmp_path / "tree" / FRAME)
    shutil.copy(next(sdss_files.rglob(SPECTRUM)), tmp_path / "tree")
    return tmp_path / "tree"


@pytest.fixture
def raw(tmp_path) -> Path:
    return tmp_path / "raw"


def fetch(tree, raw, *paths):
    paths = paths or (FRAME, SPECTRUM)
    return fetch_files([Wanted(path, f"{tree.as_uri()}/{path}") for path in paths], raw, Limits(2, 0, 5.0, 0.01))


@pytest.mark.parametrize("form", ["plain", "gzip"])
@pytest.mark.parametrize("keep", [True, False])
def test_the_new_form_has_the_same_fits_bytes_and_is_read_alike(tree, raw, form, keep):
    table = repack.repack_frames(
        fetch(tree, raw, FRAME, SPECTRUM, "none/frame-u-000001-1-0001.fits.bz2"), raw, form, keep
    )
    new = FRAME.removesuffix(".bz2") + {"plain": "", "gzip": ".gz"}[form]
    assert table["path"].tolist() == [new, SPECTRUM, "none/frame-u-000001-1-0001.fits.bz2"]
    content = (raw / new).read_bytes()
    assert UNPACK[form](content) == bz2.decompress((tree / FRAME).read_bytes())
    assert table["sha256"].iloc[0] == hashlib.sha256(content).hexdigest()
    assert table["size"].iloc[0] == len(content)
    assert (raw / FRAME).exists() == keep
    one, other = read_frame(raw / new), read_frame(tree / FRAME)
    assert np.array_equal(one.image, other.image)
    assert files_of(make_manifest(raw), "frame")["path"].tolist() == [new]


@pytest.mark.parametrize("keep", [True, False])
def test_nothing_is_done_twice(tree, raw, keep, monkeypatch):
    first = repack.repack_frames(fetch(tree, raw), raw, "gzip", keep)
    shutil.move(tree, tree.with_name("away"))
    tree.mkdir()
    again = fetch(tree, raw)
    assert again["status"].tolist() == ["present", "present"], "what was repacked is not fetched again"
    monkeypatch.setattr(repack, "_write", None)
    table = repack.repack_frames(again, raw, "gzip", keep)
    assert table[["path", "size", "sha256"]].equals(first[["path", "size", "sha256"]])


def test_the_rule_alone_can_be_run_again_when_the_bzip2_file_is_gone(tree, raw):
    fetched = fetch(tree, raw)
    first = repack.repack_frames(fetched, raw, "plain", keep=False)
    assert repack.repack_frames(fetched, raw, "plain", keep=False).equals(first)
    (raw / first["path"].iloc[0]).unlink()
    with pytest.raises(HissError, match="the frame is gone; fetch its batch again"):
        repack.repack_frames(fetched, raw, "plain", keep=False)


def test_a_repacked_form_that_was_changed_is_made_again(tree, raw):
    fetched = fetch(tree, raw)
    first = repack.repack_frames(fetched, raw, "plain")
    (raw / first["path"].iloc[0]).write_bytes(b"SIMPLE  =")
    assert repack.repack_frames(fetched, raw, "plain").equals(first)
    assert (raw / first["path"].iloc[0]).read_bytes() == bz2.decompress((tree / FRAME).read_bytes())


def test_a_damaged_frame_stays_as_it_is_and_keeps_its_bytes(tree, raw, capsys):
    fetched = fetch(tree, raw)
    damaged = (raw / FRAME).read_bytes()[:100_000]
    (raw / FRAME).unlink()
    (raw / FRAME).write_bytes(damaged)
    table = repack.repack_frames(fetched, raw, "plain", keep=False)
    assert table["path"].iloc[0] == FRAME
    assert table["sha256"].iloc[0] == hashlib.sha256(damaged).hexdigest()
    assert (raw / FRAME).read_bytes() == damaged
    assert "cannot be repacked" in capsys.readouterr().err


def test_what_is_read_back_otherwise_than_it_was_written_stops(tree, raw, monkeypatch):
    fetched = fetch(tree, raw)
    monkeypatch.setattr(repack.gzip, "compress", lambda content, *_, **__: _packed(content[:-1]))
    with pytest.raises(HissError, match="not what was read"):
        repack.repack_frames(fetched, raw, "gzip", keep=False)
    assert (raw / FRAME).exists()
    assert not (raw / FRAME).with_suffix(".gz").exists()


def _packed(content: bytes) -> bytes:
    packer = zlib.compressobj(1, wbits=31)
    return packer.compress(content) + packer.flush()
