"""A cube in one file of the public format: pictures, references, bytes, and what is documented to differ."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import silx.io
from exchanged_cubes import virtual_copy
from silx.io import nxdata

from hiss.cube.layout import (
    ml_image_data,
    ml_image_group,
    ml_spectrum_data,
)
from hiss.cube.single import export_single
from hiss.errors import HissError


def pictures(path: Path) -> nxdata.NXdata:
    """What silx shows first of a file."""
    with silx.io.open(str(path)) as file:
        default = nxdata.get_default(file)
        assert default is not None, f"{path}: a viewer finds no picture"
        assert default.is_valid, default.issues
        assert not default.issues
        assert default.signal.size > 0
        return default.signal_dataset_name, tuple(default.signal.shape)


def test_master_and_single_file_open_on_a_picture(ours, windows, adopted):
    for made in (ours, windows):
        for path in (made.hiss_cube, made.hiss_cube_single):
            assert pictures(path) == ("cutout_3d_cube_zoom_0", (1, 5, 64, 64))
    assert pictures(adopted.dense) == ("cutout_3d_cube_zoom_0", (1, 5, 64, 64))
    assert pictures(adopted.sparse) == ("data", (6, 1489, 2048))
    assert pictures(adopted.links) == ("coverage", (4, 5))


def test_the_master_shows_every_member_of_its_parts_also_when_moved(ours, windows, tmp_path):
    for made in (ours, windows):
        folder = tmp_path / f"moved_{made.folder.name}"
        shutil.copytree(made.folder, folder)
        with h5py.File(folder / "hiss_cube.h5") as master:
            for part in ("sparse", "links", "dense"):
                with h5py.File(folder / f"{part}.h5") as source:
                    names: list[str] = []
                    source.visit(names.append)
                    for name in names:
                        assert (
                            master[name].shape == source[name].shape if hasattr(source[name], "shape") else master[name]
                        )
            assert not [path for path in external_links(master) if Path(path).is_absolute()]


def external_links(group: h5py.Group) -> list[str]:
    found = []
    for name in group:
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            found.append(link.filename)
        elif isinstance(group[name], h5py.Group):
            found += external_links(group[name])
    return found


def deviations(public: h5py.File, single: h5py.File) -> set[tuple[str, str]]:
    """What of a public file a reader would not find in ours: (leaf or field, what)."""
    found = set()

    def compare(name: str, item: h5py.HLObject) -> None:
        if name not in single:
            found.add((name, "missing"))
            return
        mine, leaf = single[name], name.rpartition("/")[2]
        if isinstance(item, h5py.Dataset):
            assert mine.ndim == item.ndim, name
            for field in item.dtype.names or [""]:
                theirs, own = (one.dtype[field] if field else one.dtype for one in (item, mine))
                if theirs != own:
                    found.add((f"{leaf}.{field}", f"{theirs} {own}"))
            assert list(item.dtype.names or ()) == list(mine.dtype.names or ()), name
        for key, value in item.attrs.items():
            if key not in mine.attrs:
                found.add((f"{leaf}@{key}", "missing"))
            elif isinstance(value, h5py.Reference):
                assert single[mine.attrs[key]] == single[public[value].name], (name, key)
            else:
                assert np.array_equal(mine.attrs[key], value) or key.endswith("_count"), (name, key)

    compare("/", public["/"])
    public.visititems(compare)
    return found


def test_the_single_file_is_the_public_format_but_for_what_is_documented(ours, sdss_files, repo):
    with h5py.File(sdss_files / "public_hiss_cube_small.h5") as public, h5py.File(ours.hiss_cube_single) as single:
        found = deviations(public, single)
    section = (repo / "docs" / "cube-format.md").read_text().partition("## One file in the public format")[2]
    section = section.partition("\n## ")[0]
    rows = [line.split("|")[1:4] for line in section.splitlines() if line.startswith("| `")]
    documented = {(row[0].strip().strip("`"), f"{row[1].strip()} {row[2].strip()}") for row in rows}
    assert found == documented


@pytest.mark.parametrize("mode", ["full", "targets"])
def test_every_reference_of_the_single_file_resolves_in_it(ours, windows, mode):
    made = ours if mode == "full" else windows
    with h5py.File(made.hiss_cube_single) as file, h5py.File(made.dense) as dense:
        assert not external_links(file)
        followed = dict.fromkeys(("object", "window", "row"), 0)
        names: list[str] = []
        file.visit(names.append)
        for name in names:
            for value in file[name].attrs.values():
                if isinstance(value, h5py.Reference):
                    assert isinstance(file[value], h5py.Dataset), name
                    followed["object"] += 1
            if isinstance(file[name], h5py.Dataset) and "ds_path" in (file[name].dtype.names or ()):
                table = file[name][:].ravel()
                for row in table[table["ds_path"] != b""]:
                    target = file[row["ds_path"]]
                    assert row["ds_slice_idx"] < len(target)
                    if row["x_max"]:
                        window = target[row["ds_slice_idx"], row["x_min"] : row["x_max"], row["y_min"] : row["y_max"]]
                        assert window.shape == (row["x_max"] - row["x_min"], row["y_max"] - row["y_min"])
                        followed["window"] += 1
                    followed["row"] += 1
        row = file[f"{ml_image_group(0)}/image_cutout_refs"][0, 2, 0]
        pixels = file[row["ds_path"]][row["ds_slice_idx"], row["x_min"] : row["x_max"], row["y_min"] : row["y_max"]]
        assert np.array_equal(pixels, dense[ml_image_data(0)][0, 2])
        assert file["star_formation_rates"].dtype.names[:3] == ("PLATEID", "MJD", "FIBERID")
    assert min(followed.values()) > 10


def test_the_single_file_has_the_same_bytes_in_every_array(ours, windows):
    for made in (ours, windows):
        with (
            h5py.File(made.hiss_cube_single) as single,
            h5py.File(made.sparse) as sparse,
            h5py.File(made.dense) as dense,
        ):
            for source in (sparse, dense):
                names: list[str] = []
                source.visit(names.append)
                for name in names:
                    if isinstance(source[name], h5py.Dataset):
                        assert single[name][()].tobytes() == source[name][()].tobytes(), name
                        assert single[name].compression == source[name].compression


def test_a_cube_in_shards_is_exported_whole_and_a_missing_shard_is_named(ours, tmp_path):
    dense = virtual_copy(ours.dense, tmp_path / "cube")
    export_single(ours.sparse, ours.links, dense, tmp_path / "single.h5")
    with h5py.File(tmp_path / "single.h5") as single, h5py.File(ours.dense) as source:
        for name in (ml_image_data(0), ml_spectrum_data(1)):
            assert not single[name].is_virtual
            assert np.array_equal(single[name][:], source[name][:], equal_nan=True)
        assert "shards" not in single
    dense = dense.rename(dense.with_name("again.h5"))
    dense.with_name("shard.h5").unlink()
    with pytest.raises(HissError, match=r"shard\.h5: this shard of .* is missing"):
        export_single(ours.sparse, ours.links, dense, tmp_path / "again.h5")
    assert not (tmp_path / "again.h5").exists()
