"""What a folder of raw files holds at the moment: a new, changed or lost file there must be seen.

Known to the Snakefile alone.
"""

import hashlib
import os
from pathlib import Path


def folder_state(root: Path | str) -> str:
    """Return a digest of the names, sizes and times of all files below a folder; no file is read."""
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(root, followlinks=True):
        folders.sort()
        for name in sorted(files):
            path = Path(folder) / name
            try:
                status = path.stat()
            except OSError:
                continue
            digest.update(f"{path.relative_to(root)}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
