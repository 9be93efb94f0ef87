"""Events one by one, of models that forecast: values as ``predict`` has them, or a refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import DATA

import rnn_rust as rnn
from rnn_rust.errors import ParameterError
from rnn_rust.storage.model_file import pack, unpack

CHANGES = "the model forecasts changes of 'passengers', to which predict adds the value itself"
AIRLINE = rnn.Dataset.from_file(
    DATA / "airline-passengers.csv", time="month", features="passengers"
)


def trained(relative_to: str | None, **options: Any) -> tuple[rnn.GRU, rnn.Dataset]:
    """Return a model that forecasts two months, and what it was trained on."""
    made = AIRLINE.forecast("passengers", 2, season=12, relative_to=relative_to)
    model = rnn.GRU(hidden_size=4, scaler="standard", **options)
    model.fit(made, epochs=1, progress=False)
    return model, made


@pytest.mark.parametrize("relative_to", ["last", "season"])
@pytest.mark.parametrize("options", [{}, {"time_features": ["yearday"]}])
def test_where_changes_are_learnt_steppers_and_scorers_are_refused(
    relative_to: str, options: dict[str, Any], tmp_path: Path
) -> None:
    model, _ = trained(relative_to, **options)
    assert (model.encoder is not None) == bool(options)
    with pytest.raises(ParameterError, match=f"{CHANGES}: a stepper has no table"):
        model.stepper()
    with pytest.raises(ParameterError, match=f"{CHANGES}: a scorer has no table"):
        model.scorer()
    values, _ = trained(None, **options)
    scorer = values.scorer()
    with pytest.raises(ParameterError, match=CHANGES):
        scorer.swap(model)
    # A file that a scorer of changes wrote when there still were such.
    path = tmp_path / "scorer.safetensors"
    scorer.save(path)
    description, tensors = unpack(path.read_bytes(), path)
    description["model"]["forecast"]["relative_to"] = relative_to
    path.write_bytes(pack(description, tensors))
    with pytest.raises(ParameterError, match=f"{CHANGES}: a scorer has no table"):
        rnn.load_scorer(path)


def test_where_values_are_learnt_steppers_and_scorers_give_them(tmp_path: Path) -> None:
    model, made = trained(None)
    expected = model.predict(AIRLINE)
    assert np.abs(expected).min() > 50, "values, not the changes, which are about 0"
    stepper, scorer = model.stepper(), model.scorer()
    stepped = [stepper.step(row) for row in made.features]
    np.testing.assert_allclose(stepped, expected, rtol=1e-6)
    np.testing.assert_array_equal(scorer.score("a", made.features[0]), expected[0])
    scorer.save(tmp_path / "scorer.safetensors")
    again = rnn.load_scorer(tmp_path / "scorer.safetensors")
    np.testing.assert_array_equal(again.score_batch(["a"], made.features[1:2]), expected[1:2])
