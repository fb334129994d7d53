"""Shards: every spectrum in one, every frame where it is needed, and only what changed written anew."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiss.bands import BANDS
from hiss.cube.index import healpix_cell
from hiss.cube.links import FRAME_RADIUS_ARCMIN
from hiss.cube.neighbours import Neighbours
from hiss.cube.shard_files import write_shards
from hiss.cube.shards import field_centers, plan_shards
from hiss.cube.targets import FRIENDS_ARCSEC
from hiss.sdss.catalogue import read_sfr_catalogue
from hiss.sdss.manifest import COLUMNS, make_manifest

PARTS = ("sparse", "links", "dense")
SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"


def synthetic(spectra, fields):
    """A manifest of spectra at positions, and of five frames of each field at its own."""
    rows = [
        {"kind": "spectrum", "path": f"s{n:05d}", "plate": 1, "mjd": 1, "fiber": n, "ra": ra, "dec": dec}
        for n, (ra, dec) in enumerate(spectra)
    ]
    for n, (ra, dec) in enumerate(fields):
        place = {"run": 1 + n // 3, "camcol": 1, "field": n, "ra": ra, "dec": dec}
        rows += [{"kind": "frame", "path": f"f{n:05d}{band}", "band": band, **place} for band in BANDS]
    manifest = pd.DataFrame(rows, columns=COLUMNS).assign(size=1, sha256="")
    return manifest.astype(dict.fromkeys(["run", "camcol", "field", "plate", "mjd", "fiber"], "Int64"))


def planned(spectra, fields, order, radius=1.5):
    manifest = synthetic(spectra, fields)
    return plan_shards(manifest, field_centers(manifest, Path("nowhere")), order, radius)


near = st.tuples(st.floats(0, 0.5), st.floats(-0.3, 0.3)).map(lambda place: (place[0] % 360, place[1]))
anywhere = st.tuples(st.floats(0, 360, exclude_max=True), st.floats(-90, 90))
positions = st.lists(st.one_of(near, anywhere, st.just((np.nan, np.nan))), max_size=25)


@settings(deadline=None, max_examples=60)
@given(spectra=positions, fields=positions, order=st.integers(0, 9))
def test_every_spectrum_is_in_one_shard_with_all_its_frames(spectra, fields, order):
    if not spectra and not fields:
        return
    shards = planned(spectra, fields, order)
    parts = pd.concat([part.assign(shard=name) for name, part in shards.manifests.items()], ignore_index=True)
    of_spectra, of_frames = parts[parts["kind"] == "spectrum"], parts[parts["kind"] == "frame"]
    assert sorted(of_spectra["path"]) == [f"s{n:05d}" for n in range(len(spectra))]
    assert set(of_frames["path"]) == {f"f{n:05d}{band}" for n in range(len(fields)) for band in BANDS}
    assert not of_frames.duplicated(["shard", "path"]).any()
    assert shards.table["frames"].sum() == 5 * len(fields)
    assert (shards.table["frames"] + shards.table["borrowed"]).sum() == len(of_frames)
    assert list(shards.manifests) == shards.table["shard"].tolist()
    placed = of_frames.dropna(subset="ra")
    for name, mine in of_spectra.dropna(subset="ra").groupby("shard"):
        there = placed[placed["shard"] == name]["path"]
        _, needed = Neighbours(placed["ra"].to_numpy(), placed["dec"].to_numpy()).within(
            mine["ra"].to_numpy(), mine["dec"].to_numpy(), FRAME_RADIUS_ARCMIN / 60
        )
        assert set(placed["path"].to_numpy()[needed]) <= set(there)


@settings(deadline=None, max_examples=60)
@given(spectra=st.lists(near, min_size=1, max_size=20), order=st.integers(6, 12), radius=st.sampled_from([1.5, 60.0]))
def test_spectra_of_one_target_are_in_one_shard(spectra, order, radius):
    pairs = [*spectra, *((ra, dec + 0.9 * radius / 3600) for ra, dec in spectra)]
    shards = planned(pairs, [], order, radius)
    home = {path: name for name, part in shards.manifests.items() for path in part["path"]}
    assert all(home[f"s{n:05d}"] == home[f"s{n + len(spectra):05d}"] for n in range(len(spectra)))


def test_a_group_across_a_border_is_where_its_first_spectrum_is():
    ra = np.linspace(30, 34, 4001)
    cell = healpix_cell(ra, np.zeros(len(ra)), 6)
    border = ra[np.flatnonzero(np.diff(cell))[0]]
    step = 0.9 * FRIENDS_ARCSEC / 3600
    chain = [(border + step * n, 0.0) for n in range(-3, 6)]
    assert len(planned(chain, [], 6).table) == 1
    assert len(planned([*chain, (border + 1.5, 0.0)], [], 6).table) > 1


def test_frames_without_spectra_and_spectra_without_frames_are_shards_too():
    shards = planned([(10.0, 0.0)], [(100.0, 40.0)], 3)
    assert shards.table[["frames", "spectra", "borrowed"]].to_numpy().tolist() in (
        [[0, 1, 0], [5, 0, 0]],
        [[5, 0, 0], [0, 1, 0]],
    )


def test_files_without_a_position_go_to_the_first_shard():
    shards = planned([(np.nan, np.nan), (200.0, 10.0)], [(np.nan, np.nan)], 4)
    assert shards.table[["frames", "spectra"]].to_numpy().tolist() == [[5, 2]]
    assert planned([(np.nan, np.nan)], [], 4).table["shard"].tolist() == ["4-0"]


def test_a_new_field_changes_only_the_shards_it_touches(tmp_path):
    spectra = [(10.0, 0.0), (40.0, 0.0), (80.0, 0.0)]
    catalogue = pd.DataFrame({"plate": [1, 1], "mjd": [1, 1], "fiber": [1, 9], "avg": [0.5, 0.7]})
    first = planned(spectra, [(10.0, 0.0)], 4)
    assert write_shards(tmp_path, first, catalogue) == first.table["shard"].tolist()
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    assert write_shards(tmp_path, first, catalogue) == []
    second = planned(spectra, [(10.0, 0.0), (40.05, 0.05)], 4)
    (changed,) = write_shards(tmp_path, second, catalogue)
    assert second.manifests[changed]["kind"].tolist().count("frame") == 5
    assert changed in first.manifests
    assert {path.parent.name for path, time in times.items() if path.stat().st_mtime_ns != time} == {changed}
    rates = {name: len(read_sfr_catalogue(*rates_of(tmp_path / name))) for name in first.manifests}
    assert sorted(rates.values()) == [0, 0, 1], "each shard has its own spectra's rows of the catalogue"


def rates_of(folder):
    return folder / "gal_info.fits", folder / "gal_totsfr.fits"


def test_a_damaged_file_of_a_shard_is_written_again_and_a_lost_shard_named(tmp_path, capsys):
    catalogue = pd.DataFrame({"plate": [1], "mjd": [1], "fiber": [0], "avg": [0.5]})
    shards = planned([(10.0, 0.0), (40.0, 0.0)], [], 4)
    write_shards(tmp_path, shards, catalogue)
    first, second = shards.table["shard"]
    (tmp_path / first / "gal_info.fits").write_bytes(b"damaged")
    assert write_shards(tmp_path, shards, catalogue) == [first]
    (tmp_path / second / "manifest.parquet").write_bytes(b"damaged")
    assert write_shards(tmp_path, shards, catalogue) == [second]
    write_shards(tmp_path, planned([(10.0, 0.0)], [], 4), catalogue)
    assert "the folder can be deleted" in capsys.readouterr().err


def test_centres_of_real_fields_come_out_of_one_header_each(sdss_files):
    manifest = make_manifest(sdss_files)
    fields = field_centers(manifest, sdss_files, threads=2)
    assert fields[["run", "field"]].to_numpy().tolist() == [[2820, 122], [4948, 199]]
    assert fields["ra"].tolist() == pytest.approx([38.3298, 38.3486], abs=2e-3)
    assert fields["dec"].tolist() == pytest.approx([-0.1072, -0.1047], abs=2e-3)


def test_a_field_whose_first_header_is_damaged_is_placed_by_the_next(sdss_files, tmp_path):
    for path in sorted((sdss_files / "images").rglob("frame-[ug]-002820*")):
        (tmp_path / path.name).write_bytes(path.read_bytes()[:500_000])
    (tmp_path / "frame-u-002820-3-0122.fits.bz2").write_bytes(b"BZh9nothing")
    (tmp_path / "frame-r-000094-1-0011.fits.bz2").write_bytes(b"")
    (tmp_path / "spec-0266-51602-0001.fits").write_bytes(b"")
    fields = field_centers(make_manifest(tmp_path), tmp_path)
    assert fields["run"].tolist() == [94, 2820]
    assert np.isnan(fields["ra"][0])
    assert fields["ra"][1] == pytest.approx(38.3294, abs=1e-3)
