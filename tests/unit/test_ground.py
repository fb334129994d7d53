"""The ground floor: files, provenance, the frame of a script."""

import json
import platform
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from hiss.errors import HissError
from hiss.files import atomic, read_table, sha256_of, write_json, write_table
from hiss.provenance import digest, provenance
from hiss.script import job


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "out.txt"
    with pytest.raises(RuntimeError), atomic(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert list(path.parent.iterdir()) == []
    with atomic(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert [entry.name for entry in path.parent.iterdir()] == ["out.txt"]


def test_a_failed_rewrite_leaves_the_old_file(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(OSError, match="disk"), atomic(path) as temporary:
        temporary.write_text("new, but ")
        raise OSError("disk full")
    assert path.read_text() == "old"


def test_a_full_disk_leaves_nothing_half_written(tmp_path):
    table = pd.DataFrame({"a": np.arange(3)})
    path = tmp_path / "table.csv"
    with pytest.raises(HissError, match="GB are free there: make room"), atomic(path) as temporary:
        temporary.symlink_to("/dev/full")
        table.to_csv(temporary)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_comes_back(tmp_path, suffix):
    table = pd.DataFrame({"plate": [266, 411], "avg": [0.5, -99.0], "path": ["a", "b"]})
    path = tmp_path / f"t.{suffix}"
    write_table(path, table, units={"avg": "log10 M_sun/yr"})
    pd.testing.assert_frame_equal(read_table(path), table, check_dtype=False)


def test_parquet_columns_carry_their_units(tmp_path):
    import pyarrow.parquet as pq

    write_table(tmp_path / "t.parquet", pd.DataFrame({"ra": [1.0]}), units={"ra": "deg"})
    assert pq.read_schema(tmp_path / "t.parquet").field("ra").metadata == {b"unit": b"deg"}


def test_parquet_carries_its_provenance(tmp_path):
    import pyarrow.parquet as pq

    record = {"inputs": {"arrays": "abc"}, "settings": {"seed": np.int64(1)}}
    write_table(tmp_path / "t.parquet", pd.DataFrame({"ra": [1.0]}), record=record)
    assert json.loads(pq.read_schema(tmp_path / "t.parquet").metadata[b"provenance"])["settings"] == {"seed": 1}
    assert read_table(tmp_path / "t.parquet")["ra"].tolist() == [1.0]


def test_what_a_killed_process_left_is_cleared_away(tmp_path):
    stale, other = tmp_path / ".out[1].txt.123.part", tmp_path / ".out.txt.123.part"
    stale.write_text("half")
    other.write_text("another file's")
    with atomic(tmp_path / "out[1].txt") as temporary:
        temporary.write_text("whole")
    assert not stale.exists()
    assert other.exists()


def test_json_takes_numpy_and_refuses_what_json_has_not(tmp_path):
    write_json(tmp_path / "a.json", {"n": np.int64(3), "x": np.float32(0.5), "v": np.arange(2)})
    assert json.loads((tmp_path / "a.json").read_text()) == {"n": 3, "x": 0.5, "v": [0, 1]}
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "b.json", {"x": float("nan")})
    assert not (tmp_path / "b.json").exists()


def test_provenance_sees_content_settings_and_code(tmp_path):
    data, code = tmp_path / "data", tmp_path / "code.py"
    data.write_text("1")
    code.write_text("pass")
    first = provenance({"data": data}, {"seed": 1}, [code])
    assert first == provenance({"data": data}, {"seed": 1}, [code])
    assert first["inputs"]["data"] == sha256_of(data)
    code.write_text("pass ")
    assert digest(provenance({"data": data}, {"seed": 1}, [code])) != digest(first)


def test_a_job_s_error_is_one_sentence_in_its_log(tmp_path, capsys):
    log = tmp_path / "logs" / "rule.log"
    with pytest.raises(SystemExit), job(log):
        raise HissError("catalogue.fits: no table; put one there")
    begun, *rest = log.read_text().splitlines()
    assert begun.endswith(f" on {platform.node()}")
    assert rest == ["error: catalogue.fits: no table; put one there"]
    assert "no table" in capsys.readouterr().err


def test_what_another_process_adds_to_the_log_stays(tmp_path):
    (tmp_path / "log").write_text("of an earlier run\n")
    with job(tmp_path / "log"):
        print("one")
        with (tmp_path / "log").open("a") as other:
            other.write("two\n")
        print("three")
    assert (tmp_path / "log").read_text().splitlines()[1:] == ["one", "two", "three"]


def test_an_unforeseen_error_leaves_its_traceback_in_the_log(tmp_path):
    with pytest.raises(SystemExit), job(tmp_path / "rule.log"):
        print("before")
        raise KeyError("x")
    text = (tmp_path / "rule.log").read_text()
    assert text.splitlines()[1] == "before"
    assert "Traceback" in text


def test_peak_memory_is_not_the_parent_s(repo):
    """A process that was started by a large one is small."""
    ours = "import sys; sys.path.insert(0, 'workflow/scripts'); from hiss.script import peak_memory_mb as peak; "
    parent = (
        f"{ours}import subprocess; big = b'1' * 400_000_000; "
        f"subprocess.run([sys.executable, '-c', {ours + 'print(peak())'!r}]); print(peak())"
    )
    done = subprocess.run([sys.executable, "-c", parent], cwd=repo, capture_output=True, text=True, check=True)
    child, large = map(float, done.stdout.split())
    assert child < 300 < large
