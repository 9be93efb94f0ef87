"""Reads damaged ONNX files: ``python tests/onnx_fuzz.py --count 5000``.

Each must give a model or a ModelFileError that names the file. What is refused takes no memory
beyond twice the file: that of NumPy and Python by tracemalloc, file by file, and that of the
process as a whole. Prints a line of JSON; one that fails is named by its number, and ``--first``
makes it again.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import tempfile
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx

import rnn_rust
from rnn_rust.errors import ModelFileError

GOLDEN = Path(__file__).parent / "golden" / "onnx"
Random = np.random.Generator
# What Python's own objects take, whatever the file; 0.7 MB where json gives up on deep nesting.
OBJECTS = 2**20


def whole_files(folder: Path) -> list[bytes]:
    """Return files of other exporters and of this package, small ones and one of 1 MB."""
    files = [path.read_bytes() for path in sorted(GOLDEN.glob("*.onnx"))]
    path = folder / "whole.onnx"
    own: list[tuple[Any, bool]] = [
        (rnn_rust.LSTM(3, 5, 2, num_layers=2, bidirectional=True), False),
        (rnn_rust.GRU(3, 5, 2, loss="cross_entropy", readout="mean"), False),
        (rnn_rust.RNN(3, 5, 2, activation="leaky_relu", output_activation="silu"), True),
        (rnn_rust.LSTM(3, 250, 2), False),
    ]
    for model, step in own:
        model.to_onnx(path, step=step)
        files.append(path.read_bytes())
    return files


def truncated(data: bytes, random: Random) -> bytes:
    return data[: random.integers(len(data))]


def flipped(data: bytes, random: Random) -> bytes:
    """Return the file with up to 8 bits flipped, more often before the weights' bytes."""
    damaged = bytearray(data)
    for _ in range(random.integers(1, 9)):
        end = len(data) if random.random() < 0.5 else min(len(data), 2000)
        damaged[random.integers(end)] ^= 1 << random.integers(8)
    return bytes(damaged)


def overwritten(data: bytes, random: Random) -> bytes:
    """Return the file with a length, or whatever stands there, made huge."""
    place = int(random.integers(len(data)))
    huge = b"\xff" * int(random.integers(1, 10)) + b"\x7f"
    return data[:place] + huge + data[place + random.integers(0, 11) :]


def spliced(data: bytes, random: Random) -> bytes:
    """Return the file with a part of it cut out, or put in twice."""
    begin, end = sorted(random.integers(0, len(data), 2).tolist())
    return data[:end] + data[begin:] if random.random() < 0.5 else data[:begin] + data[end:]


def oversized(data: bytes, random: Random) -> bytes:
    """Return a file that is sound as such, with a count in it that is not."""
    model = onnx.load_model_from_string(data)
    graph, huge = model.graph, int(10 ** random.integers(1, 18))
    kind = random.integers(6)
    if kind == 0 and graph.initializer:
        tensor = graph.initializer[random.integers(len(graph.initializer))]
        if tensor.dims:
            tensor.dims[random.integers(len(tensor.dims))] = huge
    elif kind == 1:
        node = graph.node[random.integers(len(graph.node))]
        for attribute in node.attribute:
            attribute.i = huge
            for place in range(len(attribute.ints)):
                attribute.ints[place] = huge
    elif kind == 2:
        doubled(graph, random)
    elif kind == 3 and graph.initializer:
        broadcast(graph, random)
    elif kind == 4:
        # Whatever is a constant of integers: shapes, axes, places.
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.t.data_type == onnx.TensorProto.INT64:
                    attribute.t.raw_data = np.full(attribute.t.dims, huge, np.int64).tobytes()
    else:
        model.metadata_props.add(key="classes", value="[" * 100_000)
        model.producer_name = "rnn_rust"
    return bytes(model.SerializeToString())


def doubled(graph: Any, random: Random) -> None:
    """Let a constant be joined with itself 40 times before it is used."""
    names = [one.name for one in graph.initializer]
    name = names[random.integers(len(names))]
    nodes = list(graph.node)
    graph.ClearField("node")
    last = name
    for number in range(40):
        made = f"doubled {number}"
        graph.node.append(onnx.helper.make_node("Concat", [last, last], [made], axis=0))
        last = made
    for node in nodes:
        inputs = [last if one == name else one for one in node.input]
        node.ClearField("input")
        node.input.extend(inputs)
        graph.node.append(node)


def broadcast(graph: Any, random: Random) -> None:
    """Let a weight be the sum of a long row and a long column."""
    names = [one.name for one in graph.initializer]
    name = names[random.integers(len(names))]
    for key, shape in (("row", (1, 5000)), ("column", (5000, 1))):
        ones = np.ones(shape, np.float32)
        graph.initializer.append(onnx.numpy_helper.from_array(ones, key))
    nodes = list(graph.node)
    graph.ClearField("node")
    graph.node.append(onnx.helper.make_node("Add", ["row", "column"], ["huge"]))
    for node in nodes:
        inputs = ["huge" if one == name else one for one in node.input]
        node.ClearField("input")
        node.input.extend(inputs)
        graph.node.append(node)


DAMAGES: list[Callable[[bytes, Random], bytes]] = [
    truncated, flipped, flipped, overwritten, spliced, oversized, oversized,
]  # fmt: skip


def outcome(path: Path, size: int) -> str:
    """Return what became of a file; what should not have is an AssertionError."""
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    message = None
    try:
        rnn_rust.from_onnx(path)
    except ModelFileError as error:
        message = str(error)
    _, peak = tracemalloc.get_traced_memory()
    if message is None:
        return "model"
    assert str(path) in message, f"the message does not name the file: {message}"
    taken = peak - before
    assert taken <= 2 * size + OBJECTS, f"it took {taken} bytes for a file of {size}"
    return "refused"


def megabytes_of_process() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Damage files and read them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    arguments = parser.parse_args()
    logging.disable()
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        files = whole_files(Path(name))
        for place, data in enumerate(files):
            path = Path(name) / f"whole-{place}.onnx"
            path.write_bytes(data)
            rnn_rust.from_onnx(path)
        before = megabytes_of_process()
        tracemalloc.start()
        for number in range(arguments.first, arguments.first + arguments.count):
            random = np.random.default_rng(number)
            damage = DAMAGES[random.integers(len(DAMAGES))]
            # The large file takes its time: it is one of a hundred.
            file = files[-1] if number % 100 == 0 else files[random.integers(len(files) - 1)]
            damaged = damage(file, random)
            path = Path(name) / f"{number}.onnx"
            path.write_bytes(damaged)
            try:
                counts[outcome(path, len(damaged))] += 1
            except BaseException as error:
                raise SystemExit(f"file {number} ({damage.__name__}): {error!r}") from error
            path.unlink()
    print(json.dumps({**counts, "megabytes": round(megabytes_of_process() - before, 1)}))


if __name__ == "__main__":
    main()
