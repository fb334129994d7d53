"""A real SLURM on this one machine: two CPU nodes, a GPU node, munge, and accounting where asked for.

Run by itself it is a cluster to play with: ``python tests/slurm/cluster.py`` starts one and stops it at Ctrl-C; with
``--stop`` it clears away what a killed test left running.
"""

import argparse
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

SYSTEM = Path("/etc/slurm")
DAEMONS = ("slurmctld", "slurmd", "slurmdbd", "munged")
CONFIGS = ("slurm.conf", "gres.conf", "cgroup.conf")
NODES = ("cpu1", "cpu2", "gpu1")

SLURM_CONF = """\
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
MpiDefault=pmix
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
ReturnToService=2
SlurmctldPort=16817
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmdSpoolDir={folder}/spool.%n
TmpFS={folder}/tmp.%n
StateSaveLocation={folder}/state
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=2,sched_min_interval=100000,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
KillWait=2
UnkillableStepTimeout=180
MinJobAge=600
EpilogMsgTime=0
SlurmdTimeout=10
OverTimeLimit=0
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
{accounting}
GresTypes=gpu
SlurmdParameters=config_overrides
LaunchParameters=enable_nss_slurm
NodeName=DEFAULT CPUs=4 Sockets=1 CoresPerSocket=4 ThreadsPerCore=1 RealMemory=8000 State=UNKNOWN
NodeName=cpu1 NodeHostname=localhost NodeAddr=127.0.0.1 Port=17001
NodeName=cpu2 NodeHostname=localhost NodeAddr=127.0.0.1 Port=17002
NodeName=gpu1 NodeHostname=localhost NodeAddr=127.0.0.1 Port=17003 Gres=gpu:1
PartitionName=cpu Nodes=cpu1,cpu2 Default=YES MaxTime=2880 DefaultTime=10 State=UP
PartitionName=gpu Nodes=gpu1 Default=NO MaxTime=2880 DefaultTime=10 State=UP
"""

WITH_ACCOUNTING = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort=16819
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment,job_script"""

SLURMDBD_CONF = """\
AuthType=auth/munge
DbdHost=localhost
DbdPort=16819
SlurmUser=root
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=13306
StorageUser=root
StorageLoc=slurm_acct_db
"""


class NotOurs(RuntimeError):
    """This machine has a SLURM of its own, which is nothing to play with."""


def refuse_where_slurm_is_used() -> None:
    """Raise `NotOurs` where a SLURM is configured or runs: it may be somebody's cluster."""
    found = [str(SYSTEM / name) for name in CONFIGS if (SYSTEM / name).exists() or (SYSTEM / name).is_symlink()]
    found += [f"a running {name}" for name in DAEMONS if name != "munged" and _pids(name)]
    if found:
        raise NotOurs(
            f"this machine has a SLURM of its own ({', '.join(found)}): the tests do not touch it. If it is what a "
            "killed test left behind: python tests/slurm/cluster.py --stop"
        )


def _pids(name: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "comm").read_text().strip() == name and alive(int(entry.name)):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def _with_children(pid: int) -> list[int]:
    """Give a process and all that it has started, directly or not."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += _with_children(int(child))
    return found


def _kill_all(pid: int) -> None:
    """Kill a process and all that it has started; what has ended meanwhile is well."""
    with suppress(OSError):
        for one in _with_children(pid):
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)


def alive(pid: int) -> bool:
    """Return whether a process runs; one that is dead and not yet buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Wait for a condition, asked often."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.1)


def listens(port: int) -> bool:
    """Return whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Cluster:
    """A SLURM whose files lie in one folder."""

    def __init__(self, folder: Path, accounting: bool) -> None:
        self.folder, self.accounting = folder, accounting
        self._others: list[subprocess.Popen] = []
        self._started: list[str] = []

    def claim(self, daemons: list[str]) -> None:
        """Take daemons that another process started for this cluster's own."""
        self._started += daemons

    def __enter__(self) -> "Cluster":
        refuse_where_slurm_is_used()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        (self.folder / "state").mkdir()
        for node in NODES:
            (self.folder / f"spool.{node}").mkdir()
            (self.folder / f"tmp.{node}").mkdir(mode=0o1777)
        accounting = WITH_ACCOUNTING if self.accounting else "AccountingStorageType=accounting_storage/none"
        (self.folder / "slurm.conf").write_text(SLURM_CONF.format(folder=self.folder, accounting=accounting))
        (self.folder / "gres.conf").write_text("AutoDetect=off\nNodeName=gpu1 Name=gpu Count=1 File=/dev/null\n")
        (self.folder / "cgroup.conf").write_text("CgroupAutomount=no\n")
        SYSTEM.mkdir(exist_ok=True)
        for name in CONFIGS:  # SLURM_CONF alone is lost: the jobstep executor drops every SLURM_* variable
            (SYSTEM / name).symlink_to(self.folder / name)
        self._start_munge()
        if self.accounting:
            self._start_accounting()
        self._call("slurmctld", "-f", self.folder / "slurm.conf")
        self._started.append("slurmctld")
        for node in NODES:
            self.start_node(node)
        wait_until(self.all_idle, "the nodes to be idle")

    def _start_munge(self) -> None:
        if _pids("munged"):
            return
        owner = pwd.getpwnam("munge")
        for place in ("/run/munge", "/var/log/munge", "/var/lib/munge"):
            Path(place).mkdir(exist_ok=True)
            os.chown(place, owner.pw_uid, owner.pw_gid)
        self._call("runuser", "-u", "munge", "--", "munged")
        self._started.append("munged")

    def _start_accounting(self) -> None:
        data = self.folder / "db"
        plain = ["--no-defaults", f"--datadir={data}", "--user=root"]
        self._call("mariadb-install-db", *plain, "--auth-root-authentication-method=normal", "--skip-test-db")
        socket_file = data / "db.sock"
        self._others.append(
            subprocess.Popen(
                ["mariadbd", *plain, f"--socket={socket_file}", "--port=13306", "--bind-address=127.0.0.1",
                 "--innodb-buffer-pool-size=128M"],
                stdout=(self.folder / "mariadbd.log").open("w"), stderr=subprocess.STDOUT,
            )
        )  # fmt: skip
        wait_until(lambda: listens(13306), "MariaDB")
        grant = "GRANT ALL ON slurm_acct_db.* TO 'root'@'127.0.0.1'"
        self._call("mariadb", "--no-defaults", f"--socket={socket_file}", "-u", "root", "-e", grant)
        conf = self.folder / "slurmdbd.conf"
        conf.write_text(SLURMDBD_CONF.format(folder=self.folder))
        conf.chmod(0o600)
        (SYSTEM / conf.name).symlink_to(conf)
        self._call("slurmdbd")
        self._started.append("slurmdbd")
        wait_until(lambda: listens(16819), "slurmdbd")
        for entry in ("cluster test", "account test", "user root Account=test"):
            self._call("sacctmgr", "-i", "add", *entry.split())

    def start_node(self, node: str) -> None:
        """Start a node's slurmd."""
        self._call("slurmd", "-f", self.folder / "slurm.conf", "-N", node)

    def kill_node(self, node: str, job: str) -> None:
        """Let a node die with the job that runs on it: its daemon, and all that the job has started."""
        os.kill(int((self.folder / f"slurmd.{node}.pid").read_text()), signal.SIGKILL)
        for step in _pids("slurmstepd"):
            if f"[{job}." in Path(f"/proc/{step}/cmdline").read_text():
                _kill_all(step)

    def all_idle(self) -> bool:
        """Return whether every node is up and waits for work."""
        try:
            out = self.ask("sinfo", "-h", "-N", "-o", "%N %T")
        except subprocess.CalledProcessError:  # the controller does not answer yet
            return False
        return {line.split()[0] for line in out.splitlines() if line.split()[1] == "idle"} == set(NODES)

    def _call(self, *command: object) -> None:
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stdout}{done.stderr}")

    def ask(self, *command: str) -> str:
        """Return what a SLURM command prints."""
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout

    def stop(self) -> None:
        """Stop every daemon that was started and take the links out of the system's folder."""
        if "slurmctld" in self._started:
            subprocess.run(["scancel", "--user=root"], capture_output=True, timeout=60)
        files = [*(f"slurmd.{node}.pid" for node in NODES), "slurmctld.pid", "slurmdbd.pid"]
        running = []
        for name in files:
            try:
                pid = int((self.folder / name).read_text())
                os.kill(pid, signal.SIGTERM)
                running.append(pid)
            except (OSError, ValueError):
                continue
        try:
            wait_until(lambda: not any(map(alive, running)), "the daemons to stop", 20)
        except RuntimeError:
            for pid in filter(alive, running):
                os.kill(pid, signal.SIGKILL)
        for step in _pids("slurmstepd"):  # of a job that did not end in time: it would report to the next cluster
            _kill_all(step)
        for process in self._others:
            process.terminate()
            process.wait(60)
        if "munged" in self._started:
            for pid in _pids("munged"):
                os.kill(pid, signal.SIGTERM)
        for name in (*CONFIGS, "slurmdbd.conf"):
            link = SYSTEM / name
            if link.is_symlink() and link.readlink().parent == self.folder:
                link.unlink()


def stop_leftover() -> None:
    """Stop the cluster whose configuration is linked into the system's folder, if a test made it."""
    link = SYSTEM / "slurm.conf"
    if not link.is_symlink() or link.readlink().name != link.name or link.readlink().parent.name != "cluster":
        raise SystemExit(f"{link} is not a link that a test made: nothing is stopped")
    leftover = Cluster(link.readlink().parent, accounting=(SYSTEM / "slurmdbd.conf").is_symlink())
    leftover.claim(["slurmctld", "munged"])
    leftover.stop()
    for pid in _pids("mariadbd"):
        if str(leftover.folder) in Path(f"/proc/{pid}/cmdline").read_text():
            os.kill(pid, signal.SIGTERM)


def main() -> None:
    """Start a cluster and wait for Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stop", action="store_true", help="stop the cluster that a killed test left running")
    parser.add_argument("--accounting", action="store_true", help="with slurmdbd and MariaDB, so that sacct answers")
    args = parser.parse_args()
    if args.stop:
        stop_leftover()
        return
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background
    try:
        with Cluster(folder / "cluster", args.accounting) as cluster:
            print(cluster.ask("sinfo"), f"up; its files are in {folder}; Ctrl-C stops it", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        print("stopped")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
