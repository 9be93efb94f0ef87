"""Categories among the features: levels that are looked up, and unknown ones as "other"."""

from __future__ import annotations

import copy
import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rnn_rust as rnn
from rnn_rust.data.encoder import FeatureEncoder
from rnn_rust.errors import DataError, ModelFileError, ParameterError, ShapeError

FEATURES = ["merchant", "amount", "code"]


def frame(rows: int = 200, seed: int = 0) -> pl.DataFrame:
    """Purchases: a merchant as text, a code as a number."""
    random = np.random.default_rng(seed)
    steps = np.arange(rows)
    return pl.DataFrame(
        {
            "id": steps // 8,
            "t": steps % 8,
            "merchant": random.choice(["fuel", "food", "zoo", ""], rows, p=[0.5, 0.3, 0.1, 0.1]),
            "amount": random.normal(size=rows),
            "code": random.choice([100, 200, 300], rows),
            "y1": random.normal(size=rows),
        }
    )


def dataset(table: Any = None, **options: Any) -> rnn.Dataset:
    given_options = {"features": FEATURES, "categories": "code", **options}
    return rnn.Dataset.from_frame(frame() if table is None else table, **given_options)


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
    model = rnn.GRU(hidden_size=4, scaler="standard").fit and rnn.GRU(hidden_size=4)
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
    assert "Column 'merchant': 16 of 16 rows have a level that the model does not" in caplog.text
    other = new.with_columns(merchant=pl.lit("theatre"))
    np.testing.assert_array_equal(outputs, model.predict(other))


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


def test_what_is_read_as_a_category(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    frame().write_csv(path)
    read = rnn.Dataset.from_csv(path, features=FEATURES, categories=["code"])
    assert read == dataset()
    assert read.levels == {
        "merchant": ("", "food", "fuel", "zoo"), "code": ("100", "200", "300"),
    }  # fmt: skip
    assert "category   merchant: 4 levels" in read.summary()
    assert read.to_frame()["merchant"].to_list() == frame()["merchant"].to_list()
    assert rnn.Dataset.from_frame(read.to_frame(), features=FEATURES) == read
    pandas = frame().to_pandas().astype({"merchant": "category"})
    assert dataset(pandas).levels["merchant"] == read.levels["merchant"]
    numbers = rnn.Dataset.from_csv(path, features=FEATURES)
    assert list(numbers.levels) == ["merchant"]
    assert read.features.dtype == np.float64
    halves = tmp_path / "half-0.csv", tmp_path / "half-1.csv"
    frame()[:100].filter(pl.col("merchant") != "zoo").write_csv(halves[0])
    frame()[100:].filter(pl.col("merchant") != "food").write_csv(halves[1])
    both = rnn.Dataset.from_file(tmp_path / "half-*.csv", features=FEATURES, categories="code")
    together = pl.concat([pl.read_csv(half) for half in halves])
    assert both == dataset(together)


@pytest.mark.parametrize("cell", ["12a", "$5", "1 000", "1,5", "３"])
def test_text_like_numbers_is_no_category_by_itself(cell: str) -> None:
    table = frame(8).with_columns(amount=pl.lit(cell))
    with pytest.raises(DataError, match=r"is not a number; .*\(categories= names it as one\)"):
        dataset(table)
    assert dataset(table, categories=["amount", "code"]).levels["amount"] == (cell,)


def test_text_is_no_category_where_features_go_by_default() -> None:
    table = frame(8).select("id", "t", "y1", x1=pl.lit("text"))
    with pytest.raises(DataError, match="'text' is not a number"):
        rnn.Dataset.from_frame(table)
    assert rnn.Dataset.from_frame(table, features="x1").levels == {"x1": ("text",)}


def test_parts_of_a_data_set_put_together_again() -> None:
    data = dataset()
    few, many = data[:1], data[1:]
    assert rnn.Dataset.concat([few, many]) == data
    apart = [dataset(frame().filter(pl.col("id") == number)) for number in range(3)]
    joined = rnn.Dataset.concat(apart)
    assert joined.to_frame().cast({"merchant": pl.String}).rows() == (
        dataset(frame()[:24]).to_frame().cast({"merchant": pl.String}).rows()
    )


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


def test_sizes_are_found_in_the_first_fit() -> None:
    numbers = rnn.Dataset.from_arrays(np.zeros((6, 2)), [0, 1, 2, 0, 1, 2], [0, 3, 6])
    model = rnn.GRU(hidden_size=3, loss="cross_entropy")
    assert repr(model).startswith("GRU(None, 3, None")
    assert not model.is_built
    copy.deepcopy(model)
    model.fit(numbers, epochs=1, progress=False)
    assert (model.settings["input_size"], model.settings["output_size"]) == (2, 3)
    same = rnn.GRU(2, 3, 3, loss="cross_entropy")
    same.fit(numbers, epochs=1, progress=False)
    np.testing.assert_array_equal(model.predict(numbers), same.predict(numbers))
    assert rnn.RNN(hidden_size=3).build(numbers).predict(numbers).shape == (6, 1)
    with pytest.raises(ShapeError, match="input_size=5"):
        rnn.RNN(5, 3).fit(numbers, epochs=1, progress=False)
    unlabelled = rnn.Dataset.from_arrays(np.zeros((2, 2)), None, [0, 2])
    refused = rnn.RNN(hidden_size=3)
    with pytest.raises(DataError, match="labels"):
        refused.fit(unlabelled, epochs=1, progress=False)
    assert not refused.is_built
    for named in (numbers, pd.DataFrame):
        with pytest.raises((ParameterError, ShapeError, DataError)):
            refused.predict(named)


def test_a_robust_scaler_has_the_median_and_the_quartiles() -> None:
    random = np.random.default_rng(0)
    x = np.append(random.normal(5, 2, 99), 1e6)
    data = rnn.Dataset.from_arrays(x, np.where(x > 100, np.nan, x), [0, 40, 100])
    scaler = rnn.RobustScaler().fit(data)
    low, middle, high = np.quantile(x, [0.25, 0.5, 0.75])
    np.testing.assert_allclose(scaler.feature_shift_, [middle])
    np.testing.assert_allclose(scaler.feature_scale_, [high - low])
    np.testing.assert_allclose(scaler.label_shift_, [np.median(x[:-1])])
    part = rnn.RobustScaler().fit(data.subset([1]))
    np.testing.assert_allclose(part.feature_shift_, [np.median(x[40:])])
    same = rnn.Dataset.from_arrays([1.0, 1, 1, 1, 9], None, [0, 5])
    assert rnn.RobustScaler().fit(same).feature_scale_.tolist() == [1]
    model = rnn.GRU(1, 3, 1, scaler="robust")
    model.fit(data, epochs=1, progress=False)
    np.testing.assert_allclose(model.scaler.feature_shift_, [middle])


def test_numbers_of_a_categorical_type_of_pandas_are_categories() -> None:
    table = frame().to_pandas()
    table["y1"] = (table["y1"] > 0).astype(int)
    plain = rnn.Dataset.from_frame(table, features=FEATURES, categories="code")
    typed = table.astype({"code": "category", "id": "category", "y1": "category"})
    assert rnn.Dataset.from_frame(typed, features=FEATURES) == plain


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


@pytest.mark.parametrize(
    "values", [[3, 1, 10], [0.5, 0.25, 8.0], [True, False, True], ["u", "v", "w"]], ids=str
)
def test_a_categorical_type_of_pandas_may_lack_cells(values: list[Any]) -> None:
    cells = pd.Series(values, dtype="category")
    cells[1] = None
    table = pd.DataFrame({"id": [0, 0, 0], "t": [0, 1, 2], "x1": cells, "y1": cells})
    data = rnn.Dataset.from_frame(table, features="x1", labels="y1", missing="keep")
    plain = [None if at == 1 else value for at, value in enumerate(values)]
    is_category = isinstance(values[0], str) or type(values[0]) is int
    assert bool(data.levels) == is_category
    named = {"categories": "x1"} if is_category else {}
    same = pl.DataFrame({"id": [0, 0, 0], "t": [0, 1, 2], "x1": plain, "y1": plain})
    assert data == rnn.Dataset.from_frame(same, features="x1", labels="y1", missing="keep", **named)


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


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_categories_of_a_csv_file_may_be_numbers(tmp_path: Path, separator: str) -> None:
    cells = [["id", "t", "code", "x1"], ["1", "1", "10", "1.5"], ["1", "2", "007", "2"]]
    cells += [["1", "3", "7", "4"], ["1", "4", "10", "8"]]
    path = tmp_path / "codes.csv"
    path.write_text("".join(separator.join(row) + "\n" for row in cells))
    data = rnn.Dataset.from_csv(path, features=["x1", "code"], labels=[], categories="code")
    assert data.levels == {"code": ("007", "10", "7")}
    assert data.features.tolist() == [[1.5, 1.0], [2.0, 0.0], [4.0, 2.0], [8.0, 1.0]]


def test_a_file_whose_codes_are_numbers_goes_with_one_where_they_are_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,t,code\n1,1,b\n1,3,7\n")
    (tmp_path / "b.csv").write_text("id,t,code\n1,2,7\n")
    (tmp_path / "shops.csv").write_text("id,region\n1,44\n")
    data = rnn.Dataset.from_file(
        [tmp_path / "a.csv", tmp_path / "b.csv"],
        features="code", labels=[], categories=["code", "region"], static=tmp_path / "shops.csv",
    )  # fmt: skip
    assert data.levels == {"code": ("7", "b")}
    assert data.features.ravel().tolist() == [1.0, 0.0, 0.0]
    assert data.static is not None
    assert data.static.levels == {"region": ("44",)}


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
