"""Weights of rows and classes: a weight is the number of times that a label counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import LOSSES, READOUTS, make_labelled
from oracle import Array, assert_all_close, assert_close, refused, same_bits, taken
from sklearn.utils.class_weight import compute_class_weight

from rnn_rust import GRU, RNN, SGD, Dataset, Sequence
from rnn_rust.errors import DataError, ParameterError
from rnn_rust.learning.losses import Focal

LENGTHS = [4, 1, 6, 2, 3, 5, 2]
REDUCTIONS = ["mean", "sum"]


def make_model(loss: Any = "mse", **options: Any) -> GRU:
    defaults: dict[str, Any] = {"dtype": "float64", "optimizer": SGD(0.1), "seed": 3}
    return GRU(2, 4, 3, loss=loss, **defaults | options)


def weighted(data: Dataset, weights: Array) -> Dataset:
    return Dataset.from_arrays(data.features, data.labels, data.offsets, weights=weights)


def by_sequence(data: Dataset, weights: Any) -> Dataset:
    """Return the data with the weight of each sequence at all of its rows."""
    return weighted(data, np.repeat(np.asarray(weights, float), np.diff(data.offsets)))


def check_same(one: tuple[GRU, Dataset], other: tuple[GRU, Dataset]) -> None:
    """Compare losses, gradients, and a few epochs of full batches."""
    (loss, gradients), (expected, slopes) = (model.gradients(data) for model, data in (one, other))
    assert_close(loss, expected, 1e-14)
    assert_all_close(gradients, slopes, 1e-14)
    histories = [
        model.fit(data, epochs=4, batch_size=len(data), progress=False)
        for model, data in (one, other)
    ]
    assert_close(histories[0].loss, histories[1].loss, 1e-12)
    assert_all_close(one[0].state_dict(), other[0].state_dict(), 1e-12)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_a_whole_number_is_how_often_a_sequence_stands_there(
    loss: Any, readout: str, reduction: str
) -> None:
    data = make_labelled(LENGTHS, loss, (2, 3), missing=0.2, seed=4)
    times = [2, 1, 0, 3, 1, 0, 2]
    often = taken(data, np.repeat(np.arange(7), times))
    options = {"readout": readout, "reduction": reduction}
    check_same(
        (make_model(loss, **options), by_sequence(data, times)),
        (make_model(loss, **options), often),
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=30, max_size=30), st.sampled_from(["mse", "focal"]))
def test_the_mean_is_over_weights(times: list[int], loss: str) -> None:
    """By row: each label's loss is measured alone, with all others missing."""
    data = make_labelled(LENGTHS, loss, (2, 3), missing=0.3, seed=4)
    weights = np.array([*times[: len(data.labels) - 1], 1.0], float)
    model = make_model(loss)
    total = divisor = 0.0
    for row, column in np.argwhere(~np.isnan(data.labels)):
        labels = np.full_like(data.labels, np.nan)
        labels[row, column] = data.labels[row, column]
        alone = model.loss(data.with_values(data.features, labels))
        total += weights[row] * alone
        divisor += weights[row]
    if divisor:
        assert_close(model.loss(weighted(data, weights)), total / divisor, 1e-13)


def test_equal_weights_are_none_and_scale_does_not_matter() -> None:
    data = make_labelled(LENGTHS, sizes=(2, 3), missing=0.2)
    weights = np.random.default_rng(0).uniform(0.1, 3, len(data.labels))
    ones, plain, twice, once = (make_model() for _ in range(4))
    ones.fit(weighted(data, np.ones(len(weights))), epochs=3, batch_size=2, progress=False)
    plain.fit(data, epochs=3, batch_size=2, progress=False)
    assert same_bits(ones, plain)
    twice.fit(weighted(data, 2 * weights), epochs=3, batch_size=2, progress=False)
    once.fit(weighted(data, weights), epochs=3, batch_size=2, progress=False)
    assert same_bits(twice, once)


def test_a_batch_without_weight_changes_nothing() -> None:
    data = make_labelled([3, 4, 5], sizes=(2, 3))
    some, model, expected = [1, 0, 1], make_model(), make_model()
    options: dict[str, Any] = {"epochs": 2, "batch_size": 1, "shuffle": False, "progress": False}
    model.fit(by_sequence(data, some), **options)
    expected.fit(data.subset([0, 2]), **options)
    assert_all_close(model.state_dict(), expected.state_dict(), 1e-15)
    refused(lambda: model.fit(by_sequence(data, [0, 0, 0]), epochs=1), DataError, "weight 0")


def test_a_sequence_read_out_has_the_weight_of_its_label() -> None:
    data = make_labelled([3, 4], sizes=(2, 3))
    labels = data.labels.copy()
    labels[[2, 5, 6]] = np.nan  # what remains are the rows 1 and 4
    weights = np.array([9.0, 2.0, 9.0, 9.0, 5.0, 9.0, 9.0])
    model = make_model(readout="last")
    data = data.with_values(data.features, labels)
    losses = [model.loss(sequence) for sequence in data]
    assert_close(model.loss(weighted(data, weights)), np.average(losses, weights=[2, 5]), 1e-14)


# Classes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["binary_cross_entropy", "focal", "cross_entropy"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("readout", READOUTS)
def test_weights_of_classes_are_weights_of_rows(loss: str, reduction: str, readout: str) -> None:
    of_class = {0: 0.5, 1: 2.0, 2: 3.5} if loss == "cross_entropy" else {0: 0.5, 1: 2.0}
    sizes = (2, 3) if loss == "cross_entropy" else (2, 1)
    data = make_labelled(LENGTHS, loss, sizes, missing=0.2, seed=4)
    weights = [of_class.get(label, 1.0) for label in data.labels[:, 0]]
    options: dict[str, Any] = {
        "loss": loss, "reduction": reduction, "readout": readout, "dtype": "float64",
    }  # fmt: skip
    models = (
        GRU(sizes[0], 4, sizes[1], class_weight=of_class, **options),
        GRU(sizes[0], 4, sizes[1], **options),
    )
    check_same((models[0], data), (models[1], weighted(data, np.array(weights))))


@pytest.mark.parametrize("readout", READOUTS)
def test_balanced_weights_are_those_of_scikit_learn(readout: str) -> None:
    data = make_labelled([4, 1, 6, 2, 3, 5, 2] * 3, "cross_entropy", (2, 3), seed=9, missing=0.3)
    taken_labels = data.labels[:, 0]
    if readout != "each_step":
        steps = [s.labels[~np.isnan(s.labels)] for s in data]
        taken_labels = np.array([known[-1] for known in steps if len(known)])
    known = taken_labels[~np.isnan(taken_labels)]
    weights = compute_class_weight("balanced", classes=np.arange(3.0), y=known)
    options: dict[str, Any] = {"readout": readout, "loss": "cross_entropy"}
    balanced = make_model(class_weight="balanced", **options)
    given_ = make_model(class_weight=dict(enumerate(weights)), **options)
    for model in (balanced, given_):
        model.fit(data, epochs=3, batch_size=4, progress=False)
    assert_all_close(balanced.state_dict(), given_.state_dict(), 1e-13)
    other = make_labelled([5, 2], "cross_entropy", (2, 3), seed=1)
    assert_close(balanced.loss(other), given_.loss(other), 1e-13)


def test_balanced_weights_follow_from_the_first_training_alone() -> None:
    data = make_labelled(LENGTHS, "focal", (2, 3), seed=4)
    model = make_model("focal", class_weight="balanced")
    refused(lambda: model.loss(data), ParameterError, "balanced", "fit()")
    refused(lambda: model.update(data), ParameterError, "balanced", "fit()")
    model.fit(data, epochs=1, progress=False)
    assert model.class_table is not None
    assert model.class_table.shape == (3, 2)
    for column, table in zip(data.labels.T, model.class_table, strict=True):
        assert_close(
            table, compute_class_weight("balanced", classes=np.arange(2.0), y=column), 1e-15
        )
    before = model.class_table.copy()
    model.fit(make_labelled([5], "focal", (2, 3), seed=5), epochs=1, progress=False)
    np.testing.assert_array_equal(model.class_table, before)


def test_an_unlabelled_column_has_no_weights_to_learn() -> None:
    data = make_labelled([4, 3], "focal", (2, 3))
    labels = data.labels.copy()
    labels[:, 1] = np.nan
    unlabelled = data.with_values(data.features, labels)
    model = make_model("focal", class_weight="balanced")
    table = model.preparation.balanced_class_table(unlabelled)
    assert table is not None
    assert table[1].tolist() == [1, 1]
    with pytest.raises(DataError, match="every label, and 'y2' has none"):
        model.fit(unlabelled, epochs=2, progress=False)
    assert model.class_table is None


@pytest.mark.parametrize("pos_weight", [0.25, 1.0, 7.0])
@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_a_positive_label_counts_more_in_a_mean_over_labels(
    pos_weight: float, gamma: float
) -> None:
    """As in PyTorch; p is the probability of the label that is there."""
    data = make_labelled(LENGTHS, "focal", (2, 3), missing=0.3, seed=4)
    loss = Focal(gamma) if gamma else "binary_cross_entropy"
    model = make_model(loss, pos_weight=pos_weight)
    positive = model.predict(data)
    p = np.where(data.labels == 1, positive, 1 - positive)
    losses = -((1 - p) ** gamma) * np.log(p) * np.where(data.labels == 1, pos_weight, 1)
    expected = losses[~np.isnan(data.labels)].mean()
    assert_close(model.loss(data), expected, 1e-13)


def test_a_soft_label_is_a_share_of_both() -> None:
    data = make_labelled([3, 4], sizes=(2, 3))
    share = np.full_like(data.labels, 0.3)
    soft, ones, zeros = (data.with_values(data.features, share * k) for k in (1, 1 / 0.3, 0))
    model = make_model("binary_cross_entropy")
    expected = 0.3 * model.loss(ones) + 0.7 * model.loss(zeros)
    assert_close(model.loss(soft), expected, 1e-14)


def test_a_sequence_of_a_weighted_data_set_has_its_weights() -> None:
    data = make_labelled([3, 4], sizes=(2, 3), weighted=True)
    model = make_model()
    first: Sequence = data[0]
    assert first.weights is not None
    assert model.loss(first) == model.loss(data.subset([0]))
    assert RNN(2, 3, 3).loss(first) == RNN(2, 3, 3).loss(data.subset([0]))


@pytest.mark.parametrize(("weight", "dtype"), [(1e-44, "float32"), (1e-320, "float64")])
def test_weights_whose_reciprocal_overflows_are_refused(weight: float, dtype: str) -> None:
    data = make_labelled([3, 4], sizes=(2, 3))
    model = make_model(dtype=dtype)
    message = f"weights are too small for {dtype}; multiply them by a constant"
    small = weighted(data, np.full(7, weight))
    refused(lambda: model.fit(small, epochs=1, progress=False), DataError, message)
    # Beside others they count for nothing, as they should.
    weights = np.full(7, weight)
    weights[1] = 1.0
    model.fit(weighted(data, weights), epochs=1, batch_size=1, shuffle=False, progress=False)
    assert np.isfinite(model.loss(data))
