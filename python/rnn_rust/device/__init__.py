"""C for devices: a trained network as one source file that only needs math.h.

| file | contents |
|---|---|
| `design.py` | what is exported of a network: sizes, meanings, needs; and checks |
| `constants.py` | the arrays of scales, categories and weights |
| `interface.py` | the call of a step; templates |
| `header.py` | the header: usage, inputs and outputs, memory needs |
| `source.py`, `step.py` | constants and functions; the body of a step |
| `cells.py` | the C of activations and cells |
| `vectors.py` | test vectors, and the program that checks them |
| `words.py` | names, comments and numbers in C |
"""

from __future__ import annotations

import os
from pathlib import Path

from rnn_rust.base.folders import replacing_folder
from rnn_rust.device import header, source, vectors
from rnn_rust.device.design import Design
from rnn_rust.device.interface import MARK
from rnn_rust.model.network import Network

__all__ = ["to_c"]


def to_c(model: Network, folder: str | os.PathLike[str], name: str) -> None:
    """Carry out :meth:`rnn_rust.RNN.to_c`."""
    design = Design(model, name)
    made = vectors.Vectors.of(design)
    files = {
        f"{name}.h": header.header(design),
        f"{name}.c": source.source(design),
        f"{name}_vectors.h": vectors.header(design, made),
        f"{name}_test.c": vectors.program(design),
    }
    with replacing_folder(folder, lambda file: file.name in files and _is_ours(file)) as new:
        for file, text in files.items():
            (new / file).write_text(text, encoding="utf-8", newline="\n")


def _is_ours(file: Path) -> bool:
    """Whether an export wrote a file."""
    with open(file, encoding="utf-8", errors="replace") as opened:
        return MARK in opened.readline()
