"""Defaults that work: sizes and losses by the data, batch sizes, what a wrong name meant."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import DATA, check_error, run, run_well

import rnn_rust as rnn
from rnn_rust.cli.defaults import infer_batch_size, infer_loss
from rnn_rust.errors import DataError, ParameterError, ShapeError


def labelled(labels: list[float]) -> rnn.Dataset:
    return rnn.Dataset.from_arrays(np.zeros(len(labels)), labels, range(len(labels) + 1))


@pytest.mark.parametrize(
    ("labels", "loss"),
    [
        ([0, 1, 1], "binary_cross_entropy"),
        ([0, np.nan, 0], "binary_cross_entropy"),
        ([0, 1, 2, 2], "cross_entropy"),
        ([3, 1, 2, 0, np.nan], "cross_entropy"),
        ([1, 2, 3], "mse"),  # no class 0
        ([0, 1, 3], "mse"),  # no class 2
        ([0, 0.5, 1], "mse"),
        ([*range(25)], "mse"),  # a count
        ([-1, 0, 1], "mse"),
    ],
)
def test_losses_follow_from_labels(labels: list[float], loss: str) -> None:
    assert infer_loss(labelled(labels))[0] == loss


def test_several_columns_of_classes_are_numbers() -> None:
    data = rnn.Dataset.from_arrays(np.zeros(3), [[0, 1], [1, 2], [2, 0]], [0, 3])
    assert infer_loss(data)[0] == "mse"


@pytest.mark.parametrize(
    ("sequences", "size"), [(1, 1), (31, 1), (32, 2), (100, 4), (512, 32), (10_000, 32)]
)
def test_batches_leave_an_epoch_sixteen_updates(sequences: int, size: int) -> None:
    assert infer_batch_size(labelled([0.0] * sequences)) == size


@pytest.mark.usefixtures("folder", "logger_as_before")
def test_purchases_with_dates_need_no_option_but_names() -> None:
    names = ("--id", "card", "--time", "when", "--features", "amount,abroad", "--labels", "fraud")
    result = run_well("train", DATA / "purchases.csv", *names)
    assert "Loss: binary_cross_entropy, as labels are 0 and 1 (--loss chooses" in result.stderr
    assert "Batch size: 4, for 96 sequences" in result.stderr
    assert "Columns: id card; time when; features amount, abroad; labels fraud" in result.stderr
    test = result.stdout.split("Test part")[1]
    model, baseline = (float(share) for share in re.findall(r"PR-AUC +(\S+) +(\S+)", test)[0])
    assert model > 10 * baseline
    accuracies = re.findall(r"accuracy +(\S+)% +(\S+)%", test)[0]
    assert float(accuracies[0]) > float(accuracies[1])
    predicted = run_well("predict", "model.safetensors", DATA / "purchases.csv").stdout
    rows = (DATA / "purchases.csv").read_text().splitlines()
    lines = predicted.splitlines()
    assert lines[0] == "card,when,prediction"
    assert [line.rsplit(",", 1)[0] for line in lines[1:]] == [
        ",".join(row.split(",")[:2]) for row in rows[1:]
    ]


@pytest.mark.usefixtures("folder", "logger_as_before")
def test_text_dates_and_gaps_need_no_option_but_names() -> None:
    names = ("--id", "card", "--time", "when", "--labels", "fraud")
    features = ("--features", "amount,abroad,merchant")
    result = run_well("train", DATA / "purchases-rich.csv", *names, *features)
    assert "Missing numbers of amount: the mean (--missing chooses another)" in result.stderr
    test = result.stdout.split("Test part")[1]
    model, baseline = (float(share) for share in re.findall(r"PR-AUC +(\S+) +(\S+)", test)[0])
    assert model > 10 * baseline
    predicted = run_well("predict", "model.safetensors", DATA / "purchases-rich.csv").stdout
    assert len(predicted.splitlines()) == 3_601
    refused = run("train", DATA / "purchases-rich.csv", *names, *features, "--missing", "error")
    assert refused.exit_code == 2
    assert "column 'amount'" in refused.stderr


@pytest.mark.usefixtures("folder", "logger_as_before")
def test_the_preset_has_the_settings_of_the_rust_project(data: Path) -> None:
    run_well("train", data, "--preset", "rnn-rust", "--epochs", 3)
    part, _ = rnn.Dataset.from_csv(data).split(0.8, seed=0)
    model = rnn.RNN(2, 10, 1, optimizer=rnn.SGD(0.001), scaler="minmax")
    model.fit(part, epochs=3, batch_size=1, progress=False)
    model.save("library.safetensors")
    assert Path("model.safetensors").read_bytes() == Path("library.safetensors").read_bytes()
    run_well("train", data, "--preset", "rnn-rust", "--hidden", 4, "--epochs", 1)
    assert rnn.load("model.safetensors").settings["hidden_size"] == 4
    check_error(run("train", data, "--preset", "keras"), "'keras' is not one of")


@pytest.mark.usefixtures("folder", "logger_as_before")
def test_few_sequences_are_trained_on_without_early_stopping() -> None:
    rows = [f"{key},{t},{t / 9},{t % 3}.5" for key in "abcd" for t in range(9)]
    Path("few.csv").write_text("\n".join(["id,t,x1,y1", *rows]) + "\n")
    result = run_well("train", "few.csv", "--epochs", 3)
    assert "No early stopping: 3 sequences spare none for it" in result.stderr
    assert "Loss: mse, as labels are numbers" in result.stderr
    assert "Validation part" not in result.stdout


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: rnn.Adam(lr=0.1), TypeError, r"Adam\(\) got .* 'lr'; did you mean 'learning_"),
        (lambda: rnn.SGD(momentun=0.9), TypeError, "did you mean 'momentum'"),
        (lambda: rnn.GRU(1, 2, 1, optimiser="adam"), TypeError, "did you mean 'optimizer'"),
        (lambda: rnn.GRU(1, 2, 1, optimizer="adm"), ParameterError, "did you mean 'Adam'"),
        (lambda: rnn.GRU(1, 2, 1).fit(None, epoch=3), TypeError, "did you mean 'epochs'"),
        (lambda: rnn.EarlyStopping(patiense=3), TypeError, r"^EarlyStopping\(\) .*mean 'patience'"),
        (lambda: rnn.JSONLinesLogger(pat="x"), TypeError, r"^JSONLinesLogger\(\) .* mean 'path'"),
        (lambda: rnn.StandardScaler(label=True), TypeError, r"^StandardScaler\(\) .*mean 'labels'"),
        (lambda: rnn.RegressionEvaluator(treshold=1), TypeError, "did you mean 'threshold'"),
        (lambda: rnn.schedules.StepDecay(0.1, evry=2), TypeError, "did you mean 'every'"),
        (lambda: rnn.EarlyStopping("val_loss"), ParameterError, "did you mean 'validation_loss'"),
    ],
)  # fmt: skip
def test_wrong_names_say_what_is_meant(
    call: Callable[[], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()


def test_optimizers_go_by_name() -> None:
    assert rnn.GRU(1, 2, 1, optimizer="adam").optimizer == rnn.Adam()
    assert rnn.GRU(1, 2, 1, optimizer="RMSprop").optimizer == rnn.RMSprop()
    assert rnn.GRU(1, 2, 1).optimizer == rnn.Adam(0.005)


@pytest.mark.usefixtures("folder", "logger_as_before")
@pytest.mark.parametrize(("rows", "options"), [(1, ()), (2, ()), (1, ("--no-early-stopping",))])
def test_a_series_of_a_few_rows_is_refused(tmp_path: Path, rows: int, options: tuple) -> None:
    path = tmp_path / "short.csv"
    path.write_text("t,x1,y1\n" + "".join(f"{row},{row},{row}\n" for row in range(rows)))
    result = run("train", path, *options)
    assert result.exit_code == 2
    error = result.stderr.splitlines()[-1]
    count = "1 row is" if rows == 1 else f"{rows} rows are"
    assert error.startswith(f"Error: {count} too few for a training")


def test_sizes_are_found_in_the_first_fit() -> None:
    numbers = rnn.Dataset.from_arrays(np.zeros((6, 2)), [0, 1, 2, 0, 1, 2], [0, 3, 6])
    model = rnn.GRU(hidden_size=3, loss="cross_entropy")
    assert repr(model).startswith("GRU(None, 3, None")
    assert not model.is_built
    copy.deepcopy(model)
    model.fit(numbers, epochs=1, progress=False)
    assert (model.settings["input_size"], model.settings["output_size"]) == (2, 3)
    same = rnn.GRU(2, 3, 3, loss="cross_entropy")
    same.fit(numbers, epochs=1, progress=False)
    np.testing.assert_array_equal(model.predict(numbers), same.predict(numbers))
    assert rnn.RNN(hidden_size=3).build(numbers).predict(numbers).shape == (6, 1)
    with pytest.raises(ShapeError, match="input_size=5"):
        rnn.RNN(5, 3).fit(numbers, epochs=1, progress=False)
    unlabelled = rnn.Dataset.from_arrays(np.zeros((2, 2)), None, [0, 2])
    refused = rnn.RNN(hidden_size=3)
    with pytest.raises(DataError, match="labels"):
        refused.fit(unlabelled, epochs=1, progress=False)
    assert not refused.is_built
    # Whether there is memory for it is found with the sizes that it will have.
    large = rnn.RNN(hidden_size=10**7)
    with pytest.raises(ParameterError, match="fit into memory, got 2, 10000000 and 1"):
        large.fit(numbers, epochs=1, progress=False)
    assert not large.is_built
    for named in (numbers, pd.DataFrame):
        with pytest.raises((ParameterError, ShapeError, DataError)):
            refused.predict(named)
