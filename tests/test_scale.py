"""Scalers: against scikit-learn, there and back, through JSON, and at the edges."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import polars as pl
import pytest
import sklearn.preprocessing
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import rnn_rust as rnn
from rnn_rust import Dataset, MinMaxScaler, StandardScaler, _core
from rnn_rust.data.scale import Scaler
from rnn_rust.data.scalers import make_scaler, scaler_from_dict
from rnn_rust.errors import DataError, ModelFileError, ParameterError, ShapeError

NAMES = ["minmax", "standard"]
RNG = np.random.default_rng(0)
X = RNG.normal(5, [0.1, 10, 1e6], size=(40, 3))
Y = RNG.normal(-3, 2, size=(40, 2))


def make(features: object = X, labels: object = Y) -> Dataset:
    return Dataset.from_arrays(features, labels, [0, 1, len(np.asarray(features))])


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("minmax", sklearn.preprocessing.MinMaxScaler()),
        ("standard", sklearn.preprocessing.StandardScaler()),
    ],
)
def test_equal_to_scikit_learn(name: str, reference: object) -> None:
    labels = np.where(Y > 0, np.nan, Y)
    scaled = make_scaler(name).fit_transform(make(X, labels))
    np.testing.assert_allclose(scaled.features, reference.fit_transform(X), rtol=1e-9, atol=1e-12)
    expected = reference.fit_transform(labels)
    np.testing.assert_allclose(scaled.labels, expected, rtol=1e-9, atol=1e-12)


MATRICES = arrays(
    np.float64, st.tuples(st.integers(2, 12), st.just(2)), elements=st.floats(-1e9, 1e9)
)


@settings(max_examples=100, deadline=None)
@given(name=st.sampled_from(NAMES), matrix=MATRICES)
def test_round_trip(name: str, matrix: np.ndarray) -> None:
    ds = make(matrix, matrix)
    scaler = make_scaler(name)
    scaled = scaler.fit_transform(ds)
    assert np.isfinite(scaled.features).all()
    back = scaler.inverse_transform(scaled)
    tolerance = 1e-14 * np.abs(matrix).max()
    np.testing.assert_allclose(back.features, matrix, rtol=0, atol=tolerance)
    np.testing.assert_allclose(back.labels, matrix, rtol=0, atol=tolerance)


@settings(max_examples=50, deadline=None)
@given(matrix=MATRICES)
def test_minmax_stays_between_0_and_1(matrix: np.ndarray) -> None:
    scaled = MinMaxScaler().fit_transform(make(matrix, None)).features
    assert ((scaled >= 0) & (scaled <= 1)).all()


@settings(max_examples=50, deadline=None)
@given(name=st.sampled_from(NAMES), matrix=MATRICES)
def test_dictionary_is_exact_through_json(name: str, matrix: np.ndarray) -> None:
    scaler = make_scaler(name).fit(make(matrix, -matrix))
    again = scaler_from_dict(json.loads(json.dumps(scaler.to_dict())))
    assert type(again) is type(scaler)
    for attribute in ("feature_shift_", "feature_scale_", "label_shift_", "label_scale_"):
        np.testing.assert_array_equal(getattr(again, attribute), getattr(scaler, attribute))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0.0, 0.1, -1e300, 5e-324])
def test_a_constant_column_becomes_0_and_comes_back(name: str, value: float) -> None:
    ds = make([value] * 7, [value] * 7)
    scaler = make_scaler(name)
    scaled = scaler.fit_transform(ds)
    assert not scaled.features.any()
    assert not scaled.labels.any()
    np.testing.assert_array_equal(scaler.inverse_transform(scaled).labels, ds.labels)


@pytest.mark.parametrize("name", NAMES)
def test_values_too_small_or_too_large_to_square(name: str) -> None:
    tiny = make_scaler(name).fit_transform(make([0.0, 1e-200, 2e-200], None))
    assert np.isfinite(tiny.features).all()
    with pytest.raises(DataError, match=r"column 'x1' runs from -1e\+308 to 1e\+308, too wide"):
        make_scaler(name).fit(make([1e308, 0, -1e308], None))


@pytest.mark.parametrize("name", NAMES)
def test_missing_labels_do_not_count(name: str) -> None:
    scaler = make_scaler(name).fit(make([1, 2, 3], [[1, np.nan], [np.nan, np.nan], [3, np.nan]]))
    assert scaler.label_shift_[0] == (1 if name == "minmax" else 2)
    # A label that is never there is left as it is.
    assert (scaler.label_shift_[1], scaler.label_scale_[1]) == (0, 1)
    np.testing.assert_array_equal(scaler.transform_labels([[np.nan, 4.0]]), [[np.nan, 4]])
    assert make_scaler(name).fit(make([1, 2], None)).label_shift_.shape == (0,)


@pytest.mark.parametrize("name", NAMES)
def test_dtype_follows_the_input_and_arithmetic_is_double(name: str) -> None:
    large = (16_777_216 + np.arange(8) * 8).astype(np.float32)
    scaler = make_scaler(name)
    scaled = scaler.fit_transform(make(large, large))
    assert scaled.features.dtype == scaled.labels.dtype == np.float32
    assert scaler.feature_scale_.dtype == np.float64
    back = scaler.inverse_transform_features(scaled.features)
    assert back.dtype == np.float64
    # What is stored in float32 lies between 0 and 1, or near it, at 7 digits of the range of 56.
    np.testing.assert_allclose(back[:, 0], large, rtol=0, atol=56 * 2.4e-7)
    assert scaler.transform_features([[1]]).dtype == np.float64


def test_learns_from_one_part_and_applies_to_another() -> None:
    scaler = MinMaxScaler().fit(make([1, 3], None))
    test = scaler.transform(make([5, 2], None))
    assert test.features[:, 0].tolist() == [2, 0.5]
    # A new array, so that the data set given stays as it was; one row will do.
    assert scaler.transform_features([2]).tolist() == [0.5]
    assert test.ids.tolist() == [0, 1]


@pytest.mark.parametrize("scaler", [MinMaxScaler(), StandardScaler()])
def test_use_before_fit(scaler: Scaler) -> None:
    with pytest.raises(ParameterError, match=r"Scaler is not fitted; call fit\(dataset\)"):
        scaler.transform(make())
    assert not scaler.is_fitted
    assert not scaler_from_dict(scaler.to_dict()).is_fitted


@pytest.mark.parametrize("name", ["fit", "transform", "fit_transform", "inverse_transform"])
def test_a_scaler_takes_whole_data_sets(name: str) -> None:
    with pytest.raises(ParameterError, match=r"needs a Dataset, not a Sequence; dataset\.subset"):
        getattr(MinMaxScaler().fit(make()), name)(make()[0])


def test_wrong_number_of_columns() -> None:
    scaler = StandardScaler().fit(make())
    with pytest.raises(ShapeError, match=r"features of shape \(4, 2\): .* fitted on 3 feature"):
        scaler.transform_features(np.ones((4, 2)))
    with pytest.raises(ShapeError, match=r"labels of shape \(4,\): .* fitted on 2 label columns"):
        scaler.inverse_transform_labels(np.ones(4))
    with pytest.raises(ShapeError, match=r"labels of shape \(\)"):
        scaler.transform_labels(1.0)


def test_unknown_names() -> None:
    with pytest.raises(
        ParameterError, match="'quantile' is not known; use 'minmax' or 'standard' or 'robust'"
    ):
        make_scaler("quantile")


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "quantile"},
        {"feature_shift": None},
        {"feature_shift": [0.0]},
        {"feature_scale": [1.0, 0.0, 1.0]},
        {"label_shift": [float("nan"), 0.0]},
        {"label_scale": ["a", "b"]},
        {"label_scale": [[1.0, 1.0]]},
    ],
)
def test_damaged_dictionaries(change: dict[str, object]) -> None:
    good = MinMaxScaler().fit(make()).to_dict()
    with pytest.raises(ModelFileError, match="the scaler of the model cannot be read: "):
        scaler_from_dict(good | change)
    for name in good:
        with pytest.raises(ModelFileError):
            scaler_from_dict({key: value for key, value in good.items() if key != name})


def test_classes_by_name_are_not_scaled() -> None:
    """Numbers of classes that were scaled would be those of other classes."""
    kinds = ["c", "a", None, "b"]
    frame = pl.DataFrame({"t": range(4), "x1": [0.0, 4.0, 2.0, 1.0], "size": range(4)})
    frame = frame.with_columns(kind=pl.Series(kinds))
    for scaler in (MinMaxScaler(), StandardScaler(), rnn.RobustScaler()):
        data = Dataset.from_frame(frame, features="x1", labels=["size", "kind"])
        scaled = scaler.fit(data).transform(data)
        np.testing.assert_array_equal(scaled.labels[:, 1], [2, 0, np.nan, 1])
        assert scaled.labels[:, 0].tolist() != [0, 1, 2, 3]
        np.testing.assert_allclose(
            scaler.inverse_transform_labels(scaled.labels), data.labels, atol=1e-15
        )
    data = Dataset.from_frame(frame, features="x1", labels="kind").normalize()
    assert data.features.ravel().tolist() == [0.0, 1.0, 0.5, 0.25]
    assert data.to_frame()["kind"].to_list() == kinds
    model = rnn.GRU(hidden_size=3, loss="cross_entropy", seed=1)
    model.fit(data, epochs=1, progress=False)
    assert model.classes == ("a", "b", "c")


def test_a_scaler_of_other_columns_is_refused() -> None:
    two, one = (Dataset.from_arrays(np.eye(3)[:, :k], [0.0, 1, 2], [0, 3]) for k in (2, 1))
    model = rnn.GRU(1, 2, 1, scaler=StandardScaler().fit(two))
    with pytest.raises(
        ShapeError, match=r"fitted on other columns \(features 2, .*model has \(features 1,"
    ):
        model.fit(one, epochs=1, progress=False)


def test_a_robust_scaler_has_the_median_and_the_quartiles() -> None:
    random = np.random.default_rng(0)
    x = np.append(random.normal(5, 2, 99), 1e6)
    data = rnn.Dataset.from_arrays(x, np.where(x > 100, np.nan, x), [0, 40, 100])
    scaler = rnn.RobustScaler().fit(data)
    low, middle, high = np.quantile(x, [0.25, 0.5, 0.75])
    np.testing.assert_allclose(scaler.feature_shift_, [middle])
    np.testing.assert_allclose(scaler.feature_scale_, [high - low])
    np.testing.assert_allclose(scaler.label_shift_, [np.median(x[:-1])])
    part = rnn.RobustScaler().fit(data.subset([1]))
    np.testing.assert_allclose(part.feature_shift_, [np.median(x[40:])])
    same = rnn.Dataset.from_arrays([1.0, 1, 1, 1, 9], None, [0, 5])
    assert rnn.RobustScaler().fit(same).feature_scale_.tolist() == [1]
    no_label = rnn.Dataset.from_arrays(x, np.full(100, np.nan), [0, 100])
    assert rnn.RobustScaler().fit(no_label).label_scale_.tolist() == [1]
    model = rnn.GRU(1, 3, 1, scaler="robust")
    model.fit(data, epochs=1, progress=False)
    np.testing.assert_allclose(model.scaler.feature_shift_, [middle])


@pytest.mark.parametrize("kind", [*NAMES, "robust"])
def test_labels_of_weight_0_do_not_set_the_scale(kind: str) -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(40, 1)), random.normal(size=(40, 1))
    left_out = np.arange(40) % 5 == 0
    wrong, gaps = np.where(left_out[:, None], 1e6, y), np.where(left_out[:, None], np.nan, y)
    weights = np.where(left_out, 0.0, 3.0)
    weighted = Dataset.from_arrays(x, wrong, [0, 15, 40], weights=weights)
    missing = Dataset.from_arrays(x, gaps, [0, 15, 40])
    # Of a view on some sequences too. Features count, which are read before the rows that follow.
    for found, expected in ((weighted, missing), (weighted.subset([1]), missing.subset([1]))):
        scales = [make_scaler(kind).fit(data).shifts_and_scales() for data in (found, expected)]
        assert scales[0] == scales[1]
    losses = []
    for data in (weighted, missing):
        model = rnn.GRU(1, 3, 1, scaler=kind, seed=0, dtype="float64")
        losses.append(model.fit(data, epochs=2, progress=False)[-1]["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_fits_its_scaler_with_its_number_of_threads(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[object] = []

    def noted(own: Callable[..., Any], *arguments: Any) -> Any:
        threads.append(arguments[-1])
        return own(*arguments)

    for function in ("column_bounds", "column_moments"):
        monkeypatch.setattr(_core, function, partial(noted, getattr(_core, function)))
    for n_threads in (1, 3, None):
        threads.clear()
        model = rnn.RNN(3, 4, 2, scaler=name, n_threads=n_threads)
        model.fit(make(), epochs=1, progress=False)
        assert threads
        assert set(threads) == {n_threads}
    with pytest.raises(ParameterError, match="n_threads must be at least 1, got 0"):
        make_scaler(name).fit(make(), n_threads=0)
