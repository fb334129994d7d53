#!/usr/bin/env bash
# Set up .venv from requirements.lock, with an h5py that writes in parallel where the machine can build one.
#
# Everything but h5py comes as wheels. h5py is built against the system's parallel HDF5 (Debian and Ubuntu:
# libhdf5-openmpi-dev), without build isolation: an isolated build would compile mpi4py from source first, at -O3.
# HISS_SERIAL=1 asks for the serial h5py wheel on purpose.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '[setup] %s\n' "$*"; }
stop() { printf '[setup] %s\n' "$@" >&2; exit 1; }

python=${PYTHON:-python3}
venv=.venv
stamp=$venv/.hiss-setup
debian_packages=(build-essential pkg-config openmpi-bin libopenmpi-dev libhdf5-openmpi-dev)

"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null ||
    stop "Python 3.11 to 3.13 is needed and '$python' is not one; name one with: PYTHON=python3.12 make setup"

hdf5_name() {  # the pkg-config name of a parallel HDF5, or nothing
    command -v mpicc >/dev/null && command -v pkg-config >/dev/null || return 1
    for name in hdf5-openmpi hdf5-mpich; do pkg-config --exists $name && { echo $name; return; }; done
    return 1
}

case $PWD in *[[:space:]]*) stop "Snakemake cannot start an interpreter whose path has a space, and '$PWD' has one; move the folder" ;; esac

# What the set-up was made from: it is done again when the lock, this script or the machine's HDF5 changes.
state() {
    cat requirements.lock envs/setup.sh | sha256sum | cut -d' ' -f1
    echo "serial ${HISS_SERIAL:-0}, HDF5 ${HDF5_DIR:-} $(hdf5_name || true)"
}
if [ -f $stamp ] && [ "$(cat $stamp)" = "$(state)" ]; then exit 0; fi

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo "$@"
    else return 1; fi
}

# ---- system packages: Open MPI and parallel HDF5, and what Debian leaves out of its Python ----
can_build() { [ -n "${HDF5_DIR:-}" ] && command -v mpicc >/dev/null || hdf5_name >/dev/null; }
wants_mpi() { [ "${HISS_SERIAL:-0}" != 1 ]; }
has_headers() { "$python" -c 'import os, sysconfig, sys; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))'; }
is_parallel() { $venv/bin/python -c 'import h5py, sys; sys.exit(not h5py.get_config().mpi)' 2>/dev/null; }
has_venv() { $venv/bin/python -m pip --version >/dev/null 2>&1; }
can_make_venv() { has_venv || "$python" -c 'import ensurepip, venv' 2>/dev/null; }

missing=()
if wants_mpi && ! can_build; then missing+=("${debian_packages[@]}"); fi
if wants_mpi && ! has_headers; then missing+=(python3-dev); fi
can_make_venv || missing+=(python3-venv)
if [ ${#missing[@]} -gt 0 ] && command -v apt-get >/dev/null && as_root true; then
    say "installing with apt: ${missing[*]}"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
can_make_venv || stop "'$python' cannot make a virtual environment: on Debian and Ubuntu, sudo apt-get install python3-venv"
if wants_mpi && ! can_build; then
    say "No parallel HDF5 found, and no right to install one: the cube will be built by one process."
    say "To have it built by MPI ranks, do one of these and run 'make setup' again:"
    say "  apt:    sudo apt-get install ${debian_packages[*]}"
    say "  module: module load a toolchain with Open MPI and its parallel HDF5 (EasyBuild: foss and HDF5), and set HDF5_DIR"
    say "  conda:  conda env create -f envs/cube.yaml   (conda-forge's h5py for Open MPI)"
fi

# ---- the virtual environment ----
has_venv || "$python" -m venv --clear $venv  # a half-made one is made again
pip() { $venv/bin/python -m pip --disable-pip-version-check -qq "$@"; }
pinned() { grep -E "^($1)==" requirements.lock; }

if wants_mpi && can_build && ! has_headers; then
    say "Python's headers are missing, without which h5py cannot be built: the cube will be built by one process."
    say "For MPI ranks: sudo apt-get install python3-dev, then 'make setup' again."
elif wants_mpi && can_build && ! is_parallel; then
    say "building h5py against parallel HDF5 (2 minutes) while the other packages are installed"
    pip install $(pinned 'numpy|mpi4py|cython|pkgconfig|setuptools|wheel|packaging')
    build=$(mktemp -d); trap 'rm -rf "$build"' EXIT
    printf '[build_ext]\nparallel = %s\n' "$(nproc)" >"$build/build.cfg"
    (
        export DIST_EXTRA_CONFIG=$build/build.cfg CFLAGS='-O1 -g0' CC=mpicc HDF5_MPI=ON
        [ -n "${HDF5_DIR:-}" ] || export HDF5_PKGCONFIG_NAME=$(hdf5_name)
        pip wheel --no-build-isolation --no-binary=h5py --no-deps --no-cache-dir -w "$build" $(pinned h5py)
    ) >"$build/log" 2>&1 &
    builder=$!
    pip install -r <(grep -vE '^h5py==' requirements.lock)
    wait $builder || { tail -30 "$build/log" >&2; stop "h5py could not be built against $(hdf5_name || echo "$HDF5_DIR") (the log's end is above)." \
        "Mend what it names, or set HISS_SERIAL=1 to go on with the serial h5py."; }
    pip install --no-deps --force-reinstall "$build"/h5py-*.whl
fi
say "installing the packages of requirements.lock"
if ! wants_mpi && is_parallel; then pip uninstall -y h5py; fi
pip install -r requirements.lock
state >$stamp
say "ready: $($venv/bin/python -c 'import h5py; print("h5py", h5py.__version__, "on HDF5", h5py.version.hdf5_version, "with MPI" if h5py.get_config().mpi else "without MPI")')"
