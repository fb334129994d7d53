"""Which objects are worth a dear model: the gain that training objects, predicted while held out, let one expect."""

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.tree import DecisionTreeRegressor

_LEAVES: Final = 8
_LEAST_LEAF: Final = 20  # objects; squared errors scatter widely, so a leaf needs many
_SHARE_OF_LEAF: Final = 0.05


def expected_gain(clues: pd.DataFrame, gain: ArrayLike, of_new: pd.DataFrame) -> NDArray[np.float64]:
    """Return (m,) what the squared error of new objects is expected to fall by when the dear model predicts them.

    A regression tree of few leaves: it costs next to nothing beside the models, and says "not worth it" of whole kinds
    of objects, as the uncertainty of the cheap model alone cannot.

    Parameters
    ----------
    clues, of_new
        What the cheap model says of (n) training objects while they are held out, and of (m) new ones.
    gain
        (n,) what the squared error of the training objects falls by, both models' predictions out of fold.
    """
    least = max(_LEAST_LEAF, round(_SHARE_OF_LEAF * len(clues)))
    tree = DecisionTreeRegressor(max_leaf_nodes=_LEAVES, min_samples_leaf=least, random_state=0)
    found: NDArray[np.float64] = tree.fit(clues.to_numpy(), np.asarray(gain)).predict(of_new.to_numpy())
    return found
