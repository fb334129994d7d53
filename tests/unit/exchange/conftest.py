"""The real field's cube in every form of the exchange; tests only read them."""

import bz2
import shutil

import pandas as pd
import pytest
from exchanged_cubes import GALAXY, STAR, adopt, build
from public_cube import make_public

from hiss.files import write_table
from hiss.sdss.catalogue import catalogue_from_csv, write_sfr_catalogue
from hiss.sdss.manifest import make_manifest


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def ours(raw, tmp_path_factory):
    return build(raw, tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="session")
def windows(raw, tmp_path_factory):
    return build(raw, tmp_path_factory.mktemp("windows"), mode="targets", compression="gzip")


@pytest.fixture(scope="session")
def public(ours, tmp_path_factory):
    return make_public(ours.hiss_cube_single, tmp_path_factory.mktemp("public") / "public.h5")


@pytest.fixture(scope="session")
def adopted(public, tmp_path_factory):
    return adopt(public, tmp_path_factory.mktemp("adopted"))
