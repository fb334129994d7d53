"""From the catalogue to the objects of a study: regions, limits, pilots."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiss.config.archive import ArchiveSky
from hiss.errors import HissError
from hiss.sdss.regions import STRIPE_82, cells_of, in_box, in_cells, in_cone, read_ids
from hiss.sdss.selection import select


def catalogue(n=2000, seed=1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    number = np.arange(n)
    return pd.DataFrame(
        {
            "plate": 300 + number // 100,
            "mjd": 52000 + number // 100,
            "fiber": 1 + number % 100,
            "ra": rng.uniform(0, 360, n),
            "dec": rng.uniform(-90, 90, n),
            "z": rng.uniform(0, 0.5, n),
            "spectrotype": pd.Categorical(rng.choice(["GALAXY", "QSO"], n)),
            "flag": rng.choice([0.0, 1.0, 5.0], n),
            "run": 1000 + number // 50 % 7,
            "camcol": 1 + number % 6,
            "field": 11 + number // 30,
        }
    )


CATALOGUE = catalogue()


def chosen(**wanted):
    return select(CATALOGUE, ArchiveSky.model_validate({"region": "dr7"} | wanted).model_dump())


def keys(objects: pd.DataFrame) -> set[tuple]:
    return set(objects[["plate", "mjd", "fiber"]].itertuples(index=False, name=None))


# ---- regions ----


@pytest.mark.parametrize(
    ("box", "inside", "outside"),
    [
        (STRIPE_82, [(310, 0), (359.9, 1.2), (0, -1.2), (60, 0)], [(61, 0), (309, 0), (0, 1.3), (180, 0)]),
        ({"ra_min": 10, "ra_max": 20, "dec_min": 5, "dec_max": 6}, [(10, 5), (20, 6)], [(9.9, 5), (20.1, 5), (15, 4)]),
        ({"ra_min": 0, "ra_max": 360, "dec_min": 80, "dec_max": 90}, [(0, 85), (360, 90), (123, 80)], [(0, 79)]),
    ],
)
def test_a_box_may_run_through_ra_0(box, inside, outside):
    for points, expected in ((inside, True), (outside, False)):
        objects = pd.DataFrame(points, columns=["ra", "dec"], dtype=float)
        assert in_box(objects, box).tolist() == [expected] * len(points)


@settings(max_examples=50, deadline=None)
@given(
    ra=st.floats(0, 360), dec=st.floats(-90, 90), angle=st.floats(0, 360), inside=st.booleans(),
    radius=st.floats(0.01, 60),
)  # fmt: skip
def test_a_cone_holds_what_is_within_its_radius(ra, dec, angle, inside, radius):
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    distance = radius * (0.99 if inside else 1.01)
    point = SkyCoord(ra * u.deg, dec * u.deg).directional_offset_by(angle * u.deg, distance * u.deg)
    objects = pd.DataFrame({"ra": [point.ra.deg], "dec": [point.dec.deg]})
    assert in_cone(objects, {"ra": ra, "dec": dec, "radius": radius}).tolist() == [inside]


def test_cells_hold_what_lies_in_them():
    cells = cells_of(CATALOGUE["ra"].to_numpy(), CATALOGUE["dec"].to_numpy(), 2)
    wanted = [0, 17, 100]
    assert in_cells(CATALOGUE, {"order": 2, "cells": wanted}).tolist() == np.isin(cells, wanted).tolist()
    finer = cells_of(CATALOGUE["ra"].to_numpy(), CATALOGUE["dec"].to_numpy(), 5)
    assert (finer >> 6 == cells).all(), "nested"
    assert cells_of(np.array([np.nan, 1.0]), np.array([1.0, np.nan]), 3).tolist() == [-1, -1]


def test_regions_together_are_their_overlap():
    box = {"ra_min": 350.0, "ra_max": 100.0, "dec_min": -40.0, "dec_max": 60.0}
    both = chosen(region={"box": box, "plates": [303, 304, 305]})
    inside = in_box(CATALOGUE, box) & CATALOGUE["plate"].isin([303, 304, 305])
    assert keys(both.objects) == keys(CATALOGUE[inside])
    assert [step["key"] for step in both.steps] == ["region_box", "region_plates"]
    assert len(CATALOGUE) - sum(step["removed"] for step in both.steps) == len(both.objects)


def test_a_list_of_fields_and_a_list_of_spectra(tmp_path):
    fields = tmp_path / "fields.csv"
    wanted = CATALOGUE.iloc[[3, 777]]
    wanted[["run", "camcol", "field"]].to_csv(fields, index=False)
    of_fields = chosen(region={"fields": str(fields)}).objects
    expected = CATALOGUE.merge(wanted[["run", "camcol", "field"]])
    assert keys(of_fields) == keys(expected)
    spectra = tmp_path / "spectra.csv"
    # the catalogue does not have the last two; of one of them the user knows more
    rows = (
        "PLATEID, MJD, FIBERID, ra, dec, run2d\n303,52003,7,,,\n4238,55455,37,38.27,-0.22,v5_13_2\n411,51817,119,,,\n"
    )
    spectra.write_text("# my spectra\n" + rows)
    found = chosen(region={"spectra": str(spectra)})
    assert keys(found.objects) == {(303, 52003, 7), (4238, 55455, 37), (411, 51817, 119)}
    assert found.unlisted == 2
    objects = found.objects.set_index("plate")
    assert objects["listed"].to_dict() == {303: True, 4238: False, 411: False}
    assert objects.loc[4238, "run2d"] == "v5_13_2"
    assert objects.loc[4238, "ra"] == 38.27
    assert np.isnan(objects.loc[411, "ra"])
    assert objects.loc[411, "run"] == -1


def test_a_reduction_that_a_csv_says_counts_for_listed_spectra_too(tmp_path):
    path = tmp_path / "spectra.csv"
    path.write_text("plate,mjd,fiber,run2d\n303,52003,7, 103\n303,52003,8,\n1960,53289,640,104\n")
    objects = chosen(region={"spectra": str(path)}).objects
    assert objects["run2d"].tolist() == ["103", "", "104"]
    assert objects["listed"].tolist() == [True, True, False]
    assert set(chosen().objects["run2d"]) == {""}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("run,camcol\n1,2\n", "lacks the column field; write run,camcol,field as its first line"),
        ("run,camcol,field\n", "has no rows"),
        ("run,camcol,field\n1,2,3\n1,x,3\n", "camcol 'x' in row 2 is not a whole number"),
        ("run,camcol,field\n1,2,3.5\n", "field .* in row 1 is not a whole number"),
        ("run,camcol,field\n1,,3\n", "camcol .* in row 1 is not a whole number"),
        ("", "is no CSV"),
    ],
)
def test_a_wrong_csv_is_one_sentence_that_names_it(tmp_path, content, sentence):
    path = tmp_path / "fields.csv"
    path.write_text(content)
    with pytest.raises(HissError, match=sentence) as error:
        read_ids(path, ["run", "camcol", "field"])
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_csv_that_is_not_there_is_named(tmp_path):
    with pytest.raises(HissError, match=r"nowhere\.csv: the CSV is missing"):
        read_ids(tmp_path / "nowhere.csv", ["run", "camcol", "field"])


# ---- limits and pilots ----


def test_limits_cut_in_turn_and_are_counted():
    found = chosen(z_min=0.1, z_max=0.3, classes=["galaxy"], flags=[0, 5])
    z, good = CATALOGUE["z"], CATALOGUE["spectrotype"] == "GALAXY"
    expected = CATALOGUE[z.between(0.1, 0.3) & good & CATALOGUE["flag"].isin([0, 5])]
    assert keys(found.objects) == keys(expected)
    assert [step["key"] for step in found.steps] == ["region_name", "redshift", "class", "flag"]
    assert found.steps[1]["step"] == "with a redshift of at least 0.1 and at most 0.3"
    assert found.catalogue - sum(step["removed"] for step in found.steps) == len(expected)


def test_a_selection_of_nothing_says_which_condition_left_none():
    with pytest.raises(HissError, match="no object of the catalogue is left of class STAR"):
        chosen(classes=["STAR"])
    with pytest.raises(HissError, match="left on 1 plates"):
        chosen(region={"plates": [9]})


def test_a_larger_pilot_holds_a_smaller_one_and_takes_whole_fields():
    pilots = [chosen(max_objects=n).objects for n in (1, 50, 200, 1999)]
    for smaller, larger in pairwise(pilots):
        assert keys(smaller) < keys(larger)
    assert [len(pilot) for pilot in pilots] == [1, 50, 200, 1999]
    field = ["run", "camcol", "field"]
    per_field = CATALOGUE.groupby(field).size()
    taken = pilots[2].groupby(field).size()
    assert (taken < per_field.loc[taken.index]).sum() <= 1, "only the last field is cut"
    assert keys(chosen(max_objects=50_000).objects) == keys(CATALOGUE)


def test_a_pilot_is_spread_over_the_whole_sample():
    found = chosen(max_objects=300).objects
    plates = found["plate"].nunique()
    assert plates > 0.9 * CATALOGUE["plate"].nunique()
    assert abs(found["z"].mean() - CATALOGUE["z"].mean()) < 4 * CATALOGUE["z"].std() / np.sqrt(300)
    shuffled = CATALOGUE.sample(frac=1, random_state=3).reset_index(drop=True)
    again = select(shuffled, ArchiveSky(region={"name": "dr7"}, max_objects=300).model_dump()).objects
    assert keys(again) == keys(found), "the order of the catalogue does not matter"


def test_a_pilot_of_objects_without_fields_is_spread_too():
    objects = CATALOGUE.assign(run=-1, camcol=-1, field=-1)
    wanted = ArchiveSky(region={"name": "dr7"}, max_objects=300).model_dump()
    assert select(objects, wanted).objects["plate"].nunique() > 15
