"""The command line: what it writes, and where it says so."""

import re
import sys
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import DATA, check_error, run, run_well

import rnn_rust as rnn
from rnn_rust.cli.demo import demo

pytestmark = pytest.mark.usefixtures("folder", "logger_as_before")


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


@pytest.mark.parametrize(("name", "read"), [
    ("p.tsv", partial(pl.read_csv, separator="\t", schema_overrides={"name": str, "t": str})),
    ("p.Parquet", pl.read_parquet), ("p.feather", pl.read_ipc), ("p.jsonl", pl.read_ndjson),
])  # fmt: skip
def test_predict_writes_what_the_name_says(data, model, name, read):
    run_well("predict", model, data, "--output", "p.csv")
    assert "Wrote 50 predictions to p." in run_well("predict", model, data, "--output", name).stderr
    written, expected = read(name), pl.read_csv("p.csv", infer_schema=False)
    assert written.drop("prediction").equals(expected.drop("prediction"))
    predictions = expected["prediction"].cast(pl.Float32)
    assert written["prediction"].cast(pl.Float32).equals(predictions)


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
    check_error(result, "rename column 'prediction' in the data")


@pytest.fixture
def species(folder):
    """Sequences with one label each, at their end: one of three classes, and easy to tell."""
    rows = [
        f"{name},{t},{name % 3 + 0.1 * t},{name % 3 if t == 3 else ''}"
        for name in range(30)
        for t in (1, 2, 3)
    ]
    Path("species.csv").write_text("\n".join(["id,t,x1,label", *reversed(rows)]) + "\n")
    run_well(
        "train", "species.csv", "--readout", "last", "--loss", "cross_entropy", "--optimizer",
        "Adam", "--learning-rate", 0.02, "--epochs", 60,
    )  # fmt: skip
    return Path("model.safetensors")


def test_classes_of_sequences_are_learnt_judged_and_predicted(species):
    shown = run_well("evaluate", species, "species.csv").stdout
    assert re.search(r"accuracy +100\.00%", shown)
    run_well("predict", species, "species.csv", "--output", "p.csv")
    table = pl.read_csv("p.csv")
    assert table.columns == ["id", "prediction_0", "prediction_1", "prediction_2"]
    answers = table.select(pl.exclude("id")).to_numpy().argmax(axis=1)
    assert table["id"].to_list() == list(reversed(range(30)))
    assert (answers == table["id"].to_numpy() % 3).all()


def test_summary_shows_settings_and_layers(species):
    shown = run_well("summary", species).stdout
    network = rnn.load(species)
    assert str(network.summary()) in shown
    for text in (repr(network), "60 epochs", "Adam(", "features   x", "labels     label"):
        assert text in shown


# demo and data -------------------------------------------------------------------------------


def test_demo_fraud_beats_single_rows():
    shown = run_well("demo").stdout
    values = re.search(r"one purchase +([\d.]+)\nthis network.* ([\d.]+)\n", shown).groups()
    single_rows, network = map(float, values)
    assert single_rows < 0.2
    assert network > 0.9
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
    # Nothing is chosen by the test part: early stopping has a part of its own.
    parts = re.findall(r"^(\w+) part: (\d+) sequences", shown, re.M)
    assert parts == [("Training", "58"), ("Validation", "14"), ("Test", "24")]


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
