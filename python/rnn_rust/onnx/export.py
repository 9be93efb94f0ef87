"""Exports models to ONNX: for whole sequences, or one step with states in and out."""

from __future__ import annotations

import logging
import os
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto

from rnn_rust.errors import ParameterError
from rnn_rust.model.network import Network
from rnn_rust.model.rounding import names_of_inputs, warn_of_rounding
from rnn_rust.model.scoring import output_names
from rnn_rust.onnx.features import Columns, add_features, add_static
from rnn_rust.onnx.graph import GraphBuilder
from rnn_rust.onnx.layers import add_stack, add_step
from rnn_rust.onnx.outputs import add_head, add_mask, add_mean, output_type
from rnn_rust.storage.model_file import write

_log = logging.getLogger("rnn_rust")


def to_onnx(model: Network, path: str | os.PathLike[str], *, step: bool) -> None:
    """Carry out :meth:`rnn_rust.RNN.to_onnx`."""
    if step:
        _check_steps(model)
    exported = model_proto(model, step=step)
    if model.encoder is not None and model.encoder.times:
        _log.warning(
            "%s: an ONNX graph does not read dates: it takes %s as further columns of 'features'",
            path, ", ".join(model.encoder.times),
        )  # fmt: skip
    if model.settings["dtype"] == "float32":
        _warn_of_rounding(model)
    write(path, exported.SerializeToString(deterministic=True))


def _warn_of_rounding(model: Network) -> None:
    """Log the features, including static ones, that float32 rounds too much."""
    if model.scaler is not None:
        scales = model.scaler.feature_shift_, model.scaler.feature_scale_
        warn_of_rounding(names_of_inputs(model), *scales)
    static = None if model.encoder is None else model.encoder.static
    if static is not None:
        warn_of_rounding(static.number_names, static.shift, static.scale)


def model_proto(model: Network, *, step: bool) -> ModelProto:
    """Return the ONNX model; errors as :meth:`rnn_rust.RNN.to_onnx`."""
    _check(model)
    graph = GraphBuilder(model.settings["dtype"])
    of_what = _add_one_step(graph, model) if step else _add_sequences(graph, model)
    return graph.model(f"rnn_rust_{model.cell}", of_what, _metadata(model))


def _check(model: Network) -> None:
    """Check that the model is complete, and that its outputs depend only on its inputs."""
    model.state_dict()  # raises an error if the model has no sizes
    if model.scaler is not None and not model.scaler.is_fitted:
        raise ParameterError("the model's scaler is not fitted yet; call fit() before to_onnx()")
    model.preparation.check_scaler()
    plan = model.ahead
    if plan is not None and plan.relative_to is not None:
        raise ParameterError(
            f"the model forecasts changes of '{plan.column}' relative to "
            f"{plan.relative_to!r}, a value that is not among its inputs, and cannot be exported; "
            "train it on forecast(..., relative_to=None)"
        )


def _check_steps(model: Network) -> None:
    reason = ""
    if model.settings["bidirectional"]:
        reason = "bidirectional=True"
    elif model.settings["reverse"]:
        reason = "reverse=True"
    elif model.readout == "mean":
        reason = "readout='mean'"
    if reason:
        raise ParameterError(f"step=True has no meaning with {reason}, which needs whole sequences")


def _add_sequences(graph: GraphBuilder, model: Network) -> str:
    """Add a graph for whole sequences; return a description of it."""
    columns, outputs = Columns.of_steps(model), model.settings["output_size"]
    features = graph.input(
        "features", ("batch", "time", columns.count), graph.number, "a row for each step"
    )
    lengths = graph.input(
        "lengths", ("batch",), TensorProto.INT32, "steps of each sequence, from 1 to time"
    )
    inputs, _ = add_features(graph, model, features, "")
    inputs = _with_static(graph, model, inputs, by_step=True)
    by_step = graph.add("Transpose", inputs, perm=(1, 0, 2))
    states, final = add_stack(graph, model, by_step, lengths)
    kind = output_type(graph, model)
    if model.readout == "each_step":
        by_sequence = graph.add("Transpose", states, perm=(1, 0, 2))
        whole = add_head(graph, model, by_sequence, "")
        zero = graph.constant(
            "no_output", 0.0, np.float64 if kind == TensorProto.DOUBLE else model.settings["dtype"]
        )
        graph.add("Where", add_mask(graph, features, lengths), whole, zero, name="outputs")
        about = "of each step, 0 beyond a sequence's length"
        graph.output("outputs", ("batch", "time", outputs), kind, about)
    else:
        if model.readout == "mean":
            final = add_mean(graph, states, add_mask(graph, features, lengths), lengths)
        add_head(graph, model, final, "outputs")
        graph.output("outputs", ("batch", outputs), kind, "of each sequence")
    return "The outputs of whole sequences, each read from a state of zeros."


def _add_one_step(graph: GraphBuilder, model: Network) -> str:
    """Add a graph for one step; return a description of it."""
    columns, outputs = Columns.of_steps(model), model.settings["output_size"]
    features = graph.input(
        "features", ("batch", columns.count), graph.number, "the next row of each sequence"
    )
    shape = (model.settings["num_layers"], "batch", model.settings["hidden_size"])
    names = ("hidden", "cell") if model.cell == "LSTM" else ("hidden",)
    for name in names:
        graph.input(name, shape, graph.number, "states before the row; 0 before the first")
    last = ""
    if model.encoder is not None and model.encoder.fill == "forward" and columns.numbers:
        about = "the last number of each column before the row; NaN before the first"
        last = graph.input("last_numbers", ("batch", columns.numbers), graph.number, about)
    inputs, last_out = add_features(graph, model, features, last)
    inputs = _with_static(graph, model, inputs, by_step=False)
    state, after = add_step(graph, model, inputs, names)
    add_head(graph, model, state, "outputs")
    kind = output_type(graph, model)
    graph.output("outputs", ("batch", outputs), kind, "after the row")
    for name in after:
        graph.output(name, shape, graph.number, "states after the row")
    if last_out:
        graph.output(
            last_out, ("batch", columns.numbers), graph.number, "the last number of each column"
        )
    return "The outputs after one more row of each sequence, with states in and out."


def _with_static(graph: GraphBuilder, model: Network, inputs: str, *, by_step: bool) -> str:
    """Return the network's inputs, followed by static features if there are any."""
    columns = Columns.of_sequences(model)
    if columns is None:
        return inputs
    about = "a row for each sequence"
    static = graph.input("static", ("batch", columns.count), graph.number, about)
    return add_static(graph, model, inputs, static, by_step=by_step)


def _metadata(model: Network) -> dict[str, Any]:
    """Return the metadata about columns and outputs, as values for JSON."""
    columns, static = Columns.of_steps(model), Columns.of_sequences(model)
    about: dict[str, Any] = {
        "cell": model.cell,
        "output_names": output_names(model),
        "loss": model.loss_name,
        "readout": model.readout,
    }
    if columns.names is not None:
        about["feature_names"] = list(columns.names)
    if model.label_names is not None:
        about["label_names"] = list(model.label_names)
    if model.classes is not None and len(model.label_names or ("",)) == 1:
        about["classes"] = list(model.classes)
    elif model.label_levels:
        about["label_classes"] = {name: list(own) for name, own in model.label_levels.items()}
    levels = dict(columns.levels)
    if static is not None and static.names is not None:
        about["static_names"] = list(static.names)
        levels |= static.levels
    if levels:
        about["categories"] = {name: list(own) for name, own in levels.items()}
    if model.threshold is not None:
        about["threshold"] = model.threshold
    return about
