"""Summaries of a data set in a few lines of text."""

from __future__ import annotations

import numpy as np

from rnn_rust.base.arrays import FloatArray
from rnn_rust.base.checks import counted
from rnn_rust.data.columns import first_of, listed
from rnn_rust.data.sequences import Sequences


def sizes(dataset: Sequences) -> str:
    """Return the numbers of sequences, rows and columns, in one line."""
    return (
        f"<Dataset: {counted(len(dataset), 'sequence')}, "
        f"{counted(dataset.offsets[-1], 'row')}, "
        f"{counted(len(dataset.feature_names), 'feature')}, "
        f"{counted(len(dataset.label_names), 'label')}"
        f"{'' if dataset.static is None else f', {len(dataset.static.names)} static'}"
        f"{'' if dataset.shared_rows.arrays['weights'] is None else ', weights'}>"
    )


def summarise(dataset: Sequences) -> str:
    """Return lines on rows, sequences, lengths, features, each label's rate or range, weights."""
    lengths = np.diff(dataset.offsets)
    names = dataset.feature_names
    shown = ", ".join(names) if len(names) <= 6 else f"{names[0]}, {names[1]}, ..., {names[-1]}"
    lines = [
        f"rows       {dataset.offsets[-1]:,}",
        f"sequences  {len(dataset):,}" + (" (one series)" if dataset.id_name is None else ""),
        f"length     min {lengths.min():,}, median {np.median(lengths):,.6g}, "
        f"max {lengths.max():,}",
        f"features   {len(names)}: {shown}",
    ]
    levels_of = dict(dataset.levels)
    if (static := dataset.static) is not None:
        lines.append(f"static     {len(static.names)}: {first_of(static.names, most=6)}")
        levels_of |= static.levels
    for name, levels in levels_of.items():
        lines.append(
            f"category   {name}: {counted(len(levels), 'level')}, {first_of(levels, most=3)}"
        )
    for name, column in zip(dataset.label_names, dataset.labels.T, strict=True):
        classes = dataset.label_levels.get(name)
        described = _describe(column) if classes is None else _describe_classes(column, classes)
        lines.append(f"label      {name}: {described}")
    if not dataset.has_labels:
        lines.append("label      none")
    if (weights := dataset.weights) is not None:
        lines.append(
            f"weights    {dataset.weights_name}: {weights.min():.6g} to {weights.max():.6g}, "
            f"mean {weights.mean():.6g}"
        )
    if dataset.left_out:
        lines.append(f"left out   {listed(dataset.left_out, most=6)}")
    return "\n".join(lines)


def used_columns(dataset: Sequences) -> str:
    """Return one line on how the columns of the table are used, and which are left out."""
    parts = [
        "one series" if dataset.id_name is None else f"id {dataset.id_name}",
        f"time {dataset.time_name}" if dataset.time_name else "rows in their order",
        f"features {listed(dataset.feature_names)}",
        f"labels {listed(dataset.label_names)}" if dataset.has_labels else "no labels",
    ]
    if dataset.static is not None:
        parts.append(f"static {listed(dataset.static.names)}")
    if dataset.weights is not None:
        parts.append(f"weights {dataset.weights_name}")
    if dataset.left_out:
        parts.append(f"left out: {listed(dataset.left_out)}")
    return "; ".join(parts)


def _describe(column: FloatArray) -> str:
    """Describe one label (N,): the rate of ones if all are 0 or 1, else the range."""
    known = column[~np.isnan(column)]
    missing = f"{len(column) - len(known):,} missing"
    if len(known) == 0:
        return missing
    if np.isin(known, (0, 1)).all():
        ones = np.count_nonzero(known)
        return f"{ones / len(known):.4g} positive ({ones:,} of {len(known):,}), {missing}"
    return f"{known.min():.6g} to {known.max():.6g}, mean {known.mean():.6g}, {missing}"


def _describe_classes(column: FloatArray, classes: tuple[str, ...]) -> str:
    """Describe one label (N,) of named classes: the count of each of the first ones."""
    known = column[~np.isnan(column)].astype(np.int64)
    counts = np.bincount(known, minlength=len(classes)).tolist()
    some = [f"{name} ({count:,})" for name, count in zip(classes, counts, strict=True) if count]
    classes_of = f"{counted(len(some), 'class', 'classes')}, {first_of(some, most=6)}"
    return f"{classes_of}; {len(column) - len(known):,} missing"
