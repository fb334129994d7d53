"""The HiSS-Cube: calibration, zooms, index, links, stacks, its parallel build, and its readers."""


def open(path):  # typed in __init__.pyi: this file imports nothing, or every rule would be made of the readers
    """Open any file of a HiSS-Cube for reading: a `hiss.cube.reader.Cube`, to be used in a ``with`` block."""
    import importlib

    return importlib.import_module("hiss.cube.reader").Cube(path)
