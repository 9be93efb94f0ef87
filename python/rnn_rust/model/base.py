"""The basis of all networks: arguments, weights and copies."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Self, TypeVar

from numpy.typing import ArrayLike

from rnn_rust import _core
from rnn_rust.base.arrays import FloatArray
from rnn_rust.base.checks import finite, whole_number
from rnn_rust.base.suggest import unknown_argument
from rnn_rust.data.ahead import Forecast
from rnn_rust.data.columns import Keys
from rnn_rust.data.dataset import Dataset
from rnn_rust.data.encoder import FeatureEncoder
from rnn_rust.data.order import with_label_levels
from rnn_rust.data.preprocessor import Preprocessor
from rnn_rust.data.scalers import make_model_scaler
from rnn_rust.data.sequences import require_dataset
from rnn_rust.data.steps import Pace
from rnn_rust.errors import ParameterError
from rnn_rust.learning.class_weights import numbered
from rnn_rust.learning.labels import class_count
from rnn_rust.learning.losses import engine_loss
from rnn_rust.learning.optimizers import CustomOptimizer, Optimizer
from rnn_rust.model.arguments import Options, Sizes
from rnn_rust.model.building import (
    classes_of,
    learnt_encoder,
    needs_encoder,
    of_features,
    sizes_of,
)
from rnn_rust.model.declaration import described
from rnn_rust.model.optimizer_state import OptimizerState
from rnn_rust.model.preparation import Preparation
from rnn_rust.model.settings import checked_settings, engine_settings
from rnn_rust.model.state_dict import checked_state
from rnn_rust.model.states import state_shape

_Network = TypeVar("_Network", bound="BaseNetwork")

# Attributes that hold objects of the engine; copies get settings and arrays instead.
_ENGINE_ATTRIBUTES = ("_core", "optimizer_state")

# Settings that repr shows even if they are the defaults.
_ALWAYS_SHOWN = ("activation", "output_activation", "loss", "dtype")

_NO_SIZES = "the model has no sizes yet, and so no weights; fit it, or call build(data)"


class Unbuilt:
    """Stands in for the engine's network until all its sizes are known."""

    n_threads: int | None = None

    def set_optimizer(self, settings: dict[str, Any]) -> None:
        """Do nothing: there are no moments yet."""

    def __getattr__(self, name: str) -> Any:
        """Say what is missing."""
        raise ParameterError(_NO_SIZES)


class BaseNetwork:
    """The arguments and the weights of a network; :class:`Network` computes with them."""

    cell: ClassVar[str]
    options: ClassVar[type] = Options
    # Whether weights are loaded next, so that none need to be drawn.
    _weights_come = False

    def __init__(
        self,
        input_size: int | None = None,
        hidden_size: int = 32,
        output_size: int | None = None,
        **options: Any,
    ) -> None:
        arguments = described(Sizes) | described(self.options)
        if unknown := [name for name in options if name not in arguments]:
            raise unknown_argument(type(self).__name__, unknown[0], arguments)
        given = options | {
            "input_size": input_size, "hidden_size": hidden_size, "output_size": output_size
        }  # fmt: skip
        given = {name: given.get(name, argument.default) for name, argument in arguments.items()}
        self._settings = checked_settings(arguments, given)
        self.encoder: FeatureEncoder | None = None
        self.label_levels: dict[str, tuple[str, ...]] = {}
        self.loss_name, _ = engine_loss(self._settings["loss"], self._settings["pos_weight"])
        self._core = self._new_core()
        self.n_threads = given["n_threads"]
        self.optimizer = given["optimizer"]
        self.scaler = make_model_scaler(
            given["scaler"], self._settings["output_activation"],
            classes=class_count(self.loss_name, 2) is not None,
        )  # fmt: skip
        self.class_table: FloatArray | None = None
        self.feature_names: tuple[str, ...] | None = None
        self.label_names: tuple[str, ...] | None = None
        self.table: Keys | None = None
        self.ahead: Forecast | None = None
        self.pace: Pace | None = None
        self._take_names_of_scaler()
        self._threshold: float | None = None
        self.epochs_trained = 0

    def _new_core(self) -> _core.Network:
        """Return a network of the engine, or its stand-in until all sizes are known."""
        if not self.is_built:
            # Check the names among the settings now, with sizes that are always valid. Whether
            # there is enough memory is checked once the real sizes are known.
            sizes = {"input_size": 1, "hidden_size": 1, "output_size": 2}
            _core.Network(engine_settings(self.cell, self._settings | sizes, None))
            return Unbuilt()  # type: ignore[return-value]
        settings = engine_settings(self.cell, self._settings, self.encoder)
        return _core.Network(settings, zeros=self._weights_come)

    @property
    def is_built(self) -> bool:
        """Whether the sizes are known, so that the weights exist."""
        return None not in (self._settings["input_size"], self._settings["output_size"])

    def require_sizes(self) -> None:
        """Raise ParameterError if a size is not known."""
        if not self.is_built:
            raise ParameterError(_NO_SIZES)

    def build(self, data: Dataset) -> Self:
        """Find the sizes that are not known, and the levels of categories, in training data.

        The first ``fit`` does this. A built model with no categories to learn is not changed.

        Raises
        ------
        ShapeError
            The data has another number of feature columns than ``input_size``, or its labels have
            another number of classes by name than ``output_size``.
        DataError
            There is no label to infer the outputs from, or only one named class.
        ParameterError
            ``data`` is not a data set.
        """
        require_dataset(data, "build")
        if not self.epochs_trained and not self.label_levels:
            self.label_levels = classes_of(data, self.loss_name, self._settings["output_size"])
            data = with_label_levels(data, self.label_levels)
            weights = numbered(self._settings["class_weight"], self.label_levels)
            self._settings = {**self._settings, "class_weight": weights}
        learns = self.encoder is None and not self.epochs_trained
        learns = learns and needs_encoder(self._settings, data)
        if self.is_built and not learns:
            return self
        arguments = described(Sizes) | described(self.options)
        self._settings = checked_settings(
            arguments, self._settings | sizes_of(data, self._settings, self.loss_name)
        )
        encoder = learnt_encoder(self._settings, data, self.scaler) if learns else self.encoder
        self.take_encoder(encoder)
        return self

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The name of each class, in the order of outputs; None if classes are numbers.

        With several labels, the classes of the first that has names; ``label_levels`` has all.
        """
        return next(iter(self.label_levels.values()), None)

    @property
    def architecture(self) -> tuple[Any, ...]:
        """What :meth:`build` may change."""
        return self._settings, self.encoder, self.label_levels

    @architecture.setter
    def architecture(self, before: tuple[Any, ...]) -> None:
        self._settings, encoder, self.label_levels = before
        self.feature_names = None
        self.take_encoder(encoder)

    def take_encoder(self, encoder: FeatureEncoder | None) -> None:
        """Make a new engine network for features with these categories."""
        self.encoder = encoder
        before = self._core
        self._core = self._new_core()
        self._core.n_threads = before.n_threads
        self.optimizer = self.optimizer_state.optimizer
        if encoder is not None:
            self.feature_names = encoder.source_names
            self.scaler = of_features(self.scaler, encoder)

    @property
    def preprocessor(self) -> Preprocessor | None:
        """What the model has learnt about its features, and their scales; None if nothing."""
        scaler = self.scaler
        if self.encoder is None and (scaler is None or not scaler.is_fitted):
            return None
        encoder, settings = self.encoder, self._settings
        if encoder is None:
            names = self.feature_names
            names = names or tuple(f"x{at + 1}" for at in range(settings["input_size"]))
            encoder = FeatureEncoder.of_numbers(names)
        learnt_by = ("max_categories", "missing", "missing_indicator", "time_features")
        return Preprocessor.of(encoder, scaler, **{name: settings[name] for name in learnt_by})

    @property
    def static_names(self) -> tuple[str, ...]:
        """The names of the static features that the model was trained with."""
        own = None if self.encoder is None else self.encoder.static
        return () if own is None else own.source_names

    @property
    def input_names(self) -> tuple[str, ...] | None:
        """The name of each column of ``weight_ih_l0``: a feature, or a level of a category."""
        return self.feature_names if self.encoder is None else self.encoder.input_names

    def _take_names_of_scaler(self) -> None:
        """Take the column names from a fitted scaler, if it knows them."""
        if self.scaler is None:
            return
        features, labels = self.scaler.feature_names_, self.scaler.label_names_
        if features is not None and len(features) == self._settings["input_size"]:
            self.feature_names = features
        if self.scaler.labels and labels is not None and len(labels) == self.label_columns:
            self.label_names = labels

    def __repr__(self) -> str:
        """Return the call that makes such a model, with the arguments that are not defaults."""
        settings, options = self._settings, described(self.options)
        shown = [
            name for name in settings
            if name in options
            and (name in _ALWAYS_SHOWN or settings[name] != options[name].default)
        ]  # fmt: skip
        sizes = ", ".join(str(settings[name]) for name in described(Sizes))
        return (
            ", ".join(
                [
                    f"{type(self).__name__}({sizes}",
                    *(f"{name}={settings[name]!r}" for name in shown),
                ]
            )
            + ")"
        )

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments as given, except optimizer, scaler and n_threads."""
        settings = dict(self._settings)
        # A copy of the only setting that is mutable.
        if isinstance(weights := settings["class_weight"], dict):
            settings["class_weight"] = dict(weights)
        return settings

    @property
    def readout(self) -> str:
        """Which states are read out: ``"each_step"``, or ``"last"`` or ``"mean"`` of a sequence."""
        return str(self._settings["readout"])

    @property
    def applied_activation(self) -> str:
        """The activation of the outputs; a classification loss implies its own."""
        if class_count(self.loss_name, 2) is None:
            return str(self._settings["output_activation"])
        return "softmax" if self.loss_name == "cross_entropy" else "sigmoid"

    @property
    def label_columns(self) -> int:
        """The number of label columns C: one for class numbers, else one for each output."""
        return self.preparation.label_columns

    @property
    def preparation(self) -> Preparation:
        """What prepares data for the engine, given the settings and what was learnt so far."""
        settings = self._settings
        return Preparation(
            input_size=settings["input_size"], output_size=settings["output_size"],
            dtype=settings["dtype"], loss=self.loss_name, readout=settings["readout"],
            class_weight=settings["class_weight"], scaler=self.scaler,
            class_table=self.class_table, n_threads=self.n_threads,
            feature_names=self.feature_names, label_names=self.label_names, encoder=self.encoder,
            label_levels=self.label_levels, state_shape=state_shape(self.cell, settings),
            reverse=settings["reverse"],
        )  # fmt: skip

    @property
    def n_threads(self) -> int | None:
        """Maximum number of threads per call; None leaves it to the environment."""
        return self._core.n_threads

    @n_threads.setter
    def n_threads(self, n_threads: int | None) -> None:
        if n_threads is not None:
            n_threads = whole_number("n_threads", n_threads, least=1)
        self._core.n_threads = n_threads

    @property
    def threshold(self) -> float | None:
        """The threshold for evaluators that have none of their own; kept in the model's file.

        For 0/1 labels, an output above it is positive; for numbers, a prediction is right up to
        this relative error. None, as in a new model, leaves the choice to the evaluator.
        """
        return self._threshold

    @threshold.setter
    def threshold(self, threshold: float | None) -> None:
        self._threshold = None if threshold is None else finite("threshold", threshold)

    @property
    def optimizer(self) -> Optimizer | CustomOptimizer:
        """How a gradient changes the weights.

        You may replace it between calls of ``fit``; its moments, and the rate of a schedule that
        depends on the record, are then reset.
        """
        return self.optimizer_state.optimizer

    @optimizer.setter
    def optimizer(self, optimizer: Optimizer | CustomOptimizer) -> None:
        self.optimizer_state = OptimizerState(self._core, optimizer)

    # Weights ---------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, FloatArray]:
        """Return a copy of every weight under PyTorch's names.

        With G gates (1; GRU r z n; LSTM i f g o) and D directions: ``weight_ih_l{k} (G·H, I)``
        (``(G·H, D·H)`` in further layers), ``weight_hh_l{k} (G·H, H)``, ``bias_l{k} (G·H,)``, for
        the GRU ``bias_hn_l{k} (H,)``; the backward direction adds ``_reverse`` to each name; and
        ``head.weight (L, D·H)``, ``head.bias (L,)``.
        """
        return self._core.state_dict()

    def load_state_dict(self, state: Mapping[str, ArrayLike]) -> Self:
        """Replace every weight with the one in ``state``; if one does not fit, change none.

        PyTorch's pair ``bias_ih_l0`` and ``bias_hh_l0`` is accepted in place of ``bias_l0``, which
        is their sum (in a GRU, the candidate's part of ``bias_hh_l0`` is ``bias_hn_l0``), and so on
        for further layers. Arrays are converted to the model's dtype.

        Raises
        ------
        ShapeError
            A name is missing or unknown, or an array has another shape.
        DataError
            A weight is NaN, infinite or not a number.
        """
        self._core.load_state_dict(checked_state(state, like=self.state_dict()))
        return self

    # Copies ----------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """Return the whole state: training a copy further gives the same bits as the original.

        Unlike a file, it includes the optimiser's moments, ``n_threads``, attributes of subclasses,
        and Python objects (an optimiser, a loss, a function for the learning rate), which must
        support copying or pickling.
        """
        attributes = {
            name: value for name, value in vars(self).items() if name not in _ENGINE_ATTRIBUTES
        }
        return {
            "attributes": attributes,
            "weights": self.state_dict() if self.is_built else None,
            "n_threads": self.n_threads,
            "optimizer": self.optimizer,
            "progress": self.optimizer_state.progress() if self.is_built else None,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over the state of another network."""
        vars(self).update(state["attributes"])
        if not hasattr(self, "_core"):
            self._weights_come = True
            self._core = self._new_core()
            del self._weights_come
        if state["weights"] is not None:
            self._core.load_state_dict(state["weights"])
        self.n_threads = state["n_threads"]
        self.optimizer = state["optimizer"]
        if state["weights"] is not None:
            self.optimizer_state.load_progress(state["progress"])

    def __copy__(self) -> Self:
        """Return a copy that shares nothing with the model, not even an optimiser in Python."""
        return copy.deepcopy(self)


@contextmanager
def to_be_loaded(kind: type[_Network], settings: Mapping[str, Any]) -> Iterator[_Network]:
    """Make a network without drawing weights, which may take seconds; the block loads them."""
    network = kind.__new__(kind)
    network._weights_come = True
    kind.__init__(network, **settings)
    yield network
    del network._weights_come
