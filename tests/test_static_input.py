"""Static features as callers name and pass them, and what is refused."""

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest

import rnn_rust as rnn
from rnn_rust.errors import DataError, ParameterError, ShapeError

EVENTS = pl.DataFrame(
    {
        "id": [0, 0, 1, 1], "t": [0, 1, 2, 3], "amount": [0.5, 0.1, 0.3, 0.7],
        "age": [30.0, 30.0, 40.0, 40.0], "country": ["at", "at", "de", "de"],
        "y": [1.0, 2.0, 3.0, 4.0],
    }
)  # fmt: skip
CUSTOMERS = pl.DataFrame({"id": [1, 0], "age": [40.0, 30.0], "country": ["de", "at"]})


def read(frame: pl.DataFrame = EVENTS, **roles: object) -> rnn.Dataset:
    named = {"features": "amount", "labels": "y", "static": ["age", "country"]}
    return rnn.Dataset.from_frame(frame, **(named | roles))


def arrays(**options: object) -> rnn.Dataset:
    return rnn.Dataset.from_arrays([1.0, 2, 3], [1.0, 2, 3], [0, 2, 3], **options)


@pytest.mark.parametrize(
    "names",
    [
        ("age", "country"), {"age": 1, "country": 2}.keys(), pd.Index(["age", "country"]),
        np.array(["age", "country"]), pl.Series(["age", "country"]),
    ],
    ids=["tuple", "keys", "pandas", "numpy", "polars"],
)  # fmt: skip
def test_names_stand_in_any_collection(names: object) -> None:
    assert read(static=names) == read()
    assert read(static=iter(["age", "country"])) == read()


def test_copies_are_read_only_too() -> None:
    data = read()
    for one in (pickle.loads(pickle.dumps(data)), copy.deepcopy(data)):
        assert one == data
        with pytest.raises(ValueError, match="read-only"):
            one.static.values[0] = 1.0


@pytest.mark.parametrize("name", ["x1", "y1", "id", "t", "weights"])
def test_a_name_is_used_once_among_arrays(name: str) -> None:
    with pytest.raises(ParameterError, match=f"static_names .*'{name}'.* must all differ"):
        arrays(static=[1.0, 2.0], static_names=[name], weights=np.ones(3))


def test_names_of_arrays_are_a_list_of_strings_for_each_column() -> None:
    for names in ("age", 5, [1]):
        with pytest.raises(ParameterError, match="list of strings"):
            arrays(static=[1.0, 2.0], static_names=names)
    with pytest.raises(ShapeError, match="2 names"):
        arrays(static=[1.0, 2.0], static_names=["a", "b"])
    with pytest.raises(ParameterError, match="no static features"):
        arrays(static_names=["a"])
    with pytest.raises(ParameterError, match="must all differ"):
        arrays(static=[[1.0, 2.0], [3.0, 4.0]], static_names=["a", "a"])
    for rows in ([1.0], [1.0, 2.0, 3.0], np.zeros((2, 0))):
        with pytest.raises(ShapeError, match="give a row for each of 2 sequences"):
            arrays(static=rows)


@pytest.mark.parametrize("name", ["amount", "y", "t", "w"])
def test_a_name_is_used_once_in_two_tables(name: str) -> None:
    events = EVENTS.drop("age", "country").with_columns(w=pl.lit(1.0))
    with pytest.raises(DataError, match=f"^static: frame has a column '{name}' too"):
        read(events, weights="w", static=CUSTOMERS.rename({"age": name}))
    # A column of the events that is not used may be in both.
    assert read(EVENTS, static=CUSTOMERS).static.equals(read(events, static=CUSTOMERS).static)


def test_errors_say_which_table() -> None:
    events = EVENTS.drop("age", "country")
    with pytest.raises(DataError, match=r"^static: 'age' of id . is missing"):
        read(events, static=CUSTOMERS.with_columns(age=pl.Series([None, 1.0])))
    with pytest.raises(DataError, match=r"^static: there is no row with id 0"):
        read(events, static=CUSTOMERS.head(1))
    with pytest.raises(DataError, match=r"^static: there is no column beside 'id'"):
        read(events, static=CUSTOMERS.select("id"))
    with pytest.raises(ParameterError, match="static must be column names, or a table by id"):
        read(events, static=5)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1700000123, 1700000124, 3, 3], "1700000124, and 1700000123 in an earlier row"),
        ([0.1, 0.25, 3, 3], "0.25, and 0.1 in an earlier row"),
        ([1.0, None, 3, 3], "missing, and 1 in an earlier row"),
        ([None, 1.0, 3, 3], "1, and missing in an earlier row"),
    ],
)
def test_a_value_that_changes_is_shown(values: list[float | None], words: str) -> None:
    with pytest.raises(DataError, match=f"row 1.*id 0, column 'age': {words} of id 0"):
        read(EVENTS.with_columns(age=pl.Series(values, dtype=pl.Float64)), missing="keep")


def test_what_a_model_is_given_has_to_be_what_it_was_trained_on() -> None:
    model = rnn.GRU(hidden_size=3).build(read())
    with pytest.raises(ShapeError, match="static features are age, and have to be age, country"):
        model.predict(read(static="age"))
    with pytest.raises(ShapeError, match="trained with static features, age, country"):
        model.predict(np.ones((2, 1)))
    without = rnn.GRU(hidden_size=3).build(read(features="country", static=None))
    with pytest.raises(ShapeError, match="static features, age, and the model was trained without"):
        without.predict(read(features="country", static="age"))


def test_forward_filling_gives_a_sequence_the_mean_and_nothing_of_another() -> None:
    events = pl.concat([EVENTS, EVENTS.tail(1).with_columns(id=pl.lit(2, pl.Int64))])
    own = pl.DataFrame({"id": [0, 1, 2], "size": [7.0, None, 9.0]})
    gaps, full = (
        read(events, static=table, missing="keep")
        for table in (own, own.with_columns(pl.col("size").fill_null(8.0)))
    )
    model = rnn.GRU(hidden_size=3, missing="forward").build(gaps)
    outputs = model.predict(full)
    assert np.array_equal(model.predict(gaps), outputs)
    stepper = model.stepper({"size": None})
    assert np.array_equal(stepper.step([0.3]), outputs[2])


def test_a_stepper_takes_a_dict_of_finite_values() -> None:
    model = rnn.GRU(hidden_size=3).build(read())
    stepper = model.stepper({"age": 30, "country": "at"})
    expected = model.stepper({"age": 30, "country": "at"}).step([0.5])
    for wrong in ([30, "at"], 5, "age", {None: 1, "country": "at"}, None):
        with pytest.raises(ParameterError, match="needs the static features age, country, got"):
            stepper.reset(wrong)
    for value, words in (
        (np.inf, "inf is not finite"),
        (None, "is missing"),
        (np.nan, "is missing"),
    ):
        with pytest.raises(DataError, match=f"static feature 'age'.*{words}"):
            stepper.reset({"age": value, "country": "at"})
    # What is refused changes nothing.
    assert np.array_equal(stepper.step([0.5]), expected)
    numbers = arrays(static=[[1.0, 2.0], [3.0, 4.0]], static_names=["age", "size"])
    with pytest.raises(DataError, match="static feature 'size': inf is not finite"):
        rnn.GRU(hidden_size=3).build(numbers).stepper({"age": 1.0, "size": np.inf})


def test_estimators_name_columns_of_a_frame() -> None:
    sklearn = pytest.importorskip("rnn_rust.sklearn")
    X, y = EVENTS.drop("y"), EVENTS["y"].to_numpy()

    def fit(static: object, rows: object = X, **named: object) -> None:
        keys = named or {"id": "id", "time": "t"}
        sklearn.SequenceRegressor(static=static, epochs=1, early_stopping=False, **keys).fit(
            rows, y
        )

    for static in ("id", ["t"], ["age", "age"]):
        with pytest.raises(DataError, match="named twice by id=, time= and static="):
            fit(static)
    for static in (5, X, [3]):
        with pytest.raises(ParameterError, match=r"names of columns|names columns of X, and is a"):
            fit(static)
    with pytest.raises(ParameterError, match="static= names columns of a frame"):
        fit("age", np.ones((4, 2)), id=None)
    with pytest.raises(ParameterError, match="static= names columns of a frame"):
        sklearn.SequenceRegressor(static="age", readout="last").fit([np.ones((3, 1))] * 4, y)
    fit(pd.Index(["age", "country"]))


@pytest.mark.parametrize("text_here", [False, True])
@pytest.mark.parametrize("text_there", [False, True])
def test_a_table_by_id_is_in_any_order_and_may_have_more(text_here: bool, text_there: bool) -> None:
    random = np.random.default_rng(0)
    ids = random.permutation(3000)
    size = dict(zip(ids.tolist(), random.normal(size=3000).tolist(), strict=True))
    own = pl.DataFrame({"id": list(size), "size": list(size.values())})
    rows = pl.DataFrame({"id": random.permutation(ids[:1000]), "x": random.normal(size=1000)})
    rows = rows.cast({"id": pl.String}) if text_here else rows
    own = own.cast({"id": pl.String}) if text_there else own
    if text_here:  # text that is not all numbers stays text
        extra = pl.DataFrame({"id": ["007a"], "x": [0.0]})
        rows, size = pl.concat([rows, extra]), {**size, "007a": 1.0}
        own = pl.concat(
            [own.cast({"id": pl.String}), pl.DataFrame({"id": ["007a"], "size": [1.0]})]
        )
    data = rnn.Dataset.from_frame(rows, id="id", time=None, features="x", static=own)
    expected = [size[key if key == "007a" else int(key)] for key in data.ids.tolist()]
    assert data.static.values[:, 0].tolist() == expected
