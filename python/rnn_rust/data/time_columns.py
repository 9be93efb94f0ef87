"""Times split over several columns: year and quarter, date and time of day."""

from __future__ import annotations

from rnn_rust.base.polars import has_text, pl
from rnn_rust.data.source import Source
from rnn_rust.errors import DataError, ParameterError

# For each group of columns, the text of the joined time, in a known form.
_TOGETHER = {
    ("date", "time"): "{} {}",
    ("year", "quarter"): "{} Q{}",
    ("year", "week"): "{}-W{:2}",
    ("year", "month"): "{}-{:2}",
    ("year", "month", "day"): "{}-{:2}-{:2}",
    ("year", "month", "day", "hour"): "{}-{:2}-{:2} {:2}:00",
    ("year", "month", "day", "hour", "minute"): "{}-{:2}-{:2} {:2}:{:2}",
    ("year", "month", "day", "hour", "minute", "second"): "{}-{:2}-{:2} {:2}:{:2}:{:2}",
}
_ALIASES = {"yr": "year", "qtr": "quarter", "day of month": "day", "clock": "time"}


def joined_time(keys: pl.DataFrame, names: tuple[str, ...], source: Source, rows: int) -> pl.Series:
    """Return the time columns joined into one; row numbers if there are none.

    Raises
    ------
    ParameterError
        The columns do not make up a time.
    DataError
        A cell is empty.
    """
    if not names:
        return pl.Series("t", range(rows), dtype=pl.Int64)
    if len(names) == 1:
        return keys[names[0]]
    parts = tuple(_ALIASES.get(name.strip().lower(), name.strip().lower()) for name in names)
    if parts not in _TOGETHER:
        known = "; ".join(", ".join(group) for group in _TOGETHER)
        raise ParameterError(
            f"time={list(names)}: columns that say a time together have these names: {known}; "
            "name one column, or join them into one"
        )
    texts = []
    for part, name in zip(parts, names, strict=True):
        kind = keys[name].dtype
        if not has_text(kind):
            raise DataError(
                f"{source.name}, column '{name}': type {kind} is no part of a time; convert it to "
                "numbers, text or dates"
            )
        text = keys[name].cast(pl.String).str.strip_chars()
        if (empty := text.is_null() | (text == "")).any():
            row = int(empty.arg_max() or 0)
            raise DataError(f"{source.at(row, name)}: the cell is empty; every row needs a time")
        texts.append(text.str.to_uppercase().str.strip_chars("Q") if part == "quarter" else text)
    return _filled(_TOGETHER[parts], texts).rename(", ".join(names))


def _filled(pattern: str, texts: list[pl.Series]) -> pl.Series:
    """Put texts into the braces of a pattern; ``{:2}`` pads numbers with zeros to two digits."""
    expression, rest = pl.lit(""), pattern
    for text in texts:
        before, _, rest = rest.partition("{")
        width, _, rest = rest.partition("}")
        # zfill leaves the name of a month unchanged.
        expression = expression + before + (text.str.zfill(2) if width == ":2" else text)
    return pl.select(expression + rest).to_series()
