"""Damaged model files and checkpoints: none loads as another model.

``RNN_RUST_DAMAGED=10000`` makes so many of them in place of a few hundred.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from networks import from_bytes, to_bytes
from test_golden_files import NAMES, VERSIONS

from rnn_rust.errors import ModelFileError
from rnn_rust.storage.model_file import unpack

COUNT = int(os.environ.get("RNN_RUST_DAMAGED", "800"))
Random = np.random.Generator


def flipped_bit(data: bytearray, random: Random) -> None:
    data[random.integers(len(data))] ^= 1 << random.integers(8)


def flipped_bits(data: bytearray, random: Random) -> None:
    for _ in range(random.integers(2, 20)):
        flipped_bit(data, random)


def other_bytes(data: bytearray, random: Random) -> None:
    start = random.integers(len(data))
    length = len(data[start : start + random.integers(1, 30)])
    data[start : start + length] = random.bytes(length)


def other_digit(data: bytearray, random: Random) -> None:
    """Another digit in the header: what stays JSON, and may well stay a model."""
    digits = [at for at in range(8, header_end(data)) if chr(data[at]).isdigit()]
    data[random.choice(digits)] = random.integers(ord("0"), ord("9") + 1)


def truncated(data: bytearray, random: Random) -> None:
    del data[random.integers(len(data)) :]


def inserted(data: bytearray, random: Random) -> None:
    start = random.integers(len(data) + 1)
    data[start:start] = random.bytes(random.integers(1, 30))


def removed(data: bytearray, random: Random) -> None:
    start = random.integers(len(data))
    del data[start : start + random.integers(1, 30)]


def swapped(data: bytearray, random: Random) -> None:
    """Exchange two blocks of one length, in the header, among the tensors, or across."""
    size = int(random.choice([1, 4, 8, 16, 64, 512]))
    first, second = (int(at) for at in random.integers(len(data) - size, size=2))
    block = bytes(data[first : first + size])
    data[first : first + size] = data[second : second + size]
    data[second : second + size] = block


def zeroed(data: bytearray, random: Random) -> None:
    start = random.integers(len(data))
    length = len(data[start : start + random.integers(1, 600)])
    data[start : start + length] = bytes(length)


DAMAGES: list[Callable[[bytearray, Random], None]] = [
    flipped_bit, flipped_bits, other_bytes, other_digit, truncated, inserted, removed, swapped,
    zeroed,
]  # fmt: skip


def header_end(data: bytes | bytearray) -> int:
    return 8 + int.from_bytes(data[:8], "little")


def same_file(data: bytes, whole: bytes) -> bool:
    """Whether both hold one model: every weight, setting and name, and a training's state."""
    (description, tensors), (expected, arrays) = unpack(data, "one"), unpack(whole, "other")
    return (
        to_bytes(from_bytes(data)) == to_bytes(from_bytes(whole))
        and repr(description) == repr(expected)
        and tensors.keys() == arrays.keys()
        and all(a.dtype == arrays[name].dtype for name, a in tensors.items())
        and all(a.tobytes() == arrays[name].tobytes() for name, a in tensors.items())
    )


@pytest.mark.parametrize("name", NAMES)
def test_no_damaged_file_loads_as_another_model(name: str) -> None:
    whole = (VERSIONS[-1] / f"{name}.safetensors").read_bytes()
    assert same_file(whole, whole)
    random = np.random.default_rng(len(name))
    seen: Counter[str] = Counter()
    for number in range(COUNT // len(NAMES)):
        damaged = bytearray(whole)
        while damaged == whole:
            DAMAGES[number % len(DAMAGES)](damaged, random)
        data = bytes(damaged)
        try:
            from_bytes(data)
        except ModelFileError as error:
            seen["checksum" if "checksum" in str(error) else "refused otherwise"] += 1
            continue
        assert same_file(data, whole), f"{DAMAGES[number % len(DAMAGES)].__name__}, file {number}"
        seen["the same model"] += 1
    print(f"{name}: {dict(seen)}")
    assert seen["checksum"] > 0
    assert seen["the same model"] < 0.01 * COUNT
