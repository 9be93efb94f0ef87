"""The command line where standard output and error cannot take everything."""

import csv
import errno
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from conftest import run as run_in_process

import rnn_rust as rnn
from rnn_rust.cli import main

ENCODINGS = ["cp932", "ascii", "latin-1"]
IDS = ("日本", "Ωμέγα", "ü")
FULL = Path("/dev/full")


def start(*args, **options):
    command = [sys.executable, "-m", "rnn_rust", *map(str, args)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.run(command, check=False, timeout=60, **pipes | options)


def run(*args, encoding, **environment):
    """Return exit code and the text of both streams, which must be of the encoding."""
    environment = os.environ | {"PYTHONIOENCODING": encoding} | environment
    done = start(*args, env=environment)
    return done.returncode, done.stdout.decode(encoding), done.stderr.decode(encoding)


def as_shown(text, encoding):
    return text.encode(encoding, "backslashreplace").decode(encoding)


@pytest.fixture
def trained(folder):
    """A folder with readings.csv, whose ids and columns are of several scripts, and its model."""
    rows = [f"{name},{t},{t / 7},{1 / t},{t + 1.5}" for name in IDS for t in (1, 2, 3)]
    text = "\n".join(["id,t,größe,x²,y年", *rows]) + "\n"
    (folder / "readings.csv").write_text(text, encoding="utf-8")
    data = rnn.Dataset.from_csv("readings.csv", features=["größe", "x²"], labels="y年")
    model = rnn.RNN(2, 3, 1, scaler="minmax")
    model.fit(data, epochs=2, progress=False)
    model.save("model.safetensors")
    return folder


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize("encoding", ENCODINGS)
class TestEncodings:
    def test_train(self, encoding):
        # Arguments are of the file system's encoding, not of the output's.
        code, out, err = run(
            "train", "readings.csv", "--features", "größe,x²", "--labels", "y年", "--epochs", 2,
            "--output",
            "日本.safetensors", "--log-file", "log.jsonl", "--checkpoint", "c.safetensors",
            encoding=encoding,
        )  # fmt: skip
        assert code == 0, err
        for text in ("größe, x²", "R²", "within ±10%", "saved to 日本.safetensors"):
            assert as_shown(text, encoding) in out
        assert "What to type next" in out
        assert "a bug" not in err
        model = rnn.load("日本.safetensors")
        assert (model.feature_names, model.label_names) == (("größe", "x²"), ("y年",))

    def test_evaluate(self, encoding):
        code, out, err = run("evaluate", "model.safetensors", "readings.csv", encoding=encoding)
        assert (code, err) == (0, "")
        assert as_shown("R²", encoding) in out
        assert as_shown("y年", encoding) in out

    def test_predict_to_standard_output(self, encoding):
        code, out, err = run("predict", "model.safetensors", "readings.csv", encoding=encoding)
        assert code == 0, err
        rows = list(csv.reader(out.splitlines()))
        assert [row[0] for row in rows[1::3]] == [as_shown(name, encoding) for name in IDS]
        assert "The encoding of standard output" in err
        assert "--output" in err
        assert len(err.splitlines()) == 1

    def test_files_are_utf_8(self, encoding):
        code, out, _ = run(
            "predict", "model.safetensors", "readings.csv", "--output", "p.csv", encoding=encoding
        )  # fmt: skip
        assert (code, out) == (0, "")
        table = pl.read_csv(Path("p.csv").read_bytes())
        assert table["id"].unique(maintain_order=True).to_list() == list(IDS)

    def test_summary(self, encoding):
        code, out, err = run("summary", "model.safetensors", encoding=encoding)
        assert (code, err) == (0, "")
        assert as_shown("größe, x²", encoding) in out

    def test_demo(self, encoding):
        code, out, err = run("demo", "sample", encoding=encoding)
        assert code == 0, err
        assert "Test part" in out

    def test_data(self, encoding):
        code, out, err = run(
            "data", "fraud", "--rows", 30, "--output", "日本.csv", encoding=encoding
        )  # fmt: skip
        assert (code, out) == (0, "")
        assert as_shown("Wrote 30 rows to 日本.csv", encoding) in err

    def test_help(self, encoding):
        code, out, err = run("train", "--help", encoding=encoding)
        assert (code, err) == (0, "")
        assert "--recurrent-dropout" in out

    def test_errors(self, encoding):
        with open("readings.csv", "a", encoding="utf-8") as file:
            file.write("Ωμέγα,3,0.5,0.5,0.5\n")
        for args, words in [
            (["evaluate", "model.safetensors", "readings.csv"], "id 'Ωμέγα' has a row at time 3"),
            (["demo", "年"], "'年' is not one of"),
        ]:
            code, out, err = run(*args, encoding=encoding)
            assert (code, out) == (2, "")
            assert as_shown(words, encoding) in err
            assert len(err.splitlines()) == 1


@pytest.mark.usefixtures("logger_as_before")
def test_all_help_is_ascii():
    def pages(command, name, parent=None):
        context = command.make_context(name, [], parent, resilient_parsing=True)
        yield context.get_help()
        for inner in getattr(context.command, "commands", {}).values():
            yield from pages(inner, inner.name, context)

    texts = list(pages(main, "rnn-rust"))
    assert len(texts) == 10
    assert all(text.isascii() for text in texts)


@pytest.mark.parametrize("variables", [
    {"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
])  # fmt: skip
@pytest.mark.usefixtures("trained")
def test_a_bare_locale_is_enough(variables):
    environment = os.environ | variables
    environment.pop("PYTHONIOENCODING", None)
    for command in ("evaluate", "predict"):
        done = start(command, "model.safetensors", "readings.csv", env=environment)
        assert done.returncode == 0, done.stderr
        assert (b"R\\xb2" in done.stdout or "R²".encode() in done.stdout) == (command == "evaluate")


@pytest.mark.usefixtures("trained")
def test_utf_8_needs_no_stand_ins():
    code, out, err = run("predict", "model.safetensors", "readings.csv", encoding="utf-8")
    assert (code, err) == (0, "")
    run("predict", "model.safetensors", "readings.csv", "--output", "p.csv", encoding="utf-8")
    assert Path("p.csv").read_text(encoding="utf-8") == out


@pytest.mark.skipif(sys.platform != "linux", reason="file names are any bytes on Linux alone")
@pytest.mark.usefixtures("trained")
def test_a_file_name_that_is_no_text():
    model, data, table = (os.fsdecode(b"\xff" + end) for end in (b".model", b".csv", b"-out.csv"))
    os.rename("model.safetensors", model)
    os.rename("readings.csv", data)
    code, out, err = run("summary", model, encoding="utf-8")
    assert (code, err) == (0, "")
    assert out.startswith("Model: \\udcff.model\n")
    code, out, err = run("predict", model, data, "--output", table, encoding="utf-8")
    assert (code, out) == (0, "")
    assert "Wrote 9 predictions to \\udcff-out.csv" in err
    assert pl.read_csv(Path(table).read_bytes()).height == 9


COMMANDS = [
    ["summary", "model.safetensors"],
    ["evaluate", "model.safetensors", "readings.csv"],
    ["predict", "model.safetensors", "readings.csv"],
    ["train", "readings.csv", "--features", "größe,x²", "--labels", "y年", "--epochs", 1],
]
each_command = pytest.mark.parametrize("args", COMMANDS, ids=lambda args: args[0])


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
@pytest.mark.usefixtures("trained")
class TestFullDisks:
    @pytest.mark.parametrize("args", COMMANDS[1:3], ids=lambda args: args[0])
    def test_a_full_disk_is_an_error_in_one_line(self, args):
        with FULL.open("w") as full:
            done = start(*args, stdout=full)
        lines = done.stderr.decode().splitlines()
        assert done.returncode == 2
        assert lines == ["Error: standard output: No space left on device"]

    @pytest.mark.parametrize("unbuffered", ["", "1"])
    @pytest.mark.parametrize("args", COMMANDS[:3], ids=lambda args: args[0])
    def test_so_is_one_that_takes_a_part(self, args, unbuffered):
        import resource

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

        environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
        with open("part", "wb") as part:
            done = start(*args, stdout=part, env=environment, preexec_fn=limit)
        assert done.returncode == 2
        assert done.stderr.decode() == "Error: standard output: File too large\n"
        assert Path("part").stat().st_size == 100

    def test_the_exit_code_tells_where_even_standard_error_is_full(self):
        with FULL.open("w") as full:
            assert start("summary", "missing", stdout=full, stderr=full).returncode == 2


@pytest.mark.parametrize("kind", [rnn.CSVLogger, rnn.JSONLinesLogger])
def test_a_log_file_on_a_full_disk_is_named(kind, folder, monkeypatch):
    def full(descriptor, text):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    data = rnn.Dataset.from_arrays([0.0, 1.0], [1.0, 0.0], [0, 1, 2])
    with pytest.raises(OSError, match="No space left") as caught:
        rnn.RNN(1, 2, 1).fit(data, epochs=2, callbacks=[kind("log")], progress=False)
    assert caught.value.filename == "log"


@pytest.mark.usefixtures("logger_as_before")
@pytest.mark.parametrize("option", ["--log-file", "--checkpoint"])
def test_a_model_is_saved_where_its_log_or_checkpoint_cannot_be_written(option, data, monkeypatch):
    def fail(self, record):
        if record["epoch"] == 3:
            raise rnn.errors.WriteError(errno.ENOSPC, "No space left on device", str(self.path))

    for kind in (rnn.CSVLogger, rnn.Checkpoint):
        monkeypatch.setattr(kind, "__call__", fail)
    result = run_in_process("train", data, "--epochs", 9, option, "file.csv", "--verbosity", "info")
    assert result.exit_code == 2
    *_, saved, error = result.stderr.splitlines()
    assert "Saved the model, trained for 3 epochs, to model.safetensors" in saved
    assert error == "Error: cannot write file.csv: No space left on device"
    assert rnn.load("model.safetensors").epochs_trained == 3


@each_command
@pytest.mark.usefixtures("trained")
def test_a_reader_that_leaves_early_is_no_error(args):
    command = [sys.executable, "-m", "rnn_rust", *map(str, args)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    errors = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait() == 0
    assert "Error" not in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("unread", ["stdout", "stderr"])
@pytest.mark.usefixtures("trained")
def test_what_nobody_reads_does_not_keep_a_model_from_being_trained(unread):
    Path("model.safetensors").unlink()
    command = [sys.executable, "-m", "rnn_rust", *map(str, COMMANDS[3]), "--eval-every", "1"]
    with open("rest", "wb") as rest:
        process = subprocess.Popen(
            command, **{"stdout": rest, "stderr": rest} | {unread: subprocess.PIPE}
        )
        getattr(process, unread).close()
        assert process.wait() == 0
    assert rnn.load("model.safetensors").epochs_trained == 1
    assert ("INFO" if unread == "stdout" else "Test part") in Path("rest").read_text("utf-8")


def test_a_log_that_nobody_reads_leaves_a_script_alone(run_python):
    done = run_python(
        "import os, rnn_rust as rnn\n"
        "read, write = os.pipe()\n"
        "os.dup2(write, 2), os.close(read), rnn.log.setup()\n"
        "data = rnn.Dataset.from_arrays([0.0, 1.0], [1.0, 0.0], [0, 1, 2])\n"
        "rnn.RNN(1, 2, 1).fit(data, epochs=3, eval_every=1)\n"
        "print('went on')\n"
        "os.dup2(1, 2)"
    )
    assert done.stdout == "went on\n"


@pytest.mark.parametrize("args", [COMMANDS[0], COMMANDS[2]], ids=lambda args: args[0])
@pytest.mark.usefixtures("trained")
def test_streams_may_be_closed(args):
    command = [sys.executable, "-m", "rnn_rust", *map(str, args)]
    for closed in (">&-", "2>&-", ">&- 2>&-"):
        shell = ["sh", "-c", f'"$@" {closed}', "sh", *command]
        done = subprocess.run(shell, check=False, timeout=60, capture_output=True)
        assert done.returncode == 0, done.stderr
        assert b"Traceback" not in done.stderr
