"""Pictures of the newest record and of a sweep, as SVG files in benchmarks/pictures.

python benchmarks/pictures.py [--sweep benchmarks/records/sweep.json]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from record import Record, newest

PICTURES = Path(__file__).resolve().parent / "pictures"
# Colours that people with colour blindness tell apart (Okabe and Ito, 2008).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")


def by_hidden_size(axes: Axes, record: Record) -> None:
    """Draw the time per training step over hidden sizes, with rivals."""
    lines: dict[str, list[tuple[int, float]]] = {}
    for line in record.lines:
        if line.group != "hidden" or line.ours is None:
            continue
        hidden = int(line.name.removeprefix("H = "))
        for timing in (line.ours, *line.rivals):
            lines.setdefault(timing.title, []).append((hidden, timing.median))
    for (title, points), colour in zip(lines.items(), COLOURS, strict=False):
        width = 2.4 if title == "this package" else 1.3
        axes.plot(*zip(*points, strict=True), marker="o", ms=3, lw=width, color=colour, label=title)
    scale(axes, "hidden units", "ns per time step of training")
    axes.set_title(f"{record.machine['cpu']}, {record.level}, one thread", fontsize=9)
    axes.legend(fontsize=8, frameon=False)


def sweep(axes: Axes, lines: list[list[dict[str, Any]]], size: str, kind: str) -> None:
    """Draw time per multiply-add over one size, a line for each network."""
    for number, points in enumerate(lines):
        first = points[0]
        name = f"{first['cell']} {first['dtype'].removeprefix('float')} bit"
        if first["threads"] > 1:
            name += f", {first['threads']} threads"
        if size == "steps":
            name += f", batch {first['batch']}"
        values = [point[f"{kind}_ns"] / point[f"{kind}_work"] for point in points]
        axes.plot(
            [point[size] for point in points], values, marker="o", ms=2.5, lw=1.2,
            color=COLOURS[number % len(COLOURS)], label=name,
            linestyle="--" if number >= len(COLOURS) else "-",
        )  # fmt: skip
    scale(axes, size, f"ns per multiply-add, {kind}")
    if kind == "predict":
        axes.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.02, 1))


def scale(axes: Axes, x: str, y: str) -> None:
    """Set logarithmic axes with plain numbers."""
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set(xlabel=x, ylabel=y)
    axes.xaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:,.0f}"))
    plain = mpl.ticker.FuncFormatter(lambda v, _: f"{v:,.0f}" if v >= 1 else f"{v:g}")
    axes.yaxis.set_major_formatter(plain)
    axes.yaxis.set_minor_formatter(mpl.ticker.NullFormatter())
    low, high = axes.get_ylim()
    if high < 20 * low:  # too few powers of ten to read a value from
        axes.yaxis.set_minor_locator(mpl.ticker.LogLocator(subs=(2, 5)))
        axes.yaxis.set_minor_formatter(plain)
    axes.grid(visible=True, lw=0.3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def main() -> None:
    """Draw all pictures for which there are figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sweep", type=Path, help="what sweep.py wrote")
    options = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    # Make the same figures give the same file, byte for byte.
    plt.rcParams |= {"svg.hashsalt": "rnn-rust", "font.size": 9, "svg.fonttype": "none"}
    found = [record for record in newest() if any(line.group == "hidden" for line in record.lines)]
    if found:
        figure, rows = plt.subplots(1, len(found), figsize=(6 * len(found), 4), squeeze=False)
        for axes, record in zip(rows[0], found, strict=True):
            by_hidden_size(axes, record)
        save(figure, "hidden-size")
    if options.sweep:
        content = json.loads(options.sweep.read_text(encoding="utf-8"))
        figure, rows = plt.subplots(
            len(content), 2, figsize=(12, 3.4 * len(content)), squeeze=False
        )
        for row, (size, lines) in zip(rows, content.items(), strict=True):
            for axes, kind in zip(row, ("train", "predict"), strict=True):
                sweep(axes, lines, size, kind)
        save(figure, options.sweep.stem)


def save(figure: Any, name: str) -> None:
    """Write a figure as SVG."""
    figure.tight_layout()
    figure.savefig(PICTURES / f"{name}.svg", metadata={"Date": None})
    print(PICTURES / f"{name}.svg")


if __name__ == "__main__":
    main()
