"""The scores and weights of classes, and the tables of their predictions, against scikit-learn and by hand."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from class_data import objects
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss
from sklearn.utils.class_weight import compute_sample_weight

from hiss.errors import HissError
from hiss.models.class_metrics import CLASS_SCORES, class_codes, class_scores
from hiss.models.fusion import late_fusion
from hiss.models.metrics import scores
from hiss.models.predictions import (
    predicted,
    prediction_columns,
    prediction_units,
    probability_columns,
    table_scores,
)
from hiss.models.weights import class_weights, label_weights, object_weights


def drawn(n: int, n_classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(n_classes, size=n).astype(float), rng.dirichlet(np.full(n_classes, 0.5), n)


@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_scores_are_those_of_scikit_learn(n_classes):
    truth, p = drawn(300, n_classes)
    found = class_scores(truth, p)
    assert tuple(found) == CLASS_SCORES
    best = p.argmax(axis=1)
    assert found["balanced_accuracy"] == balanced_accuracy_score(truth, best)
    assert found["macro_f1"] == f1_score(truth, best, average="macro")
    assert found["accuracy"] == accuracy_score(truth, best)
    assert_allclose(found["log_loss"], log_loss(truth, p), rtol=1e-12)


def test_scores_by_hand():
    truth = [0, 0, 0, 1]
    found = class_scores(truth, [[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0.4, 0.6]])
    assert found["accuracy"] == 0.75
    assert_allclose(found["balanced_accuracy"], (2 / 3 + 1) / 2)
    assert_allclose(found["macro_f1"], (2 * 2 / (2 * 2 + 0 + 1) + 2 * 1 / (2 * 1 + 1 + 0)) / 2)
    assert_allclose(found["log_loss"], -np.log([0.9, 0.5, 0.2, 0.6]).mean())


def test_a_class_that_no_object_is_of_is_left_out_and_warns_of_nothing():
    p = [[0.8, 0.1, 0.1], [0.1, 0.2, 0.7], [0.1, 0.8, 0.1]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = class_scores([0, 0, 1], p)  # the second is taken for a class that none is of
    assert found["balanced_accuracy"] == (0.5 + 1) / 2
    assert_allclose(found["macro_f1"], (2 / 3 + 1) / 2)
    assert class_scores([2, 2], [[0, 0, 1], [0, 0, 1]])["balanced_accuracy"] == 1


def test_a_sure_mistake_costs_36_and_no_infinity():
    assert_allclose(class_scores([0, 1], [[0, 1], [0, 1]])["log_loss"], 36.04 / 2, atol=0.01)


@pytest.mark.parametrize(
    ("truth", "p", "said"),
    [
        ([], np.zeros((0, 2)), "two classes or more"),
        ([0, 1], [[1.0], [1.0]], "two classes or more"),
        ([0], [[0.5, 0.5], [0.5, 0.5]], "two classes or more"),
        ([0, 2], [[0.5, 0.5], [0.5, 0.5]], "1 of 2 labels are no code of 2 classes .* 2.0 for one"),
        ([0, 0.5], [[0.5, 0.5], [0.5, 0.5]], "no code"),
        ([0, np.nan], [[0.5, 0.5], [0.5, 0.5]], "no code"),
        ([0, 1], [[0.5, 0.6], [0.5, 0.5]], "adding up to 1"),
        ([0, 1], [[1.5, -0.5], [0.5, 0.5]], "adding up to 1"),
        ([0, 1], [[np.nan, 1], [0.5, 0.5]], "adding up to 1"),
    ],
)
def test_what_is_no_classification_is_told(truth, p, said):
    with pytest.raises(HissError, match=said):
        class_scores(truth, p)


def test_codes_are_whole_numbers():
    found = class_codes(np.array([0.0, 2.0]), 3)
    assert found.dtype == np.int64
    assert_array_equal(found, [0, 2])


# ---- weights ----


def test_class_weights_are_scikit_learn_s_and_of_mean_one():
    codes = np.repeat([0.0, 1.0, 3.0], [50, 5, 20])
    assert_allclose(class_weights(codes), compute_sample_weight("balanced", codes))
    assert_allclose(class_weights(codes).mean(), 1)
    for code in np.unique(codes):
        assert_allclose(class_weights(codes)[codes == code].sum(), len(codes) / 3)


def test_weights_of_objects_are_the_product_of_those_asked_for():
    data = replace(objects(60, 1), label_sigma=np.linspace(0.1, 1, 60))
    by_label, by_class = label_weights(data.label_sigma), class_weights(data.target)
    assert object_weights(data, False, False) is None
    assert_array_equal(object_weights(data, True, False), by_label)
    assert_array_equal(object_weights(data, False, True), by_class)
    assert_array_equal(object_weights(data, True, True), by_label * by_class)
    number = replace(data, classes=())  # a regression has no classes to weigh
    assert object_weights(number, False, True) is None
    chosen = np.arange(60) % 3 > 0
    assert_array_equal(object_weights(data, True, False, chosen), by_label[chosen])
    assert_array_equal(object_weights(data, False, True, chosen), class_weights(data.target[chosen]))


# ---- tables ----


def table(truth: np.ndarray, p: np.ndarray) -> pd.DataFrame:
    known = {"target_id": np.arange(len(truth)) + 7, "row": np.arange(len(truth)), "truth": truth}
    return pd.DataFrame(known | prediction_columns(p))


def test_a_table_of_classes_tells_the_most_probable_and_all_probabilities():
    truth, p = drawn(50, 12)
    found = table(truth, p)
    assert list(found)[3:] == ["prediction", *(f"p_{code}" for code in range(12))]
    assert_array_equal(found["prediction"], p.argmax(axis=1))
    assert probability_columns(found.columns) == [f"p_{code}" for code in range(12)]
    assert_array_equal(predicted(found), p)
    assert table_scores(found) == class_scores(truth, p)


def test_a_table_of_a_regression_is_as_it_was():
    truth = np.arange(9.0)
    found = table(truth, truth + 0.5)
    assert list(found)[3:] == ["prediction"]
    assert_array_equal(predicted(found), truth + 0.5)
    assert table_scores(found) == scores(truth, truth + 0.5)
    assert prediction_units("sfr") == {"truth": "log10(M_sun yr-1)", "prediction": "log10(M_sun yr-1)"}
    assert prediction_units("redshift") == prediction_units("class", ("a", "b")) == {}


def test_late_fusion_of_classes_is_the_mean_of_their_probabilities():
    truth, first = drawn(80, 3, 1)
    second = drawn(80, 3, 2)[1]
    fused = late_fusion(table(truth, first), table(truth, second).sample(frac=1, random_state=3))
    mean = (first + second) / 2
    assert_allclose(predicted(fused), mean)
    assert_array_equal(fused["prediction"], mean.argmax(axis=1))
    assert list(fused) == ["target_id", "row", "truth", "prediction", "p_0", "p_1", "p_2"]
    folded = [table(truth, p).assign(fold=np.arange(80) % 5) for p in (first, second)]
    assert list(late_fusion(*folded)) == ["target_id", "row", "truth", "prediction", "fold", "p_0", "p_1", "p_2"]


def test_late_fusion_of_other_classes_is_refused():
    truth, p = np.zeros(9), drawn(9, 3)[1]
    with pytest.raises(HissError, match="the same classes"):
        late_fusion(table(truth, p), table(truth, drawn(9, 4)[1]))
    with pytest.raises(HissError, match="the same classes"):
        late_fusion(table(truth, p), table(truth, truth))
