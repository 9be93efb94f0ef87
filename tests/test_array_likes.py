"""Whatever takes an array refuses what NumPy would convert without a word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oracle import misaligned

import rnn_rust as rnn
from rnn_rust.errors import DataError, RnnRustError, ShapeError

X = np.arange(12.0).reshape(6, 2) / 7
DATA = rnn.Dataset.from_arrays(X, X[:, :1], [0, 2, 6])
SCALER = rnn.StandardScaler().fit(DATA)
NORMALISED = rnn.Dataset.from_arrays(X, X[:, :1], [0, 2, 6]).normalize()


def model() -> rnn.RNN:
    return rnn.RNN(2, 3, 1, scaler=SCALER, seed=1)


def set_state(values: Any) -> None:
    model().stepper().state = values


class Answers:
    """A loss whose gradient is what it was given."""

    def __init__(self, gradient: Any) -> None:
        self.gradient = gradient

    def value_and_gradient(self, predictions: Any, labels: Any) -> Any:
        return 1.0, self.gradient


class Overwrites:
    """An optimiser that puts its values in place of a weight."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def update(self, parameters: Any, gradients: Any) -> None:
        parameters["head.bias"] = self.values


def take(entry: str, values: Any) -> object:
    """Give ``values``, an array (n,) or made of one, to an entry of the package."""
    column = values.reshape(-1, 1) if isinstance(values, np.ndarray) else values
    zeros = np.zeros(len(values))
    return {
        "from_arrays": lambda: rnn.Dataset.from_arrays(values, None, [0, len(values)]),
        "weights": lambda: rnn.Dataset.from_arrays(
            zeros, zeros, [0, len(values)], weights=values
        ),
        "step": lambda: model().stepper().step(values),
        "state": lambda: set_state(values),
        "load_state_dict": lambda: model().load_state_dict(
            model().state_dict() | {"head.bias": values}
        ),
        "transform_features": lambda: SCALER.transform_features(values),
        "inverse_transform_features": lambda: SCALER.inverse_transform_features(values),
        "transform_labels": lambda: SCALER.transform_labels(column),
        "inverse_transform_labels": lambda: SCALER.inverse_transform_labels(column),
        "denormalize_labels": lambda: NORMALISED.denormalize_labels(column),
        "denormalize_labels, not normalised": lambda: DATA.denormalize_labels(values),
        "labels of score": lambda: rnn.RegressionEvaluator().score(values, zeros),
        "predictions of score": lambda: rnn.RegressionEvaluator().score(zeros, values),
        "present of score": lambda: rnn.RegressionEvaluator().score(zeros, zeros, present=values),
        "binary score": lambda: rnn.BinaryClassificationEvaluator().score(zeros, values),
        "classes of score": lambda: rnn.ClassificationEvaluator().score(values, np.eye(3)),
        "gradient of a loss": lambda: rnn.RNN(2, 3, 1, loss=Answers(column)).update(DATA),
        "value of an optimiser": lambda: rnn.RNN(
            2, 3, 1, optimizer=Overwrites(values)
        ).update(DATA),
    }[entry]()  # fmt: skip


SIZES = {
    "step": 2, "state": 3, "load_state_dict": 1, "transform_features": 2,
    "inverse_transform_features": 2, "gradient of a loss": 6, "value of an optimiser": 1,
    **dict.fromkeys(
        [
            "from_arrays", "weights", "transform_labels", "inverse_transform_labels",
            "denormalize_labels", "denormalize_labels, not normalised", "labels of score",
            "predictions of score", "present of score", "binary score", "classes of score",
        ],
        3,
    ),
}  # fmt: skip
STRANGE: dict[str, tuple[Callable[[np.ndarray], Any], str]] = {
    "masked": (
        lambda v: np.ma.array(v, mask=np.arange(len(v)) == 0),
        "masked|is not a weight|nan is",
    ),
    "objects": (lambda v: np.array([object()] * len(v)), "object|not all values are numbers"),
    "texts": (lambda v: v.astype(str), "<U"),
    "texts as objects": (lambda v: v.astype(str).astype(object), "object|are strings among"),
    "complex numbers": (lambda v: v + 1j, "complex128"),
    "dates": (lambda v: v.astype("datetime64[s]"), "datetime64"),
}


@pytest.mark.parametrize("strange", STRANGE)
@pytest.mark.parametrize("entry", SIZES)
def test_what_numpy_would_convert_is_refused(entry: str, strange: str) -> None:
    values = np.linspace(0, 1, SIZES[entry]).round()
    make, words = STRANGE[strange]
    with pytest.raises(DataError, match=words):
        take(entry, make(values))


@pytest.mark.parametrize("entry", SIZES)
def test_real_numbers_of_any_type_are_taken(entry: str) -> None:
    values = np.linspace(0, 1, SIZES[entry]).round()
    nothing_hidden = np.ma.array(values, mask=False)
    for like in (values, nothing_hidden, values.astype(np.float16), values.astype(">f4"),
                 values.astype(np.int8), values.astype(bool), misaligned(values)):  # fmt: skip
        take(entry, like)


def test_a_field_of_a_packed_record_is_taken() -> None:
    record = np.zeros(6, np.dtype([("flag", "i1"), ("x", "f4", (2,)), ("y", "f8")]))
    record["x"], record["y"] = X, X[:, 0]
    x, y = record["x"], record["y"]
    expected = model().predict(X.astype(np.float32))
    own = model()
    stepper, scorer = own.stepper(), own.scorer()
    np.testing.assert_array_equal([stepper.step(row) for row in x], expected)
    np.testing.assert_array_equal([scorer.score(1, row) for row in x], expected)
    np.testing.assert_array_equal(scorer.score_batch([2] * 6, misaligned(x), times=y), expected)
    np.testing.assert_array_equal(own.predict(x), expected)
    # A copy lies as NumPy likes it.
    for one, features, labels in ((own, x, y), (other := model(), x.copy(), y.copy())):
        data = rnn.Dataset.from_arrays(features, labels, [0, 2, 6], weights=labels)
        one.fit(data, epochs=1, progress=False)
    np.testing.assert_array_equal(own.predict(x), other.predict(x))


def test_masked_labels_of_a_data_set_are_missing() -> None:
    labels = np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])
    data = rnn.Dataset.from_arrays(np.zeros(3), labels, [0, 3])
    np.testing.assert_array_equal(data.labels[:, 0], [1, np.nan, 3])


@pytest.mark.parametrize("name", ["offsets", "ids", "times"])
def test_masked_keys_are_refused(name: str) -> None:
    good = {"offsets": [0, 1, 2], "ids": [5, 6], "times": [0, 0]}
    keys = good | {name: np.ma.array(good[name], mask=[True] + [False] * (len(good[name]) - 1))}
    with pytest.raises(DataError, match=f"{name}: masked values"):
        rnn.Dataset.from_arrays(np.zeros(2), None, **keys)
    with pytest.raises(DataError, match="positions: masked values"):
        DATA.subset(np.ma.array([0, 1], mask=[True, False]))
    with pytest.raises(DataError, match="offsets: masked values"):
        rnn.RegressionEvaluator().score([1, 2], [1, 2], np.ma.array([0, 2], mask=[True, False]))


def test_a_list_with_a_masked_array_hides_nothing() -> None:
    row = np.ma.array([1.0, 2.0], mask=[False, True])
    for call in (
        lambda: SCALER.transform_features([row, row]),
        lambda: rnn.RegressionEvaluator().score([row, row], np.zeros((2, 2))),
    ):
        with pytest.raises(DataError, match="masked values"):
            call()


@pytest.mark.parametrize("features", [np.zeros((1, 2)), np.zeros((1, 2), np.float32), [[0.0, 0.0]]])
def test_a_step_takes_one_row(features: Any) -> None:
    stepper = model().stepper()
    with pytest.raises(ShapeError, match=r"2 dimensions, shape \(1, 2\); .* shape \(2,\)"):
        stepper.step(features)
    with pytest.raises(ShapeError, match="0 dimensions"):
        stepper.step(1.0)
    assert not stepper.state.any()


def test_a_refused_step_is_not_taken() -> None:
    stepper = model().stepper()
    stepper.step([1.0, 2.0])
    before = stepper.state
    hidden = np.ma.array(np.float32([1.0, 2.0]), mask=[False, True])
    for features in (hidden, ["1", "2"], [1j, 2], [[1.0, 2.0]]):
        with pytest.raises(RnnRustError):
            stepper.step(features)
    with pytest.raises(TypeError, match="without a mask"):
        stepper.step([1.0, 2.0], out=np.ma.array([0.0], mask=[False]))
    np.testing.assert_array_equal(stepper.state, before)


@pytest.mark.parametrize(
    ("values", "shape", "where"),
    [
        (np.zeros((2, 0, 2)), (2, 0, 2), ""),
        (np.zeros((0, 2)), (0, 2), ""),
        ([np.ones((3, 2)), np.zeros((0, 2))], (0, 2), "array 1 of the list: "),
    ],
)
def test_arrays_without_rows_are_told_so(values: Any, shape: Any, where: str) -> None:
    with pytest.raises(ShapeError) as raised:
        model().predict(values)
    assert str(raised.value) == f"{where}shape {shape}: there are no rows; give at least one"


@pytest.mark.parametrize("values", [np.zeros((2, 0, 3)), np.zeros((0, 3)), np.zeros(0)])
def test_arrays_without_the_columns_are_told_so_first(values: Any) -> None:
    with pytest.raises(ShapeError, match="expects 2 feature columns"):
        model().predict(values)


def test_an_open_file_is_no_tensor() -> None:
    """It has ``detach`` as well."""
    with open(__file__, encoding="utf-8") as file:
        with pytest.raises(DataError, match="labels must be an array of real numbers"):
            SCALER.transform_labels(file)  # type: ignore[arg-type]
        assert file.readline()


@pytest.mark.parametrize("readout", ["each_step", "last", "mean"])
def test_a_list_is_answered_as_the_readout_says(readout: str) -> None:
    arrays = [X[:2], X[2:]]
    own = rnn.GRU(2, 3, 1, readout=readout)
    answer = own.predict(arrays)
    one_by_one = [own.predict(array) for array in arrays]
    assert isinstance(answer, list) == (readout == "each_step")
    shapes = [(2, 1), (4, 1)] if readout == "each_step" else [(1,), (1,)]
    assert [part.shape for part in answer] == shapes
    for part, alone in zip(answer, one_by_one, strict=True):
        np.testing.assert_allclose(np.ravel(part), np.ravel(alone), rtol=1e-6)


@pytest.mark.parametrize("digits", [400, 5000])
def test_a_number_of_many_digits_is_shown_in_short(digits: int) -> None:
    number = -(10**digits)
    # Python writes out 4300 digits at most.
    bits = 16610
    assert digits < 4300 or 2 ** (bits - 1) <= -number < 2**bits
    shown = r"which has -1000+\.\.\.0+;" if digits < 4300 else f"which has an int of {bits} bits;"
    own = rnn.GRU(3, 2, 1)
    for call in (
        lambda: own.scorer().score("a", [number, 0, 0]),
        lambda: own.stepper().step([number, 0, 0]),
        lambda: own.scorer().score_batch(["a"], [[number, 0, 0]]),
    ):
        with pytest.raises(DataError, match=shown) as raised:
            call()
        assert len(str(raised.value)) < 200


def test_an_initial_state_is_one() -> None:
    own = rnn.GRU(2, 3, 1)
    with pytest.raises(DataError, match=r"^initial_state is too large for float32; use dtype"):
        own.predict(X, initial_state=np.full(3, 1e300))
    with pytest.raises(DataError, match=r"^features are too large for float32; use dtype"):
        own.predict(X * 1e300)
