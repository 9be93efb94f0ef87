"""The evaluators: what they count, leave out, compare with, refuse and print."""

import doctest
from dataclasses import FrozenInstanceError, replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import rnn_rust as rnn
from rnn_rust.errors import DataError, ParameterError, ShapeError
from rnn_rust.evaluate import binary as classification
from rnn_rust.evaluate import default_evaluator, regression

NAN = np.nan
few = settings(max_examples=50, deadline=None)
classify = rnn.BinaryClassificationEvaluator()
regress = rnn.RegressionEvaluator()


def data_set(labels, offsets=None, center=0.0, scale=1.0, dtype=np.float32):
    """Return a normalised Dataset whose stored labels are ``(label - center) / scale``."""
    raw = np.asarray(labels, dtype=np.float64).reshape(len(labels), -1)
    dataset = rnn.Dataset.from_arrays(
        np.zeros(len(raw)),
        ((raw - center) / scale).astype(dtype),
        [0, len(raw)] if offsets is None else offsets,
        label_names=[f"y{i}" for i in range(raw.shape[1])],
    )
    dataset.normalizer = rnn.MinMaxScaler().fit(dataset)
    dataset.normalizer.label_shift_[:], dataset.normalizer.label_scale_[:] = center, scale
    return dataset


def model(predictions):
    return SimpleNamespace(predict=lambda dataset: np.asarray(predictions))


@pytest.mark.parametrize("module", [classification, regression])
def test_docstring_examples(module):
    failed, attempted = doctest.testmod(module)
    assert (failed, attempted > 0) == (0, True)


# --- both ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("evaluator", [classify, regress])
@pytest.mark.parametrize(
    ("labels", "predictions", "error", "message"),
    [
        ([0, 1, 1], [0.1, NAN, 0.2], DataError, r"predictions, row 1, column 0 .*nan"),
        ([[0, 1], [1, 0]], [[0, 1], [0, np.inf]], DataError, r"predictions, row 1, column 1 .*inf"),
        ([0, 1, -np.inf], [0, 1, 2], DataError, r"labels, row 2, column 0 .*-inf"),
        ([NAN, NAN], [0.1, 0.2], DataError, "no label among 2 steps"),
        ([], [], DataError, "no label among 0 steps"),
        ([0, 1], ["a", "b"], DataError, "predictions must be an array of real numbers"),
        ([0, 1], [0.1, 0.2, 0.3], ShapeError, r"\(3, 1\), labels \(2, 1\)"),
        ([[0, 1]], [[0.1]], ShapeError, r"\(1, 1\), labels \(1, 2\)"),
        (np.zeros((2, 2, 2)), np.zeros((2, 2, 2)), ShapeError, r"labels must have shape \(N, L\)"),
        (0.0, 0.0, ShapeError, r"labels must have shape \(N, L\)"),
    ],
)
def test_unusable_arrays_are_refused_by_name_and_place(
    evaluator, labels, predictions, error, message
):
    with pytest.raises(error, match=message):
        evaluator.score(labels, predictions)


@pytest.mark.parametrize("threshold", [NAN, np.inf, -np.inf, "0.5", 10**400])
@pytest.mark.parametrize("evaluator", [rnn.BinaryClassificationEvaluator, rnn.RegressionEvaluator])
def test_a_threshold_must_be_a_finite_number(evaluator, threshold):
    with pytest.raises(ParameterError, match="threshold must be a finite number"):
        evaluator(threshold)


@pytest.mark.parametrize("threshold", [0, -0.1])
def test_a_relative_threshold_is_above_zero(threshold):
    with pytest.raises(ParameterError, match="above 0; got"):
        rnn.RegressionEvaluator(threshold)
    assert rnn.BinaryClassificationEvaluator(threshold).threshold == threshold


@pytest.mark.parametrize("evaluator", [classify.evaluate, regress.evaluate])
def test_an_evaluation_needs_a_data_set(evaluator):
    one = data_set([0, 1])[0]
    for call in (lambda: evaluator(model([0, 1]), one), lambda: default_evaluator(one)):
        with pytest.raises(ParameterError, match=r"needs a Dataset, not a Sequence; .*subset"):
            call()


def test_the_default_evaluator_looks_at_labels_in_original_units():
    two_values = rnn.Dataset.from_arrays(np.zeros(2), [10, 20], [0, 2]).normalize()
    assert two_values.labels.ravel().tolist() == [0, 1]
    assert isinstance(default_evaluator(two_values), rnn.RegressionEvaluator)


def test_evaluators_are_values():
    assert rnn.BinaryClassificationEvaluator(0.3) == rnn.BinaryClassificationEvaluator(0.3)
    assert rnn.RegressionEvaluator(0.3) != rnn.RegressionEvaluator(0.4)
    assert repr(rnn.RegressionEvaluator(0.2, horizon=3)) == (
        "RegressionEvaluator(threshold=0.2, horizon=3, present=None)"
    )
    assert hash(rnn.RegressionEvaluator(horizon=[1, 2])) == hash(
        rnn.RegressionEvaluator(horizon=(1, 2))
    )
    assert hash(rnn.RegressionEvaluator(present=["a"])) == hash(
        rnn.RegressionEvaluator(present=("a",))
    )
    assert len({classify, rnn.BinaryClassificationEvaluator()}) == 1


def test_columns_are_matched_with_those_of_any_model_by_name():
    data = rnn.Dataset.from_arrays(
        [[1.0, 5.0], [2.0, 7.0]], [1.0, 2.0], [0, 2], feature_names=["a", "b"]
    )
    first = SimpleNamespace(feature_names=("b", "a"), predict=lambda data: data.features[:, :1])
    assert regress.evaluate(first, data).mae == 4.5


@pytest.mark.parametrize("evaluator", [classify, regress])
def test_results_are_frozen_values_with_a_primary_metric(evaluator):
    result = evaluator.score([0, 1, 1, 0], [0.2, 0.9, 0.4, 0.1])
    assert result == evaluator.score([0, 1, 1, 0], [0.2, 0.9, 0.4, 0.1])
    assert hash(result) == hash(replace(result))
    assert result.metrics()[result.primary_name] == result.primary
    assert all(type(value) is float for value in result.metrics().values())
    with pytest.raises(FrozenInstanceError):
        result.steps = 0


@pytest.mark.parametrize("evaluator", [classify, regress])
@few
@given(data=st.data())
def test_missing_labels_change_nothing_but_their_count(evaluator, data):
    n = data.draw(st.integers(1, 12))
    labels = data.draw(hnp.arrays(np.float64, n, elements=st.sampled_from([0.0, 1.0])))
    outputs = data.draw(hnp.arrays(np.float32, n, elements=st.floats(0, 1, width=32)))
    at = data.draw(st.integers(0, n))
    more = evaluator.score(np.insert(labels, at, NAN), np.insert(outputs, at, 0.7))
    alone = evaluator.score(labels, outputs)
    assert (more.steps, more.missing) == (n, 1)
    assert more.metrics() == alone.metrics()
    assert not np.isnan(list(more.metrics().values())).any()


# --- classification -----------------------------------------------------------------------------


def test_classification_by_hand():
    result = classify.score([1, 1, 1, 0, 0, NAN], [0.9, 0.8, 0.2, 0.7, 0.1, 0.9])
    assert (result.tp, result.fp, result.tn, result.fn) == (2, 1, 1, 1)
    assert (result.steps, result.missing) == (5, 1)
    assert result.accuracy == result.primary == 3 / 5
    assert result.precision == result.recall == result.positive_accuracy == 2 / 3
    assert result.specificity == result.negative_accuracy == 1 / 2
    assert result.f1 == pytest.approx(2 / 3)
    assert result.roc_auc == 5 / 6
    assert result.pr_auc == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert result.undefined == ()


def test_an_output_equal_to_the_threshold_is_negative():
    assert classify.score([0, 1], [0.5, np.nextafter(0.5, 1)]).accuracy == 1
    logits = rnn.BinaryClassificationEvaluator(-2).score([0, 1], [-2.0, -1.9])
    assert logits.accuracy == 1


def test_classification_pools_label_columns():
    dataset = data_set([[0, 1], [1, NAN]])
    result = classify.evaluate(model([[0.1, 0.9], [0.2, 0.3]]), dataset)
    assert (result.tp, result.tn, result.fn, result.missing) == (1, 1, 1, 1)


def test_classification_of_a_normalised_data_set_is_in_original_units():
    dataset = rnn.Dataset.from_arrays(np.zeros(3), [1, NAN, 1], [0, 3]).normalize()
    assert dataset.labels[0] == 0
    result = classify.evaluate(model([0.1, 0.0, -0.6]), dataset)
    assert (result.tp, result.fn, result.tn, result.missing) == (1, 1, 0, 1)
    assert isinstance(default_evaluator(dataset), rnn.BinaryClassificationEvaluator)


@pytest.mark.parametrize("labels", [[0, 2, 0.5], [0, -1, 1]])
def test_labels_other_than_0_and_1_are_refused(labels):
    with pytest.raises(DataError, match=r"found .*, first in row 1, column 0"):
        classify.score(labels, [0.1, 0.2, 0.3])


def test_the_classification_baseline_always_answers_the_majority():
    mostly_negative = classify.score([0, 0, 0, 1], [0.1, 0.2, 0.3, 0.9]).baseline
    assert mostly_negative.accuracy == 3 / 4
    assert (mostly_negative.precision, mostly_negative.recall) == (0, 0)
    assert mostly_negative.undefined == ("precision",)
    assert (mostly_negative.pr_auc, mostly_negative.roc_auc) == (1 / 4, 1 / 2)
    mostly_positive = classify.score([1, 1, 1, 0], [0.1, 0.2, 0.3, 0.9]).baseline
    assert (mostly_positive.accuracy, mostly_positive.precision) == (3 / 4, 3 / 4)
    assert (mostly_positive.recall, mostly_positive.pr_auc) == (1, 3 / 4)
    assert mostly_positive.baseline is None


@pytest.mark.parametrize(
    ("labels", "outputs", "undefined", "values"),
    [
        ([0, 1], [0.1, 0.2], ("precision",), {"precision": 0}),
        ([0, 0], [0.1, 0.9], ("recall", "pr_auc", "roc_auc"), {"recall": 0, "roc_auc": 0.5}),
        ([1, 1], [0.1, 0.9], ("specificity", "roc_auc"), {"specificity": 0, "pr_auc": 1}),
        ([0], [0.0], ("precision", "recall", "f1", "pr_auc", "roc_auc"), {"f1": 0, "pr_auc": 0}),
    ],
)
def test_undefined_classification_metrics_are_named_and_explained(
    labels, outputs, undefined, values
):
    result = classify.score(labels, outputs)
    assert result.undefined == undefined
    assert {name: getattr(result, name) for name in values} == values
    for name in undefined:
        assert f"* {name} is undefined" in str(result)


def test_classification_prints_aligned_tables():
    labels, outputs = [0] * 6 + [1] * 2, [0.1] * 5 + [0.6, 0.4, 0.9]
    assert str(classify.score(labels, outputs)).splitlines() == [
        "Binary classification of 8 labels (0 missing), positive above 0.5",
        "",
        "                                  model   baseline",
        "accuracy                         75.00%     75.00%",
        "precision                        50.00%      0.00%*",
        "recall (positive accuracy)       50.00%      0.00%",
        "specificity (negative accuracy)  83.33%    100.00%",
        "F1                               50.00%      0.00%",
        "PR-AUC                           0.8333     0.2500",
        "ROC-AUC                          0.9167     0.5000",
        "",
        "          predicted 0  predicted 1",
        "actual 0            5            1",
        "actual 1            1            1",
        "",
        "baseline: always 0, the more frequent label",
        "* precision is undefined, its value a stand-in: nothing was predicted positive",
    ]
    assert "baseline" not in str(classify.score(labels, outputs).baseline)


# --- regression ---------------------------------------------------------------------------------


def test_regression_by_hand():
    result = regress.score([2.0, 4.0, NAN, 0.0], [2.1, 3.0, 9.0, 1.0])
    assert (result.steps, result.missing, result.zero_targets) == (3, 1, 1)
    assert result.mae == pytest.approx((0.1 + 1 + 1) / 3)
    assert result.rmse == pytest.approx(np.sqrt((0.01 + 1 + 1) / 3))
    assert result.mape == pytest.approx((0.05 + 0.25) / 2)
    assert result.r2 == pytest.approx(1 - 2.01 / 8)
    assert result.within_threshold == result.primary == 1 / 3
    assert result.undefined == ()


@few
@given(hnp.arrays(np.float64, st.integers(1, 15), elements=st.floats(-50, 50)), st.floats(0.1, 1e3))
def test_a_normalised_data_set_is_measured_in_original_units(labels, scale):
    errors = np.where(np.arange(len(labels)) % 2, 1.0, -0.5)
    dataset = data_set(labels, center=20.0, scale=scale, dtype=np.float64)
    outputs = (labels[:, None] + errors[:, None] - 20.0) / scale
    result = regress.evaluate(model(outputs), dataset)
    assert result.mae == pytest.approx(np.abs(errors).mean(), rel=1e-6)
    assert result.rmse == pytest.approx(np.sqrt(np.square(errors).mean()), rel=1e-6)


def test_a_zero_target_stays_zero_through_float32_scaling():
    rain = np.array([0.0, 0.0, 3.3, 12.7, 0.0])
    dataset = data_set(rain, center=3.1, scale=6.7)
    restored = dataset.denormalize_labels(dataset.labels.astype(np.float64))
    assert 0 < abs(restored[0, 0]) < 1e-6
    result = regress.evaluate(model(dataset.labels), dataset)
    assert (result.zero_targets, result.mape, result.within_threshold) == (3, 0, 1)


def test_small_targets_of_a_plain_data_set_are_not_taken_for_zero():
    dataset = data_set([1e-3, 1e9])
    result = regress.evaluate(model(dataset.labels * 1.5), dataset)
    assert result.zero_targets == 0
    assert result.mape == pytest.approx(0.5)


def test_the_regression_baseline_is_persistence_within_each_sequence():
    labels = [1.0, 3.0, NAN, 10.0, 20.0, 26.0, 5.0]
    result = regress.score(labels, np.zeros(7), offsets=[0, 0, 4, 6, 7, 7])
    # Steps with a previous label in their sequence: 3.0 after 1.0, and 26.0 after 20.0.
    assert (result.steps, result.baseline.steps) == (6, 2)
    assert result.baseline.mae == (2 + 6) / 2
    assert result.baseline.rmse == pytest.approx(np.sqrt((4 + 36) / 2))
    assert result.baseline.r2 == pytest.approx(1 - 40 / (2 * 11.5**2))
    assert regress.score(labels, np.zeros(7)).baseline.steps == 4


def test_without_previous_labels_there_is_no_baseline():
    result = regress.score([1.0, 2.0], [1.0, 2.5], offsets=[0, 1, 2])
    assert result.baseline is None
    assert "no baseline" in str(result)
    one = regress.score([[1.0, 2.0]], [[1.0, 2.5]]).columns["1"]
    assert (one.mae, one.baseline, one.columns) == (0.5, None, {})
    assert "no baseline" in str(one)


@pytest.mark.parametrize(
    "offsets", [[], [3], [0, 2], [1, 3], [0, 4, 2, 3], [[0, 3]], [0.0, 3.0], 3]
)
def test_offsets_must_cover_the_rows(offsets):
    with pytest.raises(ShapeError, match="offsets must be integers increasing from 0 to 3"):
        regress.score([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], offsets=offsets)


def test_undefined_regression_metrics_are_named_and_explained():
    zeros = regress.score([0.0, 0.0], [0.0, 1.0])
    assert zeros.undefined == ("mape", "r2")
    assert (zeros.mape, zeros.r2, zeros.within_threshold) == (0, 0, 0.5)
    assert "* mape is undefined, its value a stand-in: every target is zero" in str(zeros)
    assert "* r2 is undefined" in str(zeros)
    assert regress.score([3.0], [3.0]).r2 == 1


def test_numbers_too_large_to_square_are_refused():
    with pytest.raises(DataError, match=r"predictions, row 1, .*below 1e\+100"):
        regress.score([1.0, 2.0], [1.0, 1e200])
    assert np.isfinite(list(regress.score([1e99, -1e99], [-1e99, 1e99]).metrics().values())).all()


def test_several_columns_are_pooled_and_broken_down():
    labels = np.array([[1.0, 100.0, NAN], [3.0, 300.0, NAN], [NAN, 200.0, NAN]])
    outputs = np.nan_to_num(labels) + np.array([1.0, 10.0, 0.0])
    dataset = data_set(labels, offsets=[0, 3])
    result = regress.evaluate(model(outputs), dataset)
    assert (result.steps, result.missing, result.mae) == (5, 4, (2 * 1 + 3 * 10) / 5)
    assert list(result.columns) == ["y0", "y1"]
    for i, (name, column) in enumerate(result.columns.items()):
        assert column == regress.score(labels[:, i], outputs[:, i])
        assert f"\n{name} " in str(result)
    assert result.baseline.steps == 3
    assert list(regress.score(labels, outputs).columns) == ["0", "1"]
    with pytest.raises(ShapeError, match="2 label_names for 3 label columns"):
        regress.score(labels, outputs, label_names=["a", "b"])


def test_regression_prints_aligned_tables():
    result = regress.score([[1.0, 5.0], [2.0, 5.0], [4.0, NAN]], [[1.0, 5.5], [2.0, 5.0], [3.0, 0]])
    assert str(result).splitlines() == [
        "Regression on 5 labels (1 missing)",
        "",
        "               model   baseline",
        "MAE           0.3000     1.0000",
        "RMSE          0.5000     1.2910",
        "MAPE           7.00%     33.33%",
        "R²            0.7321    -1.5000",
        "within ±10%   80.00%     33.33%",
        "zero targets       0          0",
        "labels             5          3",
        "",
        "column     MAE     RMSE    MAPE       R²   baseline RMSE",
        "0       0.3333   0.5774   8.33%   0.7857          1.5811",
        "1       0.2500   0.3536   5.00%   0.0000*         0.0000",
        "",
        "baseline: the previous label of the same sequence, for the 3 labels that have one",
        "* r2 is undefined, its value a stand-in: the labels do not vary",
    ]
