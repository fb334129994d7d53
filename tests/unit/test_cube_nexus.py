"""What H5Web and silx see of sparse.h5, links.h5 and dense.h5 in both modes: a picture, with sigma, axes and units."""

import h5py
import numpy as np
import pytest
import silx.io
from silx.io import nxdata

from hiss.bands import BANDS, FLUX_UNIT

FILES = ("sparse.h5", "links.h5", "dense.h5")


@pytest.fixture(scope="module", params=[(mode, name) for mode in ("full", "targets") for name in FILES], ids=" ".join)
def path(small_cube, request):
    mode, name = request.param
    return small_cube(mode) / name


def nxdata_groups(file):
    groups = []

    def visit(_name, item):
        if isinstance(item, h5py.Group) and item.attrs.get("NX_class") == "NXdata":
            groups.append(item)

    file.visititems(visit)
    return groups


def test_a_file_opens_on_a_picture(path):
    with silx.io.open(path) as file:
        shown = nxdata.get_default(file)
        assert shown is not None
        assert shown.is_valid
        assert not shown.issues
        assert shown.interpretation == "image"
        assert shown.signal.ndim >= 2
        picture = shown.signal[(0,) * (shown.signal.ndim - 2)]
        assert np.isfinite(picture).all()
        assert picture.min() < picture.max()
        if path.name != "links.h5":
            assert shown.signal_name == f"flux ({FLUX_UNIT})"
            assert shown.errors.shape == shown.signal.shape


def test_every_default_leads_on_to_a_picture(path):
    with h5py.File(path) as file:
        assert file.attrs["NX_class"] == "NXroot"
        group, classes = file, []
        while group.attrs.get("NX_class") != "NXdata":
            group = file[group.attrs["default"]]
            classes.append(group.attrs["NX_class"])
        assert classes[0] == "NXentry"
        assert group.attrs["signal"] in group
        led = [item for item in (file[name] for name in groups_of(file)) if "default" in item.attrs]
        for item in led:
            assert file[item.attrs["default"]].attrs["NX_class"] in ("NXdata", "NXcollection", "NXentry")


def groups_of(file):
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Group) else None)
    return names


def test_every_group_to_be_shown_is_valid_and_labelled(path):
    with h5py.File(path) as file:
        groups = nxdata_groups(file)
        assert groups
        for group in groups:
            shown = nxdata.NXdata(group)
            assert shown.is_valid, (group.name, shown.issues)
            signal = shown.signal
            assert shown.interpretation == signal.attrs["interpretation"]
            if signal.name.endswith("coverage"):
                continue
            assert signal.attrs["units"] == group["errors"].attrs["units"] == FLUX_UNIT
            assert shown.errors.shape == signal.shape
            if shown.interpretation == "spectrum":
                assert shown.axes_names == [None, "vacuum wavelength (Angstrom)"]
                assert group["wl"].attrs["units"] == "Angstrom"
                assert (np.diff(shown.axes[-1][:]) > 0).all()


def test_a_stack_is_shown_in_r_first(small_cube):
    with h5py.File(small_cube("full") / "dense.h5") as file:
        for group in nxdata_groups(file):
            if "image" in group.name:
                place = list(group.attrs["default_slice"])
                assert len(place) == group[group.attrs["signal"]].ndim
                assert place == ["0", str(BANDS.index("r")), ".", "."]
                assert list(group[group.attrs["signal"]].attrs["bands"]) == list(BANDS)


def test_columns_with_a_unit_say_it(path):
    with h5py.File(path) as file:
        for name in ("dense_cube/targets", "semi_sparse_cube/0/images/image_table"):
            if name in file:
                assert "ra, dec: deg" in file[name].attrs["units"]
