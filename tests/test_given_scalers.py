"""Scalers that were fitted before they were given to a model: on its columns, or on others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnn_rust as rnn
from rnn_rust.errors import ParameterError, ShapeError

X = np.random.default_rng(0).normal(2.0, 3.0, size=(12, 4))
OFFSETS = [0, 5, 12]


def data(features: int = 3, labels: int = 1) -> rnn.Dataset:
    return rnn.Dataset.from_arrays(X[:, :features], X[:, :labels], OFFSETS)


USES: dict[str, Callable[[rnn.GRU, Path], object]] = {
    "predict": lambda model, _: model.predict(data()),
    "hidden_states": lambda model, _: model.hidden_states(data()),
    "loss": lambda model, _: model.loss(data()),
    "fit": lambda model, _: model.fit(data(), epochs=1, progress=False),
    "stepper": lambda model, _: model.stepper(),
    "scorer": lambda model, _: model.scorer(),
    "swap": lambda model, _: rnn.GRU(3, 4, 1).scorer().swap(model),
    "save": lambda model, folder: model.save(folder / "model"),
    "to_c": lambda model, folder: model.to_c(folder / "c"),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("columns", [(4, 1), (2, 1), (3, 2)])
def test_a_scaler_of_other_columns_is_refused(
    use: str, columns: tuple[int, int], tmp_path: Path
) -> None:
    """Streams took what shift and scale there were, and a file that was saved could not be read."""
    model = rnn.GRU(3, 4, 1, scaler=rnn.StandardScaler().fit(data(*columns)))
    wanted = (
        rf"other columns \(features {columns[0]}, labels {columns[1]}\) than the model has "
        r"\(features 3, labels 1\); fit one"
    )
    with pytest.raises(ShapeError, match=wanted):
        USES[use](model, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_onnx_refuses_a_scaler_of_other_columns(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    model = rnn.GRU(3, 4, 1, scaler=rnn.StandardScaler().fit(data(4)))
    with pytest.raises(ShapeError, match=r"other columns \(features 4, labels 1\)"):
        model.to_onnx(tmp_path / "model.onnx")


def test_a_scaler_is_fitted_before_the_sizes_are_known(tmp_path: Path) -> None:
    model = rnn.GRU(scaler=rnn.StandardScaler().fit(data()))
    with pytest.raises(ParameterError, match="no sizes yet"):
        model.save(tmp_path / "model")
    model.fit(data(), epochs=1, progress=False)
    model.save(tmp_path / "model")
    again = rnn.load(tmp_path / "model")
    assert (again.predict(data()) == model.predict(data())).all()


@pytest.mark.parametrize("labels", [None, X[:, :2]], ids=["no labels", "other labels"])
def test_a_scaler_of_features_alone_knows_nothing_of_labels(tmp_path: Path, labels: Any) -> None:
    """A model with it was saved, and its file was taken for damaged."""
    scaler = rnn.StandardScaler(labels=False).fit(
        rnn.Dataset.from_arrays(X[:, :3], labels, OFFSETS)
    )
    classes = rnn.Dataset.from_arrays(X[:, :3], X[:, :1] > 2.0, OFFSETS)
    model = rnn.GRU(3, 4, 1, loss="binary_cross_entropy", scaler=scaler)
    model.fit(classes, epochs=2, progress=False)
    model.save(tmp_path / "model")
    again = rnn.load(tmp_path / "model")
    assert (again.predict(classes) == model.predict(classes)).all()
    stepper = again.stepper()
    stepped = np.array([stepper.step(row) for row in X[:5, :3]])
    assert (stepped == model.predict(classes[0])).all()
    # By hand: a network without a scaler sees what the scaler makes of the features.
    plain = rnn.GRU(3, 4, 1, loss="binary_cross_entropy").load_state_dict(model.state_dict())
    scaled = (X[:, :3] - X[:, :3].mean(axis=0)) / X[:, :3].std(axis=0)
    found = plain.predict(rnn.Dataset.from_arrays(scaled, None, OFFSETS))
    np.testing.assert_allclose(found, model.predict(classes), rtol=1e-5)


@pytest.mark.parametrize("loss", ["binary_cross_entropy", "focal", "cross_entropy"])
def test_a_scaler_may_not_change_classes(loss: str) -> None:
    options = {"loss": loss, "hidden_size": 3}
    with pytest.raises(ParameterError, match=r"labels are classes, .* scaler labels=False"):
        rnn.GRU(scaler=rnn.StandardScaler(), **options)
    assert rnn.GRU(scaler=rnn.StandardScaler(labels=False), **options).scaler is not None


def test_a_scaler_whose_fit_takes_no_number_of_threads() -> None:
    class Doubling(rnn.StandardScaler):
        def fit(self, dataset: Any) -> Doubling:  # type: ignore[override]
            super().fit(dataset)
            self.feature_scale_ *= 2
            return self

    model = rnn.RNN(3, 2, 1, scaler=Doubling(), n_threads=2)
    model.fit(data(), epochs=1)
    plain = rnn.StandardScaler().fit(data())
    assert model.scaler is not None
    np.testing.assert_array_equal(model.scaler.feature_scale_, 2 * plain.feature_scale_)
