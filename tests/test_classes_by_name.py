"""Labels that are text: classes by name, in training, predictions, evaluations and files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import run, run_well

import rnn_rust as rnn
from rnn_rust.errors import DataError, ParameterError, ShapeError

KINDS = ("walk", "run", "stand")


def table(rows: int = 240, seed: int = 0) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    kind = random.integers(0, 3, rows)
    return pl.DataFrame(
        {
            "id": np.arange(rows) // 6,
            "t": np.arange(rows) % 6,
            "speed": kind + random.normal(scale=0.2, size=rows),
            "kind": [None if random.random() < 0.1 else KINDS[one] for one in kind],
        }
    )


def dataset(frame: pl.DataFrame | None = None) -> rnn.Dataset:
    return rnn.Dataset.from_frame(
        table() if frame is None else frame, features="speed", labels="kind"
    )


def trained() -> rnn.GRU:
    model = rnn.GRU(hidden_size=8, loss="cross_entropy", optimizer=rnn.Adam(0.02))
    model.fit(dataset(), epochs=30, progress=False)
    return model


def test_a_column_of_the_name_of_the_answer_is_not_overwritten() -> None:
    model, frame = trained(), table().with_columns(predicted=pl.lit("mine"))
    for given in (frame, frame.to_pandas(), frame.to_arrow()):
        for scored_by in (model, model.scorer()):
            with pytest.raises(DataError, match="has a column 'predicted' already; rename it"):
                scored_by.score_frame(given)


def test_classes_are_learnt_and_given_back(tmp_path: Path) -> None:
    model, new = trained(), table(60, seed=1)
    assert model.classes == ("run", "stand", "walk")
    answers = model.predict_classes(new)
    np.testing.assert_array_equal(
        answers, np.array(model.classes)[model.predict(new).argmax(axis=1)]
    )
    known = new["kind"].is_not_null().to_numpy()
    accuracy = np.mean(answers[known] == new["kind"].to_numpy()[known])
    result = model.evaluate(new)
    assert result.accuracy == pytest.approx(accuracy)
    assert accuracy > 0.9
    assert "predicted run" in str(result)
    assert "actual walk" in str(result)
    scored = model.score_frame(new)
    assert scored.columns[-4:] == [*(f"prediction_{c}" for c in model.classes), "predicted"]
    assert scored["predicted"].to_list() == answers.tolist()
    model.save(tmp_path / "model.safetensors")
    again = rnn.load(tmp_path / "model.safetensors")
    assert again.classes == model.classes
    assert again.predict_classes(new).tolist() == answers.tolist()
    assert str(again.evaluate(new)) == str(result)


def test_classes_have_their_numbers_whatever_the_data_has() -> None:
    model = trained()
    few = table(60, seed=2).filter(pl.col("kind").is_null() | (pl.col("kind") != "run"))
    data = dataset(few)
    assert data.label_levels == {"kind": ("stand", "walk")}
    codes = {name: number for number, name in enumerate(model.classes or ())}
    expected = [np.nan if k is None else codes[k] for k in few["kind"]]
    # Arrays have no names; numbers there are those of the classes.
    plain = rnn.Dataset.from_arrays(data.features, np.array(expected)[:, None], data.offsets)
    assert model.loss(data) == model.loss(plain)
    strange = table(12, seed=3).with_columns(kind=pl.lit("swim"))
    with pytest.raises(DataError, match="column 'kind' has 'swim', which is none of the classes"):
        model.evaluate(strange)
    assert data.to_frame()["kind"].to_list() == few["kind"].to_list()


def test_two_classes_by_name_and_losses_of_numbers() -> None:
    frame = table().with_columns(
        kind=pl.when(pl.col("speed") > 1).then(pl.lit("yes")).otherwise(pl.lit("no"))
    )
    model = rnn.GRU(hidden_size=4, loss="binary_cross_entropy", optimizer=rnn.Adam(0.02))
    model.fit(dataset(frame), epochs=20, progress=False)
    assert model.classes == ("no", "yes")
    assert np.mean(model.predict_classes(frame) == frame["kind"].to_numpy()) > 0.9
    with pytest.raises(ParameterError, match="classes by name, and loss 'mse' is of numbers"):
        rnn.GRU(hidden_size=4).fit(dataset(frame), epochs=1, progress=False)
    numbers = rnn.Dataset.from_arrays([0.0, 1.0], [0.5, 1.5], [0, 2])
    plain = rnn.GRU(1, 3, 1)
    with pytest.raises(ParameterError, match="not of classes"):
        plain.predict_classes(numbers)


@pytest.mark.usefixtures("folder", "logger_as_before")
def test_the_command_line_names_classes() -> None:
    table().write_csv("moves.csv")
    result = run_well("train", "moves.csv", "--features", "speed", "--labels", "kind")
    assert "Loss: cross_entropy, as labels are classes by name" in result.stderr
    assert "actual stand" in result.stdout
    lines = run_well("predict", "model.safetensors", "moves.csv").stdout.splitlines()
    assert lines[0] == "id,t,prediction_run,prediction_stand,prediction_walk,predicted"
    assert {line.rsplit(",", 1)[1] for line in lines[1:]} <= set(KINDS)


@pytest.mark.parametrize("loss", ["binary_cross_entropy", "mse", "cross_entropy"])
def test_names_are_no_numbers_of_a_model_that_learnt_these(loss: str) -> None:
    numbers = table().with_columns(kind=(pl.col("speed") > 1).cast(pl.Float64))
    words = numbers.with_columns(
        kind=pl.when(pl.col("kind") > 0).then(pl.lit("fast")).otherwise(pl.lit("slow"))
    )
    model, fresh = (rnn.GRU(hidden_size=4, loss=loss) for _ in range(2))
    model.fit(dataset(numbers), epochs=1, progress=False)
    # By name "fast" is class 0, where the model learnt it as 1.
    named = dataset(words)
    message = r"label column 'kind' has classes by name \(fast, slow\), and the model learnt num"
    for ask in (
        lambda: model.evaluate(named),
        lambda: model.evaluate(words),
        lambda: model.loss(named),
        lambda: model.fit(named, epochs=1, progress=False),
        lambda: model.fit(dataset(numbers), epochs=1, progress=False, validation=named),
        lambda: fresh.fit(dataset(numbers), epochs=1, progress=False, validation=named),
    ):
        with pytest.raises(DataError, match=message):
            ask()
    np.testing.assert_array_equal(model.predict(named), model.predict(dataset(numbers)))


def test_numbers_are_no_names_of_a_model_that_learnt_these(tmp_path: Path) -> None:
    """As class numbers in the order of the alphabet they would be the reverse of what they say."""
    is_low = pl.col("speed") < 1
    words = table().with_columns(kind=pl.when(is_low).then(pl.lit("lo")).otherwise(pl.lit("hi")))
    model = rnn.GRU(hidden_size=4, loss="binary_cross_entropy", optimizer=rnn.Adam(0.02))
    model.fit(dataset(words), epochs=20, progress=False)
    accuracy = model.evaluate(words).accuracy
    assert accuracy > 0.9
    message = r"label column 'kind' has numbers or truth values, and the model learnt classes by "
    message += r"name there \(hi, lo\); give the names in their place"
    is_high = words.with_columns(kind=pl.col("kind") == "hi")
    for other in (is_high, is_high.cast({"kind": pl.Int64}), is_high.cast({"kind": pl.Float32})):
        numbers, path = dataset(other), tmp_path / "numbers.csv"
        other.write_csv(path)
        for ask in (
            model.evaluate, model.loss, model.update, lambda given: model.evaluate(given[0]),
            lambda given: model.fit(given, epochs=1, progress=False),
            lambda given: model.fit(dataset(words), epochs=1, progress=False, validation=given),
            lambda given: rnn.BinaryClassificationEvaluator().evaluate(model, given),
        ):  # fmt: skip
            with pytest.raises(DataError, match=message):
                ask(numbers)
        for table_or_file in (other, other.to_pandas(), path):
            with pytest.raises(DataError, match=message):
                model.evaluate(table_or_file)
        np.testing.assert_array_equal(model.predict(numbers), model.predict(dataset(words)))
    with pytest.raises(DataError, match=message):
        rnn.GRU(hidden_size=4, loss="binary_cross_entropy").fit(
            dataset(words), epochs=1, progress=False, validation=dataset(is_high)
        )
    assert model.epochs_trained == 20
    for same in (words, words.cast({"kind": pl.Categorical}), words.to_pandas()):
        assert model.evaluate(same).accuracy == accuracy


def test_data_that_has_no_numbers_in_place_of_names_is_taken() -> None:
    model = trained()
    none = table().with_columns(kind=pl.lit(None, dtype=pl.Float64))
    model.predict(none)
    model.predict(none.drop("kind"))
    with pytest.raises(DataError, match="every label is missing"):
        model.evaluate(none)
    encoded = model.preparation.encoded(model.preparation.reordered(dataset()))
    assert model.loss(encoded) == model.loss(dataset())
    model.fit(encoded, epochs=1, validation=encoded, progress=False)


@pytest.mark.usefixtures("folder", "logger_as_before")
def test_the_command_line_refuses_numbers_in_place_of_names() -> None:
    table().write_csv("moves.csv")
    run_well("train", "moves.csv", "--features", "speed", "--labels", "kind", "--epochs", "1")
    table().with_columns(kind=pl.lit(1)).write_csv("numbers.csv")
    result = run("evaluate", "model.safetensors", "numbers.csv")
    assert result.exit_code == 2
    assert "label column 'kind' has numbers" in result.stderr


@pytest.mark.usefixtures("folder", "logger_as_before")
def test_a_column_that_is_called_like_the_answer_is_not_overwritten() -> None:
    model = trained()
    frame = table().with_columns(predicted=pl.lit("mine"))
    for one in (frame, frame.to_pandas(), frame.to_arrow()):
        with pytest.raises(DataError, match="frame: it has a column 'predicted' already; rename"):
            model.score_frame(one)
    with pytest.raises(DataError, match="'predicted' already"):
        model.scorer().score_frame(frame)
    of_ids = rnn.Dataset.from_frame(
        table().rename({"id": "predicted"}), id="predicted", features="speed", labels="kind"
    )
    with pytest.raises(DataError, match="the data set: it has a column 'predicted' already"):
        model.score_frame(of_ids)
    table().rename({"id": "predicted"}).write_csv("moves.csv")
    columns = ("--id", "predicted", "--features", "speed", "--labels", "kind", "--epochs", "1")
    run_well("train", "moves.csv", *columns)
    result = run("predict", "model.safetensors", "moves.csv")
    assert result.exit_code == 2
    assert "Error: rename column 'predicted' in the data, a name of the output" in result.stderr


def test_the_rest_of_a_frame_of_pandas_may_be_anything_when_it_is_scored() -> None:
    model = trained()
    frame = table().to_pandas()
    scored = model.score_frame(frame.assign(rest=[1, "a"] * 120))
    assert scored["rest"].tolist() == [1, "a"] * 120
    assert scored.drop(columns="rest").equals(model.score_frame(frame))


def test_outputs_for_classes_that_training_lacks() -> None:
    frame = table().with_columns(
        kind=pl.when(pl.col("id") == 39).then(pl.lit("swim")).otherwise(pl.col("kind"))
    )
    data = dataset(frame)
    train, test = data.subset(np.arange(30)), data.subset(np.arange(30, 40))
    model = rnn.GRU(1, 4, 4, loss="cross_entropy")
    model.fit(train, epochs=1, progress=False)
    assert model.classes == ("run", "stand", "swim", "walk")
    assert np.shape(model.evaluate(test).confusion) == (4, 4)
    assert model.score_frame(frame).columns[-5:-1] == [f"prediction_{one}" for one in model.classes]
    unsized = rnn.GRU(hidden_size=4, loss="cross_entropy")
    unsized.fit(train, epochs=1, progress=False)
    assert unsized.classes == ("run", "stand", "walk")
    with pytest.raises(
        DataError, match=r"'swim', which is none of the classes known: .*; leave th"
    ):
        unsized.evaluate(test)


def test_numbers_of_classes_that_do_not_suit_the_model() -> None:
    wide = rnn.GRU(1, 4, 5, loss="cross_entropy")
    with pytest.raises(
        ShapeError, match=r"have 3 classes \(run, stand, walk\), the model has 5 ou"
    ):
        wide.fit(dataset(), epochs=1, progress=False)
    two = rnn.GRU(hidden_size=4, loss="binary_cross_entropy")
    with pytest.raises(ParameterError, match="tells two apart; use loss='cross_entropy'"):
        two.fit(dataset(), epochs=1, progress=False)
    one = dataset(table().with_columns(kind=pl.lit("run")))
    for loss in ("binary_cross_entropy", "cross_entropy"):
        with pytest.raises(DataError, match="all of one class, run; give data with two at least"):
            rnn.GRU(hidden_size=4, loss=loss).fit(one, epochs=1, progress=False)


@pytest.mark.usefixtures("folder", "logger_as_before")
def test_the_command_line_knows_classes_of_all_parts_but_the_test_part() -> None:
    """The one sequence of a class lies in each of the three parts, for one seed or another."""
    frame = table().with_columns(
        kind=pl.when(pl.col("id") == 39).then(pl.lit("swim")).otherwise(pl.col("kind"))
    )
    frame.write_csv("moves.csv")
    columns = ("--features", "speed", "--labels", "kind", "--epochs", "1")
    data, parts = dataset(frame), set()
    for seed in range(6):
        past, _ = data.split(0.8, seed=seed)
        result = run("train", "moves.csv", *columns, "--seed", seed)
        if 39 in past.ids:
            parts.add("training" if 39 in past.split(0.8, seed=seed)[0].ids else "validation")
            assert result.exit_code == 0, result.output
            assert rnn.load("model.safetensors").classes == ("run", "stand", "swim", "walk")
        else:
            parts.add("test")
            assert result.exit_code == 2
            assert "the test part: column 'kind' has 'swim'" in result.stderr
            assert "or split so that the training part has it" in result.stderr
    assert parts == {"training", "validation", "test"}


@pytest.mark.usefixtures("folder", "logger_as_before")
def test_the_command_line_answers_by_the_threshold_of_two_classes() -> None:
    table().with_columns(
        kind=pl.when(pl.col("speed") > 1).then(pl.lit("yes")).otherwise(pl.lit("no"))
    ).write_csv("moves.csv")
    columns = ("--features", "speed", "--labels", "kind", "--epochs", "60")
    run_well("train", "moves.csv", *columns, "--loss", "binary_cross_entropy")
    run_well("predict", "model.safetensors", "moves.csv", "--output", "out.csv")
    answered = pl.read_csv("out.csv")
    expected = ["yes" if p > 0.5 else "no" for p in answered["prediction"]]
    assert set(expected) == {"yes", "no"}
    assert answered["predicted"].to_list() == expected
    model = rnn.load("model.safetensors")
    assert model.score_frame(pl.read_csv("moves.csv"))["predicted"].to_list() == expected


def test_several_labels_have_names_of_their_own() -> None:
    frame = table().with_columns(
        fast=pl.when(pl.col("speed") > 1).then(pl.lit("yes")).otherwise(pl.lit("no")),
        plain=(pl.col("speed") > 0).cast(pl.Int64),
        slow=pl.when(pl.col("speed") < 1).then(pl.lit("crawl")).otherwise(pl.lit("zoom")),
    )
    labels = ["fast", "plain", "slow"]
    data = rnn.Dataset.from_frame(frame, features="speed", labels=labels)
    model = rnn.GRU(hidden_size=6, loss="binary_cross_entropy", optimizer=rnn.Adam(0.02), seed=1)
    model.fit(data, epochs=30, progress=False)
    above = model.predict(frame) > 0.5
    expected = [
        ["yes" if fast else "no", int(plain), "zoom" if slow else "crawl"]
        for fast, plain, slow in above.tolist()
    ]
    assert model.predict_classes(frame).tolist() == expected
    scored = model.score_frame(frame)
    assert scored["predicted_fast"].to_list() == [row[0] for row in expected]
    assert scored["predicted_slow"].to_list() == [row[2] for row in expected]
    assert "predicted_plain" not in scored.columns
    with pytest.raises(DataError, match="'predicted_fast' already"):
        model.score_frame(scored.drop("prediction_fast", "prediction_plain", "prediction_slow"))


@pytest.mark.parametrize("output_size", [None, 3])
def test_classes_have_weights_by_name(output_size: int | None, tmp_path: Path) -> None:
    def model(class_weight: dict[object, float]) -> rnn.GRU:
        return rnn.GRU(
            1, 4, output_size, loss="cross_entropy", class_weight=class_weight  # type: ignore[arg-type]
        )  # fmt: skip

    by_name = model({"walk": 3.0, "run": 0.5, "stand": 1.0})
    if output_size is not None:
        for call in (lambda: by_name.loss(dataset()), lambda: by_name.save(tmp_path / "m.st")):
            with pytest.raises(
                ParameterError, match=r"numbers the model does not know yet; call f"
            ):
                call()
    by_name.fit(dataset(), epochs=2, progress=False)
    assert by_name.classes == ("run", "stand", "walk")
    assert by_name.settings["class_weight"] == {0: 0.5, 1: 1.0, 2: 3.0}
    by_number = model({0: 0.5, 1: 1.0, 2: 3.0})
    by_number.fit(dataset(), epochs=2, progress=False)
    by_name.save(tmp_path / "name.st")
    by_number.save(tmp_path / "number.st")
    assert (tmp_path / "name.st").read_bytes() == (tmp_path / "number.st").read_bytes()


def test_weights_by_name_that_do_not_suit_the_labels() -> None:
    numbers = table().with_columns(kind=pl.when(pl.col("speed") > 1).then(1).otherwise(0))
    both = table().with_columns(fast=pl.col("kind").fill_null("fast"))
    for frame, weights, message in (
        (table(), {"walk": 1, "run": 1, "fly": 1}, "'fly' is not a class; the classes are run, st"),
        (table(), {"walk": 1, "run": 1}, "class 'stand' has no weight; give each of run, stand, w"),
        (numbers, {"yes": 1, "no": 2}, "the labels are numbers; give the weights by number, {0:"),
    ):
        model = rnn.GRU(hidden_size=4, loss="cross_entropy", class_weight=weights)
        with pytest.raises(ParameterError, match=message):
            model.fit(dataset(frame), epochs=1, progress=False)
    two = both.with_columns(
        fast=pl.when(pl.col("speed") > 1).then(pl.lit("yes")).otherwise(pl.lit("no")),
        kind=pl.when(pl.col("kind") == "run").then(pl.lit("run")).otherwise(pl.lit("rest")),
    )
    data = rnn.Dataset.from_frame(two, features="speed", labels=["kind", "fast"])
    model = rnn.GRU(hidden_size=4, loss="focal", class_weight={"yes": 1, "no": 2})
    with pytest.raises(ParameterError, match="the label columns have different names; give the"):
        model.fit(data, epochs=1, progress=False)
    with pytest.raises(ParameterError, match="class yes has the weight -1"):
        rnn.GRU(hidden_size=4, loss="focal", class_weight={"yes": -1, "no": 2})
    with pytest.raises(ParameterError, match="all weights are 0"):
        rnn.GRU(hidden_size=4, loss="focal", class_weight={"yes": 0, "no": 0})
