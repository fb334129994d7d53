"""Further targets: which objects they have, how those are split, and features without a gap at any zoom."""

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiss.bands import BANDS
from hiss.errors import HissError
from hiss.models import features as features_module
from hiss.models.features import Sources, open_part, prepare_features
from hiss.sample.choice import Treatment
from hiss.sample.classes import class_names
from hiss.sample.second_targets import COUNT_COLUMNS, NO_LABEL, OBJECT_COLUMNS, choose_target
from hiss.sample.split import SIDES, overlap_groups, split_target
from hiss.sample.treatment import Treated

SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}
CLASSES = ("GALAXY", "QSO", "STAR")


def cube_of(kinds, seed=1, area=5.0):
    """Return targets of those classes and what is measured of them: whole, without a gap."""
    rng = np.random.default_rng(seed)
    n = len(kinds)
    targets = pd.DataFrame(
        {
            "target_id": np.arange(n), "ra": rng.uniform(0, area, n), "dec": rng.uniform(-1, 1, n),
            "z": rng.uniform(0.02, 0.2, n), "class": kinds, "zwarning": 0, "objid": np.arange(n) + 1,
            "sn_median": 9.0, "avg": 0.2, "p16": 0.1, "p84": 0.3,
        }
    )  # fmt: skip
    measured = pd.DataFrame({"row": np.arange(n), "missing_samples": 0.0, "gap_at_end": False, "missing_pixels": 0})
    return targets, measured.assign(**dict(zip(BANDS, (18.0, 17.0, 16.5, 16.2, 16.0), strict=True)))


def choose(targets, measured, label="class", name=None, max_missing=0.02, min_class=30):
    return choose_target(targets, measured, name or label, label, max_missing, min_class)


# ---- the objects ----


def test_objects_that_cannot_be_used_are_counted_with_the_reason():
    targets, measured = cube_of(["GALAXY"] * 40 + ["STAR"] * 40 + ["QSO"] * 10 + [""] * 3)
    measured.loc[[0, 50], "missing_samples"] = [0.03, 0.5]
    measured.loc[1, "gap_at_end"] = True
    measured.loc[2, "missing_pixels"] = 4
    objects, counts = choose(targets, measured)
    assert counts.columns.tolist() == COUNT_COLUMNS
    assert counts["name"].tolist() == ["GALAXY", "QSO", "STAR", NO_LABEL]
    assert counts["objects"].tolist() == [40, 10, 40, 3]
    assert counts["used"].tolist() == [37, 0, 39, 0]
    assert counts["objects"].sum() == len(targets)
    assert counts["why"].tolist() == [
        "1 with a gap at an end of the spectrum; 1 with too many gaps in the spectrum; 1 without a whole cutout",
        "10 left, fewer than 30: not learned",
        "1 with too many gaps in the spectrum",
        "3 of no known class",
    ]
    assert objects.columns.tolist() == OBJECT_COLUMNS
    assert class_names(objects) == ("GALAXY", "STAR"), "codes are of the classes that are left"
    assert objects["truth"].tolist() == [0.0] * 37 + [1.0] * 39
    assert not {0, 1, 2, 50} & set(objects["row"])
    assert (objects["row"] == objects["target_id"]).all()
    assert (objects["r_magnitude"] == 16.5).all()


def test_a_redshift_needs_no_class_and_has_none():
    targets, measured = cube_of(["GALAXY"] * 35 + ["STAR"] * 5)
    targets.loc[3, "zwarning"] = 4
    objects, counts = choose(targets, measured, "redshift")
    assert "class" not in objects
    np.testing.assert_array_equal(objects["truth"], targets["z"][[*range(3), *range(4, 35)]])
    assert counts.to_numpy().tolist() == [
        ["redshift", 34, 34, ""], [NO_LABEL, 6, 0, "5 not galaxies; 1 with a warning of the redshift"],
    ]  # fmt: skip


def test_a_study_of_one_class_is_none_and_says_what_to_do():
    targets, measured = cube_of(["GALAXY"] * 60 + ["STAR"] * 29)
    with pytest.raises(HissError, match=r"target kinds has 1 classes .*STAR 29 \(29 left, fewer than 30.*kinds: null"):
        choose(targets, measured, name="kinds")
    objects, _ = choose(targets, measured, min_class=29)
    assert class_names(objects) == ("GALAXY", "STAR")
    with pytest.raises(HissError, match="target redshift has no object"):
        choose(*cube_of(["STAR"] * 50), label="redshift")


def test_tables_of_other_targets_are_told():
    targets, measured = cube_of(["GALAXY"] * 40)
    with pytest.raises(HissError, match="39 targets are measured and the cube has 40"):
        choose(targets, measured.iloc[:-1])


# ---- the split ----


def split(objects, folds=5, seed=1):
    return split_target(objects, class_names(objects), SHARES, folds, 10, seed, "class")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(30, 120), min_size=3, max_size=3), st.integers(0, 2**31), st.sampled_from([0.3, 1.0, 9.0]))
def test_what_overlaps_is_on_one_side_and_every_class_on_each(sizes, seed, area):
    targets, measured = cube_of(np.repeat(CLASSES, sizes), seed % 1000, area)
    targets.loc[::9, "objid"] = targets["objid"][1]
    objects, _ = choose(targets, measured)
    try:
        table = split(objects.sample(frac=1, random_state=3), seed=seed)
    except HissError as error:
        message, table = str(error), None
    if table is None:
        assert "groups of overlapping cutouts" in message, "a crowded sky is one group"
        return
    assert table.columns.tolist() == ["row", "target_id", "group", "truth", "split", "fold"]
    assert table["row"].tolist() == objects["row"].tolist()
    group = overlap_groups(*(objects[name].to_numpy() for name in ("objid", "ra", "dec")))
    for name in ("split", "fold"):
        assert table.groupby(group)[name].nunique().max() == 1
    assert (table.groupby("split")["truth"].nunique() == 3).all()
    assert set(table["split"]) == set(SIDES)
    assert ((table["fold"] >= 0) == (table["split"] == "train")).all()


def test_classes_keep_their_shares_and_numbers_their_range():
    targets, measured = cube_of(np.repeat(CLASSES, [600, 100, 40]), area=60.0)
    table = split(choose(targets, measured)[0])
    for _, own in table.groupby("truth"):
        assert (own["split"] == "train").mean() == pytest.approx(0.6, abs=0.03)
        assert (own["split"] == "test").mean() == pytest.approx(0.2, abs=0.03)
    objects, _ = choose(targets, measured, "redshift")
    table = split_target(objects, (), SHARES, 5, 10, 1, "redshift")
    medians = table.groupby("split")["truth"].median()
    assert medians.max() - medians.min() < 0.01
    again = split_target(objects, (), SHARES, 5, 10, 1, "redshift")
    pd.testing.assert_frame_equal(table, again)


def test_a_class_that_is_one_group_cannot_be_on_every_side():
    targets, measured = cube_of(["GALAXY"] * 200 + ["STAR"] * 40, area=40.0)
    targets.loc[200:, ["ra", "dec"]] = 20.0, 0.5  # a cluster of stars, every cutout over all others
    objects, _ = choose(targets, measured)
    with pytest.raises(HissError, match=r"40 objects of class STAR .* form 1 groups .*class: null.*its min_class"):
        split(objects)


def test_too_few_objects_for_a_split_are_a_sentence():
    objects, _ = choose(*cube_of(["GALAXY"] * 29), label="redshift")
    with pytest.raises(HissError, match="has 29 objects and a split asks for 30"):
        split_target(objects, (), SHARES, 5, 10, 1, "redshift")


# ---- the features ----


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    """Arrays of 120 targets at four zooms: gaps in some spectra, which a coarse bin shares with their neighbours."""
    folder = tmp_path_factory.mktemp("arrays")
    rng = np.random.default_rng(2)
    n, gaps = 120, {5: (40, 60), 6: (1000, 1001), 70: (4500, 4592), 100: (8, 31)}
    fine = rng.normal(5, 0.1, (n, 4624)).astype("f4")
    for row, (start, stop) in gaps.items():
        fine[row, start:stop] = np.nan
    wl = 10 ** (3.5843 + 7.915e-5 * np.arange(4624))
    for zoom in range(4):
        side, step = 64 >> zoom, 1 << zoom
        with h5py.File(folder / f"zoom{zoom}.h5", "w") as file:
            file["images"] = rng.normal(1, 0.1, (n, 5, side, side)).astype("f4")
            file["image_sigma"] = np.full((n, 5, side, side), 0.1, "f4")
            file["spectra"] = fine.reshape(n, -1, step).mean(axis=2)  # one missing sample spoils its bin
            file["spectrum_sigma"] = np.full((n, 4624 // step), 0.1, "f4")
            file["wl"] = wl.reshape(-1, step).mean(axis=1)
            file["target_id"] = np.arange(n)
    targets, measured = cube_of(["GALAXY"] * 80 + ["STAR"] * 40, area=60.0)
    objects, _ = choose(targets, measured)
    objects.to_parquet(folder / "objects.parquet")
    split(objects).to_parquet(folder / "split.parquet")
    return folder


def prepared(arrays, out, modality, zoom, treatment=None):
    treated = Treated.of((treatment or Treatment.bridging(0.02)).as_dict(), arrays / "zoom0.h5", None)
    sources = Sources(arrays / f"zoom{zoom}.h5", objects=arrays / "objects.parquet", treated=treated)
    prepare_features(sources, pd.read_parquet(arrays / "split.parquet"), modality, out, {})
    return out


@pytest.mark.parametrize("zoom", range(4))
@pytest.mark.parametrize("modality", ["photo", "spectra", "early"])
def test_no_gap_reaches_a_model_at_any_zoom(arrays, tmp_path, zoom, modality):
    out = prepared(arrays, tmp_path / "features.h5", modality, zoom)
    table = pd.read_parquet(arrays / "split.parquet").set_index("row")
    with h5py.File(arrays / f"zoom{zoom}.h5") as file:
        gappy = np.isnan(file["spectra"][()]).any(axis=1)
    seen = 0
    for side in ("train", "validation"):
        data, rows = open_part(out, side)
        assert np.isfinite(data.features).all()
        assert not data.gaps
        assert data.classes == ("GALAXY", "STAR")
        assert np.isnan(data.label_sigma).all()
        np.testing.assert_array_equal(data.target, table.loc[rows["row"], "truth"])
        seen += int(gappy[rows["row"]].sum())
    assert seen > 0, "some of those with gaps are learned from"


def test_a_number_has_no_classes_in_its_features(arrays, tmp_path):
    targets, measured = cube_of(["GALAXY"] * 80 + ["STAR"] * 40, area=60.0)
    objects, _ = choose(targets, measured, "redshift")
    objects.to_parquet(tmp_path / "objects.parquet")
    table = split_target(objects, (), SHARES, 5, 10, 1, "redshift")
    prepare_features(
        Sources(arrays / "zoom3.h5", objects=tmp_path / "objects.parquet"), table, "photo", tmp_path / "f.h5", {}
    )
    data, _ = open_part(tmp_path / "f.h5", "train")
    assert data.classes == ()
    np.testing.assert_array_equal(data.target, table.loc[table["split"] == "train", "truth"])


@pytest.mark.parametrize(
    ("modality", "treatment", "fine_values"),
    [("photo", Treatment(neighbours="mask"), 4 * 5 * 64**2), ("spectra", Treatment.bridging(0.02), 2 * 4620)],
)
def test_a_block_is_bounded_by_all_it_loads_at_zoom_0(arrays, monkeypatch, modality, treatment, fine_values):
    """At a coarse zoom the arrays that treat an object are up to a hundred times its features."""
    asked, original = [], features_module.load_rows

    def watched(path, rows, *arguments, **keywords):
        asked.append(len(rows))
        return original(path, rows, *arguments, **keywords)

    monkeypatch.setattr(features_module, "load_rows", watched)
    monkeypatch.setattr(Treated, "images", lambda self, objects: objects)
    monkeypatch.setattr(features_module, "_BLOCK_BYTES", 20 * 4 * fine_values)
    sources = Sources(arrays / "zoom3.h5", treated=Treated(treatment, arrays / "zoom0.h5"))
    features_module.load_data(sources, np.arange(100), modality)
    assert 1 < max(asked) <= 20


def test_treatment_of_a_target_covers_the_longest_gap_it_lets_pass():
    assert Treatment.bridging(0.02) == Treatment(gaps="interpolate", longest=92)
    assert Treatment.bridging(0.0).longest == 0
