"""Weights of PyTorch: read from golden arrays, and, where torch is installed, compared with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import Array, assert_close

import rnn_rust
from rnn_rust import GRU, LSTM, Dataset, from_torch
from rnn_rust.errors import DataError, ParameterError, ShapeError

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.stem for path in GOLDEN.glob("*.npz") if not path.stem.startswith("optim-"))


def golden(case: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Array]]:
    """Return the numbers of a file, what they are of, and PyTorch's weights."""
    with np.load(GOLDEN / f"{case}.npz") as file:
        numbers = dict(file)
    weights = {key[2:]: array for key, array in numbers.items() if key.startswith("w.")}
    return numbers, json.loads(str(numbers["meta"])), weights


def options_for(kind: str) -> dict[str, Any]:
    """Return what the weights of a cell do not tell."""
    return {} if kind in ("tanh", "gru", "lstm") else {"activation": kind}


def renamed(weights: dict[str, Array], name: str, head: str) -> dict[str, Array]:
    """Return the state dict of a module whose parts have these names."""
    return {
        f"{head}.{key[5:]}" if key.startswith("head.") else f"{name}.{key}": array
        for key, array in weights.items()
    }


def state(cell: str = "GRU", *, hidden: int = 4, inputs: int = 3, **more: Any) -> dict[str, Array]:
    """Return random weights of one layer with a head of two outputs."""
    gates, rng = {"RNN": 1, "GRU": 3, "LSTM": 4}[cell], np.random.default_rng(0)
    shapes = {
        "weight_ih_l0": (gates * hidden, inputs), "weight_hh_l0": (gates * hidden, hidden),
        "bias_ih_l0": (gates * hidden,), "bias_hh_l0": (gates * hidden,),
        "head.weight": (2, hidden), "head.bias": (2,),
    }  # fmt: skip
    return {name: rng.normal(size=shape) for name, shape in (shapes | more).items()}


X = np.random.default_rng(1).normal(size=(6, 3))


# What PyTorch computed ------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_outputs_are_those_of_pytorch(case: str) -> None:
    numbers, about, weights = golden(case)
    data = Dataset.from_arrays(numbers["X"], None, numbers["offsets"])
    for source in (weights, renamed(weights, "encoder.rnn", "fc")):
        model = from_torch(source, **options_for(about["kind"]))
        assert model.cell == {"gru": "GRU", "lstm": "LSTM"}.get(about["kind"], "RNN")
        for name in ("input_size", "hidden_size", "output_size", "num_layers", "bidirectional"):
            assert model.settings[name] == about[name]
        assert model.settings["dtype"] == "float64"
        assert_close(model.predict(data), numbers["outputs"], 1e-10)


@pytest.mark.parametrize("case", CASES)
def test_there_and_back_loses_no_bit(case: str) -> None:
    _, about, weights = golden(case)
    model = from_torch(weights, **options_for(about["kind"]))
    if about["kind"] == "sigmoid":
        with pytest.raises(ParameterError, match=r"torch.nn.RNN has tanh and relu, not .*sigmoid"):
            model.to_torch_state_dict()
        return
    there = model.to_torch_state_dict(name="a.b", head="c")
    assert there.keys() == renamed(weights, "a.b", "c").keys()
    assert {key: array.shape for key, array in there.items()} == {
        key: array.shape for key, array in renamed(weights, "a.b", "c").items()
    }
    back = from_torch(there, **options_for(about["kind"])).state_dict()
    for name, array in model.state_dict().items():
        assert np.array_equal(back[name], array)


# Where weights are found ----------------------------------------------------------------------


def test_parts_by_name() -> None:
    first, second = state("GRU"), state("LSTM")
    net = renamed(first, "encoder", "mean") | renamed(second, "decoder.rnn", "scale")
    net["embedding.weight"] = np.ones((9, 4))
    for name, head, part in (("encoder", "mean", first), ("decoder.rnn", "scale", second)):
        model = from_torch(net, head, name=name)
        assert np.array_equal(model.predict(X), from_torch(part).predict(X))
    with pytest.raises(ParameterError, match=r"2 recurrent parts; give name= one of 'encoder', 'd"):
        from_torch(net, "mean")
    with pytest.raises(
        ParameterError, match=r"name='rnn': there is no rnn.weight_ih_l0; rec.*'enc"
    ):
        from_torch(net, name="rnn")
    with pytest.raises(ParameterError, match=r"head='fc': there is no fc.weight; weights: mean.we"):
        from_torch(net, "fc", name="encoder")
    with pytest.raises(ParameterError, match=r"one linear head has mean.*decoder.*embedding"):
        from_torch(net, name="encoder")


def test_the_head_apart_and_without_bias() -> None:
    weights = state("LSTM")
    head = {"weight": weights["head.weight"], "bias": weights["head.bias"]}
    recurrent = {key: array for key, array in weights.items() if not key.startswith("head.")}
    expected = from_torch(weights)
    for given in (head, {f"0.{key}": array for key, array in head.items()}):
        assert np.array_equal(from_torch(recurrent, given).predict(X), expected.predict(X))
    without = from_torch(recurrent, {"weight": head["weight"]})
    assert_close(without.predict(X), expected.predict(X) - head["bias"], 1e-12)


@pytest.mark.parametrize("cell", ["RNN", "GRU", "LSTM"])
def test_without_a_head_outputs_are_the_states(cell: str) -> None:
    weights = {key: array for key, array in state(cell).items() if not key.startswith("head.")}
    model = from_torch(weights)
    assert_close(model.predict(X), model.hidden_states(X), 1e-15)
    assert_close(model.hidden_states(X), from_torch(state(cell)).hidden_states(X), 1e-15)


@pytest.mark.parametrize("cell", ["RNN", "GRU", "LSTM"])
def test_without_biases_they_are_0(cell: str) -> None:
    weights = state(cell)
    bare = {key: array for key, array in weights.items() if "bias_" not in key}
    zero = {key: array * ("bias_" not in key) for key, array in weights.items()}
    assert np.array_equal(from_torch(bare).predict(X), from_torch(zero).predict(X))


def test_options_are_those_of_the_model() -> None:
    model = from_torch(state(), loss="cross_entropy", readout="last", seed=7)
    assert isinstance(model, GRU)
    assert_close(model.predict(X).sum(), 1, 1e-12)
    assert model.predict(X).shape == (1, 2)
    assert from_torch(state(), dtype="float32").predict(X).dtype == np.float32
    halves = {key: array.astype(np.float16) for key, array in state().items()}
    assert from_torch(halves).settings["dtype"] == "float32"
    # It trains as any other.
    data = Dataset.from_arrays(X, np.ones((6, 1)), [0, 6])
    history = model.fit(data, epochs=3, progress=False)
    assert history.loss[-1] < history.loss[0]


class Tensor:
    """As little of a tensor as it takes: one that knows its gradient, on another device."""

    def __init__(self, array: Array) -> None:
        self.array, self.dtype = array, array.dtype
        self.is_detached = self.is_here = False

    def detach(self) -> Tensor:
        self.is_detached = True
        return self

    def cpu(self) -> Tensor:
        self.is_here = True
        return self

    def numpy(self) -> Array:
        assert self.is_detached
        assert self.is_here
        return self.array


class Module:
    """As little of a module as it takes."""

    def __init__(self, weights: dict[str, Array], **attributes: Any) -> None:
        self._weights, self._parts = weights, attributes.pop("parts", {})
        vars(self).update(attributes)

    def state_dict(self) -> dict[str, Tensor]:
        return {key: Tensor(array) for key, array in self._weights.items()}

    def named_modules(self) -> list[tuple[str, Any]]:
        return [("", self), *self._parts.items()]


class Linear(Module):
    """A layer that is known by the name of its class, as are the next ones."""


class Embedding(Module):
    pass


class Sigmoid(Module):
    pass


class Dropout(Module):
    pass


def test_modules_tell_activation_and_dropout() -> None:
    weights = state("RNN")
    recurrent = {key: array for key, array in weights.items() if not key.startswith("head.")}
    own = {"mode": "RNN_RELU", "dropout": 0.5}
    linear = Linear({"weight": weights["head.weight"], "bias": weights["head.bias"]})
    alone = from_torch(Module(recurrent, **own), linear)
    within = from_torch(Module(renamed(weights, "a", "b"), parts={"a": Module({}, **own)}))
    expected = from_torch(weights, activation="relu").predict(X)
    for model in (alone, within):
        assert np.array_equal(model.predict(X), expected)
        assert model.settings["activation"] == "relu"
        # It would have no effect, as in PyTorch.
        assert model.settings["dropout"] == 0
    second = state("RNN", inputs=4)
    stacked = recurrent | {key.replace("_l0", "_l1"): second[key] for key in recurrent}
    assert from_torch(Module(stacked, **own)).settings["dropout"] == 0.5
    assert from_torch(Module(stacked, **own), dropout=0.1).settings["dropout"] == 0.1
    with pytest.raises(ParameterError, match="activation='tanh': the network that is read has 'r"):
        from_torch(Module(recurrent, **own), activation="tanh")
    for kind in ({}, {"mode": "RNN_GELU"}):
        with pytest.raises(ParameterError, match=r"module 'a' is a Module; torch\.nn\.RNN, GRU"):
            from_torch(Module(renamed(weights, "a", "b"), parts={"a": Module({}, **kind)}))


def test_layers_of_modules_are_the_recurrent_one_and_a_head() -> None:
    weights = renamed(state(), "rnn", "fc.0")
    rnn, linear = {"rnn": Module({}, mode="GRU")}, {"fc.0": Linear({})}
    expected = from_torch(state()).predict(X)

    def read(parts: dict[str, Module], *head: Any) -> Array:
        return from_torch(Module(weights, parts=parts), *head).predict(X)

    assert np.array_equal(read(rnn | {"fc": Module({})} | linear | {"fc.1": Dropout({})}), expected)
    for parts, name in (
        (rnn | linear | {"fc.1": Sigmoid({})}, r"'fc\.1' \(Sigmoid\)"),
        (linear | rnn, r"'fc\.0' \(Linear\)"),
        (rnn | {"fc.0": Embedding({})}, r"'fc\.0' \(Embedding\)"),
        ({"first": Sigmoid({})} | rnn | linear, r"'first' \(Sigmoid\)"),
    ):
        with pytest.raises(ParameterError, match=f"layer {name} is neither the recurrent layer"):
            read(parts)
        assert np.array_equal(read(parts, "fc.0"), expected)
    recurrent = {key: array for key, array in state().items() if not key.startswith("head.")}
    own = {"0.weight": state()["head.weight"]}
    with pytest.raises(ParameterError, match=r"layer '1' \(Sigmoid\) is neither"):
        from_torch(recurrent, Module(own, parts={"0": Linear({}), "1": Sigmoid({})}))


# What is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"weight_hr_l0": np.ones((2, 4))}, ParameterError, "weight_hr_l0 projects.*proj_size=0"),
        (
            {"weight_hh_l0": np.ones((12, 5))},
            ShapeError,
            "12 rows for 5 hidden units; an RNN has 1",
        ),
        ({"weight_hh_l0": np.ones((8, 4))}, ShapeError, r"weight_hh_l0: expected shape \(12, 4\)"),
        ({"weight_hh_l0": np.ones(12)}, ShapeError, r"weight_hh_l0 has shape \(12,\), which is no"),
        ({"weight_hh_l0": np.ones((0, 0))}, ShapeError, "which is no matrix"),
        ({"weight_hh_l0": None}, ShapeError, "the weights lack weight_hh_l0"),
        ({"bias_hh_l0": None}, ShapeError, "give either bias_l0, or bias_ih_l0 and bias_hh_l0"),
        ({"weight_ih_l0": None}, ParameterError, "no weight_ih_l0 among the weights weight_hh_l0"),
        ({"weight_ih_l2": np.ones((12, 4))}, ShapeError, "the weights lack weight_ih_l1"),
        ({"weight_ih_l1": np.ones((12, 4))}, ShapeError, "the state dict lacks weight_hh_l1"),
        ({"weight_ih_l0_reverse": np.ones((12, 3))}, ParameterError, "one linear head has head.w"),
        ({"head.weight": np.ones((2, 5))}, ParameterError, "one linear head has head.weight"),
        ({"head.bias": np.ones(3)}, ShapeError, r"head.bias: expected shape \(2,\), got \(3,\)"),
        (
            {"conv.weight": np.ones((2, 3, 4))},
            ParameterError,
            "head has conv.weight; name the head.* or give the recurrent part alone",
        ),
        ({"norm.weight": np.ones(4)}, ParameterError, "one linear head has norm.weight"),
        ({"bias_ih_l0": np.full(12, np.nan)}, DataError, "bias_l0 has values that are NaN"),
        ({"bias_ih_l0": np.array(["a"] * 12)}, DataError, "bias_ih_l0 must be an array of real"),
    ],
)
def test_weights_that_do_not_fit(
    change: dict[str, Array | None], error: type[Exception], message: str
) -> None:
    changed = {key: array for key, array in (state() | change).items() if array is not None}
    with pytest.raises(error, match=message):
        from_torch(changed)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((42,), {}, "recurrent must be a module of PyTorch or a state dict, got int"),
        (({},), {}, r"no weight_ih_l0 among the weights \(none\)"),
        (({"model": state()},), {}, "'model' is a dict among the weights; give a state dict alone"),
        ((state(), 3), {}, "head must be a module of PyTorch or a state dict, got int"),
        ((state(), {"a": np.ones(2)}), {}, "head must be one linear layer, with weight and bias"),
        ((state(),), {"hidden_size": 5}, "hidden_size=5: the network that is read has 4"),
        ((state(),), {"reset_after": False}, "reset_after=False: the network that is"),
        ((state("RNN"),), {"activation": "mish"}, "activation must be one of"),
    ],
)
def test_arguments_that_do_not_fit(
    arguments: tuple[Any, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        from_torch(*arguments, **options)


def test_a_gru_that_resets_before_has_no_counterpart() -> None:
    with pytest.raises(ParameterError, match="this model has reset_after=False"):
        GRU(1, 2, 1, reset_after=False).to_torch_state_dict()
    with pytest.raises(ParameterError, match=r"torch\.nn\.LSTM .* this model has reverse=True"):
        LSTM(1, 2, 1, reverse=True).to_torch_state_dict()


def test_importing_it_does_not_load_torch() -> None:
    source = Path(rnn_rust.__file__).parent / "interchange" / "torch.py"
    assert "import torch" not in source.read_text("utf-8")
