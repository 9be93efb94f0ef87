"""Networks of ONNX files, of this package or of other libraries."""

from __future__ import annotations

import os
from typing import Any

from rnn_rust.errors import DataError, ModelFileError, ParameterError, ShapeError
from rnn_rust.interchange.assembly import assembled
from rnn_rust.models import Model


def from_onnx(path: str | os.PathLike[str], **options: Any) -> Model:
    """Return the model of an ONNX file, of this package or of another library.

    It can be a stack of RNN, GRU or LSTM nodes that are alike, in one direction or both, whose
    states of all steps, last ones or mean go through one linear layer and an activation: as PyTorch
    and converters for Keras write them, with constants that are still to be computed, and with
    features and outputs that are scaled. Without linear layer the outputs are the states. Where
    there are several outputs the first one counts. A softmax or sigmoid at the end becomes that of
    loss ``"cross_entropy"`` or ``"binary_cross_entropy"``. What a file of this package may do with
    features beside scaling, filling gaps and reading categories and static features, is not read
    back: :func:`rnn_rust.load` reads the file that ``save`` writes.

    It takes the library onnx: ``pip install "rnn-rust[onnx]"``.

    Parameters
    ----------
    path
        Of the file; weights that it keeps in files of their own lie beside it.
    **options
        Arguments of the model that the file does not tell, such as ``loss``, ``optimizer``,
        ``dropout`` or ``dtype`` (float64 if the weights are).

    Raises
    ------
    MissingFileError
        There is no such file.
    ModelFileError
        It is not an ONNX file or is damaged; or a node cannot be represented (peepholes, ``clip``,
        initial states that are not zero, other operators): the message names it.
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
    # A TypeError is of an option that models have not.
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
