"""Build the dense cube from sparse cube and links: an MPI program, ``mpirun -n <ranks> python build_dense.py ...``."""

import argparse
import json
from pathlib import Path

from hiss.cube.all_ranks import mpi_job
from hiss.cube.comm import assert_ranks, world
from hiss.cube.dense import build_dense
from hiss.cube.options import Options
from hiss.imports import modules_of


def arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sparse", type=Path, required=True, help="sparse.h5")
    parser.add_argument("--links", type=Path, required=True, help="links.h5")
    parser.add_argument("--ranks", type=int, required=True, help="MPI ranks that were asked for")
    parser.add_argument("--settings", type=json.loads, required=True, help="the cube's options, JSON")
    parser.add_argument("--output", type=Path, required=True, help="dense.h5")
    parser.add_argument("--rejects", type=Path, required=True, help="table of spectra that are not in it")
    parser.add_argument("--log", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    args = arguments()
    comm = world()
    with mpi_job(comm, args.log):
        assert_ranks(comm, args.ranks)
        code = [Path(__file__), *modules_of(Path(__file__))]
        build_dense(comm, args.sparse, args.links, Options.of(args.settings), args.output, args.rejects, code)
