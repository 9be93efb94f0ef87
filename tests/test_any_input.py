"""Predictions for any table, file or array equal those for the data set, in the order given."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rnn_rust as rnn
from rnn_rust.errors import DataError, ParameterError, ShapeError

START = datetime.datetime(2026, 1, 1)


def table(rows: int = 40, seed: int = 0) -> pl.DataFrame:
    """Purchases of three cards, mixed, with a column that no model knows."""
    random = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "note": ["n"] * rows,
            "card": random.choice(["b", "a", "c"], rows).tolist(),
            "amount": random.normal(size=rows),
            "when": [START + datetime.timedelta(hours=int(h)) for h in random.permutation(rows)],
            "age": random.normal(size=rows),
            "fraud": random.integers(0, 2, rows),
        }
    )


def trained(readout: str = "each_step", labels: Any = "fraud", **options: Any) -> rnn.GRU:
    frame = table(60, seed=1).with_columns(late=pl.col("amount") * 2)
    data = rnn.Dataset.from_frame(
        frame, id="card", time="when", features=["amount", "age"], labels=labels
    )
    outputs = 1 if isinstance(labels, str) else len(labels)
    model = rnn.GRU(2, 3, outputs, readout=readout, scaler="standard", **options)
    model.fit(data, epochs=2, progress=False)
    return model


MODEL = trained()
WHOLE = trained("last")


def expected(frame: pl.DataFrame, model: rnn.GRU = MODEL) -> np.ndarray:
    data = rnn.Dataset.from_frame(
        frame, id="card", time="when", features=["amount", "age"], labels=[]
    )
    outputs = model.predict(data)
    if model.readout != "each_step":
        return outputs
    ordered = np.empty_like(outputs)
    ordered[data.row_numbers] = outputs
    return ordered


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 30), seed=st.integers(0, 99), columns=st.permutations(range(6)),
    kind=st.sampled_from(["polars", "lazy", "pandas", "arrow", "reader", "dict", "no labels"]),
)  # fmt: skip
def test_tables_are_answered_in_the_order_of_their_rows(
    rows: int, seed: int, columns: list[int], kind: str
) -> None:
    frame = table(rows, seed)
    frame = frame.select([frame.columns[at] for at in columns])
    given_table = {
        "polars": lambda: frame,
        "lazy": frame.lazy,
        "pandas": frame.to_pandas,
        "arrow": frame.to_arrow,
        "reader": lambda: frame.to_arrow().to_reader(),
        "dict": lambda: frame.to_dict(as_series=False),
        "no labels": lambda: frame.drop("fraud"),
    }[kind]()
    np.testing.assert_array_equal(MODEL.predict(given_table), expected(frame))


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".ndjson", ".arrow"])
def test_files_are_answered_in_the_order_of_their_rows(tmp_path: Path, suffix: str) -> None:
    frame, path = table(), tmp_path / f"table{suffix}"
    {
        ".csv": frame.write_csv, ".parquet": frame.write_parquet, ".arrow": frame.write_ipc,
        ".ndjson": frame.write_ndjson,
    }[suffix](path)  # fmt: skip
    for given_path in (path, str(path)):
        np.testing.assert_array_equal(MODEL.predict(given_path), expected(frame))


def test_arrays_are_answered_in_their_shape() -> None:
    random = np.random.default_rng(0)
    batch = random.normal(size=(4, 5, 2))
    offsets = np.arange(5) * 5
    data = rnn.Dataset.from_arrays(batch.reshape(-1, 2), None, offsets)
    for call in (MODEL.predict, MODEL.hidden_states):
        np.testing.assert_array_equal(call(batch), call(data).reshape(4, 5, -1))
        np.testing.assert_array_equal(call(batch[1]), call(data)[5:10])
        pieces = [batch[0], batch[1][:2], batch[2]]
        answers = call(pieces)
        assert [len(answer) for answer in answers] == [5, 2, 5]
        np.testing.assert_array_equal(answers[1], call(data)[5:7])
        np.testing.assert_array_equal(answers[2], call(data)[10:15])
    assert WHOLE.predict(batch).shape == (4, 1)
    assert WHOLE.hidden_states(batch).shape == (4, 5, 3)
    np.testing.assert_array_equal(WHOLE.predict(batch), WHOLE.predict(data))


class Tensor:
    """What other libraries have for arrays."""

    def __init__(self, values: np.ndarray) -> None:
        self._values, self.ndim = values, values.ndim

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self._values


def test_array_likes_are_taken_as_arrays() -> None:
    batch = np.random.default_rng(0).normal(size=(2, 3, 2))
    np.testing.assert_array_equal(MODEL.predict(Tensor(batch)), MODEL.predict(batch))


def test_hidden_states_and_evaluations_of_tables() -> None:
    frame = table()
    data = rnn.Dataset.from_frame(
        frame, id="card", time="when", features=["amount", "age"], labels="fraud"
    )
    states = np.empty_like(MODEL.hidden_states(data))
    states[data.row_numbers] = MODEL.hidden_states(data)
    np.testing.assert_array_equal(MODEL.hidden_states(frame), states)
    result = MODEL.evaluate(frame.to_pandas())
    assert str(result) == str(MODEL.evaluate(data))
    assert str(result) == str(rnn.BinaryClassificationEvaluator().evaluate(MODEL, data))
    alone = MODEL.evaluate(data[0], rnn.RegressionEvaluator())
    assert alone.steps == len(data[0])
    with pytest.raises(DataError, match="labels"):
        MODEL.evaluate(np.zeros((3, 2)))


def test_scored_frames_are_of_the_kind_given() -> None:
    frame = table()
    scored = MODEL.score_frame(frame)
    assert isinstance(scored, pl.DataFrame)
    assert scored.drop("prediction").equals(frame)
    np.testing.assert_array_equal(scored["prediction"], expected(frame)[:, 0])
    pandas = frame.to_pandas().set_index(pd.Index(range(100, 140)))
    of_pandas = MODEL.score_frame(pandas)
    assert isinstance(of_pandas, pd.DataFrame)
    assert of_pandas.index.equals(pandas.index)
    np.testing.assert_array_equal(of_pandas["prediction"], expected(frame)[:, 0])
    for arrow in (frame.to_arrow(), frame.to_arrow().to_reader()):
        of_arrow = MODEL.score_frame(arrow)
        assert isinstance(of_arrow, pa.Table)
        np.testing.assert_array_equal(of_arrow["prediction"], expected(frame)[:, 0])
    assert isinstance(MODEL.score_frame(frame.lazy()), pl.DataFrame)
    with pytest.raises(DataError, match="has a column 'prediction' already"):
        MODEL.score_frame(scored)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_files_are_scored_as_predict_reads_them(tmp_path: Path, suffix: str) -> None:
    frame, path = table(), tmp_path / f"data{suffix}"
    frame.write_csv(path) if suffix == ".csv" else frame.write_parquet(path)
    for source in (path, str(path)):
        scored = MODEL.score_frame(source)
        np.testing.assert_array_equal(scored["prediction"], MODEL.predict(path)[:, 0])
        kept = scored.drop("prediction")
        assert kept.equals(pl.read_csv(path, infer_schema=False) if suffix == ".csv" else frame)
        assert scored.equals(MODEL.scorer().score_frame(source))
    scored.write_csv(tmp_path / "scored.csv")
    with pytest.raises(DataError, match=r"scored\.csv: it has a column 'prediction' already"):
        MODEL.score_frame(tmp_path / "scored.csv")
    (tmp_path / "bad.csv").write_text("card,when,amount,age\na,2026-01-01,4x,1\n")
    with pytest.raises(DataError, match=r"bad\.csv, line 2, column 'amount': '4x' is not a number"):
        MODEL.score_frame(tmp_path / "bad.csv")


def test_a_data_set_is_scored_in_its_own_order() -> None:
    data = rnn.Dataset.from_frame(
        table(), id="card", time="when", features=["amount", "age"], labels="fraud"
    )
    for model in (MODEL, WHOLE):
        scored = model.score_frame(data)
        assert scored.drop("prediction").equals(data.to_frame())
        expected = model.predict(data)[:, 0]
        if model is WHOLE:
            expected = np.repeat(expected, np.diff(data.offsets))
        np.testing.assert_array_equal(scored["prediction"], expected)
    for other in (data[0], np.zeros((3, 2)), 5):
        with pytest.raises(ParameterError):
            MODEL.score_frame(other)


def test_scores_of_whole_sequences_stand_in_all_their_rows() -> None:
    frame = table()
    data = rnn.Dataset.from_frame(
        frame, id="card", time="when", features=["amount", "age"], labels=[]
    )
    by_card = dict(zip(data.ids, WHOLE.predict(data)[:, 0], strict=True))
    scored = WHOLE.score_frame(frame)
    assert scored["prediction"].to_list() == [by_card[card] for card in frame["card"]]


def test_columns_of_several_labels_and_of_classes_are_named() -> None:
    model = trained(labels=["fraud", "late"])
    assert model.score_frame(table()).columns[-2:] == ["prediction_fraud", "prediction_late"]
    data = rnn.Dataset.from_frame(
        table(), id="card", time="when", features=["amount", "age"], labels="fraud"
    )
    classes = rnn.GRU(2, 3, 2, loss="cross_entropy")
    classes.fit(data, epochs=1, progress=False)
    assert classes.score_frame(table()).columns[-2:] == ["prediction_0", "prediction_1"]


def test_a_saved_model_knows_the_columns(tmp_path: Path) -> None:
    MODEL.save(tmp_path / "model.safetensors")
    again = rnn.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict(table().to_pandas()), MODEL.predict(table()))
    assert again.table == MODEL.table
    assert again.table.id == "card"
    assert again.table.time == ("when",)


def test_models_of_arrays_take_tables_by_default_names() -> None:
    model = rnn.RNN(2, 3, 1)
    frame = pl.DataFrame(
        {"id": ["a", "b", "a"], "t": [2, 1, 1], "x1": [1.0, 2, 3], "x2": [4.0, 5, 6]}
    )
    outputs = model.predict(frame)
    sequence = rnn.Dataset.from_arrays([[3.0, 6.0], [1.0, 4.0]], None, [0, 2])
    np.testing.assert_array_equal(outputs[[2, 0]], model.predict(sequence))
    in_order = model.predict(frame.drop("t"))
    sequence = rnn.Dataset.from_arrays([[1.0, 4.0], [3.0, 6.0]], None, [0, 2])
    np.testing.assert_array_equal(in_order[[0, 2]], model.predict(sequence))


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (table().drop("age"), DataError, "no column 'age', asked for as features"),
        (table().drop("card"), DataError, "no column 'card', asked for as id"),
        ([np.zeros((3, 2)), np.zeros((3, 3))], ShapeError, r"array 1 of the list: shape \(3, 3\)"),
        (np.zeros(3), ShapeError, r"shape \(3,\); the model expects 2 feature columns"),
        (np.zeros((0, 3, 2)), ShapeError, "there is no sequence"),
        (np.zeros((2, 0, 2)), ShapeError, r"shape \(2, 0, 2\): there are no rows"),
        (np.full((3, 2), np.nan), DataError, "nan"),
        (np.ma.masked_less(np.ones((3, 2)), 2), DataError, "mask"),
        (None, ParameterError, "a model takes a Dataset"),
        ([1.0, 2.0], ParameterError, r"item 0 of the list is 1\.0; give a list of arrays \(T, F\)"),
        ([[1.0, 2.0]], ParameterError, "item 0 of the list is a list; give a list of arrays"),
        ((np.zeros((3, 2)), {}), ParameterError, "item 1 of the list is a dict; give a list"),
        ([], ParameterError, r"the list is empty; give at least one array \(T, F\)"),
        ("nothing.csv", FileNotFoundError, "there is no such file"),
    ],
)
def test_what_no_model_takes(value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        MODEL.predict(value)
