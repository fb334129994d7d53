import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiss.errors import HissError
from hiss.sample.split import OVERLAP_ARCSEC, SIDES, assign_groups, make_split, overlap_groups, quantile_bins, restrict

SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}


def clean_sample(n, seed=0, area_deg=1.0, repeats=0.1):
    rng = np.random.default_rng(seed)
    objid = rng.integers(1, 2**60, n)
    again = rng.random(n) < repeats
    objid[again] = rng.choice(objid, again.sum())
    objid[rng.random(n) < 0.05] = 0
    return pd.DataFrame(
        {
            "row": np.sort(rng.choice(3 * n, n, replace=False)),
            "target_id": np.arange(n) + 7,
            "avg": rng.normal(0, 0.8, n),
            "objid": objid,
            "ra": rng.uniform(0, area_deg, n) % 360,
            "dec": rng.uniform(-area_deg / 2, area_deg / 2, n),
        }
    )


def whole(objects, study=None, seed=1, folds=5, shares=SHARES):
    rows = objects["row"] if study is None else objects["row"][study]
    return make_split(objects, rows, shares, folds=folds, bins=10, seed=seed)


def split_of(clean, seed=1, folds=5, shares=SHARES):
    return restrict(whole(clean, None, seed, folds, shares), clean["row"], shares, folds)


def close_pairs(clean):
    """Every pair within the overlap, the slow way."""
    ra, dec = np.radians(clean["ra"].to_numpy()), np.radians(clean["dec"].to_numpy())
    half = (
        np.sin((dec[:, None] - dec) / 2) ** 2 + np.cos(dec[:, None]) * np.cos(dec) * np.sin((ra[:, None] - ra) / 2) ** 2
    )
    return 2 * np.degrees(np.arcsin(np.sqrt(half))) * 3600 <= OVERLAP_ARCSEC


@settings(max_examples=40, deadline=None)
@given(st.integers(30, 300), st.integers(0, 2**32 - 1), st.sampled_from([0.3, 0.6, 3.0]))
def test_no_group_is_on_two_sides(n, seed, area):
    clean = clean_sample(n, seed, area)
    try:
        split = split_of(clean, seed)
    except HissError as error:
        message = str(error)
        split = None
    if split is None:
        assert "too few for train" in message
        return
    assert split.groupby("group")["split"].nunique().max() == 1
    assert split.groupby("group")["fold"].nunique().max() == 1
    assert split["row"].tolist() == clean["row"].tolist()
    together = close_pairs(clean)
    objid = clean["objid"].to_numpy()
    together |= (objid[:, None] == objid) & (objid != 0)
    side, fold = split["split"].to_numpy(), split["fold"].to_numpy()
    one, other = np.nonzero(together)
    assert (side[one] == side[other]).all()
    assert (fold[one] == fold[other]).all()


def test_shares_and_strata_on_every_side():
    split = split_of(clean_sample(2000, area_deg=10.0))
    for name, share in SHARES.items():
        assert (split["split"] == name).mean() == pytest.approx(share, abs=0.005)
    quartile = pd.qcut(split["avg"], 4, labels=False)
    for name in SIDES:
        inside = np.bincount(quartile[split["split"] == name], minlength=4)
        np.testing.assert_allclose(inside / inside.sum(), 0.25, atol=0.02)
    train = split[split["split"] == "train"]
    assert sorted(train["fold"].unique()) == [0, 1, 2, 3, 4]
    assert train["fold"].value_counts().max() - train["fold"].value_counts().min() <= 12
    assert (split.loc[split["split"] != "train", "fold"] == -1).all()
    assert train.groupby("fold")["avg"].mean().std() < 0.05


def test_crowded_skies_keep_their_shares():
    split = split_of(clean_sample(400, seed=3, area_deg=0.35))
    assert split["group"].nunique() < 300
    for name, share in SHARES.items():
        assert (split["split"] == name).mean() == pytest.approx(share, abs=0.03)


def test_other_shares_and_folds():
    split = split_of(clean_sample(1000, area_deg=5.0), folds=3, shares={"train": 0.8, "validation": 0.15, "test": 0.05})
    assert split["split"].value_counts(normalize=True).round(2).to_dict() == {
        "train": 0.8,
        "validation": 0.15,
        "test": 0.05,
    }
    assert set(split["fold"]) == {-1, 0, 1, 2}


def test_the_seed_and_nothing_else_decides():
    clean = clean_sample(200)
    shuffled = clean.sample(frac=1, random_state=4)
    pd.testing.assert_frame_equal(split_of(clean), split_of(shuffled))
    assert (split_of(clean)["split"] != split_of(clean, seed=2)["split"]).any()


def test_columns_are_those_of_the_contract():
    assert split_of(clean_sample(50)).columns.tolist() == ["row", "target_id", "group", "avg", "split", "fold"]


def test_few_objects_are_a_sentence():
    with pytest.raises(HissError, match=r"flag0 has 29 objects and a split asks for 30; .*experiments: null"):
        split_of(clean_sample(29))
    with pytest.raises(HissError, match="has 0 objects"):
        split_of(clean_sample(30).iloc[:0])
    objects = clean_sample(100)
    few = objects["row"][:20]
    with pytest.raises(HissError, match=r"sample flagged has 20 objects .* out of experiments\.variants"):
        restrict(whole(objects), few, SHARES, 5, "flagged")


def test_one_crowd_cannot_be_split():
    with pytest.raises(HissError, match="form 1 groups"):
        split_of(clean_sample(40, area_deg=0.005))


def test_the_study_keeps_its_shares_whatever_else_is_labelled():
    objects = clean_sample(1500, seed=5, area_deg=4.0)
    # A fifth is in the study, and its labels are unlike the others': shares of the whole would not be its own.
    study = (np.random.default_rng(2).random(1500) < 0.2) & (objects["avg"].to_numpy() > -0.5)
    part = restrict(whole(objects, study), objects["row"][study], SHARES, 5)
    for name, share in SHARES.items():
        assert (part["split"] == name).mean() == pytest.approx(share, abs=0.006)
        assert part.loc[part["split"] == name, "avg"].mean() == pytest.approx(part["avg"].mean(), abs=0.05)
    assert part.loc[part["split"] == "train", "fold"].value_counts(normalize=True).to_numpy() == pytest.approx(
        0.2, abs=0.03
    )


def test_an_object_held_out_of_one_sample_is_held_out_of_all():
    objects = clean_sample(900, seed=8, area_deg=1.0, repeats=0.2)
    split = whole(objects, objects["avg"].to_numpy() > 0)
    rng = np.random.default_rng(3)
    one, other = (restrict(split, objects["row"][rng.random(900) < 0.6], SHARES, 5) for _ in range(2))
    both = one.merge(other, on="row")
    assert len(both) > 200
    for column in ("split", "fold", "group", "target_id", "avg"):
        assert both[f"{column}_x"].equals(both[f"{column}_y"]), column
    # Nor does an object of one sample have its neighbour on another side of the other.
    sides = pd.concat([one, other]).groupby("group")["split"].nunique()
    assert sides.max() == 1


def test_a_sample_of_other_objects_than_the_split_s_stops():
    objects = clean_sample(60)
    split = whole(objects)
    with pytest.raises(HissError, match=r"2 of the 62 objects of sample any_flag are not in split\.parquet"):
        restrict(split, [*objects["row"], 1000, 1001], SHARES, 5, "any_flag")


def test_groups_of_known_objects():
    objid = np.array([5, 5, 0, 0, 9])
    ra = np.array([10.0, 50.0, 359.9999, 0.0001, 200.0])
    group = overlap_groups(objid, ra, np.zeros(5))
    assert group[0] == group[1]  # one object far apart
    assert group[2] == group[3]  # neighbours across RA 0
    assert len(set(group)) == 3
    assert len(overlap_groups(objid[:0], ra[:0], ra[:0])) == 0


def test_overlap_ends_at_the_diagonal_of_a_cutout():
    step = OVERLAP_ARCSEC / 3600
    near = overlap_groups(np.zeros(2, int), np.array([0, 0.999 * step]), np.zeros(2))
    far = overlap_groups(np.zeros(2, int), np.array([0, 1.001 * step]), np.zeros(2))
    assert near[0] == near[1]
    assert far[0] != far[1]


def test_bins_hold_equal_numbers_and_equal_values_stay_together():
    values = np.random.default_rng(0).normal(size=1000)
    assert np.bincount(quantile_bins(values, 10)).tolist() == [100] * 10
    assert len(set(quantile_bins(np.zeros(50), 10))) == 1


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(0, 1000))
def test_every_object_gets_a_side(groups, seed):
    group = np.array(groups)
    side = assign_groups(group, group % 3, [0.5, 0.5], np.random.default_rng(seed))
    assert set(side) <= {0, 1}
    assert all(len(set(side[group == one])) == 1 for one in set(groups))
