"""Networks and tensors of PyTorch, where torch is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from networks import ARCHITECTURES
from oracle import assert_close
from test_torch import X, state

from rnn_rust import GRU, LSTM, RNN, Dataset, from_torch
from rnn_rust.errors import DataError, ParameterError


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch", reason="torch is not installed")


@pytest.mark.parametrize("kind", ["tanh", "relu", "GRU", "LSTM"])
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_modules_of_torch(torch: Any, kind: str, architecture: dict[str, Any], bias: bool) -> None:
    own = {} if kind in ("GRU", "LSTM") else {"nonlinearity": kind}
    module = getattr(torch.nn, kind if not own else "RNN")(
        3, 5, batch_first=True, bias=bias, **own, **architecture
    ).double()
    linear = torch.nn.Linear(10 if architecture.get("bidirectional") else 5, 2, bias=bias).double()
    with torch.no_grad():
        states, final = module(torch.from_numpy(X)[None])
        expected = linear(states)[0].numpy()
    model = from_torch(module, linear)
    assert_close(model.predict(X), expected, 1e-12)
    assert model.settings.get("activation", kind) == kind
    assert_close(from_torch(module).predict(X), states[0].numpy(), 1e-12)
    # A head on h_n, as users of readout="last" write it.
    h_n = final[0] if kind == "LSTM" else final
    ends = h_n[-2:] if architecture.get("bidirectional") else h_n[-1:]
    with torch.no_grad():
        of_ends = linear(torch.cat(list(ends[:, 0]))).numpy()
    assert_close(from_torch(module, linear, readout="last").predict(X)[0], of_ends, 1e-12)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_torch_loads_our_weights(torch: Any, kind: str, architecture: dict[str, Any]) -> None:
    model = {"RNN": RNN, "GRU": GRU, "LSTM": LSTM}[kind](3, 5, 2, dtype="float64", **architecture)
    width = 10 if architecture.get("bidirectional") else 5
    net = torch.nn.ModuleDict(
        {
            "rnn": getattr(torch.nn, kind)(3, 5, batch_first=True, **architecture),
            "fc": torch.nn.Linear(width, 2),
        }
    ).double()
    arrays = model.to_torch_state_dict()
    net.load_state_dict({key: torch.from_numpy(array) for key, array in arrays.items()})
    with torch.no_grad():
        outputs = net["fc"](net["rnn"](torch.from_numpy(X)[None])[0])[0].numpy()
    assert_close(model.predict(X), outputs, 1e-12)
    # A whole module is searched as its state dict is.
    assert_close(from_torch(net).predict(X), outputs, 1e-12)
    assert_close(from_torch(net.state_dict()).predict(X), outputs, 1e-12)


def test_what_modules_of_torch_say(torch: Any) -> None:
    relu = torch.nn.ModuleDict({"core": torch.nn.RNN(3, 4, nonlinearity="relu")})
    assert from_torch(relu).settings["activation"] == "relu"
    with pytest.raises(
        ParameterError, match="activation='tanh': the network that is read has 'relu'"
    ):
        from_torch(relu, activation="tanh")
    stacked = torch.nn.GRU(3, 4, 2, dropout=0.25)
    assert from_torch(stacked).settings["dropout"] == 0.25
    assert from_torch(stacked, dropout=0.0).settings["dropout"] == 0
    with pytest.raises(ParameterError, match=r"weight_hr_l0 projects .* proj_size=0"):
        from_torch(torch.nn.LSTM(3, 4, proj_size=2))
    with pytest.raises(ParameterError, match="no weight_ih_l0 among the weights weight_ih, weight"):
        from_torch(torch.nn.GRUCell(3, 4))
    with pytest.raises(ParameterError, match="no weight_ih_l0 among the weights weight, bias"):
        from_torch(torch.nn.Linear(3, 4))
    half = torch.nn.GRU(3, 4).to(torch.bfloat16)
    assert_close(
        from_torch(half).state_dict()["weight_hh_l0"], half.weight_hh_l0.float().detach().numpy(), 0
    )


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_weights_without_numbers_of_their_own_are_refused(torch: Any) -> None:
    message = r"weight_ih_l0: a tensor on the device meta has no numbers; load them first"
    with pytest.raises(DataError, match=message):
        from_torch(torch.nn.GRU(3, 4, device="meta"))
    state = torch.nn.GRU(3, 4).state_dict()
    weight = state["weight_hh_l0"]
    for changed, message in (
        (weight.to_sparse(), r"a sparse tensor \(torch\.sparse_coo\); give its to_dense\(\)"),
        (
            torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8),
            r"a quantised tensor \(torch\.q",
        ),
        (weight.to(torch.float8_e4m3fn), r"NumPy has no type torch\.float8_e4m3fn; .* float\(\)"),
    ):
        with pytest.raises(DataError, match=f"weight_hh_l0: {message}"):
            from_torch(state | {"weight_hh_l0": changed})
    found = from_torch(state | {"weight_hh_l0": weight.to_sparse().to_dense()})
    assert_close(found.state_dict()["weight_hh_l0"], weight.numpy(), 0.0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("parts", [("LSTM", "Linear"), ("Linear",)])
def test_networks_that_were_quantised_are_refused(torch: Any, parts: tuple[str, ...]) -> None:
    network = torch.nn.ModuleDict({"rnn": torch.nn.LSTM(3, 4), "fc": torch.nn.Linear(4, 1)})
    kinds = {getattr(torch.nn, part) for part in parts}
    quantised = torch.ao.quantization.quantize_dynamic(network, kinds, dtype=torch.qint8)
    for given in (quantised, quantised.state_dict()):
        with pytest.raises(ParameterError, match=r"recurrent is quantised: it has .*as it was"):
            from_torch(given)
    with pytest.raises(ParameterError, match="head is quantised"):
        from_torch(network["rnn"], quantised["fc"])


# Tensors in place of arrays -------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_tensors_are_taken_without_their_gradients(torch: Any, kind: str) -> None:
    """Halves and quarters are the same numbers in any of these types."""
    rows = np.arange(12, dtype=np.float32).reshape(4, 3) / 4
    tensor = torch.tensor(rows, dtype=getattr(torch, kind), requires_grad=True)
    model = from_torch(state(), dtype="float32")
    expected = model.predict(rows)
    as_data = Dataset.from_arrays(tensor, None, [0, 4])
    for given in (tensor, tensor.reshape(1, 4, 3), [tensor], as_data):
        assert np.array_equal(np.reshape(model.predict(given), expected.shape), expected)
    data = Dataset.from_arrays(list(rows), list(tensor), [0, 4], weights=tensor[:, 0] + 1)
    assert np.array_equal(data.labels, rows)
    assert np.array_equal(data.weights, rows[:, 0] + 1)
    frame = {f"x{at + 1}": tensor[:, at] for at in range(3)}
    assert np.array_equal(Dataset.from_frame(frame, labels=[], id=None, time=None).features, rows)
    first = expected[0]
    for row in (tensor[0], list(tensor[0])):
        assert np.array_equal(model.stepper().step(row), first)
        assert np.array_equal(model.scorer().score("a", row), first)
    start, zeros = tensor[0, :1].expand(4), np.full(4, rows[0, 0], np.float32)
    assert np.array_equal(
        model.predict(tensor, initial_state=start), model.predict(rows, initial_state=zeros)
    )


def test_state_dicts_of_parameters_are_taken(torch: Any) -> None:
    network = torch.nn.GRU(3, 4)
    model, same = (from_torch(state()) for _ in range(2))
    head = {"head.weight": np.ones((2, 4)), "head.bias": np.zeros(2)}
    same.load_state_dict(head | network.state_dict())
    for given in (dict(network.named_parameters()), network.state_dict(keep_vars=True)):
        model.load_state_dict(head | given)
        assert np.array_equal(model.predict(X), same.predict(X))


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_estimators_take_tensors(torch: Any, kind: str) -> None:
    """As rows, as sequences, in lists, and as labels, weights and classes."""
    estimators = pytest.importorskip("rnn_rust.sklearn", reason="scikit-learn is not installed")
    rows = np.arange(24, dtype=np.float32).reshape(4, 2, 3) / 4
    tensor = torch.tensor(rows, dtype=getattr(torch, kind), requires_grad=True)
    for given, part in ((tensor, rows), (tensor[:, 0], rows[:, 0])):
        y = part[..., 0]
        plain, one, listed = (estimators.SequenceRegressor(epochs=2, random_state=0) for _ in "abc")
        plain.fit(part, y, sample_weight=[1, 2, 0, 4])
        one.fit(given, given[..., 0], sample_weight=torch.tensor([1.0, 2, 0, 4]))
        weights = [*torch.tensor([1.0, 2, 0, 4], requires_grad=True)]
        listed.fit([*given], [*given[..., 0]], sample_weight=weights)
        for each in (one, listed):
            assert np.array_equal(each.predict(given), plain.predict(part))
    codes = torch.tensor([0, 1, 0, 1])
    classifier = estimators.SequenceClassifier(epochs=1)
    classifier.partial_fit(tensor[:, 0], codes, classes=codes[:2])
    assert classifier.classes_.tolist() == [0, 1]
    with pytest.raises(DataError, match="y: a sparse tensor"):
        classifier.fit(tensor[:, 0], codes.to_sparse())


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_tensors_that_are_no_arrays_are_refused(torch: Any) -> None:
    rows = torch.ones(4, 3)
    model = from_torch(state())
    for given, words in (
        (rows.to_sparse(), r"the array: a sparse tensor \(torch.sparse_coo\); give its to_dense"),
        ([rows, rows.to("meta")], "array 1 of the list: a tensor on the device meta has no num"),
        (rows.to(torch.complex64).conj(), "complex64"),
        (rows.to_mkldnn(), r"a tensor of another layout \(torch._mkldnn\); give its to_dense"),
        (torch.nested.nested_tensor([rows, rows[:2]]), "a nested tensor .* give a list of its unb"),
    ):
        with pytest.raises(DataError, match=words):
            model.predict(given)
    with pytest.raises(DataError, match="labels: a tensor on the device meta"):
        Dataset.from_arrays(rows, rows.to("meta"), [0, 4])
