"""The role of each column of a table: id, time, feature, label or weight."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, NoReturn

from rnn_rust.base.checks import shown
from rnn_rust.base.suggest import suggestion
from rnn_rust.errors import DataError, ParameterError

ID_NAMES = ("id", "name")
TIME_NAMES = ("t",)
FEATURE_NAMES = re.compile(r"[xf][0-9]+")
LABEL_NAMES = re.compile(r"[yl][0-9]+|label|target")
_DEFAULTS = {
    "id": "'id' or 'name'",
    "time": "'t'",
    "features": "'x' or 'f' and a number",
    "labels": "'y' or 'l' and a number, 'label' or 'target'",
}

Names = str | Iterable[str] | None


class Default(Enum):
    """How to find a column that the caller did not name."""

    NAMES = "the default names"


@dataclass(frozen=True, kw_only=True)
class Roles:
    """The columns that a caller names for each role, and how to read times.

    Attributes
    ----------
    id
        A column name; None if the table is one series.
    time
        A column name, or several that make up a time; None if rows are already in time order.
    features, labels
        Column names; None to find them by the default names.
    static
        Column names of features that are constant in a sequence; None if there are none.
    weights
        A column name, or None.
    categories
        Features to treat as categories although their cells are numbers, or text like numbers.
    missing
        ``"error"`` or ``"keep"``: what to do with missing numbers in the features.
    time_format
        A ``strptime`` format for times that are text, or None for the known formats.
    ties
        ``"refuse"`` or ``"keep"``: what to do with rows of an id at the same time.
    labels_optional
        Whether a table may have no label columns even if features are found by default names.
    day_first
        For times with numeric days and months: whether the day came first in an earlier table.
        Used if no row of this table shows it; None if there was no such table.
    """

    id: str | Default | None = Default.NAMES
    time: str | Iterable[str] | Default | None = Default.NAMES
    features: Names = None
    labels: Names = None
    static: Names = None
    weights: str | None = None
    categories: Names = None
    missing: str = "error"
    time_format: str | None = None
    ties: str = "refuse"
    labels_optional: bool = False
    day_first: bool | None = None

    def __post_init__(self) -> None:
        """Check the choices that are not columns."""
        if self.ties not in ("refuse", "keep"):
            raise ParameterError(f"ties={self.ties!r} is not known; use 'refuse' or 'keep'")
        if self.missing not in ("error", "keep"):
            raise ParameterError(f"missing={self.missing!r} is not known; use 'error' or 'keep'")
        if self.time_format is not None and not isinstance(self.time_format, str):
            raise ParameterError(
                f"time_format must be a text like '%d/%m/%Y', got {self.time_format!r}"
            )


@dataclass(frozen=True)
class Keys:
    """How the ids and times of a table were read, so that others can be read the same way.

    Attributes
    ----------
    id
        The column; None for one series.
    time
        The columns; empty if rows were already in time order.
    time_format, ties
        As in :class:`Roles`.
    day_first
        For times with numeric days and months: whether the day came first; None if there are no
        such times, or no row shows it.
    """

    id: str | None
    time: tuple[str, ...]
    time_format: str | None = None
    ties: str = "refuse"
    day_first: bool | None = None

    def completed_by(self, later: Keys | None) -> Keys:
        """Return these keys, with ``day_first`` from a later table if it is unknown here."""
        if self.day_first is not None or later is None or later.time != self.time:
            return self
        return replace(self, day_first=later.day_first)


@dataclass(frozen=True)
class Columns:
    """The names of the columns to read, each used once.

    Attributes
    ----------
    id
        None for one series.
    time
        Empty if rows are already in time order.
    static
        The features that are constant in a sequence; they are the last ones in ``features``.
    left_out
        Columns of the table that have no role.
    categories
        Features that the caller named as categories.
    features_named
        Whether the caller named the features, so that text in them is intended.
    keeps_missing
        Whether features may be missing.
    labels_named
        Whether the caller named the labels, so that text in them means classes.
    """

    id: str | None
    time: tuple[str, ...]
    features: tuple[str, ...]
    labels: tuple[str, ...]
    weights: str | None = None
    static: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    features_named: bool = False
    keeps_missing: bool = False
    labels_named: bool = False

    def read_by(self, roles: Roles, *, day_first: bool | None) -> Keys:
        """Return how the ids and times of the table were read."""
        return Keys(self.id, self.time, roles.time_format, roles.ties, day_first)

    @property
    def keys(self) -> tuple[str, ...]:
        """The id and time columns."""
        return (*([] if self.id is None else [self.id]), *self.time)

    @property
    def numbers(self) -> tuple[str, ...]:
        """The columns that are read as numbers: all but id and time."""
        return (*self.features, *self.labels, *([] if self.weights is None else [self.weights]))


def choose_columns(seen: list[str], roles: Roles, where: str) -> Columns:
    """Take the columns that the caller named, and find the others by the default names.

    Parameters
    ----------
    seen
        The column names of the table, in its order.
    roles
        Default names are ``id`` or ``name``; ``t``; ``x`` or ``f``, and ``y`` or ``l``, followed by
        a number; ``label`` and ``target``. Without an id column the table is one series.
    where
        What error messages call the table: a path or "frame".

    Raises
    ------
    DataError
        A name occurs twice in the table, a column is missing or named for two roles, or the only
        default id column is named for another role.
    ParameterError
        A name is not a string.
    """
    reject_repeats(seen, where)
    given: dict[str, Any] = {
        part: getattr(roles, part)
        for part in ("id", "time", "features", "labels", "weights", "static")
    }
    named = {
        part: as_names(part, names)
        for part, names in given.items()
        if names is not None and names is not Default.NAMES
    }
    claimed = {name for names in named.values() for name in names}
    free = [name for name in seen if name not in claimed]
    _check_named(named, seen, free, where)

    def key(part: str, defaults: tuple[str, ...]) -> tuple[str, ...]:
        if given[part] is None:
            return ()
        return named.get(part) or tuple(name for name in defaults if name in free)[:1]

    id_, time = key("id", ID_NAMES), key("time", TIME_NAMES)
    if given["id"] is Default.NAMES and not id_:
        _refuse_lost_id(named, where)
    free = [name for name in free if name not in (*id_, *time)]
    features = named.get("features", tuple(filter(FEATURE_NAMES.fullmatch, free)))
    labels = named.get("labels", tuple(filter(LABEL_NAMES.fullmatch, free)))
    needs_labels = not ("labels" in named or "features" in named or roles.labels_optional)
    found = {
        "time": time or given["time"] is None, "features": features,
        "labels": labels or not needs_labels,
    }  # fmt: skip
    if lacking := [part for part, names in found.items() if not names]:
        _fail_without(lacking[0], seen, free, where)
    static = named.get("static", ())
    used = {*id_, *time, *features, *static, *labels, *named.get("weights", ())}
    return Columns(
        id=id_[0] if id_ else None, time=time, features=(*features, *static), labels=labels,
        weights=roles.weights, static=static,
        categories=_categories(roles, (*features, *static), seen, where),
        left_out=tuple(name for name in seen if name not in used),
        features_named="features" in named, keeps_missing=roles.missing == "keep",
        labels_named="labels" in named,
    )  # fmt: skip


def _refuse_lost_id(named: dict[str, tuple[str, ...]], where: str) -> None:
    """Raise DataError if the default id is named for another role: all rows would be one series."""
    for part, names in named.items():
        for name in names:
            if name in ID_NAMES:
                raise DataError(
                    f"{where}: column '{name}' is asked for as {part}, and is the id by default; "
                    "give id=None in Python if all rows are one series, or name the column of ids "
                    f"with {argument('id')}"
                )


def _fail_without(part: str, seen: list[str], free: list[str], where: str) -> NoReturn:
    """Raise DataError: no column was named for a required role, and none has a default name."""
    what, advice = {
        "time": (
            "time",
            f"name it with {argument('time')}, or give time=None (--no-time) if rows stand in the "
            "order of time",
        ),
        "features": ("feature", _example(free)),
        "labels": (
            "label",
            f"name at least one with {argument('labels')}; labels=[] in Python reads data without "
            "any",
        ),
    }[part]
    _fail(where, seen, f"no {what} column ({_DEFAULTS[part]})", advice)


def _categories(
    roles: Roles, features: tuple[str, ...], seen: list[str], where: str
) -> tuple[str, ...]:
    """Return the features that the caller named as categories."""
    wanted = roles.categories
    categories = () if wanted is None else as_names("categories", wanted)
    known = set(features)
    if strangers := [name for name in categories if name not in known]:
        _fail(
            where, seen, f"'{strangers[0]}' is named as a category, and is no feature",
            f"name it in {argument('features')} too",
        )  # fmt: skip
    return categories


def argument(part: str) -> str:
    """Return what messages call an argument, for users of Python and of the command line."""
    return f"{part} (--{part} on the command line)"


def listed(names: Iterable[str], most: int = 12) -> str:
    """Return names joined by commas; if there are more than ``most``, the first and the count."""
    names = list(names)
    first = first_of(names, most)
    return f"{first} ({len(names)} in all)" if len(names) > most else first


def first_of(names: Iterable[str], most: int) -> str:
    """Return the first ``most`` names joined by commas, then ``...`` if there are more."""
    names = list(names)
    return ", ".join(names[:most] + (["..."] if len(names) > most else []))


def reject_repeats(seen: list[str], where: str) -> None:
    """Raise DataError if two columns of a table have the same name."""
    first: dict[str, int] = {}
    for position, name in enumerate(seen, start=1):
        if name in first:
            raise DataError(
                f"{where}: columns {first[name]} and {position} are both named {shown(name)}; "
                "rename one of them"
            )
        first[name] = position


def _example(free: list[str]) -> str:
    """Return advice to name features and labels, with columns of the table as examples."""
    if not free:
        return f"name at least one with {argument('features')}"
    *features, label = free if len(free) > 1 else [free[0], "..."]
    some = ", ".join(map(shown, features[:3])) + (", ..." if len(features) > 3 else "")
    return (
        f"name at least one with {argument('features')}, say features=[{some}], "
        f"labels={shown(label)}"
    )


def as_names(part: str, names: object) -> tuple[str, ...]:
    """Return column names as a tuple; raise ParameterError if ``names`` is anything else."""
    if isinstance(names, str):
        return (names,)
    several = part in ("time", "features", "labels", "static", "categories")
    if several and isinstance(names, Iterable):
        listed_names = tuple(names)
        if all(isinstance(name, str) for name in listed_names):
            return listed_names
    wanted = "column names" if several else "the name of a column"
    wanted += ", or a table by id" if part == "static" else ""
    raise ParameterError(f"{part} must be {wanted}, got {names!r}")


def _check_named(
    named: dict[str, tuple[str, ...]], seen: list[str], free: list[str], where: str
) -> None:
    """Check that columns exist, each with one role; suggest a free column for an unknown name."""
    part_of: dict[str, str] = {}
    there = set(seen)
    for part, names in named.items():
        for name in names:
            if name not in there:
                keys = () if part in ("id", "time") else (*ID_NAMES, *TIME_NAMES)
                meant = suggestion(name, [one for one in free if one not in keys])
                advice = f"correct the name{meant or ', or add the column'}"
                _fail(where, seen, f"no column '{name}', asked for as {part}", advice)
            if part_of.get(name) == part:
                raise DataError(f"{where}: column '{name}' is named twice in {part}; name it once")
            if name in part_of:
                raise DataError(
                    f"{where}: column '{name}' is asked for as {part_of[name]}, and again as "
                    f"{part}; use each column once"
                )
            part_of[name] = part


def _fail(where: str, seen: list[str], what: str, advice: str) -> NoReturn:
    names = listed(shown(name) for name in seen)
    raise DataError(f"{where}: {what}; columns seen: {names}; {advice}")
