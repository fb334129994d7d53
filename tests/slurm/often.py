"""Snakemake that asks every second how SLURM's jobs are: ``python often.py <arguments of snakemake>``.

The plugin waits ten seconds longer each time that nothing has ended, which is kind to a cluster that others use: the
end of a job of 15 s would be seen after 33. Its jobs are those of the ordinary command.
"""

import asyncio
import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def a_second(self: RemoteExecutor) -> None:
    """Wait between two looks."""
    await asyncio.sleep(1)


if __name__ == "__main__":
    RemoteExecutor.sleep = a_second
    sys.exit(main())
