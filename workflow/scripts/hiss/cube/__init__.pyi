from pathlib import Path

from hiss.cube.reader import Cube

def open(path: Path | str) -> Cube: ...
