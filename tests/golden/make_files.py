"""Writes model files and a checkpoint of the package as it is, and what they have to give back.

``python tests/golden/make_files.py``, once for every version of the format: a folder
``files/v{version}`` gets the files, and ``expected.npz`` with the data and the outputs of each.
What a folder holds stays as it is for good; ``test_golden_files.py`` loads all of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import rnn_rust as rnn
from rnn_rust.model.network import Network
from rnn_rust.storage.model_file import FORMAT_VERSION

FOLDER = Path(__file__).parent / "files"
EPOCHS, CHECKPOINT_AFTER = 6, 3
THRESHOLD = 0.25


def untrained() -> dict[str, Network]:
    """Return a model for each file; together they have all that a description can hold."""
    step_decay = rnn.schedules.StepDecay(0.05, every=2, factor=0.5)
    cosine = rnn.schedules.CosineDecay(0.02, epochs=20, warmup_epochs=2)
    return {
        "rnn": rnn.RNN(
            2, 3, 1, activation="relu", optimizer=rnn.SGD(step_decay, momentum=0.9),
            loss=rnn.Huber(0.5), scaler="minmax", seed=1, clip_norm=1.0,
        ),
        "gru": rnn.GRU(
            2, 3, 1, loss="binary_cross_entropy", class_weight={0: 0.5, 1: 3.0}, pos_weight=2.0,
            optimizer=rnn.AdamW(cosine), scaler="standard", dtype="float64", seed=2,
        ),
        "lstm": rnn.LSTM(
            2, 3, 2, loss="cross_entropy", class_weight="balanced", num_layers=2, dropout=0.1,
            bidirectional=True, readout="mean", optimizer=rnn.RMSprop(0.01), scaler="standard",
            seed=3,
        ),
        "checkpoint": checkpointed(),
    }  # fmt: skip


def checkpointed() -> Network:
    """Return the model of the checkpoint."""
    plateau = rnn.schedules.ReduceOnPlateau(0.02, monitor="loss", factor=0.5, patience=1)
    return rnn.GRU(2, 3, 1, optimizer=rnn.Adam(plateau), scaler="minmax", seed=4)


def dataset(arrays: Any) -> rnn.Dataset:
    """Return the data set of the arrays of ``expected.npz``."""
    return rnn.Dataset.from_arrays(
        arrays["features"], arrays["labels"], arrays["offsets"],
        feature_names=["größe", "x2"], label_names=["y"],
    )  # fmt: skip


def go_on(model: Network, data: rnn.Dataset, path: Path, epochs: int = EPOCHS) -> rnn.History:
    """Train with a checkpoint and callbacks that have states; go on from it if it is there."""
    callbacks = [
        rnn.EarlyStopping("validation_loss", patience=20),
        rnn.Checkpoint(path, keep_best="validation_loss"),
    ]
    return model.fit(
        data, epochs=epochs, batch_size=2, validation=data.subset([0, 1]), callbacks=callbacks,
        progress=False, resume=path,
    )  # fmt: skip


def main() -> None:
    """Write the folder of the version that the package writes."""
    folder = FOLDER / f"v{FORMAT_VERSION}"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    features = np.float32(random.normal(size=(24, 2)) * [1, 50] + [0, 100])
    labels = np.float32(random.integers(2, size=24))
    labels[::7] = np.nan
    expected: dict[str, Any] = {
        "features": features, "labels": labels, "offsets": [0, 3, 4, 10, 17, 24]
    }  # fmt: skip
    data = dataset(expected)
    for name, model in untrained().items():
        path = folder / f"{name}.safetensors"
        model.threshold = None if name == "lstm" else THRESHOLD
        if name == "checkpoint":
            go_on(model, data, path, CHECKPOINT_AFTER)
            path.with_name("checkpoint.best.safetensors").unlink()
        else:
            model.fit(data, epochs=EPOCHS, batch_size=2, progress=False)
            model.save(path)
        expected[name] = rnn.load(path).predict(data)
    whole = checkpointed()
    copy = folder / "whole.safetensors"
    expected["losses"] = go_on(whole, data, copy).loss
    expected["resumed"] = whole.predict(data)
    for written in folder.glob("whole*"):
        written.unlink()
    np.savez_compressed(folder / "expected.npz", **expected)


if __name__ == "__main__":
    main()
