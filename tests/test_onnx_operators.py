"""The cases that the onnx package carries for its operators RNN, GRU and LSTM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.backend.test.case import node as cases
from onnx.backend.test.case.node import gru, lstm, rnn  # noqa: F401 (they make the cases)

import rnn_rust
from rnn_rust.errors import ModelFileError

CASES = {
    case.name: case
    for case in cases._NodeTestCases
    if case.model.graph.node[0].op_type in ("RNN", "GRU", "LSTM")
}
PEEPHOLES = ["test_lstm_with_peepholes"]
# Gates in single precision are within 2e-7, which is all that is left of a state near 0.
ABSOLUTE = 5e-7
REPRESENTED = [name for name in CASES if name not in PEEPHOLES]


def test_there_are_18_of_them() -> None:
    assert len(CASES) == 18
    assert len(REPRESENTED) == 17


def inputs_of(name: str) -> dict[str, Any]:
    case: Any = CASES[name]
    names = [one.name for one in case.model.graph.input]
    return dict(zip(names, case.data_sets[0][0], strict=True))


def expected_of(name: str) -> dict[str, Any]:
    case: Any = CASES[name]
    return dict(
        zip([one.name for one in case.model.graph.output], case.data_sets[0][1], strict=True)
    )


def write(path: Path, name: str, output: str) -> None:
    """Write the network of a case: its weights as constants, and one output."""
    model = onnx.ModelProto()
    model.CopyFrom(CASES[name].model)
    graph = model.graph
    for key, array in inputs_of(name).items():
        if key != "X":
            graph.initializer.append(onnx.numpy_helper.from_array(array, key))
    first = graph.input[0]
    chosen = next(one for one in graph.output if one.name == output)
    for field, own in (("input", first), ("output", chosen)):
        kept = type(own)()
        kept.CopyFrom(own)
        graph.ClearField(field)
        getattr(graph, field).append(kept)
    onnx.save(model, path)


def is_by_batch(name: str) -> bool:
    attributes = {one.name: one for one in CASES[name].model.graph.node[0].attribute}
    return "layout" in attributes and attributes["layout"].i == 1


def by_sequence(name: str, X: Any) -> Any:
    """Return the input ``(batch, time, F)``."""
    return X if is_by_batch(name) else X.transpose(1, 0, 2)


def of_sequences(name: str, states: Any) -> Any:
    """Return an output of a case ``(batch, time, D·H)``, or ``(batch, D·H)`` of final states."""
    if not is_by_batch(name):
        states = states.transpose((1, 0, 2) if states.ndim == 3 else (2, 0, 1, 3))
    return states.reshape(*states.shape[:-2], -1)


def states_of(model: Any, sequences: Any, output: str) -> Any:
    """Return the states that a model has of all rows, or the final ones."""
    states = model.hidden_states(sequences)
    if output == "Y":
        return states
    # The final state of the reverse direction is that of the first row.
    if model.settings["reverse"]:
        return states[:, 0]
    forward, *reverse = np.split(states, 1 + model.settings["bidirectional"], axis=-1)
    return np.concatenate([forward[:, -1], *(one[:, 0] for one in reverse)], axis=-1)


def check_ends(name: str, model: Any, ends: Any) -> None:
    """Check the states that `predict` returns: of each direction h, and c of an LSTM."""
    hidden = model.settings["hidden_size"]
    ends = ends.reshape(len(ends), -1, ends.shape[-1])
    for place, output in enumerate(["Y_h", "Y_c"]):
        if output in expected_of(name):
            got = ends[:, :, place * hidden : (place + 1) * hidden].reshape(len(ends), -1)
            expected = of_sequences(name, expected_of(name)[output])
            np.testing.assert_allclose(got, expected, rtol=1e-3, atol=ABSOLUTE)


@pytest.mark.parametrize("name", REPRESENTED)
def test_states_are_those_of_the_operator(name: str, tmp_path: Path) -> None:
    path, sequences = tmp_path / "case.onnx", by_sequence(name, inputs_of(name)["X"])
    for output, values in expected_of(name).items():
        if output == "Y_c":
            continue
        write(path, name, output)
        model = rnn_rust.from_onnx(path)
        expected = of_sequences(name, values)
        got = states_of(model, sequences, output)
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=ABSOLUTE)
        # As outputs too: the head hands the states on.
        outputs = model.predict(list(sequences))
        one_step = sequences.shape[1] == 1
        assert model.readout == ("each_step" if one_step or output == "Y" else "last")
        np.testing.assert_allclose(
            np.reshape(outputs, expected.shape), expected, rtol=1e-3, atol=ABSOLUTE
        )
        _, ends = model.predict(sequences, return_state=True)
        check_ends(name, model, ends)


@pytest.mark.parametrize("name", PEEPHOLES)
def test_peepholes_are_refused(name: str, tmp_path: Path) -> None:
    write(tmp_path / "case.onnx", name, "Y_h")
    with pytest.raises(ModelFileError, match=r"\(LSTM\): peepholes \(input P\)"):
        rnn_rust.from_onnx(tmp_path / "case.onnx")
