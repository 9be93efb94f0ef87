"""The command line: what it writes, and where it says so."""

import re
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import DATA, LOG_LINE, check_error, run, run_well

import rnn_rust as rnn
from rnn_rust.cli import demo, train

pytestmark = pytest.mark.usefixtures("folder", "logger_as_before")


# train ---------------------------------------------------------------------------------------


def test_train_shows_data_evaluations_and_next_steps_and_saves(data):
    result = run_well("train", data.name, "--epochs", 25, "--learning-rate", 0.1)
    for text in (
        "rows       50", "Training part: 8 sequences", "Test part: 2 sequences", "PR-AUC",
        "baseline", "saved to model.safetensors",
        "rnn-rust predict model.safetensors data.csv --output predictions.csv",
        "rnn-rust evaluate model.safetensors data.csv",
        "data.csv holds the training part too, which flatters",
    ):  # fmt: skip
        assert text in result.stdout
    log = result.stderr.splitlines()
    assert all(LOG_LINE.match(line) for line in log)
    epochs = re.findall(r"Epoch (\d+): loss .*validation.*accuracy .*validation", result.stderr)
    assert epochs == ["1", "10", "20", "25"]
    model = rnn.load("model.safetensors")
    assert model.epochs_trained == 25
    assert model.feature_names == ("x1", "x2")


def test_train_has_the_promised_defaults():
    defaults = {option.name: option.default for option in train.params}
    promised = {
        "hidden": 10, "activation": "tanh", "output_activation": "identity",
        "learning_rate": 0.001, "epochs": 100, "train_ratio": 0.8, "eval_every": 10,
        "batch_size": 1, "seed": 0, "scaler": "minmax", "output": "model.safetensors",
        "verbosity": "info",
    }  # fmt: skip
    assert {name: defaults[name] for name in promised} == promised


def test_train_equals_the_calls_of_the_library(data):
    run_well(
        "train", data, "--epochs", 3, "--hidden", 4, "--activation", "sigmoid", "--init",
        "orthogonal", "--output-activation", "sigmoid", "--dtype", "float64", "--scaler",
        "standard", "--learning-rate", 0.2, "--batch-size", 2, "--seed", 5, "--train-ratio", 0.6,
        "--threshold", 0.3, "--output", "cli.safetensors",
    )  # fmt: skip
    part, _ = rnn.Dataset.from_csv(data).split(0.6, seed=5)
    model = rnn.RNN(
        2, 4, 1, activation="sigmoid", output_activation="sigmoid", init="orthogonal",
        dtype="float64", scaler="standard", seed=5, optimizer=rnn.SGD(0.2),
    )  # fmt: skip
    model.threshold = 0.3
    model.fit(part, epochs=3, batch_size=2, progress=False)
    model.save("library.safetensors")
    assert Path("cli.safetensors").read_bytes() == Path("library.safetensors").read_bytes()


def test_train_on_named_columns_without_scaler(folder):
    frame = pl.read_csv(DATA / "sample.csv").rename({"name": "pump", "t": "hour", "y1": "alarm"})
    frame.write_csv("own names.csv")
    keys = ("--id", "pump", "--time", "hour")
    result = run_well(
        "train", "own names.csv", *keys, "--features", "x3, x1", "--labels", "alarm",
        "--scaler", "none", "--epochs", 2,
    )  # fmt: skip
    model = rnn.load("model.safetensors")
    assert (model.feature_names, model.label_names) == (("x3", "x1"), ("alarm",))
    assert model.scaler is None
    assert "model.safetensors 'own names.csv' --id pump --time hour" in result.stdout
    shown = run_well("evaluate", "model.safetensors", "own names.csv", *keys).stdout
    assert "Binary classification of 76 labels" in shown


def test_verbosity_error_leaves_the_results_alone(data):
    result = run_well("train", data, "--epochs", 2, "--verbosity", "error")
    assert result.stderr == ""
    assert "Test part" in result.stdout
    assert "DEBUG" in run_well("train", data, "--epochs", 2, "--verbosity", "debug").stderr


# evaluate and predict ------------------------------------------------------------------------


def test_evaluate_prints_what_the_library_finds(data, model):
    shown = run_well("evaluate", model, data).stdout
    evaluator = rnn.BinaryClassificationEvaluator()
    result = evaluator.evaluate(rnn.load(model), rnn.Dataset.from_csv(data))
    assert str(result) in shown


def test_evaluate_takes_the_threshold_of_the_model_unless_told_otherwise(data, model):
    network = rnn.load(model)
    network.threshold = 0.25
    network.save(model)
    assert "positive above 0.25" in run_well("evaluate", model, data).stdout
    assert "positive above 0.7" in run_well("evaluate", model, data, "--threshold", 0.7).stdout


def test_evaluate_picks_the_evaluator_by_the_labels(folder):
    run_well("train", DATA / "weather.csv", "--epochs", 1, "--threshold", 0.2)
    assert "within ±20%" in run_well("evaluate", "model.safetensors", DATA / "weather.csv").stdout


def test_a_model_without_names_goes_by_the_default_names(data):
    rnn.RNN(2, 3, 1).save("bare.safetensors")
    assert "Binary classification" in run_well("evaluate", "bare.safetensors", data).stdout
    assert run_well("predict", "bare.safetensors", data).stdout.count("\n") == 51


def test_predict_keeps_rows_and_text_of_a_shuffled_file(data, model):
    run_well("predict", model, data, "--output", "out.csv")
    text = {"infer_schema": False}
    given, written = pl.read_csv(data, **text), pl.read_csv("out.csv", **text)
    given = given.filter(pl.col("name").is_not_null())
    assert written.columns == ["name", "t", "prediction"]
    assert written.select("name", "t").equals(given.select("name", "t"))
    network, dataset = rnn.load(model), rnn.Dataset.from_csv(data)
    wanted = {
        (str(sequence.id), str(when)): value
        for sequence in dataset
        for when, value in zip(sequence.times, network.predict(sequence)[:, 0], strict=True)
    }
    for name, when, value in written.iter_rows():
        assert np.float32(value) == wanted[name, when]


def test_predict_writes_to_standard_output_without_labels(data, model):
    pl.read_csv(data, infer_schema=False).drop("y1").write_csv("unlabelled.csv")
    with_labels = run_well("predict", model, data).stdout
    assert run_well("predict", model, "unlabelled.csv").stdout == with_labels
    assert with_labels.startswith("name,t,prediction\n")


@pytest.mark.parametrize("named", [True, False])
def test_predict_names_a_column_for_each_of_several_outputs(data, named):
    network = rnn.RNN(2, 3, 2)
    network.label_names = ("y_wind", "y_rain") if named else None
    network.save("two.safetensors")
    header = run_well("predict", "two.safetensors", data).stdout.splitlines()[0]
    wanted = "prediction_y_wind,prediction_y_rain" if named else "prediction_y1,prediction_y2"
    assert header == f"name,t,{wanted}"


def test_predict_refuses_a_key_column_with_the_name_of_its_own(data, model):
    pl.read_csv(data, infer_schema=False).rename({"t": "prediction"}).write_csv("p.csv")
    result = run("predict", model, "p.csv", "--time", "prediction")
    check_error(result, "p.csv: rename column 'prediction'")


# demo and data -------------------------------------------------------------------------------


def test_demo_fraud_beats_single_rows():
    shown = run_well("demo").stdout
    values = re.search(r"one purchase +([\d.]+)\nthis network.* ([\d.]+)\n", shown).groups()
    single_rows, network = map(float, values)
    assert single_rows < 0.2
    assert network > 0.8
    assert "PR-AUC" in shown
    assert re.search(r"rnn-rust evaluate model.safetensors \S*fraud.csv", shown)
    assert Path("model.safetensors").is_file()


def test_demo_weather_beats_its_rivals():
    shown = run_well("demo", "weather").stdout
    assert "labels that have one" in shown  # the evaluator's baseline: fewer days
    assert "RMSE in °C, 728 days" in shown
    figures = re.findall(r"([\d.]+)\n", shown.partition("Rivals")[2].partition("\n\n")[0] + "\n")
    persistence, on_measurements, on_all_features, network = map(float, figures)
    assert (persistence, on_measurements, on_all_features) == (3.39, 3.19, 2.96)
    assert network < 3.0


def test_demo_sample_names_its_output_and_next_steps():
    result = run_well("demo", "sample", "--output", "pump.safetensors")
    assert "rnn-rust evaluate pump.safetensors" in result.stdout
    assert re.search(r"accuracy +100\.00% +78\.57%", result.stdout)


@pytest.fixture
def installed(folder, monkeypatch):
    """Make the package look installed, away from its source."""
    place = folder / "lib" / "site-packages" / "rnn_rust" / "cli" / "demo.py"
    monkeypatch.setattr(sys.modules[demo.callback.__module__], "__file__", str(place))
    Path("data").mkdir()


@pytest.mark.usefixtures("installed")
def test_demos_find_the_source_in_the_current_folder():
    Path("data/sample.csv").write_bytes((DATA / "sample.csv").read_bytes())
    Path("pyproject.toml").write_bytes((DATA.parent / "pyproject.toml").read_bytes())
    assert "data/sample.csv --output" in run_well("demo", "sample").stdout


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("project", [None, '[project]\nname = "own-work"\n'])
def test_demos_leave_the_files_of_other_folders_alone(project):
    for name in ("fraud", "weather"):
        Path(f"data/{name}.csv").write_text("id,t,x,y\nmine,1,2,3\n")
    if project is not None:
        Path("pyproject.toml").write_text(project)
    check_error(run("demo", "weather"), "data/weather.csv comes with the project's source")
    shown = run_well("demo", "fraud").stdout
    make = "data fraud --rows 4000 --fraud-rate 0.03 --output fraud.csv"
    assert f"rnn-rust {make}" in shown
    run_well(*make.split())
    assert "PR-AUC" in run_well("evaluate", "model.safetensors", "fraud.csv").stdout


def test_data_fraud_writes_what_the_generator_makes():
    result = run_well("data", "fraud", "--rows", 500, "--seed", 3, "--output", "f.csv")
    assert result.stdout == ""
    assert rnn.Dataset.from_csv("f.csv").features.shape == (500, 29)


def test_data_kaggle_cuts_sequences():
    columns = ["Time", *(f"V{k}" for k in range(1, 29)), "Amount", "Class"]
    pl.DataFrame({name: [0] * 25 for name in columns}).write_csv("creditcard.csv")
    run_well("data", "kaggle", "creditcard.csv", "--output", "k.csv")
    assert [len(sequence) for sequence in rnn.Dataset.from_csv("k.csv")] == [10, 10, 5]
