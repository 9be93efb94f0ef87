"""Files whose checksum is right and whose contents cannot be: refused as they are read."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from networks import from_bytes
from safetensors.numpy import save

from rnn_rust import GRU, Dataset, load
from rnn_rust.errors import ModelFileError, ParameterError
from rnn_rust.model.description import describe
from rnn_rust.models.base import Model
from rnn_rust.storage.model_file import _canonical, pack

HALF_A_CHARACTER = "\ud800"


def trained(**options: Any) -> Model:
    table = pl.DataFrame({
        "id": [1, 1, 1, 2, 2, 2], "t": [1, 2, 3] * 2, "x": [0.0, 1.0, 3.0, 2.0, 5.0, 1.0],
        "kind": ["a", "b", "c"] * 2,
    })  # fmt: skip
    if options.pop("forecast", False):
        data = Dataset.from_frame(table.drop("kind"), features="x").forecast("x", horizon=2)
    else:
        data = Dataset.from_frame(table, features="x", labels="kind")
    model = GRU(hidden_size=2, seed=0, scaler="standard", **options)
    model.fit(data, epochs=1, progress=False)
    return model


CLASSES = trained(loss="cross_entropy", class_weight="balanced")
FORECAST = trained(forecast=True)


def changed(model: Model, place: str, value: Any) -> dict[str, Any]:
    """The description of a model with another value at ``part.field``, or in place of a part."""
    description = copy.deepcopy(describe(model))
    part, _, field = place.partition(".")
    if field:
        description[part][field] = value
    else:
        description[part] = value
    return description


@pytest.mark.parametrize(
    ("model", "place", "value", "message"),
    [
        (CLASSES, "scaler.feature_shift", [10**400], "the scaler of the model cannot be read"),
        (CLASSES, "class_table", [[10**400, 1, 1]], "damaged"),
        (CLASSES, "class_table", [[-1, 1, 1]], "weights of classes"),
        (CLASSES, "threshold", "high", "threshold must be a number"),
        (CLASSES, "classes", [["kind", ["a", "b"]]], "classes: 'kind' has 2 of 3 classes"),
        (CLASSES, "classes", [["kind", ["a", "b", "b"]]], "classes: 'kind' has 3 of 3 classes"),
        (CLASSES, "classes", 5, "classes: 'int' object"),
        (CLASSES, "classes", [5], "classes: .*int"),
        (CLASSES, "features", {}, "features: 'columns'"),
        (CLASSES, "features", 5, "features: 'int' object"),
        (CLASSES, "classes", [["kind", ["a", "b", 3]]], "classes must be a list of names"),
        (CLASSES, "classes", [["kind", ["a", "b", ["c"]]]], "classes must be a list of names"),
        (CLASSES, "classes", [["sort", ["a", "b", "c"]]], "classes: 'sort' is no label column"),
        (CLASSES, "table.time", 2, "table: time must be a list of names"),
        (CLASSES, "table.time", {"t": 1}, "table: time must be a list of names"),
        (CLASSES, "table.id", 5, "table: id must be the name"),
        (CLASSES, "table.ties", "both", "table: ties='both' is not known"),
        (CLASSES, "table.time_format", 5, "table: time_format must be a text"),
        (CLASSES, "table.day_first", 1, "table: day_first must be True, False or None"),
        (FORECAST, "table.more", 1, "table: .*'more'"),
        (FORECAST, "forecast.horizon", 10**9, "forecast: horizon is 1000000000 for 2 label col"),
        (FORECAST, "forecast.season", "12", "forecast: season must be an integer"),
        (FORECAST, "forecast.lags", ["1"], "forecast: lags must be an integer"),
        (FORECAST, "forecast.lags", 1, "forecast: lags must be a list"),
        (FORECAST, "forecast.features", [1], "forecast: features must be a list of names"),
        (FORECAST, "forecast.column", None, "forecast: column must be the name"),
        (FORECAST, "forecast.relative_to", "default", "forecast: relative_to='default'"),
        (FORECAST, "forecast", {}, "forecast: 'features'"),
        (FORECAST, "pace.count", "1", "pace: count must be a number"),
        (FORECAST, "pace.count", 10**30, "pace: count is 1000"),
        (FORECAST, "pace.unit", "fortnight", "pace: .*fortnight"),
        (FORECAST, "pace.unit", 5, "pace: unit must be text"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(
    model: Model, place: str, value: Any, message: str
) -> None:
    description = changed(model, place, value)
    with pytest.raises(ModelFileError, match=message):
        from_bytes(pack(description, model.state_dict()))


@pytest.mark.parametrize("place", ["feature_names", "table.time_format", "classes"])
def test_half_of_a_character_is_no_text(place: str, tmp_path: Path) -> None:
    value: Any = HALF_A_CHARACTER
    if place == "feature_names":
        value = [HALF_A_CHARACTER]
    elif place == "classes":
        value = [["kind", ["a", "b", HALF_A_CHARACTER]]]
    description = changed(CLASSES, place, value)
    with pytest.raises(ValueError, match="surrogates not allowed"):
        pack(description, CLASSES.state_dict())
    path = tmp_path / "model.safetensors"
    text = _canonical(description | {"format_version": 1})
    path.write_bytes(save(CLASSES.state_dict(), metadata={"rnn_rust": text}))
    with pytest.raises(ModelFileError, match="the description of the model is damaged"):
        load(path)


def test_text_of_whole_characters_is_kept(tmp_path: Path) -> None:
    data = Dataset.from_arrays(
        np.ones((2, 1)), np.ones((2, 1)), [0, 2], feature_names=["\U0001f40d ud83d"]
    )
    model = GRU(hidden_size=2, seed=0)
    model.fit(data, epochs=1, progress=False)
    model.save(tmp_path / "model")
    assert load(tmp_path / "model").feature_names == ("\U0001f40d ud83d",)


def test_no_column_has_half_of_a_character_for_a_name() -> None:
    with pytest.raises(ParameterError, match=r"the name 'x\\ud800' has half of a character"):
        Dataset.from_arrays(np.ones((2, 1)), None, [0, 2], feature_names=["x\ud800"])


@pytest.mark.parametrize("number", ["Infinity", "NaN", "1e400"])
def test_a_file_without_a_checksum_has_finite_numbers(number: str, tmp_path: Path) -> None:
    description = changed(CLASSES, "class_table", [[12345.0, 1, 1]]) | {"format_version": 1}
    text = _canonical(description).replace("12345.0", number)
    path = tmp_path / "model.safetensors"
    path.write_bytes(save(CLASSES.state_dict(), metadata={"rnn_rust": text}))
    with pytest.raises(ModelFileError, match="weights of classes"):
        load(path)


def test_a_model_that_no_file_can_hold_is_refused_as_it_is_saved(tmp_path: Path) -> None:
    model = copy.copy(CLASSES)
    model.class_table = np.array([[np.inf, 1, 1]])
    for writer in (model, model.scorer()):
        with pytest.raises(ParameterError, match="a model's file holds finite numbers and text"):
            writer.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
