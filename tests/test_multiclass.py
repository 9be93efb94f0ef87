"""The evaluator of several classes, and models that read out whole sequences."""

import doctest
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as sk

import rnn_rust as rnn
from rnn_rust.errors import DataError, ParameterError, ShapeError
from rnn_rust.evaluate import ClassificationEvaluator, default_evaluator, multiclass

NAN = np.nan
few = settings(max_examples=60, deadline=None)
evaluator = ClassificationEvaluator()


def model(predictions, readout="last"):
    return SimpleNamespace(predict=lambda dataset: np.asarray(predictions), readout=readout)


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_docstring_examples():
    failed, attempted = doctest.testmod(multiclass)
    assert (failed, attempted > 0) == (0, True)


@few
@given(st.data())
def test_figures_are_those_of_scikit_learn(data):
    n, classes = data.draw(st.integers(1, 30)), data.draw(st.integers(2, 6))
    truth = data.draw(hnp.arrays(np.int64, n, elements=st.integers(0, classes - 1)))
    scores = hnp.arrays(np.float64, (n, classes), elements=st.floats(-60, 60))
    probabilities = softmax(data.draw(scores))
    result = evaluator.score(truth, probabilities)
    answers = probabilities.argmax(axis=1)
    macro = sk.precision_recall_fscore_support(truth, answers, average="macro", zero_division=0)
    found = [result.macro_precision, result.macro_recall, result.macro_f1]
    np.testing.assert_allclose(found, macro[:3])
    assert result.accuracy == result.primary == sk.accuracy_score(truth, answers)
    labels = np.arange(classes)
    np.testing.assert_array_equal(
        result.confusion, sk.confusion_matrix(truth, answers, labels=labels)
    )
    expected = sk.log_loss(truth, probabilities, labels=labels)
    assert result.log_loss == pytest.approx(expected, abs=1e-12)
    majority = np.bincount(truth).argmax()
    assert result.baseline.accuracy == np.mean(truth == majority)
    shares = np.bincount(truth, minlength=classes) / n
    entropy = sk.log_loss(truth, np.tile(shares, (n, 1)), labels=labels)
    assert result.baseline.log_loss == pytest.approx(entropy)


@few
@given(n=st.integers(1, 10), data=st.data())
def test_missing_labels_change_nothing_but_their_count(n, data):
    labels = data.draw(hnp.arrays(np.float32, (n, 1), elements=st.sampled_from([0.0, 1.0, 2.0])))
    probabilities = softmax(
        data.draw(hnp.arrays(np.float32, (n, 3), elements=st.floats(0, 9, width=32)))
    )
    at = data.draw(st.integers(0, n))
    more = evaluator.score(np.insert(labels, at, NAN, 0), np.insert(probabilities, at, 1 / 3, 0))
    alone = evaluator.score(labels, probabilities)
    assert (more.steps, more.missing, alone.missing) == (n, 1, 0)
    assert replace(more, missing=0, baseline=None) == replace(alone, baseline=None)
    assert hash(more.baseline) == hash(replace(alone.baseline, missing=1))
    assert list(more.metrics()) == [
        "accuracy", "macro_precision", "macro_recall", "macro_f1", "log_loss",
    ]  # fmt: skip
    assert np.isfinite(list(more.metrics().values())).all()


def test_undefined_figures_are_named():
    result = evaluator.score([0, 0, 1], [[0.8, 0.1, 0.1], [0.2, 0.1, 0.7], [0.6, 0.4, 0.0]])
    assert result.undefined == ("macro_precision", "macro_recall")
    assert (result.macro_precision, result.macro_recall) == (0.5 / 3, 0.5 / 3)
    assert result.baseline.undefined == ("macro_precision",)
    assert "* macro_recall is undefined" in str(result)
    certain = evaluator.score([0, 1], [[1, 0], [1, 0]])
    assert certain.log_loss == pytest.approx(-np.log(np.finfo(float).eps) / 2)
    assert certain.macro_f1 == pytest.approx((2 / 3 + 0) / 2)


def test_the_text():
    result = evaluator.score([0, 0, 1, 2, NAN], np.eye(3)[[0, 0, 1, 0, 0]] * 0.97 + 0.01)
    assert str(result).splitlines() == [
        "Classification of 4 labels (1 missing) into 3 classes",
        "",
        "                    model   baseline",
        "accuracy           75.00%     50.00%",
        "precision (macro)  55.56%*    16.67%*",
        "recall (macro)     66.67%     33.33%",
        "F1 (macro)         60.00%     22.22%",
        "log loss           1.1664     1.0397",
        "",
        "          predicted 0  1  2",
        "actual 0            2  0  0",
        "actual 1            0  1  0",
        "actual 2            1  0  0",
        "",
        "baseline: always 0, the most frequent label",
        "* macro_precision is undefined, its value a stand-in: a class was never predicted, and "
        "counts as 0",
    ]
    assert "baseline" not in str(result.baseline)
    assert "actual 0" not in str(evaluator.score([0, 12], np.full((2, 13), 1 / 13)))


@pytest.mark.parametrize(
    ("labels", "probabilities", "error", "message"),
    [
        ([0, 1], [0.1, 0.9], ShapeError, r"shape \(2, 1\), labels \(2, 1\): .* at least two"),
        ([[0, 1]], [[0.1, 0.9]], ShapeError, r"labels \(1, 2\): give one column"),
        ([0], [[0.5, 0.5]] * 2, ShapeError, r"shape \(2, 2\), labels \(1, 1\)"),
        ([NAN], [[0.5, 0.5]], DataError, "no label among 1 step:"),
        ([0, 2], [[0.5, 0.5]] * 2, DataError, r"labels, row 1 .*: 2 is not .* needs 0 or 1"),
        ([0.5], [[0.2, 0.3, 0.5]], DataError, "0.5 is not .* of 3 prob.* from 0 to 2; correct"),
        ([0], [[0.5, NAN]], DataError, "predictions, row 0, column 1 .*: nan"),
        ([0, 0], [[0.5, 0.5], [2, 1]], DataError, "row 1 .*: they sum to 3, the smallest is 1;"),
        ([0], [[-1, 2]], DataError, "the smallest is -1; give probabilities, as a model with loss"),
    ],
)
def test_unusable_arrays(labels, probabilities, error, message):
    with pytest.raises(error, match=message):
        evaluator.score(labels, probabilities)


# --- models and data sets -----------------------------------------------------------------------

OFFSETS = [0, 2, 5, 6]


def data_set(labels):
    return rnn.Dataset.from_arrays(np.zeros(6), labels, OFFSETS)


def test_a_model_is_judged_by_the_rows_it_predicts():
    dataset = data_set([NAN, 2, 0, 1, NAN, NAN])
    steps = softmax(np.arange(18.0).reshape(6, 3))
    assert evaluator.evaluate(model(steps, "each_step"), dataset).confusion[0] == (0, 0, 1)
    probabilities = [[0.1, 0.2, 0.7], [0.3, 0.6, 0.1], [0.5, 0.3, 0.2]]
    for readout in ("last", "mean"):
        result = evaluator.evaluate(model(probabilities, readout), dataset)
        assert (result.steps, result.missing, result.accuracy) == (2, 1, 1)
    with pytest.raises(ParameterError, match=r"needs a Dataset, not a Sequence"):
        evaluator.evaluate(model(probabilities), dataset[0])


def test_binary_and_regression_by_sequence():
    dataset = data_set([0, 1, 1, 0, NAN, 1])
    outputs = [[0.9], [0.4], [0.3]]
    result = rnn.BinaryClassificationEvaluator().evaluate(model(outputs), dataset)
    assert (result.tp, result.tn, result.fn, result.steps) == (1, 1, 1, 3)
    numbers = data_set([10, 30, 5, NAN, 20, NAN])
    result = rnn.RegressionEvaluator().evaluate(model([[31], [20], [7]], "mean"), numbers)
    assert (result.steps, result.missing, result.mae) == (2, 1, 0.5)
    assert result.baseline is None
    with pytest.raises(ShapeError, match=r"predictions have shape \(6, 1\), labels \(3, 1\)"):
        rnn.RegressionEvaluator().evaluate(model(np.zeros((6, 1))), numbers)


def test_a_normalised_data_set_by_sequence_is_in_original_units():
    dataset = data_set([10, 30, 20, NAN, 20, 10]).normalize()
    assert dataset.labels[-1] == 0
    result = rnn.RegressionEvaluator().evaluate(model([[1.0], [0.5], [0.1]]), dataset)
    assert result.mae == pytest.approx(2 / 3)
    classes = data_set([0, 1, 2, NAN, 2, 0]).normalize()
    assert evaluator.evaluate(model(np.eye(3)[[1, 2, 0]]), classes).accuracy == 1


def test_the_default_evaluator_knows_the_loss():
    dataset = data_set([0, 1, 1, 0, NAN, 1])
    assert isinstance(default_evaluator(dataset, loss="cross_entropy"), ClassificationEvaluator)
    assert isinstance(
        default_evaluator(dataset, 0.3, loss="focal"), rnn.BinaryClassificationEvaluator
    )
    with pytest.raises(ParameterError, match="a threshold does not suit loss 'cross_entropy'"):
        default_evaluator(dataset, 0.3, loss="cross_entropy")
    assert evaluator == ClassificationEvaluator()
