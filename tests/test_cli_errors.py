"""The command line: its help, and what a person reads when something is wrong."""

import errno
import os
import re
import runpy
import sys
import tempfile
from pathlib import Path

import pytest
from conftest import check_error, run, run_well

from rnn_rust.cli import main
from rnn_rust.cli.data import data
from rnn_rust.cli.demo import demo

pytestmark = pytest.mark.usefixtures("folder", "logger_as_before")


@pytest.mark.parametrize("args", [(), ("-h",), ("data",), ("train", "--help")])
def test_help_goes_to_standard_output(args):
    result = run_well(*args)
    assert result.stdout.startswith("Usage: ")
    assert result.stderr == ""


def test_every_option_has_a_help_text():
    listed = [*main.commands.values(), *data.commands.values()]
    for command in listed:
        assert command.get_short_help_str(limit=100).endswith(".")
        called = command.make_context(command.name, [], resilient_parsing=True).command
        assert called.name == command.name
        assert called.help
        options = [option for option in called.params if option.param_type_name == "option"]
        assert all(option.help for option in options)


@pytest.mark.parametrize("args", ["--help", "--nope", "trian"])
def test_help_and_mistakes_import_no_command(args, run_python):
    code = f"""
import sys
from rnn_rust.cli import main
try:
    main([{args!r}])
except SystemExit:
    needless = {{"numpy", "polars", "rnn_rust._core", "rnn_rust.cli.train"}} & set(sys.modules)
    print("imported:", *needless)
"""
    assert run_python(code).stdout.endswith("imported:\n")


def test_version():
    assert re.match(r"^rnn-rust, version \d+\.\d+", run_well("--version").stdout)


@pytest.mark.parametrize("code", [7, 0])
def test_what_ends_the_process_says_with_which_code(code, monkeypatch):
    monkeypatch.setattr(demo, "callback", lambda **_: sys.exit(code))
    assert run("demo", "sample").exit_code == code


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
        (("train",), "'DATA'"),
        (("train", "data.csv", "--hiden", "3"), "--hidden"),
        (("train", "data.csv", "--hidden", "three"), "'three'"),
        (("train", "data.csv", "--hidden", "0"), "--hidden must be at least 1, got 0"),
        (("train", "data.csv", "--epochs", "0"), "--epochs must be at least 1, got 0"),
        (("train", "data.csv", "--batch-size", "0"), "--batch-size must be at least 1, got 0"),
        (("train", "data.csv", "--eval-every", "0"), "--eval-every must be at least 1, got 0"),
        (("train", "data.csv", "--seed", "-1"), "--seed must be at least 0, got -1"),
        (("train", "data.csv", "--learning-rate", "nan"), "--learning-rate must be finite"),
        (("train", "data.csv", "--train-ratio", "1"), "--train-ratio must be above 0"),
        (("train", "data.csv", "--threshold", "inf"), "--threshold must be finite"),
        (
            ("train", "data.csv", "--cell", "rnn", "--activation", "step"),
            "activation must be one of identity, tanh",
        ),
        (("train", "data.csv", "--activation", "relu", "--cell", "gru"), "is for --cell RNN"),
        (("train", "data.csv", "--cell", "CNN"), "'--cell': 'CNN' is not one of"),
        (("train", "data.csv", "--num-layers", "0"), "--num-layers must be at least 1, got 0"),
        (("train", "data.csv", "--dropout", "1"), "--dropout must be at least 0 and below 1"),
        (("train", "data.csv", "--dropout", "0.5"), "dropout has no effect with num_layers=1"),
        (
            ("train", "data.csv", "--recurrent-dropout", "-1"),
            "--recurrent-dropout must be at least",
        ),
        (("train", "data.csv", "--readout", "first"), "'--readout': 'first' is not one of"),
        (("train", "data.csv", "--loss", "mape"), "loss must be one of mse, mae"),
        (("train", "data.csv", "--loss", "custom"), "or an object with value_and_gradient"),
        (("train", "data.csv", "--optimizer", "LBFGS"), "'--optimizer': 'LBFGS' is not one of"),
        (("train", "data.csv", "--clip-norm", "0"), "--clip-norm must be above 0"),
        (("train", "data.csv", "--bptt-steps", "0"), "--bptt-steps must be at least 1"),
        (("train", "data.csv", "--bptt-steps", "2", "--bidirectional"), "bidirectional=True needs"),
        (
            ("train", "data.csv", "--loss", "mse", "--class-weight", "balanced"),
            "class_weight has no effect",
        ),
        (("train", "data.csv", "--weights", "w"), "no column 'w'"),
        (("train", "data.csv", "--patience", "0"), "--patience must be at least 1"),
        (("train", "data.csv", "--resume"), "--resume needs --checkpoint"),
        (("train", "data.csv", "--log-file", "log.txt"), "log.txt must end in .csv or .jsonl"),
        (("train", "data.csv", "--log-file", "data.csv"), "is an input"),
        (("train", "data.csv", "--output", "m", "--checkpoint", "./m"), "is the file of --output"),
        (
            ("train", "data.csv", "--loss", "cross_entropy", "--labels", "x1"),
            "is not the number of a class",
        ),
        (
            ("train", "data.csv", "--loss", "cross_entropy", "--threshold", "1"),
            "a threshold does not suit",
        ),
        (("train", "data.csv", "--init", "zeros"), "'--init': 'zeros' is not one of"),
        (("train", "data.csv", "--labels", "y9"), "no column 'y9', asked for as labels"),
        (("train", "data.csv", "--id", "t"), "name it with time (--time on the command line)"),
        (("train", "data.csv", "--verbosity", "loud"), "'loud'"),
        (("train", "absent.csv"), "absent.csv: there is no such file"),
        (("train", "data.csv", "--output", "no/model"), "there is no folder no"),
        (("train", "data.csv", "--output", "."), "not a regular file"),
        (("train", "data.csv", "--output", os.devnull), "not a regular file"),
        (("train", "data.csv", "--output", "./data.csv"), "is an input"),
        (("evaluate", "absent.safetensors", "data.csv"), "absent.safetensors"),
        (("evaluate", "data.csv", "data.csv"), "not a safetensors file"),
        (("predict", "data.csv", "data.csv", "--output", "data.csv"), "is an input"),
        (("predict", "m", "data.csv", "--output", "p.xlsx"), "p.xlsx must end in .csv, "),
        (("data", "fraud", "--output", "f.parquet"), "f.parquet must end in .csv"),
        (("train", "data.csv", "--patience", "5", "--no-early-stopping"), "drop it, or add that"),
        (
            ("train", "data.csv", "--clip-norm", "1", "--preset", "rnn-rust"),
            "--clip-norm has no effect without --clipping",
        ),
        (("summary", "absent.safetensors"), "absent.safetensors"),
        (("data", "fraud", "--rows", "9"), "--output"),
        (("data", "fraud", "--rows", "0", "--output", "f.csv"), "--rows must be at least 1"),
        (("data", "fraud", "--fraud-rate", "-1", "--output", "f"), "--fraud-rate must be finite"),
        (
            ("data", "fraud", "--fraud-rate", "2", "--output", "f.csv"),
            "share of frauds must be at most",
        ),
        (("data", "kaggle", "data.csv", "--length", "0", "--output", "k"), "--length must be"),
        (("data", "kaggle", "data.csv", "--output", "data.csv"), "is the source itself"),
        (("data", "kaggle", "data.csv", "--output", "k.csv"), "header"),
        (("demo", "chess"), "'chess'"),
    ],
)
def test_an_error_is_one_line_and_exit_code_2(data, args, word):
    before = data.read_bytes()
    check_error(run(*args), word)
    assert data.read_bytes() == before
    assert [path.name for path in data.parent.iterdir()] == ["data.csv"]


def test_a_folder_that_takes_no_file_is_found_before_the_work(monkeypatch):
    def refuse(dir):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), dir / "tmp1234")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    result = run("train", "absent.csv", "--output", "model.safetensors")
    check_error(result, "'--output': no file can be made in .: Permission denied")


def test_a_line_of_bad_data_is_named(data):
    text = data.read_text(encoding="utf-8").splitlines()
    text[3] = text[3].rpartition(",")[0] + ",often"
    data.write_text("\n".join(text), encoding="utf-8")
    check_error(run("train", data), f"{data}, line 4, column 'y1': 'often' is not a number")


def test_a_part_without_labels_is_named(folder):
    Path("d.csv").write_text("id,t,x1,y1\n1,1,0.5,1\n1,2,0.7,0\n2,1,0.1,\n2,2,0.2,\n")
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

    monkeypatch.setattr("rnn_rust.data.tables.read_table", fail)
    result = run("train", data)
    assert (result.exit_code, result.stderr.strip()) == (code, line)


@pytest.mark.parametrize("verbosity", ["debug", "info"])
def test_a_bug_shows_its_traceback_on_request(monkeypatch, data, verbosity):
    def fail(*args, **kwargs):
        raise ZeroDivisionError("no\nway")

    monkeypatch.setattr("rnn_rust.data.tables.read_table", fail)
    result = run("train", data, "--verbosity", verbosity)
    assert result.exit_code == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith("Error: ZeroDivisionError: no way (a bug in rnn-rust")
    assert "--verbosity debug" in last
    assert ("Traceback" in result.stderr) is (verbosity == "debug")
