import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import median_abs_deviation
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from hiss.errors import HissError
from hiss.models.metrics import scores

VALUES = st.floats(-4, 4, width=32)


@given(arrays("f8", (2, 17), elements=VALUES))
def test_metrics_are_those_of_scikit_learn(pair):
    truth, prediction = pair
    found = scores(truth, prediction)
    assert found["r2"] == pytest.approx(r2_score(truth, prediction), rel=1e-9, abs=1e-9)
    assert found["mae"] == pytest.approx(mean_absolute_error(truth, prediction))
    assert found["rmse"] == pytest.approx(root_mean_squared_error(truth, prediction))
    assert found["nmad"] == pytest.approx(1.4826 * median_abs_deviation(truth - prediction))


def test_nmad_is_sigma_of_normal_errors_and_blind_to_outliers_and_bias():
    rng = np.random.default_rng(1)
    truth = rng.normal(size=20000)
    error = rng.normal(0.5, 0.2, size=20000)
    error[:200] = 50
    assert scores(truth, truth - error)["nmad"] == pytest.approx(0.2, rel=0.03)


def test_equal_truths():
    assert scores([1, 1, 1], [1, 1, 1])["r2"] == 1
    assert scores([1, 1, 1], [1, 1, 2])["r2"] == 0


@pytest.mark.parametrize(
    ("truth", "prediction"), [([1.0], [1.0]), ([1.0, 2.0], [1.0, 2.0, 3.0]), ([1.0, np.nan], [1.0, 2.0])]
)
def test_refuses_what_has_no_score(truth, prediction):
    with pytest.raises(HissError, match="metrics need"):
        scores(truth, prediction)
