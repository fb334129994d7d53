"""Let a trained run predict every target of a cube: ``python predict.py --run <folder> --cube <file> --out <file>``."""

import argparse
import os
import sys
from pathlib import Path

from hiss.described import SUFFIXES, check_suffix, write_described
from hiss.errors import HissError
from hiss.evaluation.collect import relative_folder
from hiss.evaluation.predict import predict_cube, say_predicted
from hiss.evaluation.prediction_table import COLUMNS
from hiss.imports import modules_of
from hiss.provenance import provenance


def arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder of a run, .../zoom<k>/<settings>")
    parser.add_argument("--cube", type=Path, required=True, help="hiss_cube.h5 or dense.h5")
    parser.add_argument("--out", type=Path, required=True, help=f"what is written: {', '.join(SUFFIXES)}")
    parser.add_argument("--level", type=float, default=0.9, help="share of the objects that an interval is to hold")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def main() -> None:
    """Predict, write, and say how many."""
    args = arguments()
    check_suffix(args.out)
    table = predict_cube(args.run, args.cube, args.level, args.threads)
    code = [Path(__file__), *modules_of(Path(__file__))]
    told = args.run.absolute() / "metrics.json"
    settings = {"run": relative_folder(told), "level": args.level}
    record = provenance({"run": told, "cube": args.cube}, settings, code)
    write_described(args.out, table, COLUMNS, record, "Predicted star formation rates of the targets of a cube")
    say_predicted(table)


if __name__ == "__main__":
    try:
        main()
    except HissError as error:
        sys.exit(f"error: {error}")
