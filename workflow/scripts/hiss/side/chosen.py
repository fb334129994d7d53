"""By what the best of a further target's runs is chosen: the validation objects, never the test set."""

import pandas as pd


def best_first(scores: pd.DataFrame) -> pd.DataFrame:
    """Return a target's table of scores in the order of how well the runs did on the validation objects.

    First is the highest balanced accuracy, of equal ones the lowest log loss; of numbers the lowest RMSE. The scores of
    the test objects have no say in it, or the best of many would be the luckiest of them.
    """
    more_is_better = "balanced_accuracy" in scores
    by = ["validation", "validation_loss"]
    return scores.sort_values(by, ascending=[not more_is_better, True], kind="stable", ignore_index=True)
