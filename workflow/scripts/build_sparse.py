"""Build the semi-sparse cube from raw files: an MPI program, ``mpirun -n <ranks> python build_sparse.py ...``."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from hiss.cube.all_ranks import mpi_job
from hiss.cube.comm import assert_ranks, world
from hiss.cube.options import Options
from hiss.cube.sparse import SparseInputs, build_sparse
from hiss.imports import modules_of


def arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--manifest", type=Path, required=True, help="table of the raw files")
    parser.add_argument("--root", type=Path, required=True, help="folder the manifest's paths are relative to")
    parser.add_argument("--gal-info", type=Path, required=True, help="MPA-JHU gal_info table")
    parser.add_argument("--gal-totsfr", type=Path, required=True, help="MPA-JHU gal_totsfr table")
    parser.add_argument("--ranks", type=int, required=True, help="MPI ranks that were asked for")
    parser.add_argument("--settings", type=json.loads, required=True, help="the cube's options, JSON")
    parser.add_argument("--output", type=Path, required=True, help="sparse.h5")
    parser.add_argument("--rejects", type=Path, required=True, help="table of files that could not be read")
    parser.add_argument("--log", type=Path, required=True)
    return parser.parse_args()


def code() -> Iterator[Path]:
    """Give the files of the code that runs, found when they are asked for: rank 0 alone does."""
    yield Path(__file__)
    yield from modules_of(Path(__file__))


if __name__ == "__main__":
    args = arguments()
    comm = world()
    with mpi_job(comm, args.log):
        assert_ranks(comm, args.ranks)
        inputs = SparseInputs(args.manifest, args.root, args.gal_info, args.gal_totsfr)
        build_sparse(comm, inputs, Options.of(args.settings), args.output, args.rejects, code())
