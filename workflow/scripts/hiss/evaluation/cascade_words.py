"""What the cascade's table says, in words."""

from typing import Any, Final

import numpy as np
import pandas as pd

_SENT: Final = {
    "uncertainty": "those objects of which the cheap model is least certain",
    "expected": "those objects from which the training objects let one expect the largest gain",
}


def verdict(cascade: pd.DataFrame) -> str:
    """Return what the cascade's table says, in words.

    Parameters
    ----------
    cascade
        As `evaluate_cascade` returns it.
    """
    rows = {order: part.to_dict("list") for order, part in cascade.sort_values("share").groupby("order")}
    chance, alone = rows["random"], {name: values[0] for name, values in rows["fine"].items()}
    cheap, fine = alone["cheap"], alone["fine"]
    coarse, dear = chance["rmse"][0], alone["rmse"]
    first = ""
    if dear >= coarse:
        first = (
            f"The fine model ({fine}) is no better than the cheap one ({cheap}) on the validation objects: its RMSE is "
            f"{dear:.3f} dex against {coarse:.3f}. "
        )
    said = [_judged(rows, order) for order in _SENT if order in rows]
    if "uncertainty" not in rows:
        said.append("Nothing tells how uncertain the cheap model is, so no order by it can be judged.")
    return first + " ".join(said)


def _judged(rows: dict[Any, dict[Any, list[Any]]], order: str) -> str:
    """Say whether an order beats chance, over all shares, and what it costs where the RMSE is lowest."""
    chance, ordered = rows["random"], rows[order]
    alone = {name: values[0] for name, values in rows["fine"].items()}
    mean, low, high = (ordered[name][0] for name in ("mean_gain", "mean_gain_low", "mean_gain_high"))
    way, size = ("lower", (mean, low, high)) if mean >= 0 else ("higher", (-mean, -high, -low))
    over = "over the shares the RMSE is {} by {:.4f} dex (95 % interval {:.4f} to {:.4f})".format(way, *size)
    if not low > 0:
        apart = "" if high < 0 else "the two cannot be told apart, "
        return f"To send on {_SENT[order]} does not beat objects drawn at random: {apart}{over}."
    best = {name: values[int(np.argmin(ordered["rmse"]))] for name, values in ordered.items()}
    beats = f"To send on {_SENT[order]} beats objects drawn at random: {over}."
    if best["share"] == 0:
        return f"{beats} Yet at no share is it below that of the cheap model alone, {best['rmse']:.3f} dex."
    same_cost = np.interp(best["cost_us"], chance["cost_us"], chance["rmse"])
    of_fine = best["cost_us"] / alone["cost_us"]
    return (
        f"{beats} It is lowest with {best['share']:.0%} sent on, {best['rmse']:.3f} dex, at {of_fine:.0%} of the cost "
        f"an object of the fine model ({alone['fine']}) alone, whose RMSE is {alone['rmse']:.3f} dex; as much spent "
        f"on objects drawn at random gives {same_cost:.3f}."
    )
