"""Static features: read once per sequence, learnt, predicted, stepped, kept in files."""

import copy
import pickle
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import run_well
from hypothesis import given, settings
from hypothesis import strategies as st
from slopes import check_slopes

import rnn_rust as rnn

LENGTHS = [3, 1, 6, 2, 4, 5, 3, 7, 2, 2]


def table(seed: int = 0, lengths: list[int] = LENGTHS) -> pl.DataFrame:
    """Customers with an age and a country, whose purchases have an amount and a label."""
    rng = np.random.default_rng(seed)
    ids = np.repeat(np.arange(len(lengths)), lengths)
    ages = rng.integers(18, 80, len(lengths)).astype(float)
    countries = np.array(["at", "de", "ch"])[rng.integers(0, 3, len(lengths))]
    amount = rng.normal(size=len(ids))
    label = amount * 0.1 + (ages[ids] > 50) + (countries[ids] == "de")
    return pl.DataFrame(
        {
            "id": ids, "t": np.arange(len(ids)), "amount": amount, "age": ages[ids],
            "country": countries[ids], "y": label,
        }
    )  # fmt: skip


def read(frame: pl.DataFrame, **named: object) -> rnn.Dataset:
    roles = {"features": "amount", "labels": "y", "static": ["age", "country"]}
    return rnn.Dataset.from_frame(frame, **(roles | named))


def customers(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.group_by("id", maintain_order=True).first().select("country", "id", "age")


def test_columns_with_one_value_per_sequence_are_stored_once():
    frame = table()
    data = read(frame)
    assert data.feature_names == ("amount",)
    assert data.static is not None
    assert data.static.names == ("age", "country")
    assert data.static.values.shape == (len(LENGTHS), 2)
    assert data.static.levels == {"country": tuple(sorted(set(frame["country"])))}
    first = frame.group_by("id", maintain_order=True).first()
    assert data.static.values[:, 0].tolist() == first["age"].to_list()
    known = data.static.levels["country"]
    assert [known[int(code)] for code in data.static.values[:, 1]] == first["country"].to_list()
    assert "2 static" in repr(data)
    assert "static     2: age, country" in data.summary()


def test_rows_in_any_order_and_a_second_table_give_the_same(tmp_path):
    frame = table()
    data = read(frame)
    shuffled = read(frame.sample(fraction=1.0, shuffle=True, seed=1))
    by_id = dict(zip(data.ids.tolist(), data.static.values.tolist(), strict=True))
    assert by_id == dict(zip(shuffled.ids.tolist(), shuffled.static.values.tolist(), strict=True))
    apart = customers(frame).sample(fraction=1.0, shuffle=True, seed=2)
    path = tmp_path / "customers.csv"
    apart.write_csv(path)
    file = tmp_path / "purchases.csv"
    frame.drop("age", "country").write_csv(file)
    for second in (apart, path, apart.to_pandas()):
        assert read(frame, static=second).static.in_order(("age", "country")).equals(data.static)
        made = rnn.Dataset.from_csv(file, features=["amount"], labels="y", static=second)
        assert made.static.in_order(("age", "country")).equals(data.static)


def test_it_goes_along_with_its_sequence():
    data = read(table())
    values = data.static.values
    some = data.subset([4, 1])
    assert some.static.values.tolist() == values[[4, 1]].tolist()
    assert data[3].static.values.tolist() == values[[3]].tolist()
    windows = data.windows(2)
    whose = [int(key.partition("/")[0]) for key in windows.ids]
    assert windows.static.values.tolist() == values[whose].tolist()
    early, late = data.split(at=15)
    for part in (early, late):
        assert part.static.values.tolist() == values[part.ids.tolist()].tolist()
    train, test = data.split(0.7, seed=1)
    together = rnn.Dataset.concat([train, test])
    order = [*train.ids, *test.ids]
    assert together.static.values.tolist() == values[order].tolist()
    again = rnn.Dataset.from_frame(
        data.to_frame(), features="amount", labels="y", static=["age", "country"]
    )
    assert again == data
    assert copy.deepcopy(data) == data
    assert data != read(table(), static=["age"])


def models(cell: str, **options: object) -> tuple:
    """A model with static features, and one that has them in every row, with equal weights."""
    frame = table()
    kind = getattr(rnn, cell)
    once = kind(hidden_size=6, **options).build(read(frame))
    every = read(frame, features=["amount", "age", "country"], static=None)
    repeated = kind(hidden_size=6, **options).build(every)
    # Levels stand in the order of how frequent they are, of sequences or of rows.
    order = [once.input_names.index(name) for name in repeated.input_names]
    state = once.state_dict()
    for name in state:
        if name.startswith("weight_ih_l0"):
            state[name] = state[name][:, order]
    repeated.load_state_dict(state)
    return once, repeated, order


@pytest.mark.parametrize(("dtype", "error"), [("float64", 1e-12), ("float32", 1e-6)])
@pytest.mark.parametrize("cell", ["RNN", "GRU", "LSTM"])
def test_it_is_what_repeated_columns_are(cell, dtype, error):
    frame = table()
    once, repeated, order = models(cell, dtype=dtype, num_layers=2, bidirectional=cell == "GRU")
    data = read(frame)
    every = read(frame, features=["amount", "age", "country"], static=None)
    np.testing.assert_allclose(once.predict(data), repeated.predict(every), rtol=0, atol=error)
    loss, gradient = once.gradients(data)
    expected_loss, expected = repeated.gradients(every)
    assert loss == pytest.approx(expected_loss, abs=error)
    for name, value in expected.items():
        if name.startswith("weight_ih_l0"):
            gradient[name] = gradient[name][:, order]
        np.testing.assert_allclose(gradient[name], value, rtol=0, atol=error, err_msg=name)


@pytest.mark.parametrize("cell", ["RNN", "GRU", "LSTM"])
def test_the_gradient_is_the_slope_of_the_loss(cell):
    data = read(table())
    model = getattr(rnn, cell)(hidden_size=3, dtype="float64", scaler="standard")
    model.fit(data, epochs=1, progress=False)
    assert check_slopes(model, data)


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=60),
    cell=st.sampled_from(["RNN", "GRU", "LSTM"]),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_a_stepper_has_the_bits_of_a_prediction(lengths, cell, dtype):
    frame = table(1, lengths)
    data = read(frame)
    model = getattr(rnn, cell)(hidden_size=5, dtype=dtype, scaler="standard")
    model.fit(data, epochs=1, progress=False)
    expected = model.predict(frame)
    whole = model.predict(data)
    assert np.array_equal(expected, whole)
    rows = frame.to_dicts()
    stepper, last = None, None
    for row, output in zip(rows, expected, strict=True):
        if row["id"] != last:
            static = {"country": row["country"], "age": row["age"]}
            if stepper is None:
                stepper = model.stepper(static)
            else:
                stepper.reset(static)
            last = row["id"]
        assert np.array_equal(stepper.step({"amount": row["amount"]}), output)


def test_training_learns_from_them_alone_and_from_training_rows_alone():
    lengths = [4] * 200
    frame = table(3, lengths)
    data = read(frame)
    train, test = data.split(0.8, seed=0)
    model = rnn.GRU(hidden_size=8, scaler="standard")
    model.fit(train, epochs=60, batch_size=16, progress=False)
    assert model.evaluate(test).r2 > 0.9
    without = rnn.GRU(hidden_size=8, scaler="standard")
    part = read(frame, static=None).split(0.8, seed=0)
    without.fit(part[0], epochs=60, batch_size=16, progress=False)
    assert without.evaluate(part[1]).r2 < 0.3
    ages = np.array(train.static.values[:, 0])
    encoder = model.encoder.static
    assert encoder.shift == (pytest.approx(ages.mean()),)
    assert encoder.scale == (pytest.approx(ages.std()),)
    tested = pl.col("id").is_in(test.ids.tolist())
    changed = frame.with_columns(
        age=pl.when(tested).then(1e6).otherwise("age"),
        country=pl.when(tested).then(pl.lit("fr")).otherwise("country"),
    )
    again = rnn.GRU(hidden_size=8, scaler="standard")
    again.fit(read(changed).split(0.8, seed=0)[0], epochs=60, batch_size=16, progress=False)
    assert again.encoder == model.encoder
    for name, value in again.state_dict().items():
        assert np.array_equal(value, model.state_dict()[name])


def test_a_stepper_is_copied_and_pickled_with_them():
    model = rnn.GRU(hidden_size=4).build(read(table()))
    stepper = model.stepper({"age": 30, "country": "at"})
    stepper.step({"amount": 1.0})
    others = [copy.copy(stepper), copy.deepcopy(stepper), pickle.loads(pickle.dumps(stepper))]
    expected = stepper.step({"amount": 2.0})
    for other in others:
        assert np.array_equal(other.step({"amount": 2.0}), expected)


def test_files_checkpoints_and_pickles_keep_them(tmp_path):
    data = read(table())
    model = rnn.LSTM(hidden_size=4, scaler="minmax", missing="mean", missing_indicator=True)
    checkpoint = rnn.Checkpoint(tmp_path / "state.ckpt")
    model.fit(data, epochs=2, progress=False, callbacks=[checkpoint])
    expected = model.predict(data)
    model.save(tmp_path / "model.safetensors")
    for path in ("model.safetensors", "state.ckpt"):
        loaded = rnn.load(tmp_path / path)
        assert loaded.encoder == model.encoder
        assert np.array_equal(loaded.predict(data), expected)
    assert np.array_equal(copy.deepcopy(model).predict(data), expected)


def test_a_missing_static_number_is_filled_and_an_unknown_level_is_other():
    frame = table()
    gaps = frame.with_columns(age=pl.when(pl.col("id") == 2).then(None).otherwise(pl.col("age")))
    data = read(gaps, missing="keep")
    model = rnn.GRU(hidden_size=4, missing="mean", missing_indicator=True).build(data)
    names = [f"country={level}" for level in data.static.levels["country"]]
    assert set(model.input_names) == {"amount", "age", "age missing", *names, "country=other"}
    filled = gaps.with_columns(pl.col("age").fill_null(np.nanmean(data.static.values[:, 0])))
    has_gap = frame["id"].to_numpy() == 2
    same = model.predict(gaps)[:, 0] == model.predict(filled)[:, 0]
    assert np.array_equal(same, ~has_gap)
    plain = rnn.GRU(hidden_size=4, missing="mean").build(data)
    assert np.array_equal(plain.predict(gaps), plain.predict(filled))
    with pytest.raises(
        rnn.errors.DataError, match="'age' of sequence 2, counted from 0, is missing"
    ):
        rnn.GRU(hidden_size=4).build(data).predict(data)
    strange = frame.with_columns(country=pl.lit("fr"))
    assert np.isfinite(model.predict(strange)).all()


def test_custom_losses_see_them():
    data = read(table())

    class Squared:
        def value_and_gradient(self, outputs, labels):
            difference = outputs - labels
            return float((difference**2).mean()), 2 * difference / difference.size

    own = rnn.GRU(hidden_size=4, loss=Squared(), dtype="float64").build(data)
    mse = rnn.GRU(hidden_size=4, dtype="float64").build(data)
    _, a = own.gradients(data)
    _, b = mse.gradients(data)
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-9, atol=1e-12)


def test_updates_by_windows_are_those_of_repeated_columns():
    once, repeated, order = models(
        "GRU", dtype="float64", bptt_steps=2, recurrent_dropout=0.2, optimizer=rnn.SGD(0.01)
    )
    every = read(table(), features=["amount", "age", "country"], static=None)
    for _ in range(3):
        assert once.update(read(table())) == pytest.approx(repeated.update(every), rel=1e-9)
    state = once.state_dict()
    state["weight_ih_l0"] = state["weight_ih_l0"][:, order]
    for name, value in repeated.state_dict().items():
        np.testing.assert_allclose(state[name], value, rtol=0, atol=1e-9, err_msg=name)


def test_arrays_have_them_too():
    data = rnn.Dataset.from_arrays(
        np.ones((5, 2)), np.ones(5), [0, 2, 5], static=[[1.0], [2.0]], static_names=["age"]
    )
    model = rnn.GRU(hidden_size=3).build(data)
    assert model.predict(data).shape == (5, 1)
    assert not np.array_equal(model.predict(data)[0], model.predict(data)[2])
    with pytest.raises(rnn.errors.ShapeError, match="static features, age"):
        model.predict(np.ones((4, 2)))


def test_wrong_input_is_refused_by_name(tmp_path: Path):
    frame = table()
    changes = frame.with_columns(
        age=pl.when(pl.col("t") == 2).then(pl.lit(99.0)).otherwise(pl.col("age"))
    )
    with pytest.raises(rnn.errors.DataError, match=r"row 2.*'age': 99, and .* id 0.*features="):
        read(changes)
    path = tmp_path / "changes.csv"
    changes.write_csv(path)
    with pytest.raises(rnn.errors.DataError, match=r"line 4.*99"):
        rnn.Dataset.from_csv(path, features="amount", labels="y", static="age")
    country = frame.with_columns(
        country=pl.when(pl.col("t") == 1).then(pl.lit("xx")).otherwise(pl.col("country"))
    )
    with pytest.raises(rnn.errors.DataError, match="'xx', and"):
        read(country)
    own = customers(frame)
    with pytest.raises(rnn.errors.DataError, match="no row with id 3"):
        read(frame, static=own.filter(pl.col("id") != 3))
    gap = pl.when(pl.col("id") == 3).then(None).otherwise(pl.col("age"))
    with pytest.raises(rnn.errors.DataError, match="'age' of id 3 is missing"):
        read(frame, static=own.with_columns(age=gap))
    assert read(frame.filter(pl.col("id") != 3), static=own.with_columns(age=gap)).static
    with pytest.raises(rnn.errors.DataError, match="id 0 has 2 rows"):
        read(frame, static=pl.concat([own, own.head(1)]))
    with pytest.raises(rnn.errors.DataError, match="no column 'size', asked for as static"):
        read(frame, static="size")
    with pytest.raises(rnn.errors.DataError, match="asked for as features, and again as static"):
        read(frame, static="amount")
    data = read(frame)
    model = rnn.GRU(hidden_size=3).build(data)
    with pytest.raises(rnn.errors.ShapeError, match="static features, age, country"):
        model.predict(read(frame, static=None))
    with pytest.raises(rnn.errors.DataError, match="age"):
        model.predict(frame.drop("age"))
    plain = rnn.GRU(1, 3, 1)
    with pytest.raises(rnn.errors.DataError, match="static features"):
        plain.predict(data)
    with pytest.raises(rnn.errors.ParameterError, match="age, country, got none"):
        model.stepper()
    with pytest.raises(rnn.errors.ParameterError, match="without static"):
        plain.stepper({"age": 3})
    with pytest.raises(rnn.errors.ParameterError, match=r"static features \(age, country\)"):
        model.to_c(tmp_path / "c")
    with pytest.raises(rnn.errors.ParameterError, match=r"static ones \(age, country\)"):
        model.scorer()
    stepper = model.stepper({"age": 30, "country": "at"})
    with pytest.raises(rnn.errors.ParameterError, match="got age"):
        stepper.reset({"age": 3})
    with pytest.raises(rnn.errors.DataError, match="finite in the model's type"):
        stepper.reset({"age": 1e300, "country": "at"})
    assert model.static_names == ("age", "country")
    with pytest.raises(rnn.errors.DataError, match="'old' is not a number"):
        stepper.reset({"age": "old", "country": "at"})


def test_estimators_take_them():
    sklearn = pytest.importorskip("rnn_rust.sklearn")
    frame = table(3, [4] * 60)
    options = {"id": "id", "time": "t", "epochs": 30, "random_state": 0}
    X, y = frame.drop("y"), frame["y"]
    estimator = sklearn.SequenceRegressor(static=["age", "country"], **options).fit(X, y)
    assert estimator.model_.encoder.static.source_names == ("age", "country")
    assert estimator.score(X, y) > 0.8
    as_pandas = X.to_pandas().sample(frac=1.0, random_state=1)
    np.testing.assert_array_equal(
        estimator.predict(as_pandas), estimator.predict(X)[as_pandas.index.to_numpy()]
    )


@pytest.mark.usefixtures("logger_as_before")
def test_the_command_line_names_them(tmp_path):
    frame = table(3, [4] * 60)
    path, model = tmp_path / "purchases.csv", tmp_path / "model.safetensors"
    frame.write_csv(path)
    named = ["--features", "amount", "--labels", "y", "--static", "age,country"]
    done = run_well("train", path, *named, "--epochs", 3, "--output", model)
    assert "static     2: age, country" in done.output
    assert rnn.load(model).encoder.static.source_names == ("age", "country")
    done = run_well("predict", model, path)
    assert len(done.output.strip().splitlines()) == frame.height + 1
    assert "static     age, country\n" in run_well("summary", model).output


@pytest.mark.usefixtures("logger_as_before")
def test_the_command_line_fills_their_gaps_unasked(tmp_path):
    frame = table(3, [4] * 60).with_columns(
        age=pl.when(pl.col("id") == 2).then(None).otherwise(pl.col("age"))
    )
    path, model = tmp_path / "purchases.csv", tmp_path / "model.safetensors"
    frame.write_csv(path)
    named = ["--features", "amount", "--labels", "y", "--static", "age,country"]
    done = run_well("train", path, *named, "--epochs", 1, "--output", model)
    assert "Missing numbers of age: the mean" in done.output
    assert rnn.load(model).settings["missing"] == "mean"
    run_well("predict", model, path)
