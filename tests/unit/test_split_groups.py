"""An attempt to find an object that is on two sides of the split: the same one twice, or cutouts that share pixels.

Skies are made to be hard: chains of cutouts of which only neighbours overlap, objects observed again far away, fields
across right ascension 0 and at a pole; and samples are drawn from them at will, as variants of the sample are. Who
belongs together is found here by comparing all pairs, in another way than the split does.
"""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from hiss.bands import CUTOUT_SIZE, PIXEL_SCALE
from hiss.errors import HissError
from hiss.models.base import fold_parts
from hiss.sample.split import make_split, restrict

SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}
DIAGONAL = CUTOUT_SIZE * PIXEL_SCALE * np.sqrt(2)
"""Two cutouts whose centres are nearer [arcsec] share a pixel where they are turned towards each other."""


@st.composite
def skies(draw):
    """Objects in clumps and chains somewhere on the sky, some of them observed twice."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    parts = []
    for _ in range(draw(st.integers(1, 5))):
        centre = draw(st.sampled_from([(0.0, 0.0), (180.0, -1.2), (0.001, 89.999), (310.0, 60.0), (90.0, -89.9)]))
        kind = draw(st.sampled_from(["chain", "clump", "field"]))
        parts.append(_part(kind, draw(st.integers(1, 60)), np.array(centre), rng))
    position = np.concatenate(parts)
    n = len(position)
    assume(n >= 40)
    objid = rng.permutation(10 * n)[:n] + 10**18
    again = rng.random(n) < draw(st.sampled_from([0.0, 0.1, 0.5]))
    objid[again] = rng.choice(objid, again.sum())  # of one object several times too, and of repeats of repeats
    objid[rng.random(n) < draw(st.sampled_from([0.0, 0.2]))] = 0
    order = rng.permutation(n)
    return pd.DataFrame(
        {
            "row": np.sort(rng.choice(2 * n, n, replace=False)),
            "target_id": order,
            "avg": rng.normal(0, 0.8, n).round(draw(st.sampled_from([1, 6]))),  # ties too
            "objid": objid[order],
            "ra": position[order, 0],
            "dec": position[order, 1],
        }
    )


def _part(kind, n, centre, rng):
    """Return (n, 2) right ascensions and declinations [deg]."""
    if kind == "chain":
        angle = rng.uniform(0, 2 * np.pi)
        # Each cutout overlaps the next and not the one after it.
        along = np.cumsum(rng.uniform(0.55, 0.999, n)) * DIAGONAL / 3600
        offset = np.stack([along * np.cos(angle), along * np.sin(angle)], axis=1)
    else:
        offset = rng.normal(0, {"clump": 1.0, "field": 30.0}[kind] * DIAGONAL / 3600, (n, 2))
    dec = np.clip(centre[1] + offset[:, 1], -90, 90)
    ra = centre[0] + offset[:, 0] / np.maximum(np.cos(np.radians(dec)), 1e-6)
    return np.stack([ra % 360, dec], axis=1)


def together(objects):
    """Return (n, n) whether two objects belong together: through others too, by all pairs and Warshall's closure."""
    ra, dec = np.radians(objects["ra"].to_numpy()), np.radians(objects["dec"].to_numpy())
    haversine = np.sin((dec[:, None] - dec) / 2) ** 2
    haversine += np.cos(dec[:, None]) * np.cos(dec) * np.sin((ra[:, None] - ra) / 2) ** 2
    separation = 2 * np.degrees(np.arcsin(np.sqrt(np.clip(haversine, 0, 1)))) * 3600
    objid = objects["objid"].to_numpy()
    # A billionth of an arcsecond is no pixel: which side of the limit it falls on is a matter of rounding.
    linked = (separation < DIAGONAL * (1 - 1e-9)) | ((objid[:, None] == objid) & (objid != 0))
    for through in range(len(objects)):
        linked |= linked[:, through, None] & linked[through]
    return linked


def split_of(objects, study, folds, seed):
    return make_split(objects, objects["row"][study], SHARES, folds, bins=5, seed=seed)


SEARCH = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])


@SEARCH
@given(objects=skies(), seed=st.integers(0, 1000), folds=st.integers(2, 6), share=st.floats(0, 1))
def test_no_object_is_on_two_sides_or_in_two_folds(objects, seed, folds, share):
    study = np.random.default_rng(seed).random(len(objects)) < share
    split = split_of(objects, study, folds, seed)
    assert split["row"].tolist() == objects["row"].tolist()
    one, other = np.nonzero(together(objects))
    for column in ("split", "fold", "group"):
        values = split[column].to_numpy()
        strays = values[one] != values[other]
        assert not strays.any(), f"rows {one[strays][0]} and {other[strays][0]} have different {column}s"


@SEARCH
@given(objects=skies(), seed=st.integers(0, 1000), data=st.data())
def test_no_object_is_on_two_sides_of_two_samples(objects, seed, data):
    """What one sample holds out, another must not train on, though neither holds all of a group."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    split = split_of(objects, rng.random(len(objects)) < 0.7, 3, seed)
    parts = []
    for share in (0.9, 0.6):
        rows = objects["row"][rng.random(len(objects)) < share]
        try:
            parts.append(restrict(split, rows, SHARES, 3, "some"))
        except HissError:  # one crowd, or too few of it: a sample that is refused leaks nothing
            continue
        assert sorted(parts[-1]["row"]) == sorted(rows)
    linked = pd.DataFrame(together(objects), index=objects["row"], columns=objects["row"])
    sides = [part.set_index("row")[["split", "fold"]] for part in parts]
    for a in sides:
        for b in sides:
            near = linked.loc[a.index, b.index].to_numpy()
            for column in ("split", "fold"):
                apart = a[column].to_numpy()[:, None] != b[column].to_numpy()
                assert not (near & apart).any()


@SEARCH
@given(objects=skies(), seed=st.integers(0, 1000))
def test_what_a_fold_is_predicted_by_holds_nothing_of_it(objects, seed):
    """Of the out-of-fold predictions: no object, and no part of its cutout, is in the fit that predicts it."""
    split = split_of(objects, np.ones(len(objects), dtype=bool), 3, seed)
    train = split["split"] == "train"
    assume(split.loc[train, "fold"].nunique() > 1)
    linked = together(objects)[np.ix_(train, train)]
    for held_out in fold_parts(split.loc[train, "fold"].to_numpy()):
        assert not linked[np.ix_(held_out, ~held_out)].any()


def test_the_search_would_find_one():
    """A split by object alone, blind to overlaps, is found out: the search is not empty."""
    rng = np.random.default_rng(1)
    objects = pd.DataFrame({"objid": np.arange(1, 61)})
    objects[["ra", "dec"]] = _part("chain", 60, np.array([0.0, 0.0]), rng)
    linked = together(objects)
    assert linked.all()  # one chain, end to end
    side = rng.integers(0, 3, 60)
    assert (linked & (side[:, None] != side)).any()
    far = objects.assign(ra=np.arange(60.0))
    assert not (together(far) & ~np.eye(60, dtype=bool)).any()
    assert together(far.assign(objid=7)).all()
    with pytest.raises(HissError, match="form 1 groups"):
        chain = objects.assign(row=np.arange(60), target_id=np.arange(60), avg=rng.normal(size=60))
        restrict(split_of(chain, np.ones(60, dtype=bool), 3, 1), chain["row"], SHARES, 3)
