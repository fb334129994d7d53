"""Draw any object of a cube: ``python look.py 703-52209-193 --cube <file>``; without an object it lists some."""

import argparse
import sys
from pathlib import Path

from hiss.cube.reader import Cube
from hiss.errors import HissError
from hiss.plots import look


def arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("target", nargs="?", help="plate-mjd-fiber of any of its spectra")
    which.add_argument("--id", type=int, help="its target_id")
    which.add_argument("--cone", type=float, nargs=3, metavar=("RA", "DEC", "RADIUS"), help="nearest to a place [deg]")
    parser.add_argument("--cube", type=Path, help="any file of a cube that holds targets; default: of --config")
    parser.add_argument("--config", type=Path, default=Path("config/demo.yaml"), help="a config whose cube is there")
    parser.add_argument(
        "--out", type=Path, help=f"{', '.join(look.SUFFIXES)}; default: results/look/<name>_zoom<k>.png"
    )
    parser.add_argument("--zoom", type=int, default=0, choices=range(4), help="0, the finest, to 3")
    parser.add_argument(
        "--colour", action=argparse.BooleanOptionalAction, default=True, help="a composite of g r i too"
    )
    return parser.parse_args()


def main() -> None:
    """Find, draw, and say what it is."""
    args = arguments()
    if args.out:
        look.check_picture(args.out)
    path = args.cube or look.cube_of_config(args.config)
    with Cube(path) as cube:
        if args.id is not None:
            target = look.find_by_id(cube, args.id)
        elif args.cone:
            target, near = look.find_by_place(cube, *args.cone)
            print(f"{len(near)} within the circle, nearest first; the first is drawn")
            print(look.listed(near[:10]).to_string(index=False))
        elif args.target:
            target = look.find_by_name(cube, args.target, path.with_name("rejects.parquet"))
        else:
            print(f"{len(cube.targets)} targets, some of high S/N; name one: make look TARGET=<name>")
            print(look.some_targets(cube.targets).to_string(index=False))
            return
        example = look.example_of_target(target, args.zoom)
    out = args.out or Path("results/look") / f"{look.name_of(example.target)}_zoom{args.zoom}.png"
    look.write_picture(out, look.look_at(example, args.colour))
    print("\n  ".join(look.facts(example)))
    print(out)


if __name__ == "__main__":
    try:
        main()
    except HissError as error:
        sys.exit(f"error: {error}")
