"""Files of scorers that are damaged or forged: refused, whatever is wrong with them."""

from __future__ import annotations

import json
import random
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scorers import filled

import rnn_rust as rnn
from rnn_rust.errors import ModelFileError
from rnn_rust.model.scorer import STATES
from rnn_rust.storage.model_file import pack, unpack


def damaged(data: bytes, source: random.Random) -> bytes:
    """Cut, flip, repeat, leave out, and claim sizes that are too large."""
    kind, changed = source.randrange(6), bytearray(data)
    at = source.randrange(len(data))
    if kind == 0:
        return data[:at]
    if kind == 1:
        changed[at] ^= 1 << source.randrange(8)
    elif kind == 2:
        start = source.randrange(len(data))
        changed[at:at] = data[start : start + 100]
    elif kind == 3:
        del changed[at : at + source.randrange(1, 200)]
    elif kind == 4:
        changed[:8] = struct.pack("<Q", source.getrandbits(source.choice([8, 20, 33, 64])))
    else:
        # A shape or an offset in the header becomes huge.
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        tensor = header[source.choice([name for name in header if name != "__metadata__"])]
        field = source.choice(["shape", "data_offsets"])
        tensor[field][source.randrange(len(tensor[field]))] = source.choice([2**31, 2**40, 2**63])
        text = json.dumps(header).encode()
        return len(text).to_bytes(8, "little") + text + data[8 + length :]
    return bytes(changed)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "states.safetensors"
    filled(max_entities=250).save(path)
    data, source = path.read_bytes(), random.Random(0)
    tracemalloc.start()
    try:
        for _ in range(5000):
            bad = damaged(data, source)
            if bad == data:
                continue
            path.write_bytes(bad)
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            with pytest.raises(ModelFileError, match="states"):
                rnn.load_scorer(path)
            # Beside it errors, and the header as Python has it.
            assert tracemalloc.get_traced_memory()[1] - before < 2 * len(bad) + 300_000
    finally:
        tracemalloc.stop()


def test_no_more_memory_is_taken_than_twice_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "states.safetensors"
    scorer = rnn.GRU(1, 64, 1).scorer()
    scorer.score_batch(np.arange(30_000), np.zeros((30_000, 1)))
    scorer.save(path)
    data = bytearray(path.read_bytes())
    for at in (len(data) // 2, len(data) - 1):
        data[at] ^= 1
        path.write_bytes(data)
        tracemalloc.start()
        with pytest.raises(ModelFileError, match="checksum"):
            rnn.load_scorer(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2.05 * len(data) + 300_000


FORGED = {
    "a kind of key that is not known": ("kinds", lambda a: np.full_like(a, 9)),
    "keys that are there twice": ("keys", np.zeros_like),
    "fewer keys": ("keys", lambda a: a[:-1]),
    "texts that end early": ("texts", lambda a: a[:5]),
    "texts that are none": ("texts", lambda a: np.full_like(a, 255)),
    "times that are NaN": ("times", lambda a: np.full_like(a, np.nan)),
    "times of another type": ("times", lambda a: a.astype(np.float32)),
    "fewer states": ("states", lambda a: a[:-1]),
    "states of another size": ("states", lambda a: a[:, :-1].copy()),
    "states of another type": ("states", lambda a: a.astype(np.float64)),
    "no count of those given up": ("given_up", lambda a: a[:1]),
    "nothing": ("kinds", None),
}


@pytest.mark.parametrize("what", FORGED)
def test_files_with_a_checksum_that_make_no_sense_are_refused(tmp_path: Path, what: str) -> None:
    path, (name, change) = tmp_path / "states.safetensors", FORGED[what]
    filled().save(path)
    description, tensors = unpack(path.read_bytes(), path)
    array: Any = tensors.pop(STATES + name)
    if change is not None:
        tensors[STATES + name] = change(array)
    path.write_bytes(pack(description, tensors))
    with pytest.raises(ModelFileError, match=r"states\.safetensors: the states are damaged"):
        rnn.load_scorer(path)


@pytest.mark.parametrize("limits", [{"max_entities": 5}, {"max_entities": "a"}, {}, None])
def test_limits_in_a_file_are_checked(tmp_path: Path, limits: Any) -> None:
    path = tmp_path / "states.safetensors"
    filled().save(path)
    description, tensors = unpack(path.read_bytes(), path)
    description["scorer"] = limits
    path.write_bytes(pack(description, tensors))
    with pytest.raises(ModelFileError, match="the states are damaged"):
        rnn.load_scorer(path)


@pytest.mark.parametrize("model", [None, {}, 1, "table"])
def test_descriptions_of_models_are_checked(tmp_path: Path, model: Any) -> None:
    path = tmp_path / "states.safetensors"
    filled().save(path)
    description, tensors = unpack(path.read_bytes(), path)
    if model == "table":
        description["model"]["table"] = 1
    elif model is None:
        del description["model"]
    else:
        description["model"] = model
    path.write_bytes(pack(description, tensors))
    with pytest.raises(ModelFileError, match=r"states\.safetensors: this model file is damaged"):
        rnn.load_scorer(path)
