"""The engine. Arguments are checked and prepared by the classes that use it."""

import os
from collections.abc import Callable, Mapping
from typing import Any, Literal, Self, TypedDict, final, overload, type_check_only

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import disjoint_base

_Array = NDArray[np.float32] | NDArray[np.float64]
_Offsets = NDArray[np.int64]
_PerSequence = tuple[_Array | None, _Array | None]
_Key = int | str | bytes
_Features = ArrayLike | Mapping[str, float]

__all__ = [
    "Network",
    "Scorer",
    "Stepper",
    "__version__",
    "column_bounds",
    "column_moments",
    "csv_rows",
    "decompress_zstd",
    "fill_from_csv",
    "fill_rows",
    "prepare_rows",
]

__version__: str

def csv_rows(
    path: str | os.PathLike[str],
    offset: int,
    line: int,
    width: int,
    block: int,
    separator: int,
    comment: int | None,
) -> tuple[NDArray[np.int64], NDArray[np.bool_], list[tuple[int, int]]]:
    """Return the line of each row, whether it is blank, and where blocks begin: bytes, rows.

    DataError if a row is malformed.
    """

def fill_from_csv(
    text: bytes,
    separator: int,
    columns: list[tuple[int, int] | bool],
    matrices: list[NDArray[np.float32]] | list[NDArray[np.float64]],
) -> tuple[bytes, list[bool]] | None:
    """Fill rows of matrices with the numbers of plain CSV text.

    Each column of the file goes to (matrix, column), or is wanted as text, or not. Returns the
    cells of text as CSV, and whether each matrix lacks a number; None if the text is not plain.
    """

def decompress_zstd(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Write to ``target`` what ``source`` is once decompressed; DataError if it is damaged."""

def prepare_rows(
    values: _Array,
    starts: _Offsets,
    offsets: _Offsets,
    shift: NDArray[np.float64] | None,
    scale: NDArray[np.float64] | None,
    dtype: str,
    threads: int | None,
) -> tuple[_Array, bool]:
    """Return rows ``(N, C)`` of ``dtype``, scaled if asked for, and whether none is infinite.

    Sequence s has the rows of ``values`` from ``starts[s]`` on.
    """

def fill_rows(columns: list[NDArray[np.float64]], matrix: _Array) -> tuple[bool, bool]:
    """Put columns side by side, into a matrix.

    Returns whether all numbers are finite, and whether none is infinite.
    """

def column_bounds(
    values: _Array, starts: _Offsets, offsets: _Offsets, threads: int | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the smallest and the largest number of each column, NaN aside."""

def column_moments(
    values: _Array,
    starts: _Offsets,
    offsets: _Offsets,
    shift: NDArray[np.float64],
    scale: NDArray[np.float64],
    threads: int | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of each column after scaling, NaN aside."""

@type_check_only
class Settings(TypedDict):
    cell: str
    input_size: int
    category_columns: int
    category_levels: int
    static_numbers: int
    static_category_columns: int
    static_category_levels: int
    hidden_size: int
    output_size: int
    num_layers: int
    bidirectional: bool
    dropout: float
    recurrent_dropout: float
    readout: str
    activation: str
    reset_after: bool
    forget_bias: float
    output_activation: str
    loss: str
    loss_parameters: dict[str, float]
    reduction: str
    dtype: str
    init: str
    seed: int

@type_check_only
class Plan(TypedDict):
    starts_training: bool
    learning_rates: list[float]
    clip_norm: float | None
    clip_value: float | None
    bptt_steps: int | None
    batch_size: int
    shuffle: bool
    seed: int
    first_epoch: int
    epochs: int
    time_budget: float | None

@final
class Network:
    """A network, its weights, and the computations on them.

    Its weights are drawn, or ``zeros``, which take no time, where others are loaded next.
    """

    def __new__(cls, settings: Settings, *, zeros: bool = False) -> Network: ...
    @property
    def n_threads(self) -> int | None:
        """How many threads a call may use; None leaves it to the environment."""
    @n_threads.setter
    def n_threads(self, value: int | None) -> None: ...
    def stepper(
        self,
        features: tuple[list[float], list[float]],
        labels: tuple[list[float], list[float]],
        as_floats: Callable[[str, Any], NDArray[Any]],
        names: list[str] | None,
        remake: Callable[..., Stepper],
    ) -> Stepper:
        """Return a stepper with these weights.

        The scalers of features and labels are given as shift and scale by column, empty without.
        ``as_floats(what, values)`` makes an array of float32 or float64 of other values; ``names``
        are those of the features; ``remake(tensors, scalers, names, state)`` makes a stepper again.
        """
    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return every tensor by name, in the shape that users see."""
    def load_state_dict(self, state: dict[str, NDArray[Any]]) -> None:
        """Replace every tensor, or none if one does not fit."""
    def set_optimizer(self, settings: dict[str, Any]) -> None:
        """Choose how gradients change weights; what the last optimiser kept is gone."""
    def optimizer_state(self) -> dict[str, Any]:
        """Return what the optimiser keeps: its steps, and its moments tensor by tensor."""
    def load_optimizer_state(self, state: dict[str, Any]) -> None:
        """Go on from what another one with the same settings kept, all of it.

        ShapeError if a tensor is missing, or is not one of this optimiser.
        """
    def predict(
        self,
        features: _Array,
        offsets: _Offsets,
        per_sequence: _PerSequence,
        *,
        states: bool = False,
    ) -> list[NDArray[Any]]:
        """Return outputs ``(N, L)``, or ``(S, L)`` with a readout of whole sequences.

        ``per_sequence`` has static features and initial states of sequences, a row each. With
        ``states`` the final ones are returned too.
        """
    def hidden_states(
        self, features: _Array, offsets: _Offsets, per_sequence: _PerSequence
    ) -> list[NDArray[Any]]:
        """Return states of the last layer ``(N, D·H)``, alone in a list."""
    def loss(
        self,
        features: _Array,
        labels: _Array,
        offsets: _Offsets,
        weights: _Array | None,
        per_sequence: _PerSequence,
        *,
        gradients: bool,
        dropout_seed: int | None,
        custom: object | None,
    ) -> tuple[float, dict[str, NDArray[Any]] | None]:
        """Return the loss of the data as one batch, and its gradient by name if asked for.

        ``custom`` computes the loss in Python.
        """
    def train(
        self,
        features: _Array,
        labels: _Array,
        offsets: _Offsets,
        weights: _Array | None,
        per_sequence: _PerSequence,
        plan: Plan,
        *,
        custom: object | None,
        optimizer: object | None,
    ) -> tuple[list[float], list[float], BaseException | None]:
        """Train; return losses and seconds of the finished epochs, and what ended the call early.

        The last is an exception, or None if all epochs or the time budget were used. ``custom``
        computes the loss in Python, ``optimizer`` updates there.
        """

@final
class Stepper:
    """Reads one sequence step by step and carries the state; made by ``model.stepper()``.

    It keeps the weights and the scaler that the model had, and gives the bits that ``predict``
    gives for the whole sequence. Not for several threads at once; each sequence wants a stepper of
    its own, or its state set and taken.
    """

    def step(self, features: _Features, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Take one step and return the outputs ``(L,)``.

        Parameters
        ----------
        features
            ``(I,)`` in original units; or, if the model's features have names, by name: a dict, a
            named tuple, or a Series with names as its index. Other names are ignored.
        out
            An array of shape ``(L,)`` and the dtype of the outputs, to write them into; nothing is
            allocated then. Outputs are float64 if the scaler scales labels, otherwise of the
            model's dtype.

        Raises
        ------
        ShapeError
            The number of features is not the model's, or there is more than one row.
        DataError
            A feature's name is missing; or a feature is NaN, infinite, masked or not a real number.
        TypeError
            ``out`` is not such an array.
        """
    def set_statics(self, statics: ArrayLike) -> None:
        """Set the static features of the sequence, encoded for the engine."""
    def __copy__(self) -> Stepper:
        """Return a stepper with a state of its own, and the same weights."""
    def __deepcopy__(self, memo: Any, /) -> Stepper:
        """Return the same."""
    def __reduce__(self) -> tuple[Any, ...]:
        """Return how a pickle makes one again, with the weights and the state."""
    def reset(self) -> None:
        """Start another sequence: the state becomes 0."""
    @property
    def state(self) -> NDArray[Any]:
        """The state after the last step; set it to continue from another one.

        ``(H,)``, with several layers ``(layers, H)``; in an LSTM 2 H numbers, h followed by c.
        """
    @state.setter
    def state(self, value: ArrayLike) -> None: ...

@disjoint_base
class Scorer:
    """A network with the states of many entities, each known by its key."""

    def __new__(
        cls,
        model: Any,
        network: Network,
        scalers: tuple[tuple[list[float], list[float]], tuple[list[float], list[float]]],
        as_floats: Callable[[str, Any], NDArray[Any]],
        names: list[str] | None,
        limits: tuple[int | None, float | None],
    ) -> Self: ...
    @overload
    def score(
        self,
        key: _Key,
        features: _Features,
        out: NDArray[Any] | None = None,
        *,
        time: float | None = None,
        return_new: Literal[False] = False,
    ) -> NDArray[Any]: ...
    @overload
    def score(
        self,
        key: _Key,
        features: _Features,
        out: NDArray[Any] | None = None,
        *,
        time: float | None = None,
        return_new: Literal[True],
    ) -> tuple[NDArray[Any], bool]:
        """Process one event of an entity and return the outputs ``(L,)``.

        Parameters
        ----------
        key
            The entity's key: an int of 64 bits, a str or bytes.
        features
            ``(I,)`` in original units; or, if the model's features have names, by name: a dict,
            a named tuple, or a Series with names as its index. Other names are ignored.
        out
            An array of shape ``(L,)`` and the dtype of the outputs, to write them into; nothing
            is allocated then.
        time
            The time of the event; required with ``expire_after``.
        return_new
            Whether to also return if the entity started from a zero state, because it was unknown
            or had been removed.

        Raises
        ------
        ShapeError
            The number of features is not the model's, or there is more than one row.
        DataError
            A feature's name is missing; a feature is NaN, infinite, masked or not a real number;
            or ``key`` is a str that cannot be encoded in UTF-8.
        ParameterError
            ``time`` is not a number, or not finite with ``expire_after``.
        TypeError
            ``out`` is not such an array, or ``key`` is of another type.
        """
    @overload
    def score_batch(
        self,
        keys: ArrayLike,
        features: Any,
        out: NDArray[Any] | None = None,
        *,
        times: ArrayLike | None = None,
        return_new: Literal[False] = False,
    ) -> NDArray[Any]: ...
    @overload
    def score_batch(
        self,
        keys: ArrayLike,
        features: Any,
        out: NDArray[Any] | None = None,
        *,
        times: ArrayLike | None = None,
        return_new: Literal[True],
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Process events of any entities and return the outputs ``(N, L)``.

        Several events of one entity are processed in order. If an argument is refused, no state
        changes.

        Parameters
        ----------
        keys
            ``(N,)``, the key of each event's entity: integers, or a list of ints, strs and bytes.
        features
            ``(N, I)`` in original units; or by name: a table as in :meth:`rnn_rust.RNN.predict`, or
            a list of rows as in :meth:`score`.
        out
            An array of shape ``(N, L)`` and the dtype of the outputs, to write them into.
        times
            ``(N,)``, the times of the events; required with ``expire_after``.
        return_new
            Whether to also return which events started from a zero state.

        Raises
        ------
        ShapeError, DataError, ParameterError, TypeError
            As in :meth:`score`.
        """
    def _admit(
        self, keys: ArrayLike, times: ArrayLike | None = None
    ) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
        """Return the row of each event's entity, and whether it starts from the state 0.

        The first half of ``score_batch``.
        """
    def _step(
        self, rows: NDArray[np.uint32], new: NDArray[np.bool_], features: ArrayLike
    ) -> NDArray[Any]:
        """Return the outputs after events of such rows: the second half."""
    def __len__(self) -> int:
        """Return the number of entities."""
    def __contains__(self, key: _Key, /) -> bool:
        """Whether an entity is known."""
    @property
    def evicted(self) -> int:
        """How many entities were removed to make room for others, at ``max_entities``."""
    @property
    def expired(self) -> int:
        """How many entities were removed because ``expire_after`` had passed."""
    def _row(self, key: _Key) -> int | None:
        """Return the row of an entity; None if it is not known."""
    def state(self, key: _Key) -> NDArray[Any] | None:
        """Return the state of an entity, as a stepper has it; None if it is not known."""
    def reset(self, key: _Key) -> bool:
        """Set an entity's state to 0; return whether it is known."""
    def forget(self, key: _Key) -> bool:
        """Forget an entity; return whether it was known."""
    def clear(self) -> None:
        """Forget all entities."""
    @property
    def _model(self) -> Any:
        """The model whose network it is."""
    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return every tensor of the network by name."""
    def _replace_network(
        self,
        model: Any,
        network: Network,
        scalers: tuple[tuple[list[float], list[float]], tuple[list[float], list[float]]],
        keep_states: bool,
    ) -> None:
        """Go on with another model, whose network is of the same sizes and type."""
    def _snapshot(self) -> tuple[Any, dict[str, NDArray[Any]], NDArray[np.uint32]]:
        """Return model, entities and their rows at one moment, the least recently used first."""
    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take entities from such arrays."""
