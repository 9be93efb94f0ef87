"""The import of Polars for the whole package; without it, a model can still predict on arrays."""

try:
    import polars as pl
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "tables, files and frames take Polars, which is not installed: pip install polars; "
        "without it a model predicts on NumPy arrays, and steps",
        name=error.name,
    ) from error

__all__ = ["FAILURES", "has_text", "pl"]

# Its readers panic at some damaged files; PanicException is not a PolarsError or an Exception.
FAILURES = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
"""The errors that Polars raises for data that it cannot read."""


def has_text(kind: pl.DataType) -> bool:
    """Whether different cells of this type can be written as different text."""
    return not kind.is_nested() and kind not in (pl.Binary, pl.Duration, pl.Object)
