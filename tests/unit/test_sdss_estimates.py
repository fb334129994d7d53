"""What a plan comes to: bytes, hours, shards, and what is too much."""

import numpy as np
import pytest

from hiss.bands import FRAME_SHAPE
from hiss.sdss.estimates import (
    SHARD_BYTES,
    SHARD_CORE_HOURS,
    advise_shards,
    cutout_bytes,
    frame_bytes,
    spectrum_bytes,
)
from hiss.sdss.fields import (
    ROWS_A_FIELD,
    SLACK,
)
from hiss.sdss.planning import accept_sentence, is_accepted, needed_gb, size_text


@pytest.mark.parametrize(
    ("n_bytes", "accept_gb", "accepted", "part"),
    [
        (9_999_999_999, 10.0, True, "within sky.archive.accept_gb (10)"),
        (10_000_000_001, 10.0, False, "set sky.archive.accept_gb: 11 in the config"),
        (1_532_400_000_000, 10.0, False, "set sky.archive.accept_gb: 1533 in the config"),
    ],
)
def test_what_is_too_much_says_which_key_to_set_to_what(n_bytes, accept_gb, accepted, part):
    assert is_accepted(n_bytes, accept_gb) == accepted
    assert part in accept_sentence(n_bytes, accept_gb)
    assert is_accepted(n_bytes, needed_gb(n_bytes)), "what the sentence says is enough"


@pytest.mark.parametrize(
    ("n", "text"), [(0, "0.0 B"), (999, "999.0 B"), (95_700_000, "95.7 MB"), (1.2e15, "1,200.0 TB")]
)
def test_bytes_as_a_person_reads_them(n, text):
    assert size_text(n) == text


def test_bytes_of_the_cube_are_those_of_its_arrays():
    assert frame_bytes() == 8 * (1489 * 2048 + 744 * 1024 + 372 * 512 + 186 * 256)
    assert spectrum_bytes() == 8 * (4620 + 2310 + 1155 + 577)
    assert cutout_bytes() == 8 * 5 * (64**2 + 32**2 + 16**2 + 8**2)


def test_shards_are_advised_where_one_file_would_be_too_large():
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0, 360, 5000), np.degrees(np.arcsin(rng.uniform(-1, 1, 5000)))
    assert advise_shards(ra, dec, 1e9, 60.0, None)["advised"] is None
    advice = advise_shards(ra, dec, 40 * SHARD_BYTES, 60.0, 1)
    assert advice["advised"] in (1, 2)
    assert advice["largest_bytes"] <= SHARD_BYTES
    coarser = cells_largest(ra, dec, advice["advised"] - 1)
    assert 40 * SHARD_BYTES * coarser > SHARD_BYTES, "a coarser order would not do"
    slow = advise_shards(ra, dec, 1e9, 40 * SHARD_CORE_HOURS, None)
    assert slow["advised"] == advice["advised"], "small, but 160 hours of 16 ranks"


def cells_largest(ra, dec, order):
    from hiss.sdss.regions import cells_of

    return np.unique(cells_of(ra, dec, order), return_counts=True)[1].max() / len(ra)


def test_overlap_is_what_the_fields_of_a_run_share():
    assert FRAME_SHAPE[0] - ROWS_A_FIELD == 128 == 2 * SLACK
