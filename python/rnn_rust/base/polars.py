"""Polars, from where all of the package imports it; a place that only scores arrays may lack it."""

try:
    import polars as pl
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "tables, files and frames take Polars, which is not installed: pip install polars; "
        "without it a model predicts on NumPy arrays, and steps",
        name=error.name,
    ) from error

__all__ = ["pl"]
