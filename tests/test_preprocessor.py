"""What a model learns about its features, used by itself and looked at in a model."""

import numpy as np
import polars as pl
import pytest

import rnn_rust as rnn


def frame() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    rows = 60
    ids = np.arange(rows) // 6
    amount = rng.normal(3, 2, rows)
    amount[[4, 17]] = np.nan
    return pl.DataFrame(
        {
            "id": ids, "t": np.arange(rows), "amount": amount, "other": rng.normal(size=rows),
            "kind": rng.choice(["a", "b", "c"], rows), "age": 20.0 + ids,
            "y": rng.normal(size=rows),
        }
    )  # fmt: skip


def dataset(table: pl.DataFrame | None = None) -> rnn.Dataset:
    return rnn.Dataset.from_frame(
        frame() if table is None else table, features=["amount", "other", "kind"], labels="y",
        static="age", missing="keep",
    )  # fmt: skip


def test_it_computes_what_can_be_computed_by_hand() -> None:
    data = dataset()
    own = rnn.Preprocessor(missing="mean", missing_indicator=True, max_categories=2).fit(data)
    made = own.transform(data)
    amount = data.features[:, 0]
    mean = np.nanmean(amount)
    filled = np.where(np.isnan(amount), mean, amount)
    np.testing.assert_allclose(
        made.features[:, 0], (filled - filled.mean()) / filled.std(), atol=1e-12
    )
    missing = np.isnan(amount).astype(float)
    np.testing.assert_allclose(
        made.features[:, 2], (missing - missing.mean()) / missing.std(), atol=1e-12
    )
    names = own.input_names
    kinds = [data.levels["kind"][int(code)] for code in data.features[:, 2]]
    known = {name.removeprefix("kind=") for name in names if name.startswith("kind=")}
    wanted = [f"kind={kind if kind in known else 'other'}" for kind in kinds]
    assert [names[int(code)] for code in made.features[:, 3]] == wanted
    ages = data.static.values[:, 0]
    np.testing.assert_allclose(made.static.values[:, 0], (ages - ages.mean()) / ages.std())
    assert np.array_equal(made.labels, data.labels)


def test_its_table_says_what_was_learnt() -> None:
    data = dataset()
    own = rnn.Preprocessor(missing="mean", missing_indicator=True, max_categories=2).fit(data)
    table = own.table()
    assert table["input"].to_list() == list(own.input_names)
    assert table["kind"].to_list() == [
        "number", "number", "missing", "level", "level", "other", "number"
    ]  # fmt: skip
    assert table["static"].to_list() == [False] * 6 + [True]
    assert table["mean"][0] == pytest.approx(np.nanmean(data.features[:, 0]))
    assert table["share"].sum() == pytest.approx(1)
    assert table["scale"][6] == pytest.approx(data.static.values.std())
    assert repr(own).endswith("7 inputs>")


def test_a_model_has_one_that_computes_its_inputs() -> None:
    train, test = dataset().split(0.7, seed=0)
    model = rnn.GRU(hidden_size=4, missing="mean", scaler="robust", dtype="float64")
    model.fit(train, epochs=1, progress=False)
    own = model.preprocessor
    assert own.input_names == model.input_names
    made = own.transform(test)
    bare = rnn.GRU(hidden_size=4, missing="mean", dtype="float64").build(train)
    features, _, (static, _) = model.preparation.inputs(test)
    np.testing.assert_allclose(made.features, features)
    np.testing.assert_allclose(made.static.values, static)
    assert bare.preprocessor.scaler is None
    alone = rnn.Preprocessor(missing="mean", scaler="robust").fit(train)
    assert alone.table().equals(own.table())


def test_a_model_of_plain_numbers_has_one_too() -> None:
    plain = rnn.Dataset.from_arrays([[1.0, 2.0], [3.0, 6.0]], [0.0, 1.0], [0, 2])
    model = rnn.RNN(2, 3, 1, scaler="minmax")
    assert model.preprocessor is None
    model.fit(plain, epochs=1, progress=False)
    assert model.preprocessor.input_names == ("x1", "x2")
    assert model.preprocessor.table()["scale"].to_list() == [2.0, 4.0]
    assert model.preprocessor.table()["mean"].null_count() == 2


def test_what_it_returns_is_a_data_set_of_numbers() -> None:
    data = dataset()
    own = rnn.Preprocessor(missing="mean").fit(data)
    made = own.transform(data)
    table = made.to_frame()
    assert table["kind"].to_list() == made.features[:, 2].tolist()
    model = rnn.GRU(hidden_size=2)
    model.fit(made, epochs=1, progress=False)
    assert model.input_names == ("amount", "other", "kind", "age")
    assert np.isfinite(model.predict(made)).all()
    # It is not what the preprocessor takes.
    with pytest.raises(rnn.errors.DataError, match="column 'kind' is numbers"):
        own.transform(made)


def test_fitting_one_changes_neither_a_model_nor_a_scaler() -> None:
    data = dataset()
    model = rnn.GRU(hidden_size=2, missing="mean", scaler="standard", max_categories=2)
    model.fit(data, epochs=1, progress=False)
    before = model.predict(data)
    own = model.preprocessor
    assert own.max_categories == 2
    larger = frame().with_columns(pl.col("amount", "other") * 100)
    assert not own.fit(dataset(larger)).table().equals(model.preprocessor.table())
    assert np.array_equal(model.predict(data), before)
    scaler = rnn.StandardScaler()
    rnn.Preprocessor(missing="mean", scaler=scaler).fit(data)
    assert not scaler.is_fitted


def test_wrong_use_is_refused() -> None:
    two, three = (rnn.Dataset.from_arrays(np.ones((4, n)), None, [0, 4]) for n in (2, 3))
    with pytest.raises(
        rnn.errors.ShapeError, match=r"columns are x1, x2, x3, .* trained on x1, x2"
    ):
        rnn.Preprocessor(missing="mean").fit(two).transform(three)
    with pytest.raises(rnn.errors.ParameterError, match="not fitted"):
        rnn.Preprocessor().transform(dataset())
    with pytest.raises(rnn.errors.ParameterError, match="missing='median'"):
        rnn.Preprocessor(missing="median")
    with pytest.raises(rnn.errors.ParameterError, match="fit needs a Dataset"):
        rnn.Preprocessor().fit(frame())
    with pytest.raises(rnn.errors.ParameterError, match="scaler 'max'"):
        rnn.Preprocessor(scaler="max")
    with pytest.raises(rnn.errors.ParameterError, match="scaler must be a name or a scaler, got 3"):
        rnn.Preprocessor(scaler=3)
