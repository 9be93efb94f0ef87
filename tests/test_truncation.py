"""Truncated backpropagation through time: windows of a sequence, each with an update of its own."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from conftest import RunPython
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import ARCHITECTURES, CELLS, LOSSES, make_labelled
from oracle import (
    ACTIVATIONS,
    SLOPES,
    Oracle,
    assert_all_close,
    assert_close,
    make_data,
    same_bits,
)

from rnn_rust import GRU, LSTM, RNN, SGD, AdamW, Sequence

FEW, MANY = [9, 4], [7, 1, 12, 3, 9, 5, 2, 11] * 3
FORWARD = [options for options in ARCHITECTURES if "bidirectional" not in options]


def windows_of(oracle: Oracle, batch: list[Sequence], k: int, rate: float) -> tuple[float, int]:
    """Update after each window of a batch; return the sum of all losses, and of all labels."""
    total, count = 0.0, 0
    states: dict[int, Any] = dict.fromkeys(range(len(batch)), 0.0)
    for first in range(0, max(len(s.features) for s in batch), k):
        gradients = {name: np.zeros_like(weight) for name, weight in oracle.weights.items()}
        labelled = 0
        for at, sequence in enumerate(batch):
            x, labels = (a[first : first + k] for a in (sequence.features, sequence.labels))
            if len(x) == 0:
                continue
            z, h, u = oracle.forward(x, states[at])
            error = np.where(np.isnan(labels), 0, ACTIVATIONS[oracle.g](u) - labels)
            du = 2 * error * SLOPES[oracle.g](u)
            for name, d in oracle.backward(x, z, h, du, states[at]).items():
                gradients[name] += d
            states[at] = h[-1]
            total += float((error**2).sum())
            labelled += int(np.count_nonzero(~np.isnan(labels)))
        for name, d in gradients.items():
            oracle.weights[name] -= rate * d / max(labelled, 1)
        count += labelled
    return total, count


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=24),
    k=st.integers(1, 11),
    batch_size=st.sampled_from([1, 3, 30]),
    activation=st.sampled_from(["tanh", "sigmoid"]),
    missing=st.sampled_from([0.0, 0.3, 0.8]),
)
def test_windows_are_those_of_the_oracle(
    lengths: list[int], k: int, batch_size: int, activation: str, missing: float
) -> None:
    data = make_data(lengths, 2, 2, missing=missing, seed=len(lengths))
    model = RNN(
        2, 5, 2, activation=activation, output_activation="tanh", bptt_steps=k,
        dtype="float64", optimizer=SGD(0.1), seed=3,
    )  # fmt: skip
    oracle = Oracle(model)
    history = model.fit(data, epochs=2, batch_size=batch_size, shuffle=False, progress=False)
    starts = range(0, len(data), batch_size)
    for loss in history.loss:
        batches = [data.subset(range(len(data))[at : at + batch_size]) for at in starts]
        parts = [windows_of(oracle, list(batch), k, 0.1) for batch in batches]
        total, count = (sum(part) for part in zip(*parts, strict=True))
        assert_close(loss, total / count, 1e-10)
    # Each update at a larger rate makes more of the last digit: chaotic networks differ soon.
    assert_all_close(model.state_dict(), oracle.weights, 1e-9)


@pytest.mark.parametrize("lengths", [FEW, MANY], ids=["few", "many"])
@pytest.mark.parametrize("cell", ["RNN tanh", "GRU", "GRU reset before", "LSTM"])
@pytest.mark.parametrize("architecture", FORWARD, ids=repr)
def test_a_window_of_the_longest_sequence_is_none(
    cell: str, architecture: dict[str, Any], lengths: list[int]
) -> None:
    kind, own = CELLS[cell]
    data = make_data(lengths, 2, 2, missing=0.3)
    options: dict[str, Any] = {"recurrent_dropout": 0.2, **own, **architecture}
    models = [
        kind(2, 5, 2, optimizer=AdamW(0.01), bptt_steps=k, **options)
        for k in (None, max(lengths), 10**12)
    ]
    for model in models:
        model.fit(data, epochs=3, batch_size=8, progress=False)
    assert same_bits(models[1], models[0])
    assert same_bits(models[2], models[0])


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("cell", ["RNN silu", "GRU", "GRU reset before", "LSTM"])
def test_states_are_carried_into_the_next_window(cell: str, loss: Any) -> None:
    """With a rate of 0 the windows' losses are those of whole sequences."""
    kind, own = CELLS[cell]
    for lengths, k, architecture in itertools.product((FEW, MANY), (1, 3, 8), FORWARD):
        data = make_labelled(lengths, loss, (2, 3), missing=0.3, weighted=True, seed=1)
        options: dict[str, Any] = {**own, **architecture}
        model = kind(
            2, 5, 3, loss=loss, bptt_steps=k, dtype="float64", optimizer=SGD(0.0), **options
        )
        history = model.fit(data, epochs=1, batch_size=100, progress=False)
        assert_close(history.loss, [model.loss(data)], 1e-13)


@pytest.mark.parametrize("lengths", [FEW, MANY], ids=["few", "many"])
@pytest.mark.parametrize("cell", ["RNN tanh", "GRU", "LSTM"])
def test_sequences_read_out_at_their_end(cell: str, lengths: list[int]) -> None:
    kind, own = CELLS[cell]
    data = make_data(lengths, 2, 2)
    options: dict[str, Any] = {"readout": "last", "dtype": "float64", **own}
    still = kind(2, 5, 2, bptt_steps=4, optimizer=SGD(0.0), **options)
    history = still.fit(data, epochs=1, batch_size=100, progress=False)
    assert_close(history.loss, [still.loss(data)], 1e-13)
    model = kind(2, 5, 2, bptt_steps=4, optimizer=SGD(0.1), **options)
    losses = model.fit(data, epochs=60, batch_size=100, progress=False).loss
    assert losses[-1] < 0.9 * losses[0]
    assert model.predict(data).shape == (len(lengths), 2)


def test_a_window_without_labels_makes_no_update() -> None:
    data = make_data([12], 2, 2)
    labels = np.where(np.arange(12)[:, None] < 8, np.nan, data.labels)
    calls: list[float] = []
    model = GRU(2, 5, 2, bptt_steps=4, optimizer=Counter(calls))
    model.fit(data.with_values(data.features, labels), epochs=3, progress=False)
    assert len(calls) == 3


class Counter:
    """An optimiser that takes note of its calls, and changes nothing."""

    def __init__(self, calls: list[float]) -> None:
        self.calls = calls

    def update(self, parameters: Any, gradients: Any) -> None:
        self.calls.append(float(gradients["head.bias"][0]))


@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
def test_dropout_masks_do_not_depend_on_windows(cell: str) -> None:
    """A sequence has one recurrent mask, and every step has its own between layers."""
    kind, _ = CELLS[cell]
    data = make_data(MANY, 2, 2)
    options: dict[str, Any] = {
        "num_layers": 2, "dropout": 0.4, "recurrent_dropout": 0.3, "dtype": "float64",
        "optimizer": SGD(0.0), "seed": 5,
    }  # fmt: skip
    losses = [
        kind(2, 5, 2, bptt_steps=k, **options)
        .fit(data, epochs=3, batch_size=100, progress=False)
        .loss
        for k in (None, 5, 1)
    ]
    assert_close(losses[1], losses[0], 1e-13)
    assert_close(losses[2], losses[0], 1e-13)


@pytest.mark.parametrize("lengths", [[500], [100, 90] * 10], ids=["few", "many"])
def test_any_number_of_threads_gives_the_same_bits(lengths: list[int]) -> None:
    data = make_data(lengths, 8, 1)
    models = [
        LSTM(8, 16, 1, num_layers=2, dropout=0.2, bptt_steps=7, n_threads=n) for n in (1, 2, 8)
    ]
    for model in models:
        model.fit(data, epochs=2, batch_size=20, progress=False)
    assert same_bits(models[1], models[0])
    assert same_bits(models[2], models[0])


def test_what_is_cut_and_what_is_not() -> None:
    data = make_data(MANY, 2, 2)
    cut, whole, fitted = (GRU(2, 5, 2, bptt_steps=k, dtype="float64") for k in (3, None, 3))
    assert_all_close(cut.gradients(data)[1], whole.gradients(data)[1], 0.0)
    assert cut.loss(data) == whole.loss(data)
    history = fitted.fit(data, epochs=1, batch_size=len(data), shuffle=False, progress=False)
    assert cut.update(data) == history.loss[0]
    assert same_bits(cut, fitted)
    assert not same_bits(cut, GRU(2, 5, 2, dtype="float64"))


@pytest.mark.parametrize("sequences", [1, 4])
def test_memory_is_that_of_a_window(run_python: RunPython, sequences: int) -> None:
    """The peak grows with the data alone, with windows or without; but not in both directions."""
    code = f"""
import pathlib, re, resource, numpy as np, rnn_rust as rnn
status = pathlib.Path("/proc/self/status")
def peak():
    if status.exists():  # the other figure of Linux includes the process that started this one
        return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
def fit(steps, k, **options):
    x = np.zeros((steps * {sequences}, 1), np.float32)
    data = rnn.Dataset.from_arrays(x, x, range(0, len(x) + 1, steps))
    model = rnn.LSTM(1, 32, 1, bptt_steps=k, **options)
    before = peak()
    model.fit(data, epochs=1, batch_size={sequences}, progress=False)
    return peak() - before
fit(1000, 100)
long = 100_000 // {sequences}
print(fit(long, 100), fit(long, None), fit(long, None, bidirectional=True))
"""
    windows, whole, both_directions = map(int, run_python(code).stdout.split())
    assert windows < 8e6
    assert whole < 8e6
    assert both_directions > 3e7
