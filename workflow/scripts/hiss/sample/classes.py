"""Classes of a further target, by its table of objects."""

import pandas as pd


def class_names(objects: pd.DataFrame) -> tuple[str, ...]:
    """Return the names of the classes in a target's objects.parquet in order of their codes; empty of a number."""
    if "class" not in objects:
        return ()
    return tuple(str(name) for name in objects.sort_values("truth", kind="stable")["class"].drop_duplicates())
