"""How the cube's MPI programs are started on the machine Snakemake runs on.

Known to the Snakefile alone.
"""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from hiss.progress import say

# Open MPI on a laptop or in a container: root is allowed, there may be more ranks than cores, and jobs side by side
# are not bound to the same core.
_OPEN_MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
}


def prepare_environment() -> None:
    """Let `python` in a shell rule be the interpreter that runs, unbuffered, and Open MPI run as it must."""
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    for variable, value in (_OPEN_MPI | {"PYTHONUNBUFFERED": "1"}).items():
        os.environ.setdefault(variable, value)


@cache
def parallel_hdf5() -> bool:
    """Return whether h5py writes through MPI, and say so where it does not.

    Asked of a process of its own, since importing it may start MPI.
    """
    question = "import mpi4py; mpi4py.rc.initialize = False; import h5py; print(h5py.get_config().mpi)"
    answer = subprocess.run([sys.executable, "-c", question], capture_output=True, text=True, check=False)
    parallel = answer.stdout.strip() == "True"
    if not parallel:
        say("This h5py has no MPI: the cube is built by one process. `make setup` says how to get one that has.")
    return parallel
