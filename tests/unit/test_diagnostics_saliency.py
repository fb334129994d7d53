"""What the CNN looks at, and that it is what was learned and not the network's form."""

import numpy as np
import pytest
import torch
from cnn_runs import SETTINGS
from torch import nn

from hiss.evaluation.regions import Layout
from hiss.evaluation.saliency import (
    NORM,
    SALIENCY_COLUMNS,
    as_columns,
    likeness,
    mean_gradients,
    measure_saliency,
    with_random_weights,
)
from hiss.models.base import Data
from hiss.models.network import Network
from hiss.models.vgg import VGGNet12

WL = np.linspace(3840.0, 8915.0, 96)
FIRST, LAST = 30, 42  # samples that make the label


def galaxies(n, seed, spectra=True):
    """Only the r band of the images, and twelve samples of the spectra, follow the label; all else is noise."""
    rng = np.random.default_rng(seed)
    parts = rng.normal(size=(2, n))
    images = rng.normal(0, 1, (n, 5, 8, 8))
    images[:, 2] += 2 * parts[0][:, None, None]
    flux = 10 + rng.normal(0, 1, (n, len(WL)))
    flux[:, FIRST:LAST] += 3 * parts[1][:, None]
    return Data.from_arrays(
        images=images.astype("f4"),
        spectra=flux.astype("f4") if spectra else None,
        target=parts.sum(axis=0) if spectra else parts[0],
        image_sigma=np.full(images.shape, 1.0, "f4"),
    )


@pytest.fixture(scope="module")
def trained():
    settings = SETTINGS | {"epochs": 40, "patience": 12, "width": 4}
    model = VGGNet12("early", **settings)
    model.fit(galaxies(500, 1), galaxies(120, 2))
    return model


@pytest.fixture(scope="module")
def measured(trained):
    data = galaxies(120, 3)
    return measure_saliency(trained, data, WL, np.full(120, 0.05), 100, 48, 1)


def test_of_a_linear_network_gradients_times_inputs_are_its_terms():
    class Linear(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.arange(6.0)

        def forward(self, inputs):
            return inputs[0].flatten(1) @ self.weight + 3

    values = torch.randn(4, 2, 3)
    reference = torch.zeros(1, 2, 3)
    gradients, distance = mean_gradients(Linear(), [values], [reference], 5)
    np.testing.assert_allclose(gradients[0].reshape(4, 6), np.tile(np.arange(6.0), (4, 1)))
    np.testing.assert_allclose(distance, (values.flatten(1) @ torch.arange(6.0)).numpy(), atol=1e-5)


def test_columns_are_in_the_order_of_the_features():
    images = np.arange(2 * 3 * 3 * 5, dtype=float).reshape(2, 3, 3, 5)
    columns = as_columns([images, np.ones((2, 4)), np.full((2, 1), 7.0)], Layout(3, np.arange(4.0), [NORM]))
    assert columns.shape == (2, 45 + 4 + 1)
    np.testing.assert_array_equal(columns[0, 9:18], images[0, :, :, 1].ravel()), "the second band, row by row"
    assert columns[1, -1] == 7


def test_parts_add_up_to_the_predictions(measured):
    regions, _ = measured
    assert list(regions) == SALIENCY_COLUMNS
    assert regions["completeness"].iloc[0] < 0.1


def test_what_makes_the_label_is_what_moves_the_predictions(measured):
    regions, maps = measured
    bands = regions[regions["kind"] == "band"].set_index("name")["contribution"]
    assert bands.idxmax() == "r"
    assert bands["r"] > 3 * bands.drop("r").max()
    samples = maps.loc[maps["part"] == "sample", "contribution"].to_numpy()
    inside = np.zeros(len(WL), bool)
    inside[FIRST:LAST] = True
    assert samples[inside].mean() > 3 * samples[~inside].mean()
    assert NORM in set(regions["name"])


def test_random_weights_give_another_map(measured, trained):
    """The sanity check of Adebayo et al. 2018: a map that does not need the fit says nothing of it."""
    regions, maps = measured
    bands = regions[regions["kind"] == "band"].set_index("name")
    trained_share = bands["contribution"] / bands["contribution"].sum()
    random_share = bands["contribution_random"] / bands["contribution_random"].sum()
    assert trained_share["r"] > 0.6
    assert random_share["r"] < 0.75 * trained_share["r"]
    assert abs(regions["likeness_gradient"].iloc[0]) < 0.4
    assert regions["likeness"].iloc[0] < 0.9
    features = maps[maps["part"] != "rest"]
    assert features["contribution_random"].sum() == pytest.approx(features["contribution"].sum())
    again = with_random_weights(trained.network, 1)
    other = with_random_weights(trained.network, 2)
    first, same = (next(one.parameters()).detach() for one in (with_random_weights(trained.network, 1), again))
    assert torch.equal(first, same)
    assert not torch.equal(first, next(other.parameters()))
    assert not torch.equal(first, next(trained.network.parameters())), "the trained network is left as it is"


@pytest.mark.parametrize("batch_norm", [False, True])
def test_nothing_that_was_learned_is_left_also_of_attention(batch_norm):
    network = Network(8, 96, 1, 4, 0.5, batch_norm, attention=True)
    with torch.no_grad():
        for values in network.parameters():
            values.fill_(0.7)
    drawn = with_random_weights(network, 1)
    names = [name for name, values in drawn.named_parameters() if (values == 0.7).any()]
    assert names == []
    assert drawn.attention.embedding.std() < 0.1


def test_the_same_network_and_seed_give_the_same_numbers(trained, measured):
    regions, _ = measure_saliency(trained, galaxies(120, 3), WL, np.full(120, 0.05), 100, 48, 1)
    assert regions.equals(measured[0])


def test_a_network_of_images_has_no_spectrum_to_look_at():
    model = VGGNet12("photo", **SETTINGS | {"epochs": 2})
    model.fit(galaxies(60, 1, False), galaxies(30, 2, False))
    regions, maps = measure_saliency(model, galaxies(30, 3, False), np.empty(0), np.full(30, 0.1), 10, 4, 1)
    assert set(regions["kind"]) == {"images", "band", "ring"}
    assert set(maps["part"]) == {"pixel"}
    assert (regions["n"] == 10).all()


def test_a_flat_map_is_like_nothing():
    assert np.isnan(likeness(np.ones(5), np.arange(5)))
    assert likeness(np.arange(5), np.arange(5)) == pytest.approx(1)
