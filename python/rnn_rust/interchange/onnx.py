"""Networks from ONNX files of this package or other libraries."""

from __future__ import annotations

import os
from typing import Any

from rnn_rust.errors import DataError, ModelFileError, ParameterError, ShapeError
from rnn_rust.interchange.assembly import assembled
from rnn_rust.models import Model


def from_onnx(path: str | os.PathLike[str], **options: Any) -> Model:
    """Return the model in an ONNX file from this package or from another library.

    The file may have a stack of identical RNN, GRU or LSTM nodes, in one direction or both. Their
    states (of all steps, the last ones, or the mean) go through one linear layer and an activation,
    in the form that PyTorch and converters for Keras write. Constants may still have to be
    computed, and features and outputs may be scaled. Without a linear layer, the outputs are the
    states. If there are several outputs, the first one is used. A final softmax or sigmoid becomes
    the activation of loss ``"cross_entropy"`` or ``"binary_cross_entropy"``. Files of this package
    that fill missing values or take categories or static features cannot be read back; use
    :func:`rnn_rust.load` on the file that ``save`` writes.

    This needs the library onnx: ``pip install "rnn-rust[onnx]"``.

    Parameters
    ----------
    path
        Path of the file; if it keeps weights in separate files, they must be in the same folder.
    **options
        Arguments of the model that the file does not determine, such as ``loss``, ``optimizer``,
        ``dropout`` or ``dtype`` (by default float64 if the weights are).

    Raises
    ------
    MissingFileError
        There is no such file.
    ModelFileError
        It is not an ONNX file or is damaged; or a node cannot be represented (peepholes, ``clip``,
        non-zero initial states, other operators), which the message names.
    ParameterError
        ``options`` contradict the file, or one is outside its allowed values.

    Examples
    --------
    >>> import rnn_rust as rnn
    >>> rnn.from_onnx("tests/golden/onnx/keras_gru_reset_before.onnx").loss_name
    'cross_entropy'
    """
    from rnn_rust.onnx.networks import describe
    from rnn_rust.onnx.read import read_graph

    read = read_graph(path)
    try:
        found = describe(read)
    except (ModelFileError, ShapeError, DataError, ValueError, TypeError) as error:
        raise ModelFileError(f"{os.fspath(path)}: {error}") from error
    # A TypeError is about an unknown option, not about the file.
    try:
        model = assembled(found.weights, *found.arguments(options))
    except ParameterError as error:
        raise ParameterError(f"{os.fspath(path)}: {error}") from error
    except (ShapeError, DataError, ValueError) as error:
        raise ModelFileError(f"{os.fspath(path)}: {error}") from error
    model.feature_names, model.label_names = found.feature_names, found.label_names
    model.label_levels = found.label_levels
    model.threshold = found.threshold
    return model
