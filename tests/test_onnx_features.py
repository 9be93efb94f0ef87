"""Gaps, categories, times and static features as parts of an ONNX graph; names in its metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
import pytest
from onnx_runs import assert_close, metadata, padded, rows_of, run, run_reference, session

from rnn_rust import GRU, LSTM, RNN, Dataset, from_onnx
from rnn_rust.errors import ModelFileError


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("onnx") / "model.onnx"


def purchases(rows: int = 60, seed: int = 0) -> pl.DataFrame:
    """Categories as text and as numbers, numbers with gaps, and dates."""
    random = np.random.default_rng(seed)
    steps = np.arange(rows)
    amount = random.normal(50, 20, rows)
    amount[random.random(rows) < 0.3] = np.nan
    start = np.datetime64("2026-01-01", "us")
    minutes = np.cumsum(random.integers(1, 2000, rows))
    return pl.DataFrame(
        {
            "id": steps // 7,
            "time": start + minutes.astype("m8[m]"),
            "merchant": random.choice(["fuel", "food", "zoo"], rows),
            "amount": amount,
            "age": random.normal(40, 10, rows),
            "code": random.choice([100, 200, 300, 400], rows),
            "y": random.normal(size=rows),
        }
    ).with_columns(pl.col("amount").fill_nan(None))


def read(table: pl.DataFrame, **options: Any) -> Dataset:
    features = ["code", "amount", "merchant", "age"]
    return Dataset.from_frame(
        table, id="id", time="time", features=features, labels="y", missing="keep",
        **{"categories": ("merchant", "code"), **options},
    )  # fmt: skip


def columns_of(model: Any, data: Dataset) -> np.ndarray[Any, Any]:
    """Return what the documentation says are the columns of ``features``, by loops."""
    encoder = model.encoder
    derived = encoder.encode(data)
    columns = [data.features[:, data.feature_names.index(name)] for name in encoder.numbers]
    for name in derived.feature_names:
        if name not in encoder.source_names and not name.endswith(" missing"):
            columns.append(derived.features[:, derived.feature_names.index(name)])
    for name, levels in encoder.levels.items():
        codes = data.features[:, data.feature_names.index(name)].astype(int)
        known = [data.levels[name][code] for code in codes]
        columns.append(np.array([levels.index(one) if one in levels else -5 for one in known]))
    return np.stack(columns, axis=1).astype(np.float32)


@pytest.mark.parametrize("missing", ["mean", "forward"])
@pytest.mark.parametrize("indicator", [False, True])
@pytest.mark.parametrize("times", [(), ("elapsed", "hour")])
@pytest.mark.parametrize("scaler", [None, "standard"])
def test_gaps_and_categories_are_part_of_the_graph(
    missing: str, indicator: bool, times: tuple[str, ...], scaler: str | None, path: Path
) -> None:
    options: Any = {"missing": missing, "missing_indicator": indicator, "time_features": times}
    model = LSTM(hidden_size=4, scaler=scaler, max_categories=3, **options)
    model.fit(read(purchases()), epochs=2, progress=False)
    model.to_onnx(path)
    asked = read(purchases(seed=1))
    rows = columns_of(model, asked)
    assert np.isnan(rows).any()
    assert (rows == -5).any()
    lengths = np.diff(asked.offsets)
    assert_close(run(path, rows, lengths), model.predict(asked), 1e-5)
    levels = {name: list(own) for name, own in model.encoder.levels.items()}
    assert metadata(path)["categories"] == levels

    model.to_onnx(path, step=True)
    outputs = steps(path, rows, lengths)
    assert_close(outputs, model.predict(asked), 1e-5)


def steps(path: Path, rows: Any, lengths: Any, static: Any = None) -> Any:
    """Return the outputs of sequences, one after the other and step by step."""
    runs = session(path)
    shapes = {one.name: one.shape for one in runs.get_inputs()}
    outputs = []
    for number, (begin, length) in enumerate(
        zip(np.cumsum(lengths) - lengths, lengths, strict=True)
    ):
        own = {} if static is None else {"static": static[number : number + 1]}
        states = {
            name: np.full(
                [1 if isinstance(size, str) else size for size in shape],
                np.nan if name == "last_numbers" else 0.0, np.float32,
            )
            for name, shape in shapes.items() if name not in ("features", "static")
        }  # fmt: skip
        for row in rows[begin : begin + length]:
            values = runs.run(None, {"features": row[None], **own, **states})
            outputs.append(values[0][0])
            states = dict(zip(states, values[1:], strict=True))
    return np.stack(outputs)


@pytest.mark.parametrize("missing", ["mean", "forward"])
def test_gaps_and_categories_in_float64(missing: str, path: Path) -> None:
    data = read(purchases(56))
    model = LSTM(
        hidden_size=4, missing=missing, missing_indicator=True, scaler="robust", dtype="float64"
    )  # fmt: skip
    model.fit(data, epochs=1, progress=False)
    model.to_onnx(path)
    rows = columns_of(model, data).astype(np.float64)
    for name in model.encoder.numbers:
        column = data.features[:, data.feature_names.index(name)]
        rows[:, model.encoder.numbers.index(name)] = column
    assert_close(run_reference(path, rows, np.diff(data.offsets)), model.predict(data), 1e-12)


@pytest.mark.parametrize("readout", ["each_step", "last"])
@pytest.mark.parametrize("scaler", [None, "minmax"])
@pytest.mark.parametrize("missing", ["error", "mean", "forward"])
def test_static_features_are_an_input_of_their_own(
    missing: str, scaler: str | None, readout: str, path: Path
) -> None:
    table = purchases()
    customers = pl.DataFrame(
        {
            "id": np.arange(9), "income": np.linspace(20_000, 90_000, 9),
            "country": ["at", "de", "ch"] * 3,
        }
    )  # fmt: skip
    if missing != "error":
        gap = pl.when(pl.col("id") == 2).then(None).otherwise(pl.col("income"))
        customers = customers.with_columns(gap.alias("income"))
    data = Dataset.from_frame(
        table, id="id", time="time", features=["age", "merchant"], labels="y", static=customers,
        missing="error" if missing == "error" else "keep",
    )  # fmt: skip
    model = GRU(
        hidden_size=4, missing=missing, missing_indicator=missing != "error", scaler=scaler,
        readout=readout,
    )  # fmt: skip
    model.fit(data, epochs=1, progress=False)
    model.to_onnx(path)
    lengths = np.diff(data.offsets)
    rows, static = columns_of(model, data), static_of(model, data)
    inputs = padded(rows, lengths) | {"static": static}
    (outputs,) = session(path).run(None, inputs)
    outputs = rows_of(outputs, lengths) if readout == "each_step" else outputs
    assert_close(outputs, model.predict(data), 1e-5)
    assert metadata(path)["static_names"] == ["income", "country"]
    levels = model.encoder.levels | model.encoder.static.levels
    assert metadata(path)["categories"] == {name: list(own) for name, own in levels.items()}

    model.to_onnx(path, step=True)
    ends = steps(path, rows, lengths, static)
    ends = ends if readout == "each_step" else ends[data.offsets[1:] - 1]
    assert_close(ends, model.predict(data), 1e-5)


def static_of(model: Any, data: Dataset) -> np.ndarray[Any, Any]:
    """Return what the documentation says are the columns of ``static``, by loops."""
    known, own = data.static, model.encoder.static
    assert known is not None
    columns = [known.values[:, known.names.index(name)] for name in own.numbers]
    for name, levels in own.levels.items():
        codes = known.values[:, known.names.index(name)].astype(int)
        columns.append(np.array([levels.index(known.levels[name][code]) for code in codes]))
    return np.stack(columns, axis=1).astype(np.float32)


def test_numbers_alone_with_gaps(path: Path) -> None:
    table = purchases().drop("code", "merchant")
    data = Dataset.from_frame(
        table, id="id", time="time", features=["age", "amount"], labels="y", missing="keep"
    )
    model = RNN(hidden_size=3, missing="forward", scaler="minmax")
    model.fit(data, epochs=1, progress=False)
    model.to_onnx(path)
    rows = data.features.astype(np.float32)
    assert_close(run(path, rows, np.diff(data.offsets)), model.predict(data), 1e-5)


def test_categories_alone(path: Path) -> None:
    table = purchases()
    data = Dataset.from_frame(table, id="id", time="time", features=["merchant"], labels="y")
    model = RNN(hidden_size=3)
    model.fit(data, epochs=1, progress=False)
    model.to_onnx(path)
    assert_close(
        run(path, columns_of(model, data), np.diff(data.offsets)), model.predict(data), 1e-5
    )


def test_of_features_of_time_the_log_tells(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = RNN(hidden_size=3, missing="mean", time_features=("elapsed", "hour"))
    model.fit(read(purchases()), epochs=1, progress=False)
    model.to_onnx(path)
    assert "takes elapsed, hour as further columns" in caplog.text
    names = metadata(path)["feature_names"]
    assert names == ["amount", "age", "elapsed", "hour sine", "hour cosine", "code", "merchant"]


def test_of_a_feature_that_float32_rounds_the_log_tells(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a step and of a sequence; in float64 nothing is lost."""
    table = purchases().with_columns(
        clock=1.7e9 + pl.col("age"), member=1e8 + pl.col("id") / 1000, seconds=pl.col("age")
    )

    def model(dtype: str) -> Any:
        data = Dataset.from_frame(
            table, id="id", time="time", features=["clock", "seconds"], static="member", labels="y"
        )
        made = RNN(hidden_size=3, scaler="standard", dtype=dtype)
        made.fit(data, epochs=1, progress=False)
        return made

    model("float64").to_onnx(path)
    assert caplog.text == ""
    model("float32").to_onnx(path)
    told = [record.getMessage().partition(" is ")[0] for record in caplog.records]
    assert told == ["Feature 'clock'", "Feature 'member'"]


def test_what_is_not_read_back_is_named(path: Path) -> None:
    whole, lacking = purchases(), ["amount", "age"]
    gapless = whole.with_columns(pl.col("amount").fill_null(0.0))

    def written(table: pl.DataFrame, features: list[str], **options: Any) -> None:
        data = Dataset.from_frame(
            table, id="id", time="time", features=features, labels="y", missing="keep",
            static=options.pop("static", None),
        )  # fmt: skip
        model = GRU(hidden_size=3, scaler="standard", **options)
        model.fit(data, epochs=1, progress=False)
        model.to_onnx(path)

    constant = gapless.with_columns(birth=1950 + pl.col("id"))
    for arguments, options, what in (
        ((whole, lacking), {"missing": "mean"}, "fills gaps"),
        ((whole, lacking), {"missing": "forward"}, "fills gaps"),
        ((gapless, ["merchant"]), {}, "has categories"),
        ((constant, ["amount"]), {"static": "birth"}, "has static features"),
    ):
        written(*arguments, **options)
        with pytest.raises(ModelFileError, match=rf"rnn_rust {what}, which .*save\(\) writes"):
            from_onnx(path)
    written(gapless, lacking)
    assert from_onnx(path).feature_names == ("amount", "age")


def test_versions_inputs_and_names(path: Path) -> None:
    data = read(purchases(), categories=None).subset([0, 1])
    classes = data.with_values(data.features, (data.labels > 0).astype(float))
    model = GRU(hidden_size=4, missing="mean", loss="binary_cross_entropy")
    model.fit(classes, epochs=1, progress=False)
    model.threshold = 0.25
    model.to_onnx(path)
    written = onnx.load(path)
    onnx.checker.check_model(written, full_check=True)
    assert [(one.domain, one.version) for one in written.opset_import] == [("", 22)]
    assert written.ir_version == 10
    assert written.producer_name == "rnn_rust"
    shapes = {one.name: (one.type, one.shape) for one in session(path).get_inputs()}
    assert shapes == {
        "features": ("tensor(float)", ["batch", "time", 4]),
        "lengths": ("tensor(int32)", ["batch"]),
    }
    about = metadata(path)
    assert about["feature_names"] == ["code", "amount", "age", "merchant"]
    assert about["categories"] == {"merchant": list(model.encoder.levels["merchant"])}
    assert about["output_names"] == ["prediction"]
    assert (about["label_names"], about["threshold"]) == (["y"], 0.25)
