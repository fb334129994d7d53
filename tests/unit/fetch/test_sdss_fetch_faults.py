"""Downloads against a real server on the loopback: every fault a line or a server can have, and bytes counted there."""

import bz2
import errno
import hashlib
import os
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from archive_server import ArchiveServer, Fault
from fetched_tree import QUICK, SPECTRA, files_of, fits_bytes, frame, litter, put, same, wanted
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hiss.errors import HissError
from hiss.sdss import fetch_checks
from hiss.sdss.fetch import Limits, fetch_files


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1), cuts=st.integers(1, 3))
def test_a_broken_connection_goes_on_at_the_byte_where_it_broke(tmp_path_factory, tree, server, share, cuts):
    raw = tmp_path_factory.mktemp("raw")
    path, size = frame(), (tree / frame()).stat().st_size
    server.requests.clear()
    server.faults[path] = [Fault(cut=round(share * size / cuts)) for _ in range(cuts)]
    table = fetch_files(wanted(server, [path]), raw, QUICK)
    assert table["status"].tolist() == ["fetched"]
    assert same(tree, raw, path)
    assert server.sent(path) == size


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1))
def test_a_run_that_failed_is_gone_on_with_by_the_next(tmp_path_factory, tree, server, share):
    raw = tmp_path_factory.mktemp("raw")
    path, size = frame(), (tree / frame()).stat().st_size
    cut = min(round(share * size), size - 1)
    server.requests.clear()
    server.faults[path] = [Fault(cut=cut)]
    with pytest.raises(HissError, match="run the same command again"):
        fetch_files(wanted(server, [path]), raw, Limits(retries=0, backoff_s=0.01))
    assert not (raw / path).exists()
    assert fetch_files(wanted(server, [path]), raw, QUICK)["status"].tolist() == ["fetched"]
    assert same(tree, raw, path)
    assert server.sent(path) == size


@pytest.mark.parametrize("status", [404, 403, 410])
def test_what_the_archive_does_not_have_is_asked_for_once_and_the_rest_goes_on(tree, server, raw, status):
    server.faults[frame(1)] = [Fault(status=status)] * 9
    table = fetch_files(wanted(server, [frame(0), frame(1), frame(2)]), raw, QUICK)
    assert table["status"].tolist() == ["fetched", "rejected", "fetched"]
    reason = table["reason"].iloc[1]
    assert f"{server.url}/{frame(1)}" in reason
    assert str(status) in reason
    assert len(server.asked(frame(1))) == 1
    assert table["size"].iloc[1] == 0
    assert litter(raw) == []


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_server_s_trouble_passes(tree, server, raw, status):
    server.faults[frame()] = [Fault(status=status)] * 2
    assert fetch_files(wanted(server, [frame()]), raw, QUICK)["status"].tolist() == ["fetched"]
    assert [r.status for r in server.asked(frame())] == [status, status, 200]


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_honoured(tree, server, raw, as_date):
    # A date has whole seconds: two ahead is at least one.
    value = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True) if as_date else "1"
    server.faults[frame()] = [Fault(status=429, headers={"Retry-After": value})]
    start = time.monotonic()
    assert fetch_files(wanted(server, [frame()]), raw, QUICK)["status"].tolist() == ["fetched"]
    assert time.monotonic() - start > 0.9, "it was asked again before it wished to be"


def test_a_file_the_server_always_fails_at_is_rejected_and_the_rest_goes_on(tree, server, raw):
    server.faults[frame(1)] = [Fault(status=500)] * 99
    table = fetch_files(wanted(server, [frame(0), frame(1), frame(2), frame(3)]), raw, QUICK)
    assert table["status"].tolist() == ["fetched", "rejected", "fetched", "fetched"]
    assert "500" in table["reason"].iloc[1]
    assert "4 attempts" in table["reason"].iloc[1]


def test_a_server_that_fails_at_everything_fails_the_batch_and_rejects_nothing(tree, server, raw):
    server.every = Fault(status=503)
    with pytest.raises(HissError, match=r"503.*run the same command again"):
        fetch_files(wanted(server, files_of(tree)), raw, QUICK)
    server.every = None
    assert set(fetch_files(wanted(server, files_of(tree)), raw, QUICK)["status"]) == {"fetched"}


def test_a_server_that_breaks_in_mid_batch_fails_the_batch(tree, server, raw):
    def out_of_order():
        server.every = Fault(status=503)

    first, *others = files_of(tree)
    server.faults[first] = [Fault(after=out_of_order)]
    with pytest.raises(HissError, match="503"):
        fetch_files(wanted(server, [first, *others]), raw, Limits(1, 1, 5.0, 0.01))
    assert same(tree, raw, first)


def test_a_server_that_is_down_fails_the_batch_in_one_sentence_and_a_rerun_goes_on(tree, server, raw):
    fetch_files(wanted(server, [frame(0)]), raw, QUICK)
    server.stop()
    with pytest.raises(HissError) as error:
        fetch_files(wanted(server, files_of(tree)), raw, QUICK)
    assert "cannot be reached" in str(error.value)
    assert "run the same command again" in str(error.value)
    assert "\n" not in str(error.value)
    server.start()
    table = fetch_files(wanted(server, files_of(tree)), raw, QUICK)
    assert table["status"].value_counts().to_dict() == {"fetched": 6, "present": 1}


def test_a_body_that_never_comes_whole_is_rejected(tree, server, raw):
    size = (tree / frame()).stat().st_size
    server.faults[frame()] = [Fault(headers={"Content-Length": str(size + 10)}, cut=size)] * 9
    table = fetch_files(wanted(server, [frame(), frame(1)]), raw, QUICK)
    assert table["status"].tolist() == ["rejected", "fetched"]
    assert not (raw / frame()).exists()


@pytest.mark.parametrize("name", ["301-dr17.sha1sum", "frames.sha256sum", "frames.md5sum"])
@pytest.mark.parametrize("up", [0, 1])
def test_the_archive_s_own_checksums_are_asked_for(tree, server, raw, name, up):
    folder = (tree / frame()).parents[up]
    lines = []
    for field in range(4):
        content = (tree / frame(field)).read_bytes()
        value = hashlib.new(name.rpartition(".")[2].removesuffix("sum"), content).hexdigest()
        lines.append(f"{value} {'*' if field else ' '}{'./1/' if up else ''}{Path(frame(field)).name}")
    (folder / name).write_text("\n".join(lines) + "\n")
    damaged = bytearray((tree / frame(1)).read_bytes())
    damaged[-30] ^= 1
    server.faults[frame(1)] = [Fault(body=bytes(damaged))]
    server.faults[frame(2)] = [Fault(body=bytes(damaged))] * 99
    table = fetch_files(wanted(server, [frame(field) for field in range(4)]), raw, QUICK)
    assert table["status"].tolist() == ["fetched", "fetched", "rejected", "fetched"]
    assert "the archive states" in table["reason"].iloc[2]
    assert same(tree, raw, frame(1))
    assert [r.status for r in server.asked(frame(1))].count(200) == 2


@pytest.mark.parametrize("known", [{"size": 3}, {"checksum": "sha1:" + "0" * 40}])
def test_a_size_or_checksum_known_beforehand_must_hold(tree, server, raw, known):
    table = fetch_files([*wanted(server, [frame()], **known), *wanted(server, [frame(1)])], raw, QUICK)
    assert table["status"].tolist() == ["rejected", "fetched"]
    assert not (raw / frame()).exists()


def test_damaged_bytes_without_a_checksum_list_are_found_inside(tree, server, raw):
    content = (tree / frame()).read_bytes()
    server.faults[frame()] = [Fault(body=content[:-2000] + bytes(1000) + content[-1000:])]
    assert fetch_files(wanted(server, [frame()]), raw, QUICK)["status"].tolist() == ["fetched"]
    assert same(tree, raw, frame())


@pytest.mark.parametrize("path", [frame(), f"{SPECTRA}/spec-0266-51602-0001.fits"])
def test_a_page_of_html_is_no_file(tree, server, raw, path):
    server.faults[path] = [Fault(body=b"<!DOCTYPE html><html>We are down for maintenance</html>")] * 99
    table = fetch_files(wanted(server, [path, frame(2)]), raw, QUICK)
    assert table["status"].tolist() == ["rejected", "fetched"]
    assert "HTML" in table["reason"].iloc[0]
    server.faults.clear()
    assert fetch_files(wanted(server, [path]), raw, QUICK)["status"].tolist() == ["fetched"]


@pytest.mark.parametrize("path", [frame(), f"{SPECTRA}/spec-0266-51602-0001.fits"])
def test_a_batch_of_one_file_whose_bytes_stay_wrong_is_rejected_too(tree, server, raw, path):
    content = (tree / path).read_bytes()
    server.faults[path] = [Fault(body=content[:-1000])] * 99
    table = fetch_files(wanted(server, [path]), raw, QUICK)
    assert table["status"].tolist() == ["rejected"]
    assert "truncated" in table["reason"].item()
    assert not (raw / path).exists()


def test_a_large_file_that_stays_wrong_is_given_up(tree, server, raw):
    path = put(tree, f"{SPECTRA}/spec-0266-51602-0640.fits", fits_bytes(1, 3_000_000))
    (tree / SPECTRA / "0266.sha1sum").write_text(f"{'0' * 40}  {Path(path).name}\n")
    table = fetch_files(wanted(server, [path, frame()]), raw, QUICK)
    assert table["status"].tolist() == ["rejected", "fetched"]
    assert [r.status for r in server.asked(path)].count(200) == QUICK.retries + 1
    assert litter(raw) == []


@pytest.mark.parametrize("ranges", [True, False])
def test_a_line_that_always_breaks_brings_a_large_file_where_it_can_be_gone_on_with(tree, raw, ranges):
    size = 4_000_000
    path = put(tree, f"{SPECTRA}/spec-0266-51602-0640.fits", fits_bytes(1, size))
    with ArchiveServer(tree, ranges=ranges) as server:
        server.faults[path] = [Fault(cut=1_100_000)] * 9
        table = fetch_files(wanted(server, [path, frame()]), raw, Limits(1, 1, 5.0, 0.01))
    assert table["status"].tolist() == ["fetched" if ranges else "rejected", "fetched"]


def test_a_disk_without_locks_is_no_reason_to_stop(tree, server, raw, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fetch_checks.fcntl, "flock", no_locks)
    assert set(fetch_files(wanted(server, files_of(tree)), raw, QUICK)["status"]) == {"fetched"}


def test_a_stalled_connection_is_given_up_and_gone_on_with(tree, server, raw):
    size = (tree / frame()).stat().st_size
    server.faults[frame()] = [Fault(stall=1000)]
    table = fetch_files(wanted(server, [frame()]), raw, Limits(1, 2, 0.3, 0.01))
    assert table["status"].tolist() == ["fetched"]
    assert server.sent(frame()) == size
    assert server.asked(frame())[1].start == 1000


def test_a_trickle_is_given_up_too(tree, server, raw):
    server.faults[frame()] = [Fault(rate=400)]
    table = fetch_files(wanted(server, [frame()]), raw, Limits(1, 2, 0.3, 0.01))
    assert table["status"].tolist() == ["fetched"]
    assert len(server.asked(frame())) == 2


def test_a_redirect_is_followed_with_its_range(tree, server, raw):
    put(tree, f"elsewhere/{Path(frame()).name}", (tree / frame()).read_bytes())
    moved = Fault(status=302, headers={"Location": f"/elsewhere/{Path(frame()).name}"})
    server.faults[frame()] = [moved, moved]
    server.faults[f"elsewhere/{Path(frame()).name}"] = [Fault(cut=2000)]
    assert fetch_files(wanted(server, [frame()]), raw, QUICK)["status"].tolist() == ["fetched"]
    assert server.sent(f"elsewhere/{Path(frame()).name}") == (tree / frame()).stat().st_size


def test_a_redirect_in_a_circle_is_the_last_word(tree, server, raw):
    server.faults[frame()] = [Fault(status=302, headers={"Location": f"/{frame()}"})] * 99
    assert fetch_files(wanted(server, [frame(), frame(1)]), raw, QUICK)["status"].tolist() == ["rejected", "fetched"]


@pytest.mark.parametrize("able", [{"ranges": False}, {"validators": False}])
def test_a_server_that_cannot_go_on_is_asked_for_the_whole(tree, raw, able):
    with ArchiveServer(tree, **able) as server:
        server.faults[frame()] = [Fault(cut=5000)]
        assert fetch_files(wanted(server, [frame()]), raw, QUICK)["status"].tolist() == ["fetched"]
        assert same(tree, raw, frame())
        assert server.sent(frame()) == 5000 + (tree / frame()).stat().st_size


def test_a_file_that_changed_on_the_server_is_not_glued_together(tree, server, raw):
    old = (tree / frame()).read_bytes()
    new = bz2.compress(fits_bytes(99))

    def change():
        (tree / frame()).write_bytes(new)
        os.utime(tree / frame(), ns=(1, 1))

    server.faults[frame()] = [Fault(cut=len(old) // 2, after=change)]
    assert fetch_files(wanted(server, [frame()]), raw, QUICK)["status"].tolist() == ["fetched"]
    assert (raw / frame()).read_bytes() == new


def test_a_server_without_a_page_of_links_has_no_checksum_lists(tree, raw):
    with ArchiveServer(tree, listing=False) as server:
        assert set(fetch_files(wanted(server, files_of(tree)), raw, QUICK)["status"]) == {"fetched"}
