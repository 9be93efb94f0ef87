"""The model as its users see it: arguments, weights, predictions, and every refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import RunPython
from oracle import make_data, refused, same_bits

from rnn_rust import RNN, SGD, Dataset, MinMaxScaler, StandardScaler
from rnn_rust.errors import DataError, ParameterError, RnnRustError, ShapeError

DATA = make_data([4, 1, 3], 2, 1)


# Arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["input_size", "hidden_size", "output_size"])
@pytest.mark.parametrize("value", [0, -3, True, 2.0, "2", 2**70])
def test_a_size_is_a_whole_number_from_1(name: str, value: Any) -> None:
    sizes: dict[str, Any] = {"input_size": 2, "hidden_size": 3, "output_size": 1, name: value}
    refused(lambda: RNN(**sizes), ParameterError, name, str(value))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("activation", "swish"),
        ("activation", None),
        ("output_activation", "softmax"),
        ("loss", "mad"),
        ("reduction", "max"),
        ("init", "zeros"),
        ("dtype", "float16"),
        ("dtype", 5),
        ("dtype", None),
        ("scaler", "quantile"),
        ("scaler", 5),
        ("scaler", []),
        ("seed", -1),
        ("seed", 1.5),
        ("seed", True),
        ("seed", 2**64),
        ("optimizer", "newton"),
        ("optimizer", 0.1),
    ],
)
def test_an_option_outside_its_values_is_refused_by_name(name: str, value: Any) -> None:
    refused(lambda: RNN(2, 3, 1, **{name: value}), ParameterError, name, str(value))


@pytest.mark.parametrize("rate", [-0.1, np.nan, np.inf, "0.1", None, True])
def test_a_learning_rate_is_a_finite_number_from_0(rate: Any) -> None:
    refused(lambda: SGD(rate), ParameterError, "learning_rate", str(rate)[:20])


@pytest.mark.parametrize("rate", [0, 1, np.float32(0.5), np.int64(2)])
def test_numpy_numbers_are_learning_rates(rate: Any) -> None:
    RNN(2, 3, 1, optimizer=SGD(rate)).update(DATA)


def test_numpy_integers_are_sizes_and_seeds() -> None:
    numbers: list[Any] = [np.int64(2), np.uint8(3), np.int32(1), np.uint64(4)]
    assert same_bits(RNN(*numbers[:3], seed=numbers[3]), RNN(2, 3, 1, seed=4))


@pytest.mark.parametrize("sizes", [(2, 10**6, 1), (10**18, 3, 1)])
def test_a_network_larger_than_memory_is_refused(
    run_python: RunPython, sizes: tuple[int, int, int]
) -> None:
    code = (
        "import rnn_rust\n"
        f"try: rnn_rust.RNN{sizes}\n"
        "except (MemoryError, rnn_rust.errors.ParameterError): print('refused')"
    )
    assert run_python(code).stdout == "refused\n"


@pytest.mark.parametrize("dtype", ["float32", np.float32, np.dtype("float32")])
def test_a_dtype_in_any_form(dtype: Any) -> None:
    model = RNN(2, 3, 1, dtype=dtype)
    assert model.settings["dtype"] == "float32"
    assert model.predict(DATA).dtype == np.float32


def test_settings_and_repr() -> None:
    model = RNN(2, 3, 1, activation="relu", output_activation="sigmoid", dtype="float64", seed=7)
    assert model.settings["activation"] == "relu"
    assert RNN(**model.settings).settings == model.settings
    model.settings["seed"] = 8
    assert model.settings["seed"] == 7
    same: RNN = eval(repr(model))
    assert same.settings == model.settings


# Weights -------------------------------------------------------------------------------------


def test_state_dict_has_pytorchs_names_and_is_a_copy() -> None:
    model = RNN(2, 3, 1)
    state = model.state_dict()
    shapes = {name: array.shape for name, array in state.items()}
    assert shapes == {
        "weight_ih_l0": (3, 2), "weight_hh_l0": (3, 3), "bias_l0": (3,),
        "head.weight": (1, 3), "head.bias": (1,),
    }  # fmt: skip
    state["bias_l0"][:] = 9
    assert (model.state_dict()["bias_l0"] != 9).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_come_and_go_unchanged(dtype: str) -> None:
    one, other = RNN(2, 3, 1, seed=1, dtype=dtype), RNN(2, 3, 1, seed=2, dtype=dtype)
    assert not same_bits(one, other)
    assert other.load_state_dict(one.state_dict()) is other
    assert same_bits(one, other)


def test_two_biases_become_their_sum() -> None:
    state: dict[str, Any] = RNN(2, 3, 1).state_dict()
    del state["bias_l0"]
    state |= {"bias_ih_l0": [1, 2, 3], "bias_hh_l0": np.array([0.5, 0.25, -3], np.float32)}
    loaded = RNN(2, 3, 1).load_state_dict(state).state_dict()
    assert loaded["bias_l0"].tolist() == [1.5, 2.25, 0.0]


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"bias_l0": [1, 2]}, ShapeError, ["bias_l0", "(3,)", "(2,)"]),
        ({"weight_ih_l0": np.zeros((2, 3))}, ShapeError, ["weight_ih_l0", "(3, 2)", "(2, 3)"]),
        ({"weight_hh_l0": np.zeros(9)}, ShapeError, ["weight_hh_l0", "(3, 3)", "(9,)"]),
        ({"head.bias": [np.nan]}, DataError, ["head.bias", "NaN"]),
        ({"head.bias": [np.inf]}, DataError, ["head.bias", "infinite"]),
        ({"head.bias": [1e39]}, DataError, ["head.bias", "float32"]),
        ({"head.bias": ["one"]}, DataError, ["head.bias", "one"]),
        ({"head.bias": [[1], [2, 3]]}, DataError, ["head.bias"]),
        ({"weight_hh_l1": [0.0]}, ShapeError, ["weight_hh_l1"]),
        ({"bias_hh_l0": np.zeros(3)}, ShapeError, ["bias_hh_l0", "bias_ih_l0"]),
    ],
)
def test_weights_that_do_not_fit_change_nothing(
    change: dict[str, Any], kind: type[RnnRustError], words: list[str]
) -> None:
    model = RNN(2, 3, 1, seed=1)
    state = RNN(2, 3, 1, seed=2).state_dict()
    refused(lambda: model.load_state_dict(state | change), kind, *words)
    assert same_bits(model, RNN(2, 3, 1, seed=1))


def test_missing_weights_are_named() -> None:
    state = RNN(2, 3, 1).state_dict()
    del state["head.bias"]
    refused(lambda: RNN(2, 3, 1).load_state_dict(state), ShapeError, "head.bias")


def test_initial_weights_are_spread_as_documented() -> None:
    def weights(init: str) -> dict[str, Any]:
        return RNN(20, 50, 10, init=init, dtype="float64").state_dict()

    def has_bound(array: Any, bound: float) -> bool:
        return bool(0.95 * bound < np.abs(array).max() <= bound and abs(array.mean()) < bound / 5)

    for init, bound in (("pytorch", 50**-0.5), ("uniform", 1.0)):
        assert all(has_bound(array, bound) for array in weights(init).values() if array.size > 10)
    glorot, orthogonal = weights("glorot_uniform"), weights("orthogonal")
    assert has_bound(glorot["weight_ih_l0"], (6 / 70) ** 0.5)
    assert has_bound(glorot["weight_hh_l0"], (6 / 100) ** 0.5)
    assert has_bound(glorot["head.weight"], (6 / 60) ** 0.5)
    square = orthogonal["weight_hh_l0"]
    np.testing.assert_allclose(square @ square.T, np.eye(50), atol=1e-13)
    for state in (glorot, orthogonal):
        assert not state["bias_l0"].any()
        assert not state["head.bias"].any()


def test_both_dtypes_begin_with_the_same_numbers() -> None:
    single, double = RNN(2, 3, 1).state_dict(), RNN(2, 3, 1, dtype="float64").state_dict()
    for name, array in double.items():
        np.testing.assert_array_equal(single[name], array.astype(np.float32))


# Data ----------------------------------------------------------------------------------------


def test_a_sequence_is_predicted_as_in_its_data_set() -> None:
    model = RNN(2, 3, 1)
    parts = [model.predict(sequence) for sequence in DATA]
    np.testing.assert_array_equal(np.concatenate(parts), model.predict(DATA))
    assert model.hidden_states(DATA).shape == (8, 3)
    assert model.hidden_states(DATA[0]).shape == (4, 3)
    assert model.loss(DATA[0]) == model.loss(DATA.subset([0]))


@pytest.mark.parametrize("scaler", ["minmax", "standard"])
def test_a_scaler_works_on_both_sides(scaler: str) -> None:
    model = RNN(2, 3, 1, scaler=scaler, dtype="float64")
    model.fit(DATA, epochs=3, progress=False)
    assert model.scaler is not None
    plain = RNN(2, 3, 1, dtype="float64").load_state_dict(model.state_dict())
    scaled = model.scaler.transform(DATA)
    expected = model.scaler.inverse_transform_labels(plain.predict(scaled))
    np.testing.assert_array_equal(model.predict(DATA), expected)
    np.testing.assert_array_equal(model.hidden_states(DATA), plain.hidden_states(scaled))
    assert model.loss(DATA) == plain.loss(scaled)


def test_which_labels_are_scaled() -> None:
    for output, scaler, scaled in (
        ("identity", "standard", True), ("sigmoid", "standard", False), ("sigmoid", "minmax", True),
    ):  # fmt: skip
        model = RNN(2, 3, 1, output_activation=output, scaler=scaler)
        model.fit(DATA, epochs=1, progress=False)
        assert model.scaler is not None
        assert (model.scaler.label_scale_ != 1).all() == scaled


def test_a_fitted_scaler_is_taken_as_it_is() -> None:
    scaler = StandardScaler().fit(make_data([50], 2, 1, seed=9))
    before = scaler.to_dict()
    model = RNN(2, 3, 1, scaler=scaler)
    assert np.isfinite(model.predict(DATA)).all()
    model.fit(DATA, epochs=1, progress=False)
    assert scaler.to_dict() == before


def test_a_scaler_is_learnt_from_data_that_fits_the_model() -> None:
    model = RNN(2, 3, 1, scaler="minmax")
    refused(lambda: model.predict(DATA), ParameterError, "scaler", "fit")
    refused(lambda: model.fit(make_data([4], 3, 1), epochs=1), ShapeError, "3 feature columns")
    model.fit(DATA, epochs=1, progress=False)
    assert np.isfinite(model.predict(DATA)).all()


def uses(model: RNN) -> list[Callable[[Dataset], object]]:
    """Every way to give data with labels to a model."""
    return [
        model.loss,
        model.gradients,
        model.update,
        lambda data: model.fit(data, epochs=1),
        lambda data: model.train(data, epochs=1, train_ratio=0.5),
        lambda data: model.fit(DATA, epochs=1, validation=data),
    ]


@pytest.mark.parametrize("use", range(6))
def test_data_that_does_not_fit_changes_nothing(use: int) -> None:
    model = RNN(2, 3, 1)
    call = uses(model)[use]
    unlabelled = Dataset.from_arrays(DATA.features, None, DATA.offsets)
    missing = Dataset.from_arrays(DATA.features, np.full(8, np.nan), DATA.offsets)
    refused(lambda: call(make_data([4, 4], 3, 1)), ShapeError, "3 feature columns", "input_size=2")
    refused(lambda: call(make_data([4, 4], 2, 2)), ShapeError, "2 label columns", "output_size=1")
    refused(lambda: call(unlabelled), DataError, "label")
    refused(lambda: call(missing), DataError, "label")
    assert same_bits(model, RNN(2, 3, 1))
    assert model.epochs_trained == 0


@pytest.mark.parametrize("call", ["loss", "gradients", "update"])
def test_arrays_are_no_data_set(call: str) -> None:
    refused(lambda: getattr(RNN(2, 3, 1), call)(np.zeros((4, 2))), ParameterError, "Dataset")


def test_predictions_need_the_features_of_the_training() -> None:
    model = RNN(2, 3, 1)
    refused(lambda: model.predict(make_data([4], 1, 1)), ShapeError, "1 feature column,", "2")
    refused(lambda: model.hidden_states(make_data([4], 3, 1)), ShapeError, "3 feature columns", "2")
    arrays = (DATA.features, DATA.labels, DATA.offsets)
    model.fit(Dataset.from_arrays(*arrays, feature_names=["age", "size"]), epochs=1, progress=False)
    model.predict(Dataset.from_arrays(*arrays, feature_names=["age", "size"]))
    other = Dataset.from_arrays(*arrays, feature_names=["size", "speed"])
    refused(lambda: model.predict(other), ShapeError, "size, speed", "age, size")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays_of_any_kind_give_the_same_bits(dtype: str) -> None:
    model = RNN(2, 3, 1, dtype=dtype)
    x, y = (np.asarray(array, np.float32) for array in (DATA.features, DATA.labels))
    plain = Dataset.from_arrays(x, y, DATA.offsets)
    wide = Dataset.from_arrays(x.astype(np.float64), y.astype(np.float64), DATA.offsets)
    fortran = plain.with_values(np.asfortranarray(x), np.asfortranarray(y))
    strided = plain.with_values(np.repeat(x, 2, axis=0)[::2], np.repeat(y, 2, axis=1)[:, ::2])
    for array in (plain.features, plain.labels, plain.offsets):
        assert not array.flags.writeable
    expected = model.predict(plain)
    assert expected.dtype == dtype
    for other in (wide, fortran, strided):
        np.testing.assert_array_equal(model.predict(other), expected)
        assert model.loss(other) == model.loss(plain)


@pytest.mark.parametrize("part", ["features", "labels"])
def test_values_beyond_float32_are_refused(part: str) -> None:
    large = {"features": DATA.features.copy(), "labels": DATA.labels.copy()}
    large[part][2, 0] = -1e39
    data = Dataset.from_arrays(**large, offsets=DATA.offsets)
    refused(lambda: RNN(2, 3, 1).update(data), DataError, part, "float32")
    assert np.isfinite(RNN(2, 3, 1, dtype="float64").loss(data))


@pytest.mark.parametrize(
    ("dtype", "large"),
    [("float32", np.float32(3e38)), ("float32", 1e308), ("float64", 1e308)],
)
def test_values_beyond_the_dtype_after_scaling_are_refused(dtype: str, large: Any) -> None:
    narrow = Dataset.from_arrays(DATA.features * 1e-10, DATA.labels, DATA.offsets)
    model = RNN(2, 3, 1, dtype=dtype, scaler=MinMaxScaler().fit(narrow))
    data = Dataset.from_arrays(np.full((2, 2), large), None, [0, 2])
    refused(lambda: model.predict(data), DataError, "features", "too large")
