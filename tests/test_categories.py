"""Categories in a network: levels that are looked up, and unknown ones as "other"."""

from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from categories import FEATURES, dataset, frame
from hypothesis import given, settings
from hypothesis import strategies as st

import rnn_rust as rnn
from rnn_rust.data.encoder import FeatureEncoder
from rnn_rust.errors import DataError, ModelFileError, ParameterError, ShapeError


def one_hot(encoded: rnn.Dataset, encoder: FeatureEncoder) -> rnn.Dataset:
    """Return the data set of all inputs, by loops."""
    rows = []
    for row in encoded.features:
        inputs = [*row[: len(encoder.numbers)], *[0.0] * encoder.category_inputs]
        for code in row[len(encoder.numbers) :]:
            inputs[int(code)] = 1.0
        rows.append(inputs)
    return rnn.Dataset.from_arrays(rows, encoded.labels, encoded.offsets)


@pytest.mark.parametrize("model_class", [rnn.RNN, rnn.GRU, rnn.LSTM])
@pytest.mark.parametrize("batch_size", [1, 32])
def test_a_network_with_categories_is_that_of_all_inputs(model_class: Any, batch_size: int) -> None:
    data = dataset()
    model = model_class(hidden_size=5, dtype="float64", seed=2).build(data)
    encoder = model.encoder
    assert encoder is not None
    dense = model_class(len(encoder.input_names), 5, 1, dtype="float64", seed=2)
    dense.load_state_dict(model.state_dict())
    encoded = encoder.encode(data)
    inputs = one_hot(encoded, encoder)
    np.testing.assert_allclose(model.predict(data), dense.predict(inputs), rtol=0, atol=1e-12)
    loss, gradients = model.gradients(data)
    dense_loss, dense_gradients = dense.gradients(inputs)
    assert loss == pytest.approx(dense_loss, abs=1e-12)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, dense_gradients[name], rtol=0, atol=1e-12)
    # Finite differences of a few weights.
    weights = model.state_dict()
    for row, column in ((0, 0), (1, 1), (3, encoder.category_inputs)):
        moved = []
        for step in (1e-6, -1e-6):
            changed = copy.deepcopy(weights)
            changed["weight_ih_l0"][row, column] += step
            moved.append(model.load_state_dict(changed).loss(data))
        slope = (moved[0] - moved[1]) / 2e-6
        assert slope == pytest.approx(gradients["weight_ih_l0"][row, column], abs=1e-7)
    model.load_state_dict(weights)
    for one, given_data in ((model, data), (dense, inputs)):
        one.fit(given_data, epochs=3, batch_size=batch_size, progress=False)
    trained = model.state_dict()["weight_ih_l0"]
    known = [not name.endswith("=other") for name in encoder.input_names]
    np.testing.assert_allclose(
        trained[:, known], dense.state_dict()["weight_ih_l0"][:, known], atol=1e-9
    )


def test_levels_are_those_of_training_and_others_count_as_average() -> None:
    table = frame()
    train = dataset(table)
    model = rnn.GRU(hidden_size=4)
    model.fit(train, epochs=2, progress=False)
    encoder = model.encoder
    assert encoder is not None
    assert encoder.numbers == ("amount",)
    counts = table["merchant"].value_counts().sort("count", descending=True)
    assert encoder.levels["merchant"] == tuple(counts["merchant"])
    assert encoder.levels["code"] == tuple(
        str(code) for code in table["code"].value_counts().sort("count", descending=True)["code"]
    )
    assert model.input_names is not None
    assert model.input_names[0] == "amount"
    assert model.input_names[1] == f"merchant={counts['merchant'][0]}"
    weights = model.state_dict()["weight_ih_l0"]
    assert weights.shape == (12, 1 + 5 + 4)
    mean = weights[:, 1:5] @ (counts["count"].to_numpy() / table.height)
    np.testing.assert_allclose(weights[:, 5], mean, rtol=1e-5)


def test_unknown_levels_are_reported_and_are_other(caplog: pytest.LogCaptureFixture) -> None:
    model = rnn.GRU(hidden_size=4)
    model.fit(dataset(), epochs=1, progress=False)
    new = frame(16, seed=1).with_columns(merchant=pl.lit("casino"))
    with caplog.at_level(logging.INFO, "rnn_rust"):
        outputs = model.predict(new)
    assert "Column 'merchant': 16 of 16 rows have a level without an input" in caplog.text
    other = new.with_columns(merchant=pl.lit("theatre"))
    np.testing.assert_array_equal(outputs, model.predict(other))


def test_an_unknown_level_counts_as_one_of_those_left_out() -> None:
    model = rnn.GRU(hidden_size=4, max_categories=2)
    model.fit(dataset(), epochs=2, progress=False)
    assert model.encoder is not None
    shares = np.array(model.encoder.shares["merchant"])
    assert shares.sum() < 0.99  # so that the weights of what is left out are learnt
    weights = model.state_dict()["weight_ih_l0"]
    first = model.encoder.first_inputs["merchant"]
    mean = weights[:, first : first + 2] @ (shares / shares.sum())
    assert np.abs(weights[:, first + 2] - mean).max() > 1e-3
    rare = next(
        level for level in frame()["merchant"].unique().sort()
        if level not in model.encoder.levels["merchant"]
    )  # fmt: skip
    new = frame(16, seed=1)
    outputs = [
        model.predict(new.with_columns(merchant=pl.lit(level))) for level in ("casino", rare)
    ]
    np.testing.assert_array_equal(*outputs)


def test_few_levels_have_an_input_of_their_own() -> None:
    model = rnn.GRU(hidden_size=4, max_categories=2)
    model.fit(dataset(), epochs=1, progress=False)
    assert model.encoder is not None
    assert {name: len(own) for name, own in model.encoder.levels.items()} == {
        "merchant": 2, "code": 2,
    }  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 30), seed=st.integers(0, 9), as_pandas=st.booleans())
def test_tables_streams_and_files_agree(
    rows: int, seed: int, as_pandas: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    model = rnn.GRU(hidden_size=4, scaler="standard")
    model.fit(dataset(), epochs=1, progress=False)
    table = frame(rows, seed)
    # A column of empty cells alone does not say by itself that it is a category.
    data = dataset(table, categories=["merchant", "code"])
    outputs = model.predict(data)
    given_table: Any = table
    if as_pandas:
        given_table = table.to_pandas().astype({"merchant": "category"})
    np.testing.assert_array_equal(model.predict(given_table), outputs)
    stepper = model.stepper()
    for number, row in enumerate(table.iter_rows(named=True)):
        if row["t"] == 0:
            stepper.reset()
        np.testing.assert_array_equal(stepper.step(row), outputs[number])
    path = tmp_path_factory.mktemp("models") / "model.safetensors"
    model.save(path)
    for again in (rnn.load(path), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(again.predict(table), outputs)
        assert again.input_names == model.input_names
    table.write_csv(path.with_suffix(".csv"))
    np.testing.assert_array_equal(model.predict(path.with_suffix(".csv")), outputs)


def test_a_training_with_categories_can_be_resumed(tmp_path: Path) -> None:
    path = tmp_path / "c.checkpoint"
    whole = rnn.GRU(hidden_size=4, scaler="minmax")
    whole.fit(dataset(), epochs=4, progress=False)
    for epochs in (2, 4):
        parts = rnn.GRU(hidden_size=4, scaler="minmax")
        parts.fit(
            dataset(), epochs=epochs, callbacks=[rnn.Checkpoint(path)], resume=path, progress=False
        )
    np.testing.assert_array_equal(whole.predict(frame()), parts.predict(frame()))


def test_what_is_refused() -> None:
    data = dataset()
    plain = rnn.GRU(3, 4, 1)
    plain.fit(
        rnn.Dataset.from_frame(frame().with_columns(merchant=pl.lit(1.0)), features=FEATURES),
        epochs=1, progress=False,
    )  # fmt: skip
    with pytest.raises(DataError, match="column 'merchant' is text, and the model was built for"):
        plain.predict(data)
    model = rnn.GRU(hidden_size=4)
    with pytest.raises(ParameterError, match=r"no sizes yet, and so no weights; fit it, or call"):
        model.state_dict()
    model.fit(data, epochs=1, progress=False)
    with pytest.raises(DataError, match="column 'merchant' is numbers, and was not when"):
        model.predict(rnn.Dataset.from_frame(
            frame().with_columns(merchant=pl.lit(1.0)), features=FEATURES, categories="code"
        ))  # fmt: skip
    with pytest.raises(ShapeError, match="give a table with these"):
        model.predict(np.zeros((3, 3)))
    stepper = model.stepper()
    with pytest.raises(DataError, match="there is no 'merchant'"):
        stepper.step({"amount": 1.0, "code": 100})
    with pytest.raises(DataError, match="give numbers, and text for categories"):
        stepper.step({"amount": "much", "merchant": "fuel", "code": 100})
    with pytest.raises(ShapeError, match="2 values for amount, merchant, code"):
        stepper.step([1.0, "fuel"])
    with pytest.raises(DataError, match="'t' is named as a category, and is no feature"):
        dataset(categories="t")
    with pytest.raises(ModelFileError, match="the features are not those"):
        FeatureEncoder.from_dict(
            {
                "numbers": [],
                "means": [],
                "fill": "error",
                "indicators": [],
                "times": [],
                "columns": [{"name": "a", "levels": ["x", "x"], "shares": [0.5, 0.5]}],
            }
        )


@pytest.mark.parametrize("kind", ["features", "static"])
@pytest.mark.parametrize(
    "cells",
    [
        pl.Series([3, 7, 7]), pl.Series([3.0, None, 7.0]), pl.Series([True, False, False]),
        pl.Series(["a ", None, "b"]),
    ],
    ids=["integers", "floats", "truth", "text"],
)  # fmt: skip
def test_a_stepper_knows_the_level_of_any_cell(kind: str, cells: pl.Series) -> None:
    frame = pl.DataFrame(
        {"id": [0, 1, 2], "t": [0, 0, 0], "x1": 1.0, "shop": cells, "y1": [1.0, 2, 3]}
    )
    named = {"features": ["x1", "shop"]} if kind == "features" else {"static": "shop"}
    roles = {"features": "x1", "labels": "y1", "categories": "shop"} | named
    model = rnn.GRU(hidden_size=3).build(rnn.Dataset.from_frame(frame, **roles))
    expected = model.predict(frame)
    for row, output in zip(frame.to_dicts(), expected, strict=True):
        cell = row["shop"]
        others = [np.nan] if cell is None else [np.array([cell])[0], cells.to_pandas()[row["id"]]]
        for one in (cell, *others):
            shop = {"shop": one}
            stepper = model.stepper(shop) if kind == "static" else model.stepper()
            assert np.array_equal(stepper.step({"x1": 1.0, **shop}), output)


@pytest.mark.parametrize("features", [1.0, None, "ab", {1.0, 2.0}, np.ones((2, 1))], ids=repr)
def test_a_step_takes_one_row(features: Any) -> None:
    rows = {"t": [0, 1], "x1": [1.0, 2.0], "x2": ["a", "b"], "y1": [1.0, 2.0]}
    data = rnn.Dataset.from_frame(rows, features=["x1", "x2"], labels="y1")
    stepper = rnn.GRU(hidden_size=3).build(data).stepper()
    with pytest.raises(ShapeError, match="give those of one row, by name or in the order x1, x2"):
        stepper.step(features)


def test_a_checkpoint_knows_other_levels_as_its_training_ends(tmp_path: Path) -> None:
    path = tmp_path / "training.ckpt"
    model = rnn.GRU(hidden_size=3, scaler="standard")
    data = dataset()
    model.fit(data, epochs=3, progress=False, callbacks=[rnn.Checkpoint(path)])
    loaded = rnn.load(path)
    for name, value in model.state_dict().items():
        assert np.array_equal(loaded.state_dict()[name], value)


def test_a_model_of_codes_in_a_frame_predicts_a_file(tmp_path: Path) -> None:
    purchases = frame()
    data = rnn.Dataset.from_frame(
        purchases, features=["amount", "code"], labels="y1", categories="code"
    )
    model = rnn.GRU(hidden_size=3, scaler="standard", seed=1)
    model.fit(data, epochs=1, progress=False)
    path = tmp_path / "purchases.csv"
    purchases.select("code", "t", "amount", "id").write_csv(path)
    np.testing.assert_array_equal(model.predict(path), model.predict(purchases))


class Walked(tuple[str, ...]):
    """Levels that count how often somebody goes through all of them."""

    walks = 0

    def __iter__(self) -> Iterator[str]:
        self.walks += 1
        return super().__iter__()


def test_many_levels_are_gone_through_once() -> None:
    data = dataset()
    model = rnn.GRU(hidden_size=3).build(data)
    assert model.encoder is not None
    own, theirs = Walked(model.encoder.levels["merchant"]), Walked(data.levels["merchant"])
    encoder = replace(model.encoder, levels=model.encoder.levels | {"merchant": own})
    model.take_encoder(encoder)
    model.load_state_dict(rnn.GRU(hidden_size=3, seed=4).build(data).state_dict())
    many = Walked((*theirs, *(f"unseen {n}" for n in range(1000))))
    given_data = replace(data, levels=data.levels | {"merchant": many})
    expected = model.predict(data)
    own.walks = many.walks = 0
    stepper, scorer = model.stepper(), copy.copy(model).scorer()
    outputs = [model.predict(sequence) for sequence in given_data]
    for row in frame(8).to_dicts():
        stepper.step(row)
        scorer.score("card", row)
    model.loss(given_data[3])
    np.testing.assert_array_equal(np.concatenate(outputs), expected)
    assert (own.walks, many.walks) == (0, 0)


@settings(max_examples=50, deadline=None)
@given(
    own=st.lists(st.text(max_size=3), unique=True, max_size=6),
    theirs=st.lists(st.text(max_size=3), unique=True, min_size=1, max_size=12),
    data=st.data(),
)
def test_levels_are_looked_up_in_few_rows_as_in_many(
    own: list[str], theirs: list[str], data: st.DataObject
) -> None:
    shares = {"a": (1 / max(1, len(own)),) * len(own)}
    encoder = FeatureEncoder(("x",), (0.0,), "error", (), (), {"a": tuple(own)}, shares)
    rows = data.draw(st.lists(st.integers(0, len(theirs) - 1), min_size=1, max_size=20))
    matrix = np.array([[code, 0.5] for code in rows])
    given_data = replace(
        rnn.Dataset.from_arrays(matrix, None, [0, len(rows)], feature_names=["a", "x"]),
        levels={"a": tuple(theirs)},
    )
    inputs = [1 + (own.index(theirs[c]) if theirs[c] in own else len(own)) for c in rows]
    encoded = encoder.encode(given_data)
    assert encoded.features.tolist() == [[0.5, float(at)] for at in inputs]
    assert [encoder.input_of("a", theirs[code]) for code in rows] == inputs
    assert encoder.input_count == len(encoder.input_names)


def test_copies_share_what_was_learnt_of_levels_and_pickles_have_it_alone() -> None:
    data = dataset()
    model = rnn.GRU(hidden_size=3).build(data)
    encoder = model.encoder
    before = pickle.dumps(encoder)
    expected = model.predict(data)
    assert pickle.dumps(encoder) == before
    assert copy.copy(model).encoder is copy.deepcopy(encoder) is encoder
    unpickled = pickle.loads(pickle.dumps(model))
    assert unpickled.encoder == encoder
    np.testing.assert_array_equal(unpickled.predict(data), expected)
