"""Networks of Keras 3, from its models or their files; Keras is not imported."""

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
    """Return a model with the weights of a network of Keras 3.

    A ``Sequential`` model, or a functional one that is a chain of layers: ``SimpleRNN``, ``GRU``
    (``reset_after`` either way) or ``LSTM``, or several of one kind and size, each maybe in
    ``Bidirectional``; then at most one ``Dense``, maybe in ``TimeDistributed``, with its
    activation. Without ``Dense`` the outputs are the states. ``return_sequences=False`` of the last
    recurrent layer becomes ``readout="last"``, ``GlobalAveragePooling1D`` ``readout="mean"``. A
    softmax or sigmoid at the end becomes that of loss ``"cross_entropy"`` or
    ``"binary_cross_entropy"``.

    What acts in training alone is passed over: dropout, noise, regularisers. So is ``Masking``, as
    sequences here have no padding, and ``stateful``, as each begins with states of 0; both are
    logged.

    Parameters
    ----------
    model
        A model of Keras, or the path of a file ``.keras``, which takes h5py to read:
        ``pip install "rnn-rust[keras]"``.
    **options
        Arguments of the model that the network does not tell, such as ``loss``, ``scaler``,
        ``dropout`` or ``dtype`` (float64 if a weight is).

    Raises
    ------
    ParameterError
        A layer, or a setting of one, that models here have not; the message names it.
    ModelFileError
        The file is not one of Keras 3, or is damaged.
    MissingFileError
        There is no such file.
    ShapeError, DataError
        Weights do not belong together, or are not finite numbers.

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
    # A TypeError is of an option that models have not.
    with _naming(model, (ValueError,)):
        return assembled(network.weights, *network.arguments(options))


@contextlib.contextmanager
def _naming(path: str | os.PathLike[str], damage: tuple[type[Exception], ...]) -> Iterator[None]:
    """Let errors name a file; those of ``damage`` say that it is damaged."""
    try:
        yield
    except (ParameterError, DataError) as error:
        raise type(error)(f"{os.fspath(path)}: {error}") from error
    except damage as error:
        raise ModelFileError(
            f"{os.fspath(path)}: this file is damaged: {type(error).__name__}: {error}"
        ) from error
