"""The command line: what it writes, where it says so, and how it ends."""

import logging
import os
import pty
import re
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

import rnn_rust as rnn
from rnn_rust.cli import demo, main, train

DATA = Path(__file__).resolve().parents[1] / "data"
LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} (INFO|WARNING) +.*$")


@pytest.fixture(autouse=True)
def logger_as_before():
    logger = logging.getLogger("rnn_rust")
    state = logger.level, logger.propagate, logger.handlers[:]
    yield
    logger.level, logger.propagate, logger.handlers[:] = state
    logger.manager._clear_cache()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Run in a folder of its own: commands write into the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def data(folder):
    """Sequences with awkward ids and times, whose rows stand in no order, and a blank line."""
    rng = np.random.default_rng(0)
    rows = [
        f"{name},2024-01-{day:02d},{rng.random():.3f},{rng.random():.3f},{rng.integers(2)}"
        for name in ("007", '"a, b"', "x y", "1.0", "é", "9e3", "00", "-1", "end", "N/A")
        for day in range(1, 6)
    ]
    shuffled = [rows[i] for i in rng.permutation(len(rows))]
    shuffled.insert(20, "")
    path = folder / "data.csv"
    path.write_text("\n".join(["name,t,x1,x2,y1", *shuffled]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def ctrl_c():
    """Let Ctrl-C work here and in processes started here: background jobs ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def run(*args):
    return CliRunner().invoke(main, [str(arg) for arg in args])


def run_well(*args):
    result = run(*args)
    assert result.exit_code == 0, result.output
    return result


def start(*args, **options):
    command = [sys.executable, "-m", "rnn_rust", *map(str, args)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **pipes | options)


def check_error(result, *words):
    """Exactly one line on standard error, and exit code 2."""
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("Error: ")
    for word in words:
        assert str(word) in lines[0]


# train ---------------------------------------------------------------------------------------


def test_train_shows_data_evaluations_and_next_steps_and_saves(data):
    result = run_well("train", data.name, "--epochs", 25, "--learning-rate", 0.1)
    for text in (
        "rows       50", "Training part: 8 sequences", "Test part: 2 sequences", "PR-AUC",
        "baseline", "saved to model.safetensors",
        "rnn-rust predict model.safetensors data.csv --output predictions.csv",
        "rnn-rust evaluate model.safetensors data.csv",
    ):  # fmt: skip
        assert text in result.stdout
    log = result.stderr.splitlines()
    assert all(LINE.match(line) for line in log)
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


@pytest.fixture
def model(data):
    run_well("train", data, "--epochs", 3, "--learning-rate", 0.1)
    return Path("model.safetensors")


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
    figures = re.findall(r"([\d.]+)\n", shown.partition("Rivals")[2].partition("\n\n")[0] + "\n")
    persistence, on_measurements, on_all_features, network = map(float, figures)
    assert (persistence, on_measurements, on_all_features) == (3.39, 3.19, 2.96)
    assert network < 3.0


def test_demo_sample_names_its_output_and_next_steps():
    result = run_well("demo", "sample", "--output", "pump.safetensors")
    assert "rnn-rust evaluate pump.safetensors" in result.stdout
    assert re.search(r"accuracy +100\.00% +78\.57%", result.stdout)


@pytest.mark.parametrize("with_file", [True, False])
def test_demos_without_the_source_of_the_project(folder, monkeypatch, with_file):
    installed = folder / "lib" / "site-packages" / "rnn_rust" / "cli" / "demo.py"
    monkeypatch.setattr(sys.modules[demo.callback.__module__], "__file__", str(installed))
    if with_file:
        Path("data").mkdir()
        Path("data/sample.csv").write_bytes((DATA / "sample.csv").read_bytes())
        assert "data/sample.csv --output" in run_well("demo", "sample").stdout
        return
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


# help and errors -----------------------------------------------------------------------------


@pytest.mark.parametrize("args", [(), ("-h",), ("data",), ("train", "--help")])
def test_help_goes_to_standard_output(args):
    result = run_well(*args)
    assert result.stdout.startswith("Usage: ")
    assert result.stderr == ""


def test_every_option_has_a_help_text():
    commands = [*main.commands.values(), *main.commands["data"].commands.values()]
    for command in commands:
        assert command.help
        assert command.get_short_help_str(limit=100).endswith(".")
        options = [option for option in command.params if option.param_type_name == "option"]
        assert all(option.help for option in options)


def test_version():
    assert re.match(r"^rnn-rust, version \d+\.\d+", run_well("--version").stdout)


def test_the_package_runs_as_a_program(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["rnn_rust", "--version"])
    with pytest.raises(SystemExit) as ending:
        runpy.run_module("rnn_rust", run_name="__main__")
    assert ending.value.code == 0
    assert capsys.readouterr().out.startswith("rnn-rust, version")


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (("trian",), "trian"),
        (("train",), "DATA.CSV"),
        (("train", "data.csv", "--hiden", "3"), "--hidden"),
        (("train", "data.csv", "--hidden", "three"), "'three'"),
        (("train", "data.csv", "--hidden", "0"), "hidden_size must be at least 1, got 0"),
        (("train", "data.csv", "--learning-rate", "nan"), "learning_rate must be finite"),
        (("train", "data.csv", "--train-ratio", "1"), "train_ratio must be above 0"),
        (("train", "data.csv", "--activation", "step"), "activation must be one of"),
        (("train", "data.csv", "--labels", "y9"), "no column 'y9'"),
        (("train", "data.csv", "--verbosity", "loud"), "'loud'"),
        (("train", "absent.csv"), "absent.csv: there is no such file"),
        (("train", "data.csv", "--output", "no/model"), "there is no folder no"),
        (("train", "data.csv", "--output", "."), "not a regular file"),
        (("train", "data.csv", "--output", os.devnull), "not a regular file"),
        (("train", "data.csv", "--output", "./data.csv"), "is an input"),
        (("evaluate", "absent.safetensors", "data.csv"), "absent.safetensors"),
        (("evaluate", "data.csv", "data.csv"), "no safetensors file"),
        (("predict", "data.csv", "data.csv", "--output", "data.csv"), "is an input"),
        (("data", "fraud", "--rows", "9"), "--output"),
        (("data", "fraud", "--rows", "0", "--output", "f.csv"), "rows"),
        (("data", "kaggle", "data.csv", "--output", "data.csv"), "is an input"),
        (("data", "kaggle", "data.csv", "--output", "k.csv"), "header"),
        (("demo", "chess"), "'chess'"),
    ],
)
def test_an_error_is_one_line_and_exit_code_2(data, args, word):
    before = data.read_bytes()
    check_error(run(*args), word)
    assert data.read_bytes() == before
    assert [path.name for path in data.parent.iterdir()] == ["data.csv"]


def test_a_line_of_bad_data_is_named(data):
    text = data.read_text(encoding="utf-8").splitlines()
    text[3] = text[3].rpartition(",")[0] + ",often"
    data.write_text("\n".join(text), encoding="utf-8")
    check_error(run("train", data), f"{data}, line 4, column 'y1': 'often' is not a number")


def test_a_part_without_labels_is_named(folder):
    Path("d.csv").write_text("id,t,x,y\n1,1,0.5,1\n1,2,0.7,0\n2,1,0.1,\n2,2,0.2,\n")
    seeds = [run("train", "d.csv", "--train-ratio", 0.5, "--seed", seed) for seed in range(8)]
    for result in seeds:
        assert result.exit_code == 2
    messages = {result.stderr for result in seeds}
    lack = "part needs labels, but every label is missing; fill in some\n"
    assert messages == {f"Error: the training {lack}", f"Error: the test {lack}"}


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (PermissionError(13, "Permission denied", "x.csv"), 2, "Error: x.csv: Permission denied"),
        (MemoryError("8 EB"), 2, "Error: not enough memory: 8 EB"),
        (KeyboardInterrupt(), 130, "Error: interrupted"),
    ],
)
def test_troubles_outside_the_package_are_one_line(monkeypatch, data, error, code, line):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(rnn.Dataset, "from_csv", fail)
    result = run("train", data)
    assert (result.exit_code, result.stderr.strip()) == (code, line)


@pytest.mark.parametrize("verbosity", ["debug", "info"])
def test_a_bug_shows_its_traceback_on_request(monkeypatch, data, verbosity):
    def fail(*args, **kwargs):
        raise ZeroDivisionError("no\nway")

    monkeypatch.setattr(rnn.Dataset, "from_csv", fail)
    result = run("train", data, "--verbosity", verbosity)
    assert result.exit_code == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith("Error: ZeroDivisionError: no way (a bug in rnn-rust")
    assert "--verbosity debug" in last
    assert ("Traceback" in result.stderr) is (verbosity == "debug")


# Ctrl-C, terminals, pipes --------------------------------------------------------------------


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_saves_the_model_and_ends_with_130(data):
    class Finger(logging.Handler):
        def emit(self, record):
            if record.getMessage().startswith("Epoch 1:"):
                signal.raise_signal(signal.SIGINT)

    finger = Finger()
    logging.getLogger("rnn_rust").addHandler(finger)
    result = run("train", data, "--epochs", 1000)
    assert result.exit_code == 130
    assert "Saved the model, trained for 1 epochs, to model.safetensors" in result.stderr
    assert "Test part" not in result.stdout
    assert rnn.load("model.safetensors").epochs_trained == 1


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_stops_a_long_training_at_once():
    options = ("--epochs", 10**9, "--eval-every", 10**8, "--batch-size", 64, "--hidden", 32)
    process = start("train", DATA / "fraud.csv", *options)
    lines = []
    while not (lines and "Epoch 1:" in lines[-1]):
        lines.append(process.stderr.readline())
    time.sleep(0.3)
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    lines += process.stderr.readlines()
    stopped = time.monotonic() - sent
    process.stdout.close()
    process.stderr.close()
    assert process.wait() == 130
    assert all(LINE.match(line) for line in lines)
    assert "the weights of the last finished update are kept" in lines[-2]
    assert rnn.load("model.safetensors").epochs_trained >= 1
    assert stopped < 1  # stops within 0.1 s; the end of the interpreter counts here too


@pytest.mark.usefixtures("ctrl_c")
def test_a_terminal_gets_colours_and_a_progress_bar():
    parent, child = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "120"}
    environment.pop("NO_COLOR", None)
    process = start(
        "train", DATA / "fraud.csv", "--epochs", 10**9, stdout=child, stderr=child, env=environment
    )
    os.close(child)
    output = _read_until(parent, b"/1000000000")  # in the progress bar
    process.send_signal(signal.SIGINT)
    output += _read_until(parent, None)
    os.close(parent)
    assert process.wait() == 130
    assert b"\x1b[1;36mData" in output
    assert b"\x1b[34mINFO" in output
    assert re.search(rb"\x1b\[3\dmWARNING", output)


def _read_until(terminal, text):
    """Read up to a text, or with None until the other end is closed."""
    output = b""
    while text is None or text not in output:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # Linux says "closed" in this way, others by reading nothing
            break
        if not chunk:
            break
        output += chunk
    return output


def test_a_pipe_gets_plain_text():
    process = start("demo", "sample")
    stdout, stderr = process.communicate()
    assert process.returncode == 0
    assert "\x1b" not in stdout + stderr
    assert "Training " not in stderr.replace("Training on", "")


def test_a_reader_that_leaves_early_is_no_error(data, model):
    process = start("predict", model, data)
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 1
