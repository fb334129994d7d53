"""What repacking frames gains: reading them from bzip2, gzip and plain FITS, and their sizes.

    python benchmarks/repack.py --sdss ../shared/sdss

Every real frame of a folder (all bzip2) is repacked to both forms; each is then read by the build's own reader, with
the page cache warm. Times are processor times, which bear a busy machine, and the best of ``--repeat``.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO / "workflow" / "scripts"))


def reading_time(paths: list[Path], repeat: int) -> float:
    """Return the shortest processor time in which all the frames are read [s]."""
    from hiss.sdss.frame import read_frame

    times = []
    for _ in range(repeat):
        start = time.process_time()
        for path in paths:
            float(read_frame(path).image.sum())  # a plain file's pixels are read when they are used
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Measure and print."""
    from hiss.sdss.repack import repack_frames

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sdss", type=Path, default=Path(os.environ.get("HISS_SDSS", REPO.parent / "shared" / "sdss")))
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for path in args.sdss.rglob("frame-*.fits.bz2"):
            shutil.copy(path, root)
        packed = sorted(root.glob("frame-*.fits.bz2"))
        fetched = pd.DataFrame({"path": [path.name for path in packed], "size": 0, "sha256": "", "status": "fetched"})
        floor = reading_time(packed, args.repeat)
        size = sum(path.stat().st_size for path in packed)
        print(f"{len(packed)} frames, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        print(f"{'bzip2':6s} {size / len(packed) / 1e6:6.2f} MB a frame, read in {floor / len(packed) * 1e3:6.0f} ms")
        for form in ("gzip", "plain"):
            start = time.process_time()
            table = repack_frames(fetched, root, form)
            spent = time.process_time() - start
            took = reading_time([root / path for path in table["path"]], args.repeat)
            print(
                f"{form:6s} {table['size'].mean() / 1e6:6.2f} MB a frame ({table['size'].sum() / size:.2f} x), read in "
                f"{took / len(packed) * 1e3:6.0f} ms: {floor / took:.1f} x as fast; repacked, with its check, in "
                f"{spent / len(packed) * 1e3:.0f} ms"
            )


if __name__ == "__main__":
    main()
