"""Streaming: one step at a time gives the bits of a whole prediction."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import make_data, refused

from rnn_rust import GRU, LSTM, RNN, Dataset, MinMaxScaler
from rnn_rust.errors import BusyError, DataError, ParameterError, ShapeError

DATA = make_data([5, 1, 9], 3, 2)


@given(
    hidden=st.integers(1, 70), inputs=st.integers(1, 20), seed=st.integers(0, 99),
    dtype=st.sampled_from(["float32", "float64"]),
    scaler=st.sampled_from([None, "minmax", "standard"]),
)  # fmt: skip
def test_steps_give_the_bits_of_a_prediction(
    hidden: int, inputs: int, dtype: str, scaler: str | None, seed: int
) -> None:
    data = make_data([7, 3, 1, 12], inputs, 2)
    model = RNN(inputs, hidden, 2, dtype=dtype, scaler=scaler, seed=seed)
    model.fit(data, epochs=1, progress=False)
    together = model.predict(data)
    stepper = model.stepper()
    for at, sequence in enumerate(data):
        stepper.reset()
        steps = np.stack([stepper.step(features) for features in sequence.features])
        rows = slice(data.offsets[at], data.offsets[at + 1])
        assert steps.dtype == together.dtype
        assert steps.tobytes() == together[rows].tobytes()
        np.testing.assert_array_equal(stepper.state, model.hidden_states(sequence)[-1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_features_are_scaled_in_their_own_type_as_those_of_a_data_set(dtype: str) -> None:
    rows = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    data = Dataset.from_arrays(rows[:, :3], rows[:, 3:], [0, 20])
    model = RNN(3, 8, 2, dtype=dtype, scaler="standard")
    model.fit(data, epochs=1, progress=False)
    expected = model.predict(data)
    # Side by side in memory, and not.
    for features in (np.ascontiguousarray(rows[:, :3]), np.asfortranarray(rows[:, :3])):
        stepper = model.stepper()
        np.testing.assert_array_equal([stepper.step(row) for row in features], expected)


def test_the_state_can_be_taken_and_given_back() -> None:
    model = RNN(3, 8, 2)
    one, other = model.stepper(), model.stepper()
    x = DATA.features
    one.step(x[0])
    other.state = one.state
    np.testing.assert_array_equal(one.step(x[1]), other.step(x[1]))
    one.reset()
    np.testing.assert_array_equal(one.state, np.zeros(8))
    np.testing.assert_array_equal(one.step(x[0]), model.stepper().step(x[0]))


def test_outputs_go_where_they_are_wanted() -> None:
    stepper = RNN(3, 8, 2).stepper()
    out = np.zeros(2, np.float32)
    assert stepper.step(DATA.features[0], out=out) is out
    np.testing.assert_array_equal(out, RNN(3, 8, 2).stepper().step(DATA.features[0]))
    for wrong in (np.zeros(3, np.float32), np.zeros(2), [0.0, 0.0], np.zeros(4, np.float32)[::2]):
        with pytest.raises(TypeError, match=r"shape \(2,\)"):
            stepper.step(DATA.features[0], out=wrong)  # type: ignore[arg-type]


def test_features_of_any_kind() -> None:
    model = RNN(3, 8, 2)
    expected = model.stepper().step(np.array([1.0, 2.0, 3.0]))
    strided = np.arange(8, dtype=np.float32)[2::2] / 2
    for features in ([1, 2, 3], (1.0, 2.0, 3.0), np.array([1, 2, 3]), strided):
        given_ = model.stepper().step(features)
        np.testing.assert_array_equal(given_, expected)


@pytest.mark.parametrize("scaled", [False, True])
def test_what_is_no_step_is_refused(scaled: bool) -> None:
    scaler = MinMaxScaler().fit(DATA) if scaled else None
    stepper = RNN(3, 8, 2, scaler=scaler).stepper()
    for features in ([1.0, 2.0], [1.0, 2.0, 3.0, 4.0], []):
        with pytest.raises(ShapeError, match=f"features: expected 3, got {len(features)}"):
            stepper.step(features)
    for value in (np.nan, np.inf, 1e300):
        with pytest.raises(DataError, match="feature 1 is"):
            stepper.step([0.0, value, 0.0])
    state: Any = np.zeros(7)
    with pytest.raises(ShapeError, match="state: expected 8, got 7"):
        stepper.state = state
    with pytest.raises(DataError, match="state 2"):
        stepper.state = np.array([0, 0, np.nan, 0, 0, 0, 0, 0.0])


def test_a_stepper_needs_a_fitted_scaler_and_keeps_its_weights() -> None:
    model = RNN(3, 8, 2, scaler="minmax")
    refused(model.stepper, ParameterError, "fit")
    model.fit(DATA, epochs=1, progress=False)
    stepper = model.stepper()
    before = stepper.step(DATA.features[0])
    model.fit(DATA, epochs=5, progress=False)
    stepper.reset()
    np.testing.assert_array_equal(stepper.step(DATA.features[0]), before)


def test_a_data_set_of_one_step_sequences_is_as_many_first_steps() -> None:
    model = RNN(3, 8, 2)
    single = Dataset.from_arrays(DATA.features, None, np.arange(16))
    stepper = model.stepper()
    for features, expected in zip(DATA.features, model.predict(single), strict=True):
        stepper.reset()
        np.testing.assert_array_equal(stepper.step(features), expected)


def test_a_stepper_shows_what_it_reads() -> None:
    assert repr(RNN(3, 8, 2).stepper()) == "Stepper(RNN, 3 features, 8 units, 2 outputs, float32)"
    shown = repr(GRU(3, 8, 2, num_layers=2, dtype="float64").stepper())
    assert shown == "Stepper(GRU, 3 features, 2 layers of 8 units, 2 outputs, float64)"
    assert repr(RNN(1, 1, 1).stepper()) == "Stepper(RNN, 1 feature, 1 unit, 1 output, float32)"


WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda stepper: pickle.loads(pickle.dumps(stepper)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_copy_goes_on_with_the_same_bits(way: str, dtype: str, layers: int) -> None:
    model = LSTM(3, 8, 2, num_layers=layers, dtype=dtype, scaler="standard")
    model.fit(DATA, epochs=1, progress=False)
    stepper = model.stepper()
    at_first = WAYS[way](stepper)
    np.testing.assert_array_equal(at_first.step(DATA.features[0]), stepper.step(DATA.features[0]))
    other = WAYS[way](stepper)
    expected = [stepper.step(features) for features in DATA.features[1:]]
    np.testing.assert_array_equal([other.step(x) for x in DATA.features[1:]], expected)
    assert repr(other) == repr(stepper)


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_of_a_stepper_with_gaps_to_fill(way: str) -> None:
    frame = {"id": [1, 1, 1, 2], "t": [0, 1, 2, 0], "x1": [1.0, None, 2.0, 3.0], "y1": [0.0] * 4}
    data = Dataset.from_frame(frame, missing="keep")
    model = GRU(hidden_size=3, missing="forward")
    model.fit(data, epochs=1, progress=False)
    stepper = model.stepper()
    stepper.step({"x1": 7.0})
    other = WAYS[way](stepper)
    np.testing.assert_array_equal(other.step({"x1": None}), stepper.step({"x1": None}))
    np.testing.assert_array_equal(other.state, stepper.state)
    assert "x1" in repr(stepper)


def test_features_by_name_and_in_two_dimensions() -> None:
    data = Dataset.from_frame({"t": [0, 1], "x1": [1.0, 2.0], "x2": [3.0, 4.0], "y1": [0.0, 1.0]})
    model = RNN(hidden_size=3)
    model.fit(data, epochs=1, progress=False)
    by_name = model.stepper().step({"x2": 3.0, "y1": 0.0, "x1": 1.0})
    np.testing.assert_array_equal(by_name, model.stepper().step([1.0, 3.0]))
    with pytest.raises(DataError, match="'x2' is missing"):
        model.stepper().step({"x1": 1.0})
    with pytest.raises(ShapeError, match="one by one, or use predict"):
        model.stepper().step(data.features)


def test_a_call_in_the_middle_of_a_call_is_refused() -> None:
    stepper = GRU(3, 4, 1).stepper()

    class Calling:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            stepper.reset()
            return np.zeros(3)

    with pytest.raises(BusyError, match="in the middle of a call; give each thread a stepper"):
        stepper.step(Calling())
    stepper.step(np.zeros(3))


def test_static_features_that_are_no_numbers_are_named() -> None:
    stepper = GRU(3, 4, 1).stepper()
    for wrong in ("x", ["x"], [None], None, [1 + 2j]):
        with pytest.raises(DataError, match="statics must be an array of real numbers"):
            stepper.set_statics(wrong)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match=r"statics: shape \(1, 2\); give a number for each"):
        stepper.set_statics([[1.0, 2.0]])
