"""Cubes in the public format: ours written as one file, theirs read in place of a build."""

import bz2
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import silx.io
from public_cube import APERTURES, make_public
from silx.io import nxdata

import hiss.cube
from hiss.bands import BANDS, FLUX_UNIT
from hiss.config.cube import Cube
from hiss.cube.adopt import AdoptedFiles, adopt_cube
from hiss.cube.comm import Alone
from hiss.cube.dense import build_dense
from hiss.cube.intact import verify
from hiss.cube.layout import (
    ZOOMS,
    ml_image_data,
    ml_image_group,
    ml_spectrum_data,
    ml_spectrum_group,
)
from hiss.cube.links import build_links
from hiss.cube.master import build_master
from hiss.cube.options import Options
from hiss.cube.shard_sources import write_sources
from hiss.cube.single import export_single
from hiss.cube.sparse import SparseInputs, build_sparse
from hiss.errors import HissError
from hiss.files import read_table, write_table
from hiss.sample.accounts import check_accounts, image_table, target_spectra
from hiss.sample.export import export_zoom, objects_table
from hiss.sdss.catalogue import catalogue_from_csv, write_sfr_catalogue
from hiss.sdss.manifest import make_manifest

STAR = ("spec-3126-54804-0211", "spec-3127-54835-0622", "spec-7330-56684-0434")
GALAXY = "spec-4238-55455-0037"


@pytest.fixture(scope="module")
def raw(sdss_files, tmp_path_factory):
    """The real field with a label for one of the star's spectra, so that there is something to learn from."""
    folder = tmp_path_factory.mktemp("raw")
    sky = folder / "sky"
    sky.mkdir()
    for packed in (sdss_files / "images").rglob("frame-*.bz2"):
        (sky / packed.stem).write_bytes(bz2.decompress(packed.read_bytes()))
    for name in (*STAR, GALAXY):
        shutil.copy(sdss_files / "spectra" / f"{name}.fits", sky)
    write_table(folder / "manifest.parquet", make_manifest(sky))
    rates = catalogue_from_csv(sdss_files / "labels" / "mpajhu_dr7_sfr_107rows.csv")
    label = rates.iloc[[0]].assign(plate=3127, mjd=54835, fiber=622, avg=-0.25, flag=0, z=0.125)
    rates = pd.concat([rates, label], ignore_index=True)
    write_sfr_catalogue(rates, folder / "gal_info_dr7_v5_2.fit", folder / "gal_totsfr_dr7_v5_2.fits")
    return folder


@dataclass(frozen=True)
class Built:
    """A folder with a cube of our own and what it was exported as."""

    folder: Path

    def __getattr__(self, name: str) -> Path:
        return self.folder / f"{name}.h5"


def build(raw: Path, folder: Path, **chosen) -> Built:
    options = Options.of(json.loads(Cube(**chosen).for_build()))
    inputs = SparseInputs(
        raw / "manifest.parquet", raw / "sky", raw / "gal_info_dr7_v5_2.fit", raw / "gal_totsfr_dr7_v5_2.fits"
    )
    made = Built(folder)
    build_sparse(Alone(), inputs, options, made.sparse, folder / "sparse_rejects.parquet")
    build_links(made.sparse, made.links, options.link_radius_arcmin)
    build_dense(Alone(), made.sparse, made.links, options, made.dense, folder / "dense_rejects.parquet")
    build_master(made.sparse, made.links, made.dense, made.hiss_cube)
    export_single(made.sparse, made.links, made.dense, made.hiss_cube_single)
    return made


@pytest.fixture(scope="module")
def ours(raw, tmp_path_factory):
    return build(raw, tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def windows(raw, tmp_path_factory):
    return build(raw, tmp_path_factory.mktemp("windows"), mode="targets", compression="gzip")


@pytest.fixture(scope="module")
def public(ours, tmp_path_factory):
    return make_public(ours.hiss_cube_single, tmp_path_factory.mktemp("public") / "public.h5")


def adopt(existing: Path, folder: Path, fiber_arcsec: float | None = 3.0) -> AdoptedFiles:
    folder.mkdir(exist_ok=True)
    names = ("manifest.parquet", "sparse.h5", "links.h5", "dense.h5", "rejects.parquet")
    files = AdoptedFiles(*(folder / name for name in names))
    adopt_cube(existing, files, fiber_arcsec)
    return files


@pytest.fixture(scope="module")
def adopted(public, tmp_path_factory):
    return adopt(public, tmp_path_factory.mktemp("adopted"))


def test_every_file_of_an_adopted_cube_is_accounted_for(adopted):
    rejects = read_table(adopted.rejects)
    accounts = check_accounts(
        read_table(adopted.manifest), image_table(adopted.sparse), target_spectra(adopted.dense), rejects
    )
    assert accounts["frames"] == {"manifest": 6, "in_cube": 6, "rejected": 0}
    assert accounts["spectra"]["manifest"] == 4
    assert "no whole cutout in u g r i z" in rejects.set_index("path").loc[f"{GALAXY}.fits", "reason"]


def test_adopted_and_exported_files_can_be_proved_intact(ours, windows, adopted):
    for path in (
        adopted.sparse,
        adopted.links,
        adopted.dense,
        ours.hiss_cube,
        ours.hiss_cube_single,
        windows.hiss_cube_single,
    ):
        compared = verify(path)
        assert compared["datasets"] > 0 or path == ours.hiss_cube
    with h5py.File(ours.hiss_cube_single) as file:
        assert f"{ml_image_data(0)}_checksums" in file


def test_bands_and_fluxes_of_an_adopted_cube_are_ours(ours, adopted):
    with h5py.File(ours.dense) as first, h5py.File(adopted.dense) as second:
        for zoom in ZOOMS:
            mine, theirs = (file[ml_image_data(zoom)] for file in (first, second))
            assert theirs.attrs["units"] == FLUX_UNIT
            assert list(theirs.attrs["bands"]) == list(BANDS)
            for band in range(1, 5):  # u has two epochs
                np.testing.assert_allclose(theirs[:, band], mine[:, band], rtol=2e-5, atol=1e-6)


def test_sigmas_of_cutouts_are_recomputed_from_the_sparse_errors(ours, adopted):
    with h5py.File(ours.dense) as first, h5py.File(adopted.dense) as second:
        for zoom in ZOOMS:
            mine, theirs = (file[f"{ml_image_group(zoom)}/errors"][:] for file in (first, second))
            np.testing.assert_allclose(theirs[:, 1:], mine[:, 1:], rtol=1e-5)


def test_a_band_stacked_by_its_own_fluxes_is_stacked_anew(ours, public, adopted):
    with h5py.File(ours.dense) as first, h5py.File(adopted.dense) as second, h5py.File(public) as third:
        flux, sigma = first[ml_image_data(0)][0, 0], first[f"{ml_image_group(0)}/errors"][0, 0]
        anew, its_sigma = second[ml_image_data(0)][0, 0], second[f"{ml_image_group(0)}/errors"][0, 0]
        theirs = third[ml_image_data(0)][0, 0] / (APERTURES * 1e-17)
        assert second["dense_cube/targets"]["n_epochs"].tolist() == [[2, 1, 1, 1, 1]]
    assert np.abs((anew - flux) / sigma).max() < 0.2
    np.testing.assert_allclose(its_sigma, sigma, rtol=0.02)
    assert np.abs((theirs - flux) / sigma).max() > 0.9


def test_coarse_spectra_and_their_sigmas_follow_from_zoom_0(ours, adopted):
    with h5py.File(ours.dense) as first, h5py.File(adopted.dense) as second:
        for zoom in ZOOMS:
            flux, mine = (file[ml_spectrum_data(zoom)][:] for file in (first, second))
            sigma, its_sigma = (file[f"{ml_spectrum_group(zoom)}/errors"][:] for file in (first, second))
            assert np.nanmedian(its_sigma / sigma) == pytest.approx(1, abs=0.005)
            assert np.nanstd((mine - flux) / sigma) < 0.35
            assert (
                second[f"{ml_spectrum_group(zoom)}/wl"][:].tolist()
                == first[f"{ml_spectrum_group(zoom)}/wl"][:].tolist()
            )


def test_labels_are_joined_by_plate_mjd_and_fiber(adopted):
    with h5py.File(adopted.dense) as file:
        target = file["dense_cube/targets"][0]
        spectra = pd.DataFrame(file["dense_cube/target_spectra"][:])
    assert (target["plate"], target["avg"], target["flag"], bool(target["has_sfr"])) == (3127, -0.25, 0, True)
    assert target["z"] == pytest.approx(0.125)
    assert target["class"] == b"GALAXY"
    assert spectra.plate.tolist() == [3126, 3127]
    with h5py.File(adopted.sparse) as file:
        assert len(file["star_formation_rates"]) == 108


def test_rates_as_records_are_the_rates_in_blocks(ours, adopted, tmp_path):
    records = adopt(make_public(ours.hiss_cube_single, tmp_path / "records.h5", blocks=False), tmp_path / "out")
    one, two = (objects_table(files.dense) for files in (adopted, records))
    pd.testing.assert_frame_equal(one.drop(columns=["subclass", "class"]), two.drop(columns=["subclass", "class"]))


def test_without_sparse_errors_the_fluxes_stay_and_the_sigmas_are_unknown(ours, public, tmp_path):
    files = adopt(make_public(ours.hiss_cube_single, tmp_path / "public.h5", errors=False), tmp_path / "out")
    with h5py.File(files.dense) as file, h5py.File(public) as source:
        for zoom in ZOOMS:
            assert np.isnan(file[f"{ml_image_group(zoom)}/errors"][:]).all()
            assert np.isfinite(file[ml_image_data(zoom)][:]).all()
        theirs = source[ml_image_data(0)][0, 0] / np.float32(APERTURES * 1e-17)
        np.testing.assert_allclose(file[ml_image_data(0)][0, 0], theirs, rtol=1e-5)
    assert export_zoom(files.dense, 2, tmp_path / "zoom2.h5") == 1


def test_a_cube_of_ours_is_adopted_as_it_is(ours, windows, tmp_path):
    for made in (ours, windows):
        files = adopt(made.hiss_cube_single, tmp_path / made.folder.name)
        with h5py.File(made.dense) as first, h5py.File(files.dense) as second:
            for zoom in ZOOMS:
                errors = [f"{group(zoom)}/errors" for group in (ml_image_group, ml_spectrum_group)]
                for name in (ml_image_data(zoom), ml_spectrum_data(zoom), *errors):
                    np.testing.assert_array_equal(second[name][:], first[name][:])
            one, two = (json.loads(file.attrs["provenance"])["settings"] for file in (first, second))
            assert {**one, "compression": None} == two
            one, two = (file["dense_cube/targets"][:] for file in (first, second))
            for name in ("plate", "objid", "n_epochs", "z", "class"):
                assert one[name].tolist() == two[name].tolist(), name
        master = files.dense.with_name("hiss_cube.h5")
        build_master(files.sparse, files.links, files.dense, master)
        with hiss.cube.open(made.hiss_cube) as first, hiss.cube.open(master) as second:
            one, two = (cube.targets[0].epochs("u") for cube in (first, second))
            assert len(two) == 2
            np.testing.assert_array_equal(two.flux, one.flux)
            np.testing.assert_array_equal(two.sigma, one.sigma)


def test_without_the_pixels_of_the_frames_a_band_of_several_epochs_keeps_its_flux(public, tmp_path):
    lacking = Path(shutil.copy(public, tmp_path / "lacking.h5"))
    with h5py.File(lacking, "r+") as file:
        del file["semi_sparse_cube/0/images/data"]
    files = adopt(lacking, tmp_path / "out")
    with h5py.File(files.dense) as file, h5py.File(public) as source:
        theirs = source[ml_image_data(0)][0, 0] / np.float32(APERTURES * 1e-17)
        np.testing.assert_allclose(file[ml_image_data(0)][0, 0], theirs, rtol=1e-5)
        sigma = file[f"{ml_image_group(0)}/errors"][0]
    assert np.isnan(sigma[0]).all()
    assert np.isfinite(sigma[1:]).all(), "bands of one epoch need its errors alone"


@pytest.mark.parametrize("fiber_arcsec", [2.0, None])
def test_another_aperture_is_taken_from_files_of_either_kind(ours, public, adopted, tmp_path, fiber_arcsec):
    ratio = (2.0 / 3.0) ** 2 if fiber_arcsec else 0.396**2 / (np.pi * 1.5**2)
    for source in (ours.hiss_cube_single, public):
        files = adopt(source, tmp_path / source.stem, fiber_arcsec)
        with h5py.File(adopted.dense) as first, h5py.File(files.dense) as second:
            for name in (ml_image_data(1), f"{ml_image_group(1)}/errors"):
                np.testing.assert_allclose(second[name][:, 1:], first[name][:, 1:] * ratio, rtol=1e-4, atol=1e-6)


def test_arrays_of_the_sparse_part_are_shown_with_their_factors(ours, adopted, tmp_path):
    build_master(adopted.sparse, adopted.links, adopted.dense, adopted.dense.with_name("hiss_cube.h5"))
    with h5py.File(adopted.dense.with_name("hiss_cube.h5")) as file, h5py.File(ours.sparse) as own:
        for zoom in ZOOMS:
            images, mine = (one[f"semi_sparse_cube/{zoom}/images"] for one in (file, own))
            window = np.s_[1, 100 >> zoom : 108 >> zoom, 200 >> zoom : 208 >> zoom]
            flux = images["data"][window] * images.attrs["flux_factor"]
            np.testing.assert_allclose(flux, mine["data"][window], rtol=1e-5)
            sigma = images["errors"][window] * images.attrs["sigma_factor"]
            np.testing.assert_allclose(sigma, mine["errors"][window], rtol=1e-5)
    assert adopted.sparse.stat().st_size < 3e6
    with pytest.raises(HissError, match="one file already"):
        export_single(adopted.sparse, adopted.links, adopted.dense, tmp_path / "single.h5")


def test_the_real_public_file_is_adopted(sdss_files, tmp_path):
    files = adopt(sdss_files / "public_hiss_cube_small.h5", tmp_path)
    with h5py.File(files.dense) as file:
        (target,) = file["dense_cube/targets"][:]
        flux, sigma = file[ml_image_data(0)][0], file[f"{ml_image_group(0)}/errors"][0]
        references = file[f"{ml_image_group(0)}/image_cutout_refs"][0]
    assert target["n_epochs"].tolist() == [2, 1, 1, 1, 1]
    assert (target["n_spectra"], bool(target["has_sfr"])) == (3, False)
    assert references["ds_slice_idx"][:, 0].tolist() == [4, 0, 1, 3, 5]
    assert np.isfinite(flux).all()
    assert np.isnan(sigma).all(), "the pixels of the windows are zero in this file"
    assert read_table(files.rejects)["path"].tolist() == [f"{GALAXY}.fits"]


def test_the_real_public_file_has_our_fluxes(sdss_files, ours, tmp_path):
    files = adopt(sdss_files / "public_hiss_cube_small.h5", tmp_path)
    with h5py.File(files.dense) as first, h5py.File(ours.dense) as second:
        theirs, mine = (file[ml_image_data(0)][0] for file in (first, second))
    for band in range(1, 5):  # its windows begin a pixel lower, and its mantissas have 10 bits
        np.testing.assert_allclose(theirs[band, 1:, 1:], mine[band, :-1, :-1], rtol=1.1e-3)


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


def spoil_missing(file):
    del file["dense_cube/0/ml_image/image_metadata_refs"]


def spoil_wavelengths(file):
    file["dense_cube/0/ml_spectrum/wl"][...] *= 1.1


def spoil_headers(file):
    del file["semi_sparse_cube/0/spectra/metadata"]
    del file["fits_spectra_metadata"]


def spoil_texts(file):
    for name in ("semi_sparse_cube/0/images/metadata", "fits_images_metadata"):
        del file[name]
        file.create_dataset(name, (6,), [("path", "S256"), ("header", "S1000000")])


def spoil_shapes(file):
    name = "dense_cube/0/ml_spectrum/errors"
    short = file[name][:, 1:]
    del file[name]
    file[name] = short


def spoil_units(file):
    file[ml_image_data(0)].attrs["units"] = "Jy"


def spoil_rates(file):
    del file["star_formation_rates"]
    file["star_formation_rates"] = np.zeros(3, [("PLATEID", "i4"), ("MJD", "i4"), ("FIBERID", "i4")])


def spoil_keys(file):
    del file["star_formation_rates"]
    names = [("PLATEID", "i4"), ("MJD", "i4"), ("FIBERID", "i4"), ("AVG", "f4")]
    file["star_formation_rates"] = np.zeros(3, names)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (spoil_missing, "no references dense_cube/0/ml_image/image_metadata_refs"),
        (spoil_wavelengths, "not the HiSS-Cube's 3839.7 to 8914.6 Angstrom"),
        (spoil_headers, "no headers of its spectra"),
        (spoil_texts, "of bounded length"),
        (spoil_shapes, "dense_cube/0/ml_spectrum/errors has the shape (1, 4619) where (1, 4620) is due"),
        (spoil_units, "'Jy', which is not known"),
        (spoil_rates, "star_formation_rates lacks the column avg"),
        (spoil_keys, "names a spectrum twice"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_cube_of_another_structure_is_refused_in_one_sentence(public, tmp_path, spoil, sentence):
    copy = shutil.copy(public, tmp_path / "spoilt.h5")
    with h5py.File(copy, "r+") as file:
        spoil(file)
    with pytest.raises(HissError, match=r"spoilt\.h5") as caught:
        adopt(copy, tmp_path / "out")
    assert sentence in str(caught.value)
    assert not (tmp_path / "out" / "dense.h5").exists()


def test_a_truncated_file_or_one_of_another_kind_is_refused(public, tmp_path):
    whole = public.read_bytes()
    for name, content in (("short.h5", whole[: len(whole) // 2]), ("text.h5", b"not HDF5")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(HissError, match=f"{name}: cannot be read throughout"):
            adopt(tmp_path / name, tmp_path / "out")
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    for name in ("empty.h5", "absent.h5"):
        with pytest.raises(HissError, match=r"name a file of the public HiSS-Cube"):
            adopt(tmp_path / name, tmp_path / "out")


def lose_a_window(file):
    references = file["dense_cube/0/ml_image/image_metadata_refs"]
    rows = references[:]
    rows["ds_slice_idx"][0, 1, 0] = 77
    references[...] = rows


def repeat_a_band(file):
    for name in ("image_metadata_refs", "image_cutout_refs"):
        rows = file[f"dense_cube/0/ml_image/{name}"][:]
        rows[0, 1] = rows[0, 2]
        file[f"dense_cube/0/ml_image/{name}"][...] = rows


def contradict_the_band(file):
    index = file["semi_sparse_cube/0/images/db_index"][:]
    index["wl"][index["wl"] == 6166] = 7480
    file["semi_sparse_cube/0/images/db_index"][...] = index


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lose_a_window, "leads to no readable file"),
        (repeat_a_band, "not one of each band"),
        (contradict_the_band, "leads to no readable file"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_target_with_wrong_references_is_left_out_with_its_reason(public, tmp_path, spoil, reason):
    copy = shutil.copy(public, tmp_path / "spoilt.h5")
    with h5py.File(copy, "r+") as file:
        spoil(file)
    files = adopt(copy, tmp_path / "out")
    rejects = read_table(files.rejects)
    assert reason in rejects.set_index("path").loc[f"{STAR[0]}.fits", "reason"]
    accounts = check_accounts(
        read_table(files.manifest), image_table(files.sparse), target_spectra(files.dense), rejects
    )
    assert accounts["spectra"]["in_cube"] == 0
    if spoil is contradict_the_band:
        assert "the index says 7480 Angstrom" in " ".join(rejects.reason)


def test_a_file_that_the_public_system_could_not_read_is_a_reject(public, tmp_path):
    copy = shutil.copy(public, tmp_path / "holes.h5")
    with h5py.File(copy, "r+") as file:
        rows = file["semi_sparse_cube/0/spectra/metadata"][:]
        del file["semi_sparse_cube/0/spectra/metadata"]
        galaxy = [place for place, path in enumerate(rows["path"]) if GALAXY.encode() in path]
        rows[galaxy] = np.zeros((), rows.dtype)
        file["semi_sparse_cube/0/spectra/metadata"] = rows
    files = adopt(copy, tmp_path / "out")
    rejects = read_table(files.rejects).set_index("path")
    assert "could not be read when the cube was made" in rejects.loc[f"{GALAXY}.fits", "reason"]
    accounts = check_accounts(
        read_table(files.manifest), image_table(files.sparse), target_spectra(files.dense), rejects.reset_index()
    )
    assert accounts["spectra"] == {"manifest": 5, "in_cube": 2, "rejected": 3}


@pytest.mark.parametrize(
    ("kind", "card"),
    [
        ("images", {"NAXIS1": 99_999}),
        ("images", {"TAI": 10**400}),
        ("spectra", {"PLUG_DEC": 1e9}),
        ("spectra", {"PLUG_RA": 10**400}),
        ("spectra", {"TAI": 10**400}),
    ],
    ids=str,
)
def test_a_header_with_a_number_beyond_all_bounds_is_a_reject(public, tmp_path, kind, card):
    copy = shutil.copy(public, tmp_path / "strange.h5")
    with h5py.File(copy, "r+") as file:
        name = f"semi_sparse_cube/0/{kind}/metadata"
        rows = file[name][:]
        rows["header"][0] = json.dumps({**json.loads(rows["header"][0]), **card}).encode()
        file[name][...] = rows
    files = adopt(copy, tmp_path / "out")
    rejects = read_table(files.rejects)
    assert rows["path"][0].decode() in set(rejects[rejects["stage"] == "sparse"]["path"])
    check_accounts(read_table(files.manifest), image_table(files.sparse), target_spectra(files.dense), rejects)


def virtual_copy(source: Path, folder: Path) -> Path:
    """The same file with its large arrays in another one, as a cube in shards has them."""
    folder.mkdir()
    shutil.copy(source, folder / "shard.h5")
    copy = Path(shutil.copy(source, folder / source.name))
    with h5py.File(copy, "r+") as file:
        for name in (ml_image_data(0), ml_spectrum_data(1)):
            dataset = file[name]
            layout = h5py.VirtualLayout(dataset.shape, dataset.dtype)
            layout[...] = h5py.VirtualSource("shard.h5", name, dataset.shape)
            attributes = {key: value for key, value in dataset.attrs.items() if not isinstance(value, h5py.Reference)}
            reference = file[name].attrs["error_ds"]
            del file[name]
            made = file.create_virtual_dataset(name, layout)
            made.attrs.update(attributes)
            made.attrs["error_ds"] = reference
        write_sources(file, "dense", {"shard": ["only"], "path": ["shard.h5"], "provenance": [""]})
    return copy


def test_a_master_of_shards_is_not_adopted(ours, tmp_path):
    dense = virtual_copy(ours.dense, tmp_path / "cube")
    with pytest.raises(HissError, match=r"dense\.h5: is a cube in shards.*export_single"):
        adopt(dense, tmp_path / "out")


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
