"""The role of each column of a table: id, time, feature, label or weight."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from rnn_rust.errors import DataError, ParameterError

ID_NAMES = ("id", "name")
TIME_NAMES = ("t",)
FEATURE_PREFIXES = ("x", "f")
LABEL_PREFIXES = ("y", "l")

Names = str | Iterable[str] | None


@dataclass(frozen=True)
class Columns:
    """The names of the columns to read, each used once."""

    id: str
    time: str
    features: tuple[str, ...]
    labels: tuple[str, ...]
    weights: str | None = None

    @property
    def numbers(self) -> tuple[str, ...]:
        """The columns whose every cell is a number or missing: all but id and time."""
        return (*self.features, *self.labels, *([] if self.weights is None else [self.weights]))


def choose_columns(
    seen: list[str],
    *,
    id: str | None,
    time: str | None,
    features: Names,
    labels: Names,
    weights: str | None,
    where: str,
) -> Columns:
    """Take the columns that are named, and find the others by the default names.

    Parameters
    ----------
    seen
        The column names of the table, in file order.
    id, time
        A column name, or None for ``id`` or ``name``, and ``t``.
    features, labels
        Column names, or None for all that start with ``x`` or ``f``, and ``y`` or ``l``.
        ``labels=[]`` says that the table has no labels.
    weights
        A column name, or None: a column is weights only if it is named.
    where
        The table in error messages: a path or "frame".

    Raises
    ------
    DataError
        A name occurs twice in the table, a column is missing, or it is named for two roles.
    ParameterError
        A name is not a string.
    """
    reject_repeats(seen, where)
    given = {"id": id, "time": time, "features": features, "labels": labels, "weights": weights}
    named = {part: _as_tuple(part, names) for part, names in given.items() if names is not None}
    _check_named(named, seen, where)
    claimed = {name for names in named.values() for name in names}
    free = [name for name in seen if name not in claimed]

    def find(part: str, defaults: tuple[str, ...]) -> str:
        found = named.get(part) or tuple(name for name in defaults if name in free)
        if not found:
            wanted = " or ".join(f"'{name}'" for name in defaults)
            _fail(where, seen, f"no {part} column ({wanted})", f"name it with {argument(part)}")
        return found[0]

    def find_all(part: str, prefixes: tuple[str, ...], more: str = "") -> tuple[str, ...]:
        found = named.get(part, tuple(n for n in free if n.startswith(prefixes) and n not in keys))
        if not found and (part == "features" or part not in named):
            wanted = " or ".join(f"'{prefix}*'" for prefix in prefixes)
            advice = f"name at least one with {argument(part)}{more}"
            _fail(where, seen, f"no {part.rstrip('s')} column ({wanted})", advice)
        return found

    keys = (find("id", ID_NAMES), find("time", TIME_NAMES))
    return Columns(
        *keys,
        features=find_all("features", FEATURE_PREFIXES),
        labels=find_all("labels", LABEL_PREFIXES, "; labels=[] in Python reads data without any"),
        weights=weights,
    )


def argument(part: str) -> str:
    """Return how an error message calls one of the four arguments, for both kinds of readers."""
    return f"{part} (--{part} on the command line)"


def reject_repeats(seen: list[str], where: str) -> None:
    """Raise DataError if two columns of a table have the same name."""
    first: dict[str, int] = {}
    for position, name in enumerate(seen, start=1):
        if name in first:
            raise DataError(
                f"{where}: columns {first[name]} and {position} of the header are both named "
                f"'{name}'; rename one of them"
            )
        first[name] = position


def _as_tuple(part: str, names: object) -> tuple[str, ...]:
    if isinstance(names, str):
        return (names,)
    several = part in ("features", "labels")
    if several and isinstance(names, Iterable):
        listed = tuple(names)
        if all(isinstance(name, str) for name in listed):
            return listed
    wanted = "column names" if several else "the name of a column"
    raise ParameterError(f"{part} must be {wanted}, got {names!r}")


def _check_named(named: dict[str, tuple[str, ...]], seen: list[str], where: str) -> None:
    part_of: dict[str, str] = {}
    for part, names in named.items():
        for name in names:
            if name not in seen:
                _fail(where, seen, f"no column '{name}', asked for as {part}", "correct the name")
            if name in part_of:
                raise DataError(
                    f"{where}: column '{name}' is asked for as {part_of[name]}, and again as "
                    f"{part}; use each column once"
                )
            part_of[name] = part


def _fail(where: str, seen: list[str], what: str, advice: str) -> NoReturn:
    shown = ", ".join(f"'{name}'" for name in seen[:12])
    more = f", ... ({len(seen)} in all)" if len(seen) > 12 else ""
    raise DataError(f"{where}: {what}; columns seen: {shown}{more}; {advice}")
