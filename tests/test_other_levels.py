"""Levels that training has hardly seen: their weights whenever somebody looks at the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import rnn_rust as rnn
from rnn_rust.callbacks import Checkpoint, EarlyStopping
from rnn_rust.learning.history import Record

EPOCHS = 4


def table(rows: int, seed: int, levels: list[str]) -> pl.DataFrame:
    random, steps = np.random.default_rng(seed), np.arange(rows)
    kind = random.choice(levels, rows)
    return pl.DataFrame(
        {
            "id": steps // 8, "t": steps % 8, "kind": kind, "x1": random.normal(size=rows),
            "y1": (kind == levels[0]) + random.normal(scale=0.1, size=rows),
            "region": [levels[(step // 8) % len(levels)] for step in steps],
        }
    )  # fmt: skip


def dataset(frame: pl.DataFrame) -> rnn.Dataset:
    features, static = ["kind", "x1"], ["region"]
    return rnn.Dataset.from_frame(frame, features=features, labels="y1", static=static)


# Of 400 rows one has a level beyond the two most frequent ones.
TRAIN = dataset(
    table(400, 0, ["a", "b"]).with_columns(
        kind=pl.when(pl.int_range(400) == 5).then(pl.lit("rare")).otherwise("kind")
    )
)
VALIDATION = dataset(table(64, 1, ["a", "new"]))


def network(**options: Any) -> rnn.GRU:
    optimizer = rnn.AdamW(0.02, weight_decay=0.1)
    given = {"hidden_size": 4, "max_categories": 2, "optimizer": optimizer, "seed": 3}
    return rnn.GRU(**given | options)


def after(epochs: int, **options: Any) -> rnn.GRU:
    """Return a network that nobody looked at in so many epochs."""
    model = network(**options)
    model.fit(TRAIN, epochs=epochs, batch_size=8, progress=False)
    return model


def assert_settled(model: Any) -> None:
    """Compare each "other" column with the mean of the others, weighted by counted rows."""
    weights = model.state_dict()["weight_ih_l0"].astype(np.float64)
    names = list(model.input_names)
    rows = TRAIN.to_frame()
    # A static feature counts once for each sequence.
    for column, counted in (("kind", rows), ("region", rows.filter(pl.col("t") == 0))):
        counts = {level: int((counted[column] == level).sum()) for level in ("a", "b")}
        mean = sum(
            weights[:, names.index(f"{column}={level}")] * count / sum(counts.values())
            for level, count in counts.items()
        )
        np.testing.assert_allclose(weights[:, names.index(f"{column}=other")], mean, rtol=1e-5)


@pytest.mark.parametrize("options", [{}, {"bidirectional": True, "readout": "last"}])
def test_metrics_of_an_epoch_are_those_of_the_model_that_training_would_leave(
    options: dict[str, Any],
) -> None:
    model, evaluator = network(**options), rnn.RegressionEvaluator()
    history = model.fit(
        TRAIN, epochs=EPOCHS, batch_size=8, validation=VALIDATION, evaluator=evaluator,
        eval_every=1, progress=False,
    )  # fmt: skip
    for number, record in enumerate(history, 1):
        ended = after(number, **options)
        assert record["validation_loss"] == ended.loss(VALIDATION)
        assert record["validation_mae"] == ended.evaluate(VALIDATION, evaluator).mae
    for name, weights in after(EPOCHS, **options).state_dict().items():
        np.testing.assert_array_equal(model.state_dict()[name], weights)
    assert_settled(model)


def test_callbacks_and_files_have_the_model_that_was_validated(tmp_path: Path) -> None:
    model, seen = network(), []

    def look(record: Record) -> None:
        assert_settled(model)
        seen.append(model.loss(VALIDATION))
        model.save(tmp_path / f"{record['epoch']:.0f}")

    path = tmp_path / "checkpoint"
    callbacks = [look, Checkpoint(path, keep_best="validation_loss"), EarlyStopping(patience=2)]
    history = model.fit(
        TRAIN, epochs=EPOCHS, batch_size=8, validation=VALIDATION, callbacks=callbacks,
        progress=False,
    )  # fmt: skip
    losses = [record["validation_loss"] for record in history]
    assert seen == losses
    assert [rnn.load(tmp_path / str(at)).loss(VALIDATION) for at in range(1, len(seen) + 1)] == seen
    assert rnn.load(path).loss(VALIDATION) == losses[-1]
    assert rnn.load(tmp_path / "checkpoint.best").loss(VALIDATION) == min(losses)
    assert model.loss(VALIDATION) == min(losses)


def test_a_resumed_training_has_the_bits_of_one_that_was_not_interrupted(tmp_path: Path) -> None:
    path, model = tmp_path / "checkpoint", network()
    options: dict[str, Any] = {"batch_size": 8, "validation": VALIDATION, "progress": False}
    network().fit(TRAIN, epochs=2, callbacks=[Checkpoint(path)], **options)
    model.fit(TRAIN, epochs=EPOCHS, callbacks=[Checkpoint(path)], resume=path, **options)
    for name, weights in after(EPOCHS).state_dict().items():
        np.testing.assert_array_equal(model.state_dict()[name], weights)


def test_levels_are_settled_however_training_ends() -> None:
    def fail(record: Record) -> None:
        raise RuntimeError("full disk")

    def interrupt(record: Record) -> None:
        raise KeyboardInterrupt

    class Last:
        def __call__(self, record: Record) -> None:
            pass

        def on_end(self, training: Any) -> None:
            assert_settled(training.model)

    for ending in (fail, interrupt):
        model = network()
        try:
            model.fit(TRAIN, epochs=2, batch_size=8, callbacks=[ending, Last()], progress=False)
        except RuntimeError:
            assert ending is fail
        assert model.epochs_trained == 1
        for name, weights in after(1).state_dict().items():
            np.testing.assert_array_equal(model.state_dict()[name], weights)


def test_training_goes_on_from_what_a_callback_puts_into_the_model() -> None:
    start = after(1).state_dict()
    names = list(after(1).input_names or ())
    start["weight_ih_l0"][:, names.index("kind=other")] = 5.0
    expected = after(1).load_state_dict(start).loss(TRAIN)
    model = network(optimizer=rnn.SGD(1e-30))

    def replace(record: Record) -> None:
        model.load_state_dict(start)

    history = model.fit(
        TRAIN, epochs=2, batch_size=len(TRAIN), callbacks=[replace], progress=False
    )  # fmt: skip
    assert history.loss[1] == pytest.approx(expected, rel=1e-6)
    assert_settled(model)
