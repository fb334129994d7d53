"""Downloads against a real server on the loopback: what came, what is asked again, folders, processes and progress."""

import hashlib
import io
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from archive_server import Fault
from fetched_tree import FOLDER, QUICK, SPECTRA, files_of, frame, litter, put, same, wanted

import hiss.progress
from hiss.errors import HissError
from hiss.sdss.fetch import Limits, fetch_files
from hiss.sdss.fetch_checks import parse_list, split_checksum
from hiss.sdss.fetch_one import Wanted
from hiss.sdss.fetch_stream import open_session


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
