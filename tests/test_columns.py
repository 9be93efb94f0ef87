"""Columns and their names: matched by name in any order, refused if they are others."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from oracle import make_data, refused, same_bits

import rnn_rust
from rnn_rust import GRU, Adam, Dataset, MinMaxScaler, RegressionEvaluator, Sequence, StandardScaler
from rnn_rust.errors import ShapeError
from rnn_rust.model.network import Network

RAW = make_data([4, 1, 6, 5], 3, 2)
X, Y = ("x1", "x2", "x3"), ("y1", "y2")


def named(features: tuple[str, ...] = X, labels: tuple[str, ...] = Y) -> Dataset:
    """Return data whose column of a name has the same values wherever it stands."""
    frame = plain(X, Y).to_frame()
    return Dataset.from_frame(frame, features=features, labels=labels)


def plain(features: Any = None, labels: Any = None) -> Dataset:
    """Return the same as arrays."""
    return Dataset.from_arrays(
        RAW.features * [1, 10, 100], RAW.labels * [1, 50], RAW.offsets,
        feature_names=features, label_names=labels,
    )  # fmt: skip


def renamed(features: tuple[str, ...] = X, labels: tuple[str, ...] = Y) -> Dataset:
    """Return the same values under other names."""
    return plain(features, labels)


SHUFFLED = named(("x3", "x1", "x2"), ("y2", "y1"))


def make_model(data: Dataset | None = None) -> Network:
    model = GRU(3, 4, 2, scaler="standard", optimizer=Adam(0.01))
    if data is not None:
        model.fit(data, epochs=2, batch_size=2, progress=False)
    return model


CALLS: dict[str, Callable[[Network, Any], Any]] = {
    "predict": lambda model, data: model.predict(data),
    "hidden_states": lambda model, data: model.hidden_states(data),
    "loss": lambda model, data: model.loss(data),
    "gradients": lambda model, data: model.gradients(data),
    "update": lambda model, data: model.update(data),
}
CALLS_OF_SETS: dict[str, Callable[[Network, Any], Any]] = {
    "fit": lambda model, data: model.fit(data, epochs=2, progress=False).loss,
    "validation": lambda model, data: model.fit(
        named(), epochs=1, validation=data, progress=False
    )[-1]["validation_loss"],
    "fit with evaluator": lambda model, data: model.fit(
        named(), epochs=1, validation=data, evaluator=RegressionEvaluator(), progress=False
    )[-1]["validation_r2"],
    "train": lambda model, data: model.train(data, epochs=1)[:2],
    "evaluate": lambda model, data: RegressionEvaluator().evaluate(model, data),
}  # fmt: skip
EVERY_CALL = CALLS | CALLS_OF_SETS


@pytest.mark.parametrize("call", EVERY_CALL)
def test_columns_in_another_order_give_the_same_bits(call: str) -> None:
    assert SHUFFLED.features[0].tolist() != named().features[0].tolist()
    one, other = make_model(named()), make_model(named())
    np.testing.assert_equal(EVERY_CALL[call](other, SHUFFLED), EVERY_CALL[call](one, named()))
    assert same_bits(one, other)
    assert (other.feature_names, other.label_names) == (X, Y)


@pytest.mark.parametrize("call", CALLS)
def test_a_sequence_knows_the_names_of_its_columns(call: str) -> None:
    one, other = make_model(named()), make_model(named())
    np.testing.assert_equal(CALLS[call](other, SHUFFLED[2]), CALLS[call](one, named()[2]))
    refused(lambda: CALLS[call](other, renamed(("x1", "x2", "z"))[2]), ShapeError, "x1, x2, z")
    assert CALLS[call](other, plain()[2]) is not None
    assert plain()[0].feature_names is plain()[0].label_names is None
    assert SHUFFLED[1].label_names == ("y2", "y1")
    bare = Sequence(0, RAW.times[:4], RAW.features[:4], RAW.labels[:4])
    assert CALLS[call](other, bare) is not None


@pytest.mark.parametrize("call", EVERY_CALL)
@pytest.mark.parametrize("names", [("x2", "x1", "z"), ("c", "b", "a"), ("X1", "x2", "x3")])
def test_other_features_are_refused(call: str, names: tuple[str, ...]) -> None:
    model = make_model(named())
    before = copy.deepcopy(model)
    wanted = (", ".join(names), "was trained on x1, x2, x3")
    refused(lambda: EVERY_CALL[call](model, renamed(names)), ShapeError, *wanted)
    assert same_bits(model, before)
    assert model.epochs_trained == before.epochs_trained


@pytest.mark.parametrize("call", sorted(set(EVERY_CALL) - {"predict", "hidden_states"}))
def test_other_labels_are_refused(call: str) -> None:
    model = make_model(named())
    data = renamed(labels=("y1", "target"))
    words = ("the label columns are y1, target", "y1, y2", "'target' is not among them")
    refused(lambda: EVERY_CALL[call](model, data), ShapeError, *words)


def test_columns_that_are_missing_or_too_many_are_named() -> None:
    model = make_model(named())
    for features, words in (
        (("x1", "x3"), "2 feature columns, the model expects 3 (input_size=3): it lacks x2"),
        ((*X, "y1"), "4 feature columns, the model expects 3 (input_size=3): the model does not"),
        (("x1", "y1"), "3 (input_size=3): it lacks x2, x3; the model does not know y1"),
    ):
        other = named(features, ("y2",))
        refused(lambda data=other: model.predict(data), ShapeError, words)  # type: ignore[misc]
    refused(lambda: model.loss(named(X, ("y2",))), ShapeError, "1 label column", "it lacks y1")


def test_predictions_do_not_ask_for_the_names_of_labels() -> None:
    model = make_model(named())
    expected = model.predict(named())
    for labels in (("y1", "target"), ("y2", "y1")):
        np.testing.assert_array_equal(model.predict(renamed(labels=labels)), expected)
    unlabelled = Dataset.from_frame(named().to_frame(), labels=[])
    np.testing.assert_array_equal(model.predict(unlabelled), expected)


def test_arrays_without_names_go_by_position() -> None:
    data = plain()
    assert (data.feature_names, data.label_names) == (X, Y)  # to look at
    model, nameless = make_model(named()), make_model(data)
    assert same_bits(model, nameless)
    assert (nameless.feature_names, nameless.label_names) == (None, None)
    for name, call in EVERY_CALL.items():
        if name != "train":
            np.testing.assert_equal(call(nameless, data), call(model, data))
    assert (model.feature_names, model.label_names) == (X, Y)
    # Data with names is taken as it is, and its names are learnt from then on.
    nameless, other = make_model(data), renamed(("c", "b", "a"), ("p", "q"))
    nameless.predict(other)
    assert nameless.feature_names is None
    nameless.fit(other, epochs=1, progress=False)
    assert (nameless.feature_names, nameless.label_names) == (("c", "b", "a"), ("p", "q"))
    refused(lambda: nameless.predict(named()), ShapeError, "x1, x2, x3", "c, b, a")


def test_names_of_one_side_alone() -> None:
    model = make_model(plain(features=("a", "b", "c")))
    assert (model.feature_names, model.label_names) == (("a", "b", "c"), None)
    model.loss(renamed(("a", "b", "c"), ("p", "q")))
    refused(lambda: model.loss(named()), ShapeError, "a, b, c")


@pytest.mark.parametrize(
    "way",
    [
        lambda data: data.subset([0, 1]),
        lambda data: data.split(0.5)[0],
        lambda data: data.normalize(),
        lambda data: pickle.loads(pickle.dumps(data)),
        copy.deepcopy,
        lambda data: data.with_values(data.features * 2, data.labels),
        lambda data: MinMaxScaler().fit_transform(data),
    ],
)
def test_parts_and_copies_know_whether_they_have_names(way: Callable[[Dataset], Dataset]) -> None:
    for data, known in ((plain(), False), (plain(X, Y), True), (named(), True)):
        other = way(data)
        assert (other.has_feature_names, other.has_label_names) == (known, known)
        assert other.feature_names == X


def test_a_model_file_has_no_placeholders(tmp_path: Path) -> None:
    for data, names in ((plain(), None), (named(), X)):
        make_model(data).save(tmp_path / "model")
        assert rnn_rust.load(tmp_path / "model").feature_names == names


def test_normalised_data_in_another_order_returns_to_its_units() -> None:
    model = GRU(3, 4, 2)
    model.fit(named().normalize(), epochs=2, progress=False)
    result = RegressionEvaluator().evaluate(model, named().normalize())
    shuffled = named(("x3", "x1", "x2"), ("y2", "y1")).normalize()
    assert RegressionEvaluator().evaluate(model, shuffled) == result
    assert list(result.columns) == ["y1", "y2"]
    spread = {name: column.rmse for name, column in result.columns.items()}
    assert spread["y2"] > 10 * spread["y1"]


def test_validation_data_is_matched_with_the_training_data_of_the_first_fit() -> None:
    data, losses = named(), []
    for validation in (named(), SHUFFLED):
        history = make_model().fit(data, epochs=2, validation=validation, progress=False)
        losses.append([record["validation_loss"] for record in history])
    np.testing.assert_array_equal(losses[0], losses[1])
    model = make_model()
    other = renamed(("c", "b", "a"))
    refused(lambda: model.fit(data, epochs=1, validation=other, progress=False), ShapeError, "c, b")
    assert model.epochs_trained == 0
    assert model.feature_names is None


@pytest.mark.parametrize("kind", [MinMaxScaler, StandardScaler])
def test_scalers_match_columns_by_name(kind: type[MinMaxScaler]) -> None:
    scaler = kind().fit(named())
    expected = scaler.transform(named())
    scaled = scaler.transform(SHUFFLED)
    assert (scaled.feature_names, scaled.label_names) == (X, Y)
    np.testing.assert_array_equal(scaled.features, expected.features)
    np.testing.assert_array_equal(scaled.labels, expected.labels)
    np.testing.assert_allclose(scaler.inverse_transform(scaled).features, named().features)
    np.testing.assert_array_equal(scaler.transform(plain()).features, expected.features)
    refused(lambda: scaler.transform(renamed(("c", "b", "a"))), ShapeError, "fitted on x1, x2, x3")


def test_a_fitted_scaler_tells_its_model_the_names() -> None:
    models = [GRU(3, 4, 2, scaler=StandardScaler().fit(named())) for _ in range(2)]
    for model, data in zip(models, (named(), SHUFFLED), strict=True):
        assert (model.feature_names, model.label_names) == (X, Y)
        model.fit(data, epochs=2, progress=False)
    assert same_bits(*models)
    other = GRU(2, 4, 2, scaler=StandardScaler(labels=False).fit(named()))
    assert (other.feature_names, other.label_names) == (None, None)


def test_a_message_about_many_columns_stays_short() -> None:
    names = [f"x{number}" for number in range(100)]
    features = np.zeros((4, 100))
    model = GRU(100, 2, 1)
    labels = [0.0, 1.0, 0.0, 1.0]
    model.fit(
        Dataset.from_arrays(features, labels, [0, 4], feature_names=names),
        epochs=1, progress=False,
    )  # fmt: skip
    other = Dataset.from_arrays(features, labels, [0, 4], feature_names=[*names[:-1], "last"])
    with pytest.raises(ShapeError, match=r"\.\.\. \(100 in all\).*'last' is not among") as caught:
        model.predict(other)
    assert len(str(caught.value)) < 500


def test_frames_have_names_even_if_they_look_like_placeholders() -> None:
    frame = pl.DataFrame({"id": [1, 1], "t": [0, 1], "x1": [0.0, 1.0], "y1": [1.0, 0.0]})
    assert Dataset.from_frame(frame).has_feature_names
    assert Dataset.from_frame(frame, labels=[]).has_label_names
