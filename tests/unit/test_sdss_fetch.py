"""Downloads against a real server on the loopback: every fault a line or a server can have, and bytes counted there."""

import bz2
import errno
import gzip
import hashlib
import io
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import numpy as np
import pytest
from archive_server import ArchiveServer, Fault
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hiss.progress
from hiss.errors import HissError
from hiss.sdss import fetch_checks
from hiss.sdss.fetch import Limits, fetch_files
from hiss.sdss.fetch_checks import parse_list, split_checksum
from hiss.sdss.fetch_one import Wanted
from hiss.sdss.fetch_stream import open_session

QUICK = Limits(connections=3, retries=3, timeout_s=5.0, backoff_s=0.01)
FOLDER = "dr17/eboss/photoObj/frames/301/94/1"
SPECTRA = "dr17/sdss/spectro/redux/26/spectra/0266"


def fits_bytes(seed: int, n: int = 40_000) -> bytes:
    header = b"SIMPLE  =                    T".ljust(80) + b"END".ljust(80)
    return header.ljust(2880) + np.random.default_rng(seed).bytes(-(-n // 2880) * 2880)


def put(root: Path, path: str, content: bytes) -> str:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(content)
    return path


@pytest.fixture
def tree(tmp_path) -> Path:
    """Four frames, two spectra and a catalogue in the archive's own tree."""
    root = tmp_path / "archive"
    for field in range(4):
        put(root, f"{FOLDER}/frame-r-000094-1-{field:04d}.fits.bz2", bz2.compress(fits_bytes(field)))
    for fiber in (1, 2):
        put(root, f"{SPECTRA}/spec-0266-51602-{fiber:04d}.fits", fits_bytes(10 + fiber))
    put(root, "catalogue/gal_info_dr7_v5_2.fit.gz", gzip.compress(fits_bytes(20)))
    return root


@pytest.fixture
def server(tree):
    with ArchiveServer(tree) as running:
        yield running


@pytest.fixture
def raw(tmp_path) -> Path:
    return tmp_path / "raw"


def files_of(tree: Path) -> list[str]:
    return sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*.fit*"))


def wanted(server, paths, **known) -> list[Wanted]:
    return [Wanted(path, f"{getattr(server, 'url', server)}/{path}", **known) for path in paths]


def frame(field=0) -> str:
    return f"{FOLDER}/frame-r-000094-1-{field:04d}.fits.bz2"


def same(tree: Path, raw: Path, path: str) -> bool:
    return (tree / path).read_bytes() == (raw / path).read_bytes()


def litter(raw: Path) -> list[str]:
    return sorted(p.name for p in raw.rglob(".*") if p.is_file() and p.name != ".fetched.sha256sum")


def test_everything_comes_and_nothing_is_asked_twice(tree, server, raw):
    paths = files_of(tree)
    table = fetch_files(wanted(server, paths), raw, QUICK)
    assert table["status"].tolist() == ["fetched"] * len(paths)
    assert all(same(tree, raw, path) for path in paths)
    assert table["sha256"].tolist() == [hashlib.sha256((tree / p).read_bytes()).hexdigest() for p in paths]
    assert table["size"].tolist() == [(tree / p).stat().st_size for p in paths]
    assert server.sent() == table["size"].sum()
    assert server.most_at_once <= QUICK.connections
    assert "hiss" in server.requests[0].agent
    n = len(server.requests)
    again = fetch_files(wanted(server, paths), raw, QUICK)
    assert again["status"].tolist() == ["present"] * len(paths)
    assert again[["path", "size", "sha256"]].equals(table[["path", "size", "sha256"]])
    assert len(server.requests) == n
    assert litter(raw) == []


def test_the_record_is_what_sha256sum_reads(tree, server, raw):
    fetch_files(wanted(server, files_of(tree)), raw, QUICK)
    done = subprocess.run(
        ["sha256sum", "--check", ".fetched.sha256sum"], cwd=raw / FOLDER, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("OK") == 4


def test_intact_files_need_no_server(tree, server, raw):
    fetch_files(wanted(server, files_of(tree)), raw, QUICK)
    server.stop()
    assert set(fetch_files(wanted(server, files_of(tree)), raw, QUICK)["status"]) == {"present"}


@pytest.mark.parametrize("change", ["shorter", "a bit"])
def test_a_file_that_changed_on_disk_is_fetched_again(tree, server, raw, change, capsys):
    fetch_files(wanted(server, [frame(0), frame(1)]), raw, QUICK)
    content = bytearray((raw / frame()).read_bytes())
    if change == "shorter":
        del content[-5:]
    else:
        content[1000] ^= 1
    (raw / frame()).write_bytes(content)
    table = fetch_files(wanted(server, [frame(0), frame(1)]), raw, QUICK)
    assert table["status"].tolist() == ["fetched", "present"]
    assert same(tree, raw, frame())
    assert "not intact" in capsys.readouterr().err


def test_a_file_put_there_by_hand_is_taken_when_it_is_whole(tree, server, raw):
    put(raw, frame(0), (tree / frame(0)).read_bytes())
    put(raw, frame(1), (tree / frame(1)).read_bytes()[:-100])
    table = fetch_files(wanted(server, [frame(0), frame(1)]), raw, QUICK)
    assert table["status"].tolist() == ["present", "fetched"]
    assert [r.path for r in server.asked()] == [frame(1)]


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


def test_a_folder_serves_as_a_server_does(tree, raw):
    put(tree, f"{SPECTRA}/spec-0266-51602-0003.fits", b"<html>no spectrum</html>")
    paths = [*files_of(tree), f"{SPECTRA}/spec-0266-51602-0640.fits"]
    table = fetch_files(wanted(tree.as_uri(), paths), raw, QUICK).set_index("path")
    assert table["status"].value_counts().to_dict() == {"fetched": 7, "rejected": 2}
    assert "404" in table["reason"].iloc[-1]
    assert "HTML" in table["reason"][f"{SPECTRA}/spec-0266-51602-0003.fits"]
    assert (raw / frame()).stat().st_ino == (tree / frame()).stat().st_ino, "one disk: a second name, not a copy"
    assert litter(raw) == []
    assert set(fetch_files(wanted(tree.as_uri(), files_of(tree)[:3]), raw, QUICK)["status"]) == {"present"}


def test_a_folder_on_another_disk_is_copied(tree, raw, monkeypatch):
    def across(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", across)
    assert set(fetch_files(wanted(tree.as_uri(), files_of(tree)), raw, QUICK)["status"]) == {"fetched"}
    assert (raw / frame()).stat().st_ino != (tree / frame()).stat().st_ino
    assert litter(raw) == []


def test_a_tree_that_is_not_mounted_is_one_sentence_and_not_a_thousand_rejects(tmp_path, raw):
    with pytest.raises(HissError, match="mount it or correct its name"):
        fetch_files(wanted((tmp_path / "nowhere").as_uri(), [frame()]), raw, QUICK)


def test_a_mirror_made_by_this_workflow_carries_its_checksums(tree, server, raw, tmp_path):
    fetch_files(wanted(server, files_of(tree)), raw, QUICK)
    content = bytearray((raw / f"{SPECTRA}/spec-0266-51602-0001.fits").read_bytes())
    content[9000] ^= 1
    (raw / f"{SPECTRA}/spec-0266-51602-0001.fits").write_bytes(content)
    table = fetch_files(wanted(raw.as_uri(), files_of(tree)), tmp_path / "third", QUICK)
    assert table["status"].value_counts().to_dict() == {"fetched": 6, "rejected": 1}
    assert "the archive states" in table.loc[table["status"] == "rejected", "reason"].item()


def test_two_fetchers_at_once_share_the_work(tree, server, raw):
    server.every = Fault(rate=400_000)
    tables = []
    threads = [
        threading.Thread(target=lambda: tables.append(fetch_files(wanted(server, files_of(tree)), raw, QUICK)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(same(tree, raw, path) for path in files_of(tree))
    assert server.sent() == sum((tree / path).stat().st_size for path in files_of(tree))
    both = [table["status"].to_numpy() == "fetched" for table in tables]
    assert (both[0] ^ both[1]).all(), "each file is fetched by one of the two and present to the other"
    assert litter(raw) == []


FETCH = """
import sys
from hiss.sdss.fetch import Limits, fetch_files
from hiss.sdss.fetch_one import Wanted
root, url, *paths = sys.argv[1:]
fetch_files([Wanted(path, f"{url}/{path}") for path in paths], root, Limits(2, 1, 5.0, 0.01))
"""


def in_a_process(server, raw, paths, **options):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, str(raw), server.url, *paths],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options,
    )  # fmt: skip


def test_a_killed_process_loses_nothing_that_came(tree, server, raw):
    path, size = frame(), (tree / frame()).stat().st_size
    server.faults[path] = [Fault(stall=size // 2)]
    process = in_a_process(server, raw, [path])
    part = raw / FOLDER / f".{Path(path).name}.part"
    end = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size >= size // 2) and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert fetch_files(wanted(server, [path]), raw, QUICK)["status"].tolist() == ["fetched"]
    assert same(tree, raw, path)
    assert server.sent(path) == size


def test_a_full_disk_is_one_sentence_and_what_came_is_kept(tree, server, raw):
    size = (tree / frame()).stat().st_size
    limit = size // 2

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    process = in_a_process(server, raw, [frame()], preexec_fn=small_files)
    said, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    last = said.strip().splitlines()[-1]
    assert "could not be written" in last
    assert "run the same command again" in last
    assert (raw / FOLDER / f".{Path(frame()).name}.part").stat().st_size == limit
    assert not (raw / frame()).exists()
    assert fetch_files(wanted(server, [frame()]), raw, QUICK)["status"].tolist() == ["fetched"]
    assert server.asked(frame())[-1].start == limit


def test_a_stopped_batch_leaves_no_thread_behind(tree, server, raw):
    server.every = Fault(rate=20_000)
    server.faults[frame(0)] = [Fault(status=404)]
    before = threading.active_count()

    def interrupt():
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        fetch_files(wanted(server, files_of(tree)), raw, QUICK)
    server.every = None
    assert threading.active_count() <= before + QUICK.connections  # those of the server, still sending
    assert set(fetch_files(wanted(server, files_of(tree)[1:]), raw, QUICK)["status"]) <= {"fetched", "present"}


@pytest.mark.parametrize("path", ["../outside.fits", "/etc/outside.fits", ""])
def test_a_path_that_leaves_the_folder_is_refused(server, raw, path):
    with pytest.raises(HissError, match="below the folder"):
        fetch_files([Wanted(path, f"{server.url}/x")], raw, QUICK)


def test_nothing_to_fetch_is_an_empty_table(raw):
    assert fetch_files([], raw, QUICK).empty


def test_proxies_are_the_environment_s(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
    with open_session(1) as session:
        kept = session.merge_environment_settings("https://archive.invalid/x", {}, None, None, None)
    assert kept["proxies"]["https"] == "http://proxy.invalid:3128"


def test_checksum_lists_in_any_of_their_forms():
    content = f"{'a' * 40}  ./3/x.fits\n{'b' * 64} *y z.fits\nno line\n{'c' * 33}  odd.fits\n"
    assert parse_list(content, "https://a/sas/301/301.sha1sum") == {
        "/sas/301/3/x.fits": "sha1:" + "a" * 40,
        "/sas/301/y z.fits": "sha256:" + "b" * 64,
    }
    with pytest.raises(ValueError, match="no checksum"):
        split_checksum("sha1:abc")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()])
def test_progress_has_files_bytes_rate_and_time_left(tree, server, raw, monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(hiss.progress, "_LINE_EVERY", 0.0)
    fetch_files(wanted(server, files_of(tree)), raw, Limits(1, 0, 5.0, 0.01))
    said = stream.getvalue()
    assert "7 of 7 files" in said
    assert "MB fetched at" in said
    assert ("%|" in said) == stream.isatty(), "a bar on a terminal alone"
    if not stream.isatty():
        assert "s left" in said
