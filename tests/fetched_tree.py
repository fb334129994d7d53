"""A small tree of the archive and what tests of downloads ask of it."""

from pathlib import Path

import numpy as np

from hiss.sdss.fetch import Limits
from hiss.sdss.fetch_one import Wanted

QUICK = Limits(connections=3, retries=3, timeout_s=5.0, backoff_s=0.01)
FOLDER = "dr17/eboss/photoObj/frames/301/94/1"
SPECTRA = "dr17/sdss/spectro/redux/26/spectra/0266"


def fits_bytes(seed: int, n: int = 40_000) -> bytes:
    header = b"SIMPLE  =                    T".ljust(80) + b"END".ljust(80)
    return header.ljust(2880) + np.random.default_rng(seed).bytes(-(-n // 2880) * 2880)


def put(root: Path, path: str, content: bytes) -> str:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(content)
    return path


def files_of(tree: Path) -> list[str]:
    return sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*.fit*"))


def wanted(server, paths, **known) -> list[Wanted]:
    return [Wanted(path, f"{getattr(server, 'url', server)}/{path}", **known) for path in paths]


def frame(field=0) -> str:
    return f"{FOLDER}/frame-r-000094-1-{field:04d}.fits.bz2"


def same(tree: Path, raw: Path, path: str) -> bool:
    return (tree / path).read_bytes() == (raw / path).read_bytes()


def litter(raw: Path) -> list[str]:
    return sorted(p.name for p in raw.rglob(".*") if p.is_file() and p.name != ".fetched.sha256sum")
