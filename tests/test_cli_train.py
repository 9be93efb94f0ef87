"""``rnn-rust train``: what it learns with its options, what it says and writes."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import DATA, LOG_LINE, check_error, run, run_well

import rnn_rust as rnn
from rnn_rust.cli.train import train

pytestmark = pytest.mark.usefixtures("folder", "logger_as_before")


def test_train_shows_data_evaluations_and_next_steps_and_saves(data):
    result = run_well("train", data.name, "--epochs", 25, "--learning-rate", 0.1)
    for text in (
        "rows       50", "Training part: 6 sequences", "Validation part: 2 sequences",
        "Test part: 2 sequences", "PR-AUC",
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
        "cell": "GRU", "optimizer": "Adam", "hidden_size": 32, "activation": "tanh",
        "output_activation": "identity", "loss": "auto", "early_stopping": True, "patience": 20,
        "clipping": True, "clip_norm": 1.0, "learning_rate": 0.005, "epochs": 200,
        "train_ratio": 0.8, "eval_every": 10,
        "seed": 0, "scaler": "standard", "output": "model.safetensors",
        "verbosity": "info",
    }  # fmt: skip
    assert {name: defaults[name] for name in promised} == promised


def test_train_reads_backwards(data):
    run_well("train", data, "--reverse", "--epochs", 2)
    assert rnn.load("model.safetensors").settings["reverse"]
    check_error(run("train", data, "--reverse", "--bidirectional"), "reverse has no effect")


def test_train_equals_the_calls_of_the_library(data):
    run_well(
        "train", data, "--preset", "rnn-rust", "--epochs", 3, "--hidden", 4, "--activation",
        "sigmoid", "--init",
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


def test_the_help_of_train_groups_its_options():
    shown = run_well("train", "--help").stdout
    titles = re.findall(r"^(\w+):$", shown, re.M)
    assert titles == ["Data", "Model", "Training", "Files", "Other"]
    assert "[RNN|GRU|LSTM]" in shown


def test_train_reaches_every_choice_of_the_library(data):
    frame = pl.read_csv(data, infer_schema=False).drop_nulls("name")
    frame.with_columns(w=pl.Series([1.0, 2.5] * 25)).write_csv("weighted.csv")
    run_well(
        "train", "weighted.csv", "--cell", "lstm", "--hidden", 4, "--num-layers", 2, "--dropout",
        0.2, "--recurrent-dropout", 0.1, "--loss", "binary_cross_entropy", "--optimizer", "adamw",
        "--learning-rate", 0.01, "--clip-norm", 1, "--bptt-steps", 2, "--class-weight", "balanced",
        "--weights", "w", "--epochs", 3, "--batch-size", 2, "--no-early-stopping", "--output",
        "cli.safetensors",
    )  # fmt: skip
    part, _ = rnn.Dataset.from_csv("weighted.csv", weights="w").split(0.8, seed=0)
    model = rnn.LSTM(
        2, 4, 1, num_layers=2, dropout=0.2, recurrent_dropout=0.1, loss="binary_cross_entropy",
        optimizer=rnn.AdamW(0.01), clip_norm=1, bptt_steps=2, class_weight="balanced",
        scaler="standard",
    )  # fmt: skip
    model.fit(part, epochs=3, batch_size=2, progress=False)
    model.save("library.safetensors")
    assert Path("cli.safetensors").read_bytes() == Path("library.safetensors").read_bytes()


def test_patience_stops_by_a_part_of_the_training_sequences(data):
    args = ("train", data, "--epochs", 500, "--patience", 3, "--learning-rate", 0.05)
    result = run_well(*args)
    sizes = re.findall(r"^(\w+) part: (\d+) sequences", result.stdout, re.M)
    assert sizes == [("Training", "6"), ("Validation", "2"), ("Test", "2")]
    epochs, best = re.search(
        r"Trained for (\d+) epochs.*\n.*those of epoch (\d+),", result.stderr
    ).groups()
    assert int(epochs) == int(best) + 3 < 500
    past, _ = rnn.Dataset.from_csv(data).split(0.8, seed=0)
    part, held = past.split(0.8, seed=0)
    model = rnn.GRU(
        2, 32, 1, optimizer=rnn.Adam(0.05), scaler="standard", loss="binary_cross_entropy",
        clip_norm=1.0,
    )  # fmt: skip
    model.fit(part, epochs=int(best), batch_size=1, validation=held, progress=False)
    assert rnn.load("model.safetensors").loss(held) == model.loss(held)


def test_a_training_that_resumes_ends_with_the_bits_of_one_that_did_not(data):
    def train_for(epochs, *more):
        options = ("--cell", "GRU", "--optimizer", "Adam", "--learning-rate", 0.01, "--patience", 9)
        return run_well("train", data, *options, "--epochs", epochs, *more)

    train_for(6, "--output", "whole.safetensors", "--log-file", "whole.csv")
    files = ("--checkpoint", "c.safetensors", "--resume", "--output", "parts.safetensors")
    train_for(2, *files)
    assert "Continuing c.safetensors after 2 epochs" in train_for(6, *files).stderr
    assert Path("parts.safetensors").read_bytes() == Path("whole.safetensors").read_bytes()


@pytest.mark.parametrize(("name", "read"), [("l.csv", pl.read_csv), ("l.jsonl", pl.read_ndjson)])
def test_log_files_have_a_line_for_each_epoch(data, name, read):
    run_well("train", data, "--epochs", 4, "--eval-every", 2, "--log-file", name)
    table = read(name)
    assert table["epoch"].to_list() == [1, 2, 3, 4]
    assert table["validation_accuracy"].is_null().to_list() == [False, False, True, False]


def epochs_of(result):
    return int(re.search(r"Trained for (\d+) epochs", result.stderr).group(1))


def test_more_patience_continues_a_training_that_less_has_ended(data):
    def train(patience, output, *more):
        return run_well(
            "train", data, "--learning-rate", 0.5, "--epochs", 300, "--patience", patience,
            "--output", output, *more,
        )  # fmt: skip

    files = ("--checkpoint", "c.safetensors", "--resume", "--log-file", "log.csv")
    short = epochs_of(train(2, "parts.safetensors", *files))
    ended = Path("parts.safetensors").read_bytes()
    # The same command once more changes nothing,
    again = train(2, "parts.safetensors", *files)
    assert "This training is over: EarlyStopping ended it" in again.stderr
    assert epochs_of(again) == short
    assert Path("parts.safetensors").read_bytes() == ended
    # more patience goes on as if it had been there from the start,
    long = epochs_of(train(20, "parts.safetensors", *files))
    assert short < long == epochs_of(train(20, "whole.safetensors"))
    assert Path("parts.safetensors").read_bytes() == Path("whole.safetensors").read_bytes()
    assert pl.read_csv("log.csv")["epoch"].to_list() == list(range(1, long + 1))
    # and less than was waited in the end is none.
    assert epochs_of(train(3, "parts.safetensors", *files)) == long


def test_a_training_that_is_refused_leaves_the_files(data):
    args = ("train", data, "--epochs", 4, "--checkpoint", "c.safetensors", "--log-file", "l.csv")
    run_well(*args, "--patience", 2)
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    for other in (
        ["--no-early-stopping"],
        ["--patience", 2, "--hidden", 5],
        ["--patience", 2, "--epochs", 1],
    ):
        result = run(*args, "--resume", *other)
        assert result.exit_code == 2
        assert result.stderr.splitlines()[-1].startswith("Error: ")
        assert {path.name: path.read_bytes() for path in Path().iterdir()} == before


def test_columns_whose_names_have_commas_quotes_and_blanks(folder):
    rows = (f"{key},{t},0.{t},0.5,{t % 2}" for key in "abcde" for t in range(1, 4))
    text = "\n".join([',,,,\nid, t, "x1, upper", "x2 ""raw""", y1', *rows]) + "\n"
    Path("data.csv").write_text(text, encoding="utf-8")
    names = '"x1, upper", "x2 ""raw"""'
    run_well("train", "data.csv", "--features", names, "--labels", "y1", "--epochs", 2)
    assert rnn.load("model.safetensors").feature_names == ("x1, upper", 'x2 "raw"')
    predicted = run_well("predict", "model.safetensors", "data.csv").stdout.splitlines()
    assert predicted[0] == "id,t,prediction"
    keys = [line.rpartition(",")[0] for line in predicted[1:]]
    assert keys == [f"{key},{t}" for key in "abcde" for t in range(1, 4)]
    result = run("train", "data.csv", "--features", '"x1, upper')
    check_error(result, "--features", "is not a list of names")


def test_gaps_and_times_become_features(folder: Path) -> None:
    """What the options say is what the same arguments do in Python, and what predict repeats."""
    generator = np.random.default_rng(0)
    table = pl.DataFrame(
        {
            "id": np.repeat(np.arange(20), 5),
            "t": np.datetime64("2026-01-01", "ms")
            + 1000 * np.cumsum(generator.integers(1, 99_999, 100)),
            "x1": [None if number % 9 == 4 else number / 7 for number in range(100)],
            "y1": generator.normal(size=100),
        }
    )
    table.write_csv("shop.csv")
    run_well(
        "train", "shop.csv", "--epochs", 3, "--missing", "forward", "--missing-indicator",
        "--time-features", "log_elapsed,hour", "--time-features", "weekday",
    )  # fmt: skip
    model = rnn.load("model.safetensors")
    assert model.input_names == (
        "x1", "x1 missing", "log_elapsed", "hour sine", "hour cosine",
        "weekday sine", "weekday cosine",
    )  # fmt: skip
    run_well("predict", "model.safetensors", "shop.csv", "--output", "predictions.csv")
    written = pl.read_csv("predictions.csv")
    expected = model.predict(rnn.Dataset.from_csv("shop.csv", missing="keep"))
    np.testing.assert_allclose(written["prediction"], expected[:, 0], rtol=1e-5)
    for wrong, message in (("hours", "did you mean 'hour'"), ("hour,hour", "has one twice")):
        result = run("train", "shop.csv", "--time-features", wrong)
        check_error(result, message)
