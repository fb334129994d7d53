#!/usr/bin/env bash
# Stands where `mpirun` would, when h5py has no parallel HDF5: drops `-n N` and runs the program as one process.
set -euo pipefail
[ "${1:-}" = -n ] || { echo "usage: without_mpi.sh -n N program [argument ...]" >&2; exit 2; }
shift 2
exec "$@"
