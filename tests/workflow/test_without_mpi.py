"""The same code with an h5py that has no MPI: one process, said once, the same numbers."""

import os
import re
import subprocess
import sys

import h5py
import numpy as np
import pytest

from .conftest import REPO, Workspace, make_workspace

CONFIG = "config/small.yaml"


@pytest.fixture(scope="module")
def serial_h5py(tmp_path_factory):
    """Return a folder with the h5py wheel of the lock, which is built without MPI."""
    folder = tmp_path_factory.mktemp("serial")
    pinned = re.search(r"^h5py==.*$", (REPO / "requirements.lock").read_text(), re.MULTILINE)
    command = [sys.executable, "-m", "pip", "install", "-qq", "--no-deps", "--only-binary=h5py", "--target", folder]
    subprocess.run([*command, pinned[0]], check=True)
    return folder


def test_the_cube_is_the_same_and_says_so_once(small, serial_h5py, tmp_path, monkeypatch):
    workspace: Workspace = make_workspace(tmp_path)
    (tmp_path / CONFIG).write_text((small.folder / CONFIG).read_text())
    monkeypatch.setenv("PYTHONPATH", f"{serial_h5py}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    text = workspace.run("cube", config=CONFIG)
    log = (tmp_path / "results/small/logs/cube/build_sparse.log").read_text()
    assert "in one process" in log
    assert text.count("the cube is built by one process") == 1
    for name in ("sparse.h5", "dense.h5"):
        with (
            h5py.File(small.folder / "results/small/cube" / name) as two,
            h5py.File(tmp_path / "results/small/cube" / name) as one,
        ):
            compared = []

            def compare(path, item, two=two, compared=compared):
                if isinstance(item, h5py.Dataset) and item.dtype.kind in "fi":
                    np.testing.assert_array_equal(item[()], two[path][()], err_msg=path)
                    compared.append(path)

            one.visititems(compare)
            assert len(compared) > 10
