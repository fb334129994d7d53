"""The surroundings of objects: densities of galaxies that are known, and nothing of a label."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import digamma
from small_sample import N, write_small_sample

from hiss.config.experiments import Experiments
from hiss.errors import HissError
from hiss.evaluation.predict import reasons_of
from hiss.files import write_table
from hiss.modality import ENVIRONMENT, Modality
from hiss.models.base import Data
from hiss.models.features import Sources, load_data
from hiss.models.scaling import ScalarScaling
from hiss.runs import plan_variants
from hiss.sample.environment import (
    FARTHEST_MPC,
    comoving_mpc,
    distinct_galaxies,
    galaxies_of,
    measure_environment,
)
from hiss.sdss.catalogue import write_sfr_catalogue

MATCH = 1.5
STEP = 2 / 60  # degrees between galaxies of the lattice
Z = 0.08


def objects_at(ra, dec, z) -> pd.DataFrame:
    ra, dec, z = np.broadcast_arrays(ra, dec, z)
    return pd.DataFrame({"row": np.arange(ra.size), "ra": ra.ravel(), "dec": dec.ravel(), "z": z.ravel()})


def lattice(side=21, z=Z):
    """Galaxies at the corners of squares about (20, 0), their number odd, so that one is in the middle."""
    along = (np.arange(side) - side // 2) * STEP
    ra, dec = np.meshgrid(20 + along, along)
    return ra.ravel(), dec.ravel(), np.full(ra.size, z)


def test_densities_of_a_lattice_are_those_of_its_squares():
    galaxies = distinct_galaxies(*lattice(), MATCH)
    table = measure_environment(objects_at(20.0, 0.0, Z), galaxies, MATCH)
    near = np.radians(STEP) * comoving_mpc([Z])[0]
    for number, distance in ((1, near), (3, near), (5, np.sqrt(2) * near)):
        assert table[f"log_sigma_{number}"][0] == pytest.approx(np.log10(number / (np.pi * distance**2)), abs=1e-4)
    assert table["distance_5"][0] == pytest.approx(np.sqrt(2) * near, rel=1e-4)
    assert table[["count_1arcmin", "count_3arcmin", "count_5arcmin"]].iloc[0].tolist() == [0, 8, 20]
    assert table["limited"][0] == 0
    assert not table["at_edge"][0]


def test_the_object_and_its_repeats_are_no_neighbours():
    ra, dec, z = lattice()
    repeats = np.array([0.3, 0.6, 1.0]) / 3600
    twice = [np.concatenate([values, more]) for values, more in
             zip((ra, dec, z), (20 + repeats, repeats, Z + np.array([0, 1e-4, 2e-4])), strict=True)]  # fmt: skip
    once = measure_environment(objects_at(20.0, 0.0, Z), distinct_galaxies(ra, dec, z, MATCH), MATCH)
    again = measure_environment(objects_at(20.0, 0.0, Z), distinct_galaxies(*twice, MATCH), MATCH)
    pd.testing.assert_frame_equal(once, again)
    elsewhere = (ra != 20.0) | (dec != 0.0)
    without = distinct_galaxies(ra[elsewhere], dec[elsewhere], z[elsewhere], MATCH)
    pd.testing.assert_frame_equal(once, measure_environment(objects_at(20.0, 0.0, Z), without, MATCH))


def test_galaxies_are_counted_once_and_only_with_a_place_and_a_redshift():
    ra, dec = [10, 10 + 0.5 / 3600, 11, 12, np.nan], [0, 0, 0, 0, 0]
    found = distinct_galaxies(ra, dec, [0.1, 0.1, np.nan, 0.001, 0.1], MATCH)
    assert found.ra.tolist() == [10]
    assert len(distinct_galaxies([], [], [], MATCH)) == 0


def test_neighbours_of_another_velocity_are_counted_on_the_sky_alone():
    ra, dec, _ = lattice()
    inside, outside = (Z + share * (1 + Z) * 1000 / 299792.458 for share in (0.98, 1.02))
    within, beyond = (
        measure_environment(objects_at(20.0, 0.0, Z), distinct_galaxies(ra, dec, np.full(ra.size, z), MATCH), MATCH)
        for z in (inside, outside)
    )
    assert within["limited"][0] == 0
    assert beyond["limited"][0] == 3
    assert beyond["count_5arcmin"][0] == within["count_5arcmin"][0] == 20
    assert beyond["log_sigma_3"][0] == pytest.approx(np.log10(3 / (np.pi * FARTHEST_MPC**2)))


def test_a_field_of_chance_has_its_own_density():
    """Of a Poisson field of density l, pi l d_N^2 follows a gamma distribution: <ln(Sigma_N / l)> = ln N - psi(N)."""
    rng = np.random.default_rng(3)
    side, n = 6.0, 14000  # degrees
    dec = np.degrees(np.arcsin(rng.uniform(-1, 1, n) * np.sin(np.radians(side / 2))))
    galaxies = distinct_galaxies(rng.uniform(0, side, n), dec, np.full(n, Z), MATCH)
    area = np.radians(side) * 2 * np.sin(np.radians(side / 2)) * comoving_mpc([Z])[0] ** 2
    asked = objects_at(rng.uniform(1, side - 1, 3000), rng.uniform(1 - side / 2, side / 2 - 1, 3000), Z)
    table = measure_environment(asked, galaxies, MATCH)
    for number in (1, 3, 5):
        ratio = np.log(10) * table[f"log_sigma_{number}"] - np.log(len(galaxies) / area)
        assert ratio.mean() == pytest.approx(np.log(number) - digamma(number), abs=0.06), number
    per_arcmin = len(galaxies) / (np.degrees(area**0.5 / comoving_mpc([Z])[0]) * 60) ** 2
    assert table["count_5arcmin"].mean() == pytest.approx(np.pi * 25 * per_arcmin, rel=0.05)
    assert table["at_edge"].mean() < 0.01


def test_what_has_too_few_neighbours_or_no_redshift_has_a_limit_and_never_nan():
    galaxies = distinct_galaxies(*lattice(side=1), MATCH)
    asked = objects_at([20.0, 20.01, 200.0], [0.0, 0.0, 80.0], [Z, np.nan, 0.0])
    for known in (galaxies, distinct_galaxies([], [], [], MATCH)):
        table = measure_environment(asked, known, MATCH)
        assert np.isfinite(table[list(ENVIRONMENT)].to_numpy()).all()
        assert (table["limited"] == 3).all()
        assert table["at_edge"].all()
        assert_allclose(table["log_sigma_1"], np.log10(1 / (np.pi * FARTHEST_MPC**2)))


def test_the_rim_of_the_catalogue_is_an_edge_and_its_middle_is_none():
    galaxies = distinct_galaxies(*lattice(side=31), MATCH)
    rim = 15 * STEP
    table = measure_environment(objects_at([20.0, 20 + rim, 20 + rim + 0.5], [0.0, 0.0, 0.0], Z), galaxies, MATCH)
    assert table["at_edge"].tolist()[0] is False
    assert table["at_edge"][2]
    assert table["log_sigma_5"][1] < table["log_sigma_5"][0]


def test_a_turn_of_the_sky_changes_nothing():
    ra, dec, z = lattice()
    tables = [
        measure_environment(
            objects_at((20 + shift) % 360, 0.0, Z), distinct_galaxies((ra + shift) % 360, dec, z, MATCH), MATCH
        )
        for shift in (0.0, 339.9999, 180.0)
    ]
    for table in tables[1:]:
        assert_allclose(table[list(ENVIRONMENT)], tables[0][list(ENVIRONMENT)], atol=1e-6)
        assert table["at_edge"][0] == tables[0]["at_edge"][0]


def test_no_label_is_looked_at(tmp_path, small_cube):
    ra, dec, z = lattice(side=9)
    rng = np.random.default_rng(4)
    rows = pd.DataFrame({"plate": 1, "mjd": 52000, "fiber": np.arange(len(ra)), "ra": ra, "dec": dec, "z": z})
    rows = rows.assign(z_warning=0, spectrotype="GALAXY", avg=rng.normal(0, 1, len(ra)))
    asked = objects_at(ra, dec, z)
    tables = []
    for name in ("one", "other"):
        write_sfr_catalogue(rows, tmp_path / f"{name}_info.fits", tmp_path / f"{name}_sfr.fits")
        found = galaxies_of(tmp_path / f"{name}_info.fits", small_cube("full") / "dense.h5", MATCH)
        tables.append(measure_environment(asked.assign(avg=rng.permutation(rows["avg"])), found, MATCH))
        rows["avg"] = rng.permutation(rows["avg"])
    pd.testing.assert_frame_equal(*tables)
    assert len(found) == len(ra)
    rows["z_warning"] = 4
    write_sfr_catalogue(rows, tmp_path / "bad_info.fits", tmp_path / "bad_sfr.fits")
    of_cube = galaxies_of(tmp_path / "bad_info.fits", small_cube("full") / "dense.h5", MATCH)
    assert 5 < len(of_cube) < 20  # none is left of the catalogue: those of the cube


# ---- as a modality ----


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = write_small_sample(tmp_path_factory.mktemp("sample"))
    rng = np.random.default_rng(5)
    table = pd.DataFrame({name: rng.normal(size=N) for name in ENVIRONMENT} | {"row": np.arange(N)})
    write_table(folder / "environment.parquet", table)
    return folder


def test_the_surroundings_are_the_last_features_and_the_redshift_stands_before_them(sample):
    given = Sources(sample / "zoom3.h5", objects=sample / "objects.parquet", environment=sample / "environment.parquet")
    rows = np.array([3, 1, 40])
    table = pd.read_parquet(sample / "environment.parquet").set_index("row").loc[rows]
    data, _ = load_data(given, rows, "spectra_z_env")
    assert data.n_extras == 7
    assert_array_equal(data.extras[:, 1:], table[list(ENVIRONMENT)].to_numpy(np.float32))
    plain, _ = load_data(given, rows, "spectra")
    assert_array_equal(data.features[:, : plain.features.shape[1]], plain.features)
    assert load_data(given, rows, "photo_env")[0].n_extras == 6
    with pytest.raises(HissError, match="the surroundings"):
        load_data(Sources(sample / "zoom3.h5"), rows, "photo_env")


def test_an_object_without_a_redshift_is_told_where_surroundings_stand_behind_it():
    extras = np.zeros((2, 7), np.float32)
    extras[1, 0] = np.nan
    data = Data.from_arrays(None, np.ones((2, 4), np.float32), extras=extras)
    assert reasons_of(data, Modality.parse("spectra_z_env")).tolist() == ["", "no redshift"]


@pytest.mark.parametrize("name", ["photo_env", "early_spectra0_rest_z_env", "spectra_z_env", "attention_env"])
def test_names_tell_what_they_told(name):
    modality = Modality.parse(name)
    assert modality.environment
    assert modality.name == name
    assert modality.inputs == name.replace("attention", "early")


def test_the_variant_is_of_every_modality_and_keeps_its_sample():
    runs = [run for run in plan_variants(Experiments()) if run.name == "variant=environment"]
    assert {run.modality for run in runs} == {"photo_env", "spectra_env", "early_env"}
    assert {run.sample for run in runs} == {"flag0"}
    assert {run.base for run in runs} == {"photo", "spectra", "early"}


def test_a_count_that_no_training_object_has_is_not_stretched_beyond_reason():
    data = Data.from_arrays(None, np.ones((20, 4), np.float32), extras=np.zeros((20, 1), np.float32))
    assert ScalarScaling.fit(data).apply(np.array([[0.0], [2.0]], np.float32)).ravel().tolist() == [0, 2]
