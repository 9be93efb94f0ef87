"""Numbers in original units have the digits of float64, whatever the network computes in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import run_well

import rnn_rust as rnn
from rnn_rust.errors import DataError

CENTER = 1.7e9


def epochs(dtype: type = np.float64) -> rnn.Dataset:
    """Return sequences whose features and labels are seconds around 1.7e9."""
    random = np.random.default_rng(0)
    x = CENTER + 10 * random.normal(size=(200, 2))
    y = x[:, :1] + 1.0
    return rnn.Dataset.from_arrays(x.astype(dtype), y.astype(dtype), range(0, 201, 10))


def fitted(data: rnn.Dataset, scaler: str = "standard", **settings: object) -> rnn.Network:
    optimizer = rnn.Adam(0.02)
    model = rnn.RNN(2, 8, 1, scaler=scaler, optimizer=optimizer, **settings)
    model.fit(data, epochs=150, batch_size=4, progress=False)
    return model


@pytest.mark.parametrize("scaler", ["standard", "minmax"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predictions_of_large_labels_keep_their_digits(scaler: str, dtype: str) -> None:
    data = epochs()
    model = fitted(data, scaler, dtype=dtype)
    predictions = model.predict(data)
    assert predictions.dtype == np.float64
    assert len(np.unique(predictions)) == 200
    result = rnn.RegressionEvaluator().evaluate(model, data)
    rmse = np.sqrt(np.mean((predictions - data.labels) ** 2))
    assert result.rmse == pytest.approx(rmse)
    assert rmse < 1.5  # of labels that scatter by 10; a float32 next to 1.7e9 is off by up to 64
    previous = data.labels.reshape(20, 10)
    persistence = np.sqrt(np.mean(np.diff(previous, axis=1) ** 2))
    assert result.baseline.rmse == pytest.approx(persistence)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predictions_are_the_scaled_outputs_restored_in_float64(dtype: str) -> None:
    data = epochs()
    model = fitted(data, dtype=dtype)
    raw = rnn.RNN(2, 8, 1, dtype=dtype)
    raw.load_state_dict(model.state_dict())
    scaled = model.scaler.transform(data)
    outputs = raw.predict(scaled)
    assert outputs.dtype == dtype
    shift, scale = model.scaler.label_shift_, model.scaler.label_scale_
    np.testing.assert_array_equal(model.predict(data), outputs.astype(np.float64) * scale + shift)


@pytest.mark.parametrize("data_type", [np.float32, np.float64])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps_have_the_bits_of_predictions(dtype: str, data_type: type) -> None:
    data = epochs() if data_type is np.float64 else epochs().normalize()
    data = rnn.Dataset.from_arrays(
        data.features.astype(data_type), data.labels.astype(data_type), data.offsets
    )
    model = fitted(data, dtype=dtype)
    stepper, out = model.stepper(), np.zeros(1)
    for features, expected in zip(data[0].features, model.predict(data[0]), strict=True):
        state = stepper.state
        step = stepper.step(features)
        assert step.dtype == np.float64
        assert step.tobytes() == expected.tobytes()
        stepper.state = state
        assert stepper.step(features.tolist() if data_type is np.float64 else features, out) is out
        assert out.tobytes() == expected.tobytes()
    with pytest.raises(TypeError, match=r"shape \(1,\) and dtype float64"):
        stepper.step(data.features[0], out=np.zeros(1, np.float32))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_outputs_that_are_not_scaled_have_the_type_of_the_model(dtype: str) -> None:
    data = rnn.Dataset.from_arrays(np.eye(4), [0, 1, 0, 1], [0, 4])
    models = [
        rnn.RNN(4, 3, 1, dtype=dtype),
        rnn.RNN(4, 3, 1, dtype=dtype, loss="binary_cross_entropy", scaler="standard"),
        rnn.RNN(4, 3, 1, dtype=dtype, scaler=rnn.StandardScaler(labels=False)),
    ]
    for model in models:
        model.fit(data, epochs=1, progress=False)
        assert model.predict(data).dtype == dtype
        assert model.stepper().step(np.zeros(4)).dtype == dtype
    scaler = models[-1].scaler
    labels = np.array([[1.5]], dtype)
    assert scaler.inverse_transform_labels(labels).dtype == dtype
    assert scaler.inverse_transform_features(np.zeros((1, 4), dtype)).dtype == np.float64


def test_a_normalised_data_set_returns_to_float64() -> None:
    data = epochs()
    labels = data.labels.copy()
    data.normalize()
    np.testing.assert_allclose(data.denormalize_labels(data.labels), labels, rtol=0, atol=1e-6)
    single = data.labels.astype(np.float32)
    restored = data.denormalize_labels(single)
    assert restored.dtype == np.float64
    # Seven digits of the range, not of 1.7e9.
    np.testing.assert_allclose(restored, labels, rtol=0, atol=1e-7 * np.ptp(labels))


def test_class_numbers_return_whole_from_a_normalised_float32_data_set() -> None:
    classes = np.arange(8, dtype=np.float32)
    data = rnn.Dataset.from_arrays(np.zeros((8, 1), np.float32), classes, [0, 8]).normalize()
    assert (data.denormalize_labels(data.labels).ravel() != classes).any()

    class Perfect:
        def predict(self, dataset: rnn.Dataset) -> np.ndarray:
            return np.eye(8)

    assert rnn.ClassificationEvaluator().evaluate(Perfect(), data).accuracy == 1


@pytest.mark.usefixtures("folder", "logger_as_before")
def test_the_file_of_predictions_has_all_digits() -> None:
    data = epochs()
    data.to_frame().write_csv("data.csv")
    data = rnn.Dataset.from_csv("data.csv")
    assert data.labels.dtype == np.float64
    model = fitted(data)
    model.save("model.safetensors")
    run_well("predict", "model.safetensors", "data.csv", "--output", "predictions.csv")
    written = pl.read_csv(Path("predictions.csv"))["prediction"].to_numpy()
    np.testing.assert_array_equal(written, model.predict(data)[:, 0])


def test_features_are_scaled_before_they_are_rounded() -> None:
    data = epochs()
    model = fitted(data)
    moved = rnn.Dataset.from_arrays(data.features + 1.0, None, data.offsets)
    assert (model.predict(moved) != model.predict(data)).all()
    first = [model.stepper().step(row.tolist())[0] for row in (data.features[0], moved.features[0])]
    np.testing.assert_array_equal(first, [model.predict(data)[0, 0], model.predict(moved)[0, 0]])
    with pytest.raises(DataError, match="feature 0 is NaN"):
        model.stepper().step([np.nan, 0.0])
