"""Networks from Keras 3, as models or files; Keras is not imported."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from rnn_rust.errors import DataError, ModelFileError, ParameterError
from rnn_rust.interchange.assembly import assembled
from rnn_rust.interchange.keras_file import read_keras
from rnn_rust.interchange.keras_layers import layers_of
from rnn_rust.interchange.keras_network import network_of
from rnn_rust.models import Model


def from_keras(model: Any, **options: Any) -> Model:
    """Return a model with the weights of a Keras 3 network.

    The network is a ``Sequential`` model, or a functional one that is a chain of layers. First come
    one or more ``SimpleRNN``, ``GRU`` (``reset_after`` may be True or False) or ``LSTM`` layers of
    one kind and size, each optionally in ``Bidirectional``. Then comes at most one ``Dense``,
    optionally in ``TimeDistributed``, with its activation. Without ``Dense``, the outputs are the
    states. ``return_sequences=False`` in the last recurrent layer becomes ``readout="last"``, and
    ``GlobalAveragePooling1D`` becomes ``readout="mean"``. A final softmax or sigmoid becomes the
    activation of loss ``"cross_entropy"`` or ``"binary_cross_entropy"``.

    Anything that acts only in training is ignored: dropout, noise, regularisers. ``Masking`` is
    ignored because sequences here have no padding, and ``stateful`` because each sequence starts
    with states of 0; both are logged.

    Parameters
    ----------
    model
        A Keras model, or the path of a ``.keras`` file, which needs h5py to read:
        ``pip install "rnn-rust[keras]"``.
    **options
        Arguments of the model that the network does not determine, such as ``loss``, ``scaler``,
        ``dropout`` or ``dtype`` (by default float64 if a weight is).

    Raises
    ------
    ParameterError
        Models here do not support a layer, or one of its settings; the message names it.
    ModelFileError
        The file is not a Keras 3 file, or is damaged.
    MissingFileError
        There is no such file.
    ShapeError, DataError
        Weights do not fit together, or are not finite numbers.

    Examples
    --------
    >>> import rnn_rust as rnn
    >>> rnn.from_keras("tests/golden/keras_models/gru.keras")
    GRU(3, 4, 1, output_activation='identity', loss='binary_cross_entropy', dtype='float32')
    """
    if not isinstance(model, str | os.PathLike):
        if not (hasattr(model, "get_config") and hasattr(model, "layers")):
            raise ParameterError(
                "from_keras takes a model of Keras, or the path of a .keras file; got "
                f"{type(model).__name__}"
            )
        weights = {layer.name: layer.get_weights() for layer in model.layers}
        network = network_of(layers_of(type(model).__name__, model.get_config(), weights))
        return assembled(network.weights, *network.arguments(options))
    kind, config, weights = read_keras(model)
    with _naming(model, (ValueError, KeyError, TypeError, AttributeError, IndexError)):
        network = network_of(layers_of(kind, config, weights))
    # A TypeError is about an unknown option, not about the file.
    with _naming(model, (ValueError,)):
        return assembled(network.weights, *network.arguments(options))


@contextlib.contextmanager
def _naming(path: str | os.PathLike[str], damage: tuple[type[Exception], ...]) -> Iterator[None]:
    """Add the file's name to errors; errors in ``damage`` become "damaged file"."""
    try:
        yield
    except (ParameterError, DataError) as error:
        raise type(error)(f"{os.fspath(path)}: {error}") from error
    except damage as error:
        raise ModelFileError(
            f"{os.fspath(path)}: this file is damaged: {type(error).__name__}: {error}"
        ) from error
