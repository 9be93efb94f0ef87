"""Writes the model files of ``device/`` and the events that C, Rust and Python answer alike.

``python tests/golden/make_device.py``. Of each cell a trained model, ``{cell}.safetensors``, and
``{cell}.csv``: a row for each event with 1 in the column ``first`` where a sequence begins, the
features, which float32 holds, and the outputs of ``predict``.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

import rnn_rust as rnn

FOLDER = Path(__file__).parent / "device"


def models() -> dict[str, Any]:
    """Return an untrained model for each file: every cell, and every way that outputs are made."""
    return {
        "rnn": rnn.RNN(3, 6, 2, activation="softsign", output_activation="tanh",
                       scaler=rnn.StandardScaler(labels=False)),
        "gru": rnn.GRU(3, 5, 1, loss="binary_cross_entropy", scaler="standard", seed=1),
        "lstm": rnn.LSTM(3, 4, 2, scaler="minmax", seed=2),
    }  # fmt: skip


def main() -> None:
    """Write all files."""
    FOLDER.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    features = np.float32(random.normal(size=(40, 3)) * [1, 20, 0.01] + [0, 500, 3])
    offsets = [0, 1, 3, 10, 40]
    for name, model in models().items():
        columns = model.settings["output_size"]
        labels = random.normal(size=(40, columns)) * 100 + 2000
        if name == "gru":
            labels = random.integers(2, size=(40, columns))
        data = rnn.Dataset.from_arrays(np.float64(features), labels, offsets)
        model.fit(data, epochs=5, batch_size=2, progress=False)
        model.save(FOLDER / f"{name}.safetensors")
        outputs = model.predict(data).astype(np.float64)
        with open(FOLDER / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(
                ["first", "x1", "x2", "x3", *(f"y{number + 1}" for number in range(columns))]
            )
            for row, (x, y) in enumerate(zip(features, outputs, strict=True)):
                writer.writerow([int(row in offsets), *map(float, x), *y.tolist()])


if __name__ == "__main__":
    main()
