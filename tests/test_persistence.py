"""The regression baseline: exact persistence, which knows nothing later than its row."""

from __future__ import annotations

import time
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import check_error, run, run_well
from hypothesis import given, settings
from hypothesis import strategies as st

import rnn_rust as rnn
from rnn_rust.errors import DataError, ParameterError, ShapeError
from rnn_rust.evaluate import default_evaluator
from rnn_rust.evaluate.shifted import find_shift

NAN = np.nan
LENGTHS = (40, 9, 1, 25)
HORIZONS = (1, 2, 3, 7)


def walks(horizons: tuple[int, ...] = HORIZONS, seed: int = 0, **more: Any) -> rnn.Dataset:
    """Return random walks: x(t) as a feature, x(t + h) as labels, missing where it is unknown."""
    random = np.random.default_rng(seed)
    features, labels = [], []
    for length in LENGTHS:
        x = np.cumsum(random.normal(size=length))
        features.append(x)
        ahead = np.full((length, len(horizons)), NAN)
        for column, h in enumerate(horizons):
            ahead[: max(length - h, 0), column] = x[h:]
        labels.append(ahead)
    offsets = np.append(0, np.cumsum(LENGTHS))
    return rnn.Dataset.from_arrays(
        np.concatenate(features), np.concatenate(labels), offsets, **more
    )


def exact(data: rnn.Dataset, horizons: tuple[int, ...], *, from_labels: bool) -> list[float]:
    """Return the RMSE of persistence by label column: one row after the other, by hand.

    ``from_labels`` leaves out the first h rows, whose x(t) is no label of theirs.
    """
    found = []
    for column, h in enumerate(horizons):
        errors = [
            sequence.labels[t, column] - sequence.features[t, 0]
            for sequence in data
            for t in range(h if from_labels else 0, len(sequence))
        ]
        found.append(float(np.sqrt(np.nanmean(np.square(errors)))))
    return found


class Constant:
    """Answers 0, by row or by sequence."""

    def __init__(self, readout: str = "each_step") -> None:
        self.readout = readout

    def predict(self, data: rnn.Dataset) -> np.ndarray:
        rows = len(data.features) if self.readout == "each_step" else len(data)
        return np.zeros((rows, len(data.label_names)))


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_persistence_several_rows_ahead(dtype: type, normalised: bool) -> None:
    data = walks()
    by_label, by_feature = (exact(data, HORIZONS, from_labels=known) for known in (True, False))
    data = rnn.Dataset.from_arrays(
        data.features.astype(dtype), data.labels.astype(dtype), data.offsets
    )
    if normalised:
        data.normalize()
    unknown = rnn.RegressionEvaluator().evaluate(Constant(), data)
    assert unknown.baseline is None
    assert all(column.baseline is None for column in unknown.columns.values())
    for evaluator, expected in (
        (rnn.RegressionEvaluator(horizon=HORIZONS), by_label),
        (rnn.RegressionEvaluator(present="x1"), by_feature),
        (rnn.RegressionEvaluator(present=["x1"] * 4), by_feature),
    ):
        result = evaluator.evaluate(Constant(), data)
        found = [column.baseline.rmse for column in result.columns.values()]
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        counts = [column.baseline.steps for column in result.columns.values()]
        pooled = np.sqrt(np.dot(np.square(expected), counts) / sum(counts))
        assert result.baseline.rmse == pytest.approx(pooled, rel=1e-5)
        assert result.mae == pytest.approx(unknown.mae)
        assert result.metrics() == unknown.metrics()


def test_one_column_with_a_horizon() -> None:
    data = walks((5,))
    (expected,) = exact(data, (5,), from_labels=True)
    result = rnn.RegressionEvaluator(horizon=5).evaluate(Constant(), data)
    assert result.baseline.rmse == pytest.approx(expected)
    # Unless told, the label is taken to be one row ahead.
    near = rnn.RegressionEvaluator().evaluate(Constant(), data)
    assert near.baseline.rmse < 0.7 * expected
    assert "baseline: the label 5 rows before in the same sequence, for the 45 labels" in str(
        result
    )
    short = rnn.RegressionEvaluator(horizon=40).evaluate(Constant(), data)
    assert short.baseline is None
    assert "no baseline to compare with: it needs a label 40 rows before" in str(short)


def test_what_is_printed() -> None:
    data = walks()
    unknown = str(rnn.RegressionEvaluator().evaluate(Constant(), data))
    assert "baseline RMSE" in unknown
    note = unknown.splitlines()[-1]
    assert note.startswith("no baseline to compare with: label 'y2' is label 'y1' 1 row later")
    assert "RegressionEvaluator(horizon=...)" in note
    assert "present=..." in note
    shown = str(rnn.RegressionEvaluator(horizon=HORIZONS).evaluate(Constant(), data))
    assert "baseline: the label 1, 2, 3, 7 rows before in the same sequence" in shown
    shown = str(rnn.RegressionEvaluator(present="x1").evaluate(Constant(), data))
    assert "baseline: the present value, 'x1', for the 257 labels that have one" in shown


@pytest.mark.parametrize("readout", ["last", "mean"])
def test_readouts_of_whole_sequences(readout: str) -> None:
    data = walks((1, 3))
    judged = {
        name: evaluator.evaluate(Constant(readout), data)
        for name, evaluator in {
            "default": rnn.RegressionEvaluator(),
            "horizon": rnn.RegressionEvaluator(horizon=[1, 3]),
            "present": rnn.RegressionEvaluator(present="x1"),
        }.items()
    }
    assert judged["default"].baseline is None
    assert "a previous label in the sequence" in str(judged["default"])
    # The label of a sequence is its last labelled row, of which the second column has none.
    rows = [(s.labels[-2, 0], s.features[-2, 0]) for s in data if len(s) > 1]
    expected = np.sqrt(np.mean([(y - x) ** 2 for y, x in rows]))
    for name in ("horizon", "present"):
        assert judged[name].steps == judged[name].baseline.steps == 3
        assert judged[name].baseline.rmse == pytest.approx(expected)


def test_what_cannot_be_squared_is_refused_by_evaluate_too() -> None:
    large = rnn.Dataset.from_arrays([1e200, 0.0], [1.0, 2.0], [0, 2])
    with pytest.raises(DataError, match=r"present, row 0, .*below 1e\+100"):
        rnn.RegressionEvaluator(present="x1").evaluate(Constant(), large)
    large = rnn.Dataset.from_arrays([1.0, 0.0], [1.0, 1e200], [0, 2])
    with pytest.raises(DataError, match=r"labels, row 1, .*below 1e\+100"):
        rnn.RegressionEvaluator().evaluate(Constant(), large)


def test_values_given_to_score() -> None:
    labels = np.array([[1.0, 5.0], [2.0, 6.0], [4.0, NAN]])
    present = np.array([[0.5, 4.0], [NAN, 5.0], [2.0, 6.0]])
    result = rnn.RegressionEvaluator().score(labels, np.zeros((3, 2)), present=present)
    # Known are 1.0 and 0.5, 5.0 and 4.0, 6.0 and 5.0, 4.0 and 2.0.
    assert result.baseline.steps == 4
    assert result.baseline.mae == (0.5 + 1 + 1 + 2) / 4
    with pytest.raises(ShapeError, match=r"present has shape \(3, 1\), labels \(3, 2\)"):
        rnn.RegressionEvaluator().score(labels, np.zeros((3, 2)), present=present[:, :1])
    with pytest.raises(DataError, match="present, row 0"):
        rnn.RegressionEvaluator().score([1.0], [1.0], present=[np.inf])
    with pytest.raises(ParameterError, match="present='x1' names columns"):
        rnn.RegressionEvaluator(present="x1").score(labels, np.zeros((3, 2)))


@pytest.mark.parametrize(
    "arguments",
    [
        {"horizon": 0}, {"horizon": 1.5}, {"horizon": True}, {"horizon": []}, {"horizon": [1, 0]},
        {"horizon": [[1], [1, 2]]}, {"horizon": np.array(0)}, {"horizon": range(1, 3)},
        {"present": 3}, {"present": []}, {"present": ["x1", 2]}, {"horizon": 1, "present": "x1"},
    ],
)  # fmt: skip
def test_what_is_no_horizon_or_column(arguments: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=r"horizon|present"):
        rnn.RegressionEvaluator(**arguments)


def test_horizons_and_columns_that_do_not_suit_the_data() -> None:
    for arguments, message in (
        ({"horizon": [1, 2]}, "2 horizons .* for 4 label columns"),
        ({"present": ["x1", "x1"]}, "2 columns .* for 4 label columns"),
        ({"present": "x9"}, "present='x9' is not a feature column; they are x1"),
        ({"present": "y1"}, "not a feature column"),
    ):
        with pytest.raises(ParameterError, match=message):
            rnn.RegressionEvaluator(**arguments).evaluate(Constant(), walks())


# detection -----------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    leads=st.lists(st.integers(1, 8), min_size=2, max_size=4, unique=True),
    seed=st.integers(0, 99),
    missing=st.floats(0, 0.3),
    whole=st.booleans(),
)
def test_shifted_copies_are_found(
    lengths: list[int], leads: list[int], seed: int, missing: float, whole: bool
) -> None:
    lengths = [*lengths, 60]
    random = np.random.default_rng(seed)
    blocks = []
    for length in lengths:
        series = np.cumsum(random.normal(size=length + 8))
        if whole:
            series = np.rint(3 * series)  # many equal values
        blocks.append(np.column_stack([series[h : h + length] for h in leads]))
    labels = np.concatenate(blocks)
    labels[random.random(labels.shape) < missing] = NAN
    offsets = np.append(0, np.cumsum(lengths))
    found = find_shift(labels, offsets)
    assert found is not None
    later, earlier, steps = found
    assert leads[later] - leads[earlier] == steps > 0


@settings(max_examples=80, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    columns=st.integers(1, 4),
    seed=st.integers(0, 999),
    kind=st.sampled_from(["numbers", "counts", "rare", "same", "constant", "walk"]),
)
def test_columns_of_their_own_are_left_alone(
    lengths: list[int], columns: int, seed: int, kind: str
) -> None:
    random = np.random.default_rng(seed)
    rows = sum(lengths)
    labels = {
        "numbers": lambda: random.normal(size=(rows, columns)),
        "counts": lambda: random.poisson(3.0, (rows, columns)),
        "rare": lambda: random.random((rows, columns)) < 0.05,
        "same": lambda: np.repeat(random.normal(size=(rows, 1)), columns, axis=1),
        "constant": lambda: np.repeat(
            np.repeat(random.normal(size=(len(lengths), 1)), lengths, axis=0), columns, axis=1
        ),
        "walk": lambda: np.cumsum(random.normal(size=(rows, columns)), axis=0),
    }[kind]().astype(float)  # fmt: skip
    assert find_shift(labels, np.append(0, np.cumsum(lengths))) is None


def is_copy(labels: np.ndarray, later: int, earlier: int, steps: int) -> bool:
    differences = np.abs(labels[:-steps, later] - labels[steps:, earlier])
    return np.count_nonzero(differences <= 1e-6) > 5 and not (differences > 1e-6).any()


@pytest.mark.parametrize("columns", [5, 70])
@pytest.mark.parametrize("gaps", [0.0, 0.02, 0.4])
@pytest.mark.parametrize("decimals", [12, 0])
def test_a_copy_is_found_among_many_columns_with_gaps(
    columns: int, gaps: float, decimals: int
) -> None:
    random = np.random.default_rng(columns)
    labels = np.round(3 * random.normal(size=(60, columns)), decimals)
    labels[random.random(labels.shape) < gaps] = NAN
    assert find_shift(labels, np.array([0, 60])) is None
    later, earlier, steps = columns - 2, 1, 3
    labels[:-steps, later], labels[-steps:, later] = labels[steps:, earlier], NAN
    every = [(*pair, far) for pair in permutations(range(columns), 2) for far in range(1, 50)]
    assert [one for one in every if is_copy(labels, *one)] == [(later, earlier, steps)]
    assert find_shift(labels, np.array([0, 60])) == (later, earlier, steps)


@pytest.mark.timing
def test_a_thousand_columns_are_compared_in_seconds() -> None:
    labels = np.random.default_rng(0).normal(size=(300, 1000))
    start = time.perf_counter()
    assert rnn.RegressionEvaluator().score(labels, labels + 1).baseline is not None
    assert time.perf_counter() - start < 10


def test_a_single_difference_is_enough_to_tell_columns_apart() -> None:
    data = walks((1, 2))
    assert find_shift(data.labels, data.offsets) == (1, 0, 1)
    labels = data.labels.copy()
    labels[60, 1] += 0.1
    assert find_shift(labels, data.offsets) is None
    assert find_shift(np.full((5, 2), NAN), np.array([0, 5])) is None
    # Sequences without rows are allowed here.
    assert find_shift(data.labels, np.insert(data.offsets, 2, data.offsets[2])) == (1, 0, 1)


def test_four_values_or_sixteen_changes_are_enough() -> None:
    """At rows with one before and one after them in their sequence."""
    for rows, found in ((6, (1, 0, 1)), (5, None)):
        series = np.arange(rows + 1.0)
        labels = np.stack([series[:-1], series[1:]], axis=1)
        assert find_shift(labels, np.array([0, rows])) == found
    series = np.random.default_rng(0).integers(0, 2, 60).astype(float)
    changes = np.flatnonzero(np.diff(series[1:]))
    for rows, found in ((changes[15] + 3, (1, 0, 1)), (changes[15] + 2, None)):
        labels = np.stack([series[:rows], series[1 : rows + 1]], axis=1)
        assert find_shift(labels, np.array([0, rows])) == found


@pytest.mark.parametrize("change", [0.1, -0.1])
def test_another_sequence_can_tell_columns_apart(change: float) -> None:
    series = np.cumsum(np.random.default_rng(0).normal(size=41))
    one = np.stack([series[:-1], series[1:]], axis=1)
    labels = np.concatenate([one, one[:30] + np.array([0.0, change])])
    assert find_shift(one, np.array([0, 40])) == (1, 0, 1)
    assert find_shift(labels, np.array([0, 40, 70])) is None


# around --------------------------------------------------------------------------------------


def test_the_default_evaluator_takes_a_horizon() -> None:
    data = walks((2,))
    assert default_evaluator(data, 0.2, horizon=2) == rnn.RegressionEvaluator(0.2, horizon=2)
    classes = rnn.Dataset.from_arrays(np.zeros(2), [0, 1], [0, 2])
    for loss in (None, "cross_entropy"):
        with pytest.raises(ParameterError, match="a horizon is for labels that are numbers"):
            default_evaluator(classes, loss=loss, horizon=2)


def test_a_history_has_the_figures_without_a_baseline() -> None:
    data = walks()
    model = rnn.RNN(1, 3, 4, scaler="standard")
    history = model.fit(data, epochs=2, evaluator=rnn.RegressionEvaluator(), progress=False)
    assert history[-1]["rmse"] > 0


@pytest.mark.usefixtures("folder", "logger_as_before")
def test_the_command_line_takes_horizons() -> None:
    walks().to_frame().write_csv("walks.csv")
    train = ("train", "walks.csv", "--epochs", 1, "--train-ratio", 0.5)
    assert "no baseline to compare with" in run_well(*train).stdout
    shown = run_well(*train, "--horizon", "1,2,3,7").stdout
    assert "the label 1, 2, 3, 7 rows before" in shown
    assert "rnn-rust evaluate model.safetensors walks.csv --horizon 1,2,3,7" in shown
    shown = run_well("evaluate", "model.safetensors", "walks.csv", "--horizon", "1,2,3,7").stdout
    assert "the label 1, 2, 3, 7 rows before" in shown
    assert Path("model.safetensors").is_file()
    for wrong in ("0", "a", "1,,2", "1.5"):
        check_error(run(*train, "--horizon", wrong), "is not a number of rows from 1 upwards")
    check_error(run(*train, "--horizon", "1,2"), "2 horizons")
