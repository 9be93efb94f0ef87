"""Each metric against scikit-learn's, by hand-made cases, and where scikit-learn has no answer."""

import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rnn_rust.evaluate import metrics as m

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from sklearn import metrics as sk


def roc_auc(labels, scores):
    return m.roc_auc(m.ranking(labels, scores))


def average_precision(labels, scores):
    return m.average_precision(m.ranking(labels, scores))


few = settings(max_examples=60, deadline=None)
floats = st.floats(-1e6, 1e6, allow_subnormal=False)
targets = st.integers(-4000, 4000).map(lambda i: i / 8)


@st.composite
def scored(draw):
    """Labels of both classes with scores that often tie, in float32 or float64."""
    n = draw(st.integers(2, 40))
    labels = draw(hnp.arrays(bool, n))
    labels[:2] = [True, False]
    ties = st.sampled_from([-1.0, 0.0, 0.25, 0.5, 1.0])
    scores = draw(hnp.arrays(np.float64, n, elements=draw(st.sampled_from([ties, floats]))))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return labels, scores.astype(dtype).astype(np.float64)


@st.composite
def paired(draw):
    """Targets and predictions (n,), n >= 2, on a grid so that rounding plays no part."""
    n = draw(st.integers(2, 30))
    arrays = [draw(hnp.arrays(np.float64, n, elements=targets)) for _ in range(2)]
    return arrays[0], arrays[1]


@few
@given(scored())
def test_roc_auc_equals_scikit_learn_and_counts_pairs(case):
    labels, scores = case
    value, defined = roc_auc(labels, scores)
    assert defined
    assert value == pytest.approx(sk.roc_auc_score(labels, scores), abs=1e-12)
    difference = scores[labels][:, None] - scores[~labels][None, :]
    assert value == np.mean((difference > 0) + 0.5 * (difference == 0))


@few
@given(scored())
def test_average_precision_equals_scikit_learn(case):
    labels, scores = case
    value, defined = average_precision(labels, scores)
    assert defined
    assert value == pytest.approx(sk.average_precision_score(labels, scores), abs=1e-12)


@few
@given(scored(), floats)
def test_confusion_and_ratios_equal_scikit_learn(case, threshold):
    labels, scores = case
    predicted = scores > threshold
    tp, fp, tn, fn = m.confusion(labels, predicted)
    assert [[tn, fp], [fn, tp]] == sk.confusion_matrix(labels, predicted).tolist()
    expected = sk.precision_recall_fscore_support(
        labels, predicted, average="binary", zero_division=0
    )
    found = (m.ratio(tp, tp + fp), m.ratio(tp, tp + fn), m.ratio(2 * tp, 2 * tp + fp + fn))
    assert [metric.value for metric in found] == pytest.approx(list(expected[:3]), abs=1e-12)


@few
@given(scored())
def test_areas_depend_on_the_order_of_scores_only(case):
    labels, scores = case
    ranks = np.unique(scores, return_inverse=True)[1].astype(np.float64)
    assert roc_auc(labels, ranks) == roc_auc(labels, scores)
    assert average_precision(labels, ranks) == average_precision(labels, scores)
    assert roc_auc(labels, -ranks).value == pytest.approx(1 - roc_auc(labels, ranks).value)


def test_areas_of_perfect_reversed_and_constant_scores():
    labels = np.array([False, False, False, True])
    scores = np.array([0.1, 0.2, 0.3, 0.4])
    assert (roc_auc(labels, scores).value, average_precision(labels, scores).value) == (1, 1)
    assert roc_auc(labels, -scores).value == 0
    assert average_precision(labels, -scores).value == 0.25
    assert roc_auc(labels, np.ones(4)) == (0.5, True)
    assert average_precision(labels, np.ones(4)) == (0.25, True)


@pytest.mark.parametrize("n", [1, 5])
def test_areas_with_one_class_are_defined_stand_ins(n):
    scores = np.arange(n, dtype=np.float64)
    positive, negative = np.ones(n, dtype=bool), np.zeros(n, dtype=bool)
    assert roc_auc(positive, scores) == (0.5, False)
    assert roc_auc(negative, scores) == (0.5, False)
    assert average_precision(negative, scores) == (0.0, False)
    assert average_precision(positive, scores) == (1.0, True)


def test_ratio_of_nothing_is_marked():
    assert m.ratio(0, 0) == (0.0, False)
    assert m.ratio(0, 4) == (0.0, True)


@few
@given(paired())
def test_errors_equal_scikit_learn(case):
    labels, predictions = case
    assert m.mean_absolute_error(labels, predictions) == pytest.approx(
        sk.mean_absolute_error(labels, predictions)
    )
    assert m.root_mean_squared_error(labels, predictions) == pytest.approx(
        sk.root_mean_squared_error(labels, predictions)
    )


@few
@given(paired())
def test_percentage_error_equals_scikit_learn_without_zero_targets(case):
    labels, predictions = case
    kept = labels != 0
    value, defined = m.mean_absolute_percentage_error(labels, predictions)
    assert defined == kept.any()
    if defined:
        expected = sk.mean_absolute_percentage_error(labels[kept], predictions[kept])
        assert value == pytest.approx(expected)
    else:
        assert value == 0.0
    assert m.is_zero(labels).tolist() == (~kept).tolist()


@few
@given(paired())
def test_r2_equals_scikit_learn_with_its_answer_for_constant_labels(case):
    labels, predictions = case
    value, defined = m.r2(labels, predictions, np.zeros(len(labels), dtype=np.intp))
    assert value == pytest.approx(sk.r2_score(labels, predictions), abs=1e-9)
    assert defined == (len(set(labels)) > 1)


@few
@given(st.integers(2, 15), st.integers(1, 4), st.data())
def test_r2_of_several_columns_is_weighted_by_their_variance(rows, columns, data):
    labels, predictions = (
        data.draw(hnp.arrays(np.float64, (rows, columns), elements=targets)) for _ in range(2)
    )
    labels[0], labels[1] = 0.0, 1000.0  # every column varies
    column = np.tile(np.arange(columns), rows)
    value, defined = m.r2(labels.ravel(), predictions.ravel(), column)
    expected = sk.r2_score(labels, predictions, multioutput="variance_weighted")
    assert defined
    assert value == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("columns", [3, 300, 70_000])
def test_r2_of_many_columns_takes_each_about_its_own_mean(columns):
    random = np.random.default_rng(columns)
    column = random.integers(0, columns, 2000)
    labels = random.normal(size=2000) + column
    predictions = labels + random.normal(size=2000)
    spread = 0.0
    for own in np.unique(column):
        values = labels[column == own]
        spread += np.sum((values - values.mean()) ** 2)
    expected = 1 - np.sum((predictions - labels) ** 2) / spread
    assert m.r2(labels, predictions, column).value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("value", [0.1, 1e-7, 3.3e9])
def test_r2_of_equal_labels_is_not_ruled_by_rounding(value):
    # The mean of three 0.1 is not 0.1 in floating point.
    labels, column = np.full(3, value), np.zeros(3, dtype=np.intp)
    assert m.r2(labels, labels, column) == (1.0, False)
    assert m.r2(labels, 2 * labels, column) == (0.0, False)


def test_extreme_sizes_stay_finite():
    labels = np.array([-0.9 * m.LARGEST, m.SMALLEST, 0.0, 0.9 * m.LARGEST])
    column = np.zeros(4, dtype=np.intp)
    found = [
        m.root_mean_squared_error(labels, -labels),
        m.mean_absolute_percentage_error(labels, labels[::-1]).value,
        m.r2(labels, -labels, column).value,
        m.r2(labels / m.LARGEST * m.SMALLEST, -labels, column).value,
    ]
    assert np.isfinite(found).all()


def test_within_relative_counts_by_the_size_of_the_target():
    labels = np.array([10.0, -10.0, 10.0, 0.0, 0.0])
    predictions = np.array([10.9, -9.1, 12.0, 0.0, 1e-9])
    assert m.within_relative(labels, predictions, 0.1) == 3 / 5


@pytest.mark.parametrize("decimals", [0, 1, 12])
@pytest.mark.timing
def test_areas_of_284_807_steps_take_less_than_a_tenth_of_a_second(decimals):
    generator = np.random.default_rng(0)
    labels = generator.random(284_807) < 0.0017
    scores = np.round(generator.normal(size=284_807) + labels, decimals)
    durations = []
    for _ in range(3):
        start = time.perf_counter()
        ranking = m.ranking(labels, scores)
        m.roc_auc(ranking)
        m.average_precision(ranking)
        durations.append(time.perf_counter() - start)
    assert min(durations) < 0.1


def test_numbers_in_tables_keep_four_decimals_where_they_fit():
    shown = [m.number(value) for value in (0.0, 0.00123, 1234.5, -0.5, 1e-9, 2.5e8)]
    assert shown == ["0.0000", "0.0012", "1,234.5000", "-0.5000", "1.000e-09", "2.500e+08"]


def test_table_aligns_the_first_column_left_and_the_others_right():
    assert m.table([["a", "bb"], ["ccc", "d"]]) == "a    bb\nccc   d"
