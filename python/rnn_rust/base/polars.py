"""Polars, from where all of the package imports it; a place that only scores arrays may lack it."""

try:
    import polars as pl
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "tables, files and frames take Polars, which is not installed: pip install polars; "
        "without it a model predicts on NumPy arrays, and steps",
        name=error.name,
    ) from error

__all__ = ["FAILURES", "has_text", "pl"]

# Its readers panic at some damaged files, which is no PolarsError, nor an Exception.
FAILURES = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
"""What Polars raises of data that it cannot read."""


def has_text(kind: pl.DataType) -> bool:
    """Whether cells of this type can be written as text that tells them apart."""
    return not kind.is_nested() and kind not in (pl.Binary, pl.Duration, pl.Object)
