"""Building blocks of options (groups in the help, checks), and options that commands share."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rnn_rust import log
from rnn_rust.base.checks import finite, positive_integer

if TYPE_CHECKING:
    from rnn_rust.data.dataset import Dataset

Command = TypeVar("Command", bound=Callable[..., Any])
Callback = Callable[[click.Context, click.Parameter, Any], Any]

INPUT = click.Path(path_type=Path)
"""A file to read. It is checked by the code that reads it, which has better messages."""


class GroupedOption(click.Option):
    """An option under a heading in the help of a :class:`GroupedCommand`."""

    def __init__(self, *names: Any, group: str, **settings: Any) -> None:
        super().__init__(*names, **settings)
        self.group = group


class GroupedCommand(click.Command):
    """A command with many options: its help lists them by group."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under their headings, in the order in which headings first appear."""
        groups: dict[str, list[tuple[str, str]]] = {}
        of_click = []
        for param in self.get_params(ctx):
            line = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if isinstance(param, GroupedOption) and line:
                groups.setdefault(param.group, []).append(line)
            elif line:
                of_click.append(line)
        groups["Other"] = groups.pop("Other", []) + of_click
        for title, lines in groups.items():
            with formatter.section(title):
                formatter.write_dl(lines)


def option(
    group: str, *names: str, check: Callable[..., Any] | None = None, **settings: Any
) -> Callable[[Command], Command]:
    """Return a decorator that adds an option to a command.

    Parameters
    ----------
    group
        Its heading in the help.
    names
        The flags to type.
    check
        A function of :mod:`rnn_rust.base.checks` that checks the value.
    settings
        Arguments of ``click.option``. A default is shown in the help.
    """
    if check is not None:
        settings["callback"] = checked(check)
    shown = settings.get("default") is not None
    return click.option(*names, cls=GroupedOption, group=group, show_default=shown, **settings)


class OutputFile(click.Path):
    """A file to write, perhaps with certain suffixes; checked before the work, not after."""

    def __init__(self, suffixes: Iterable[str] = ()) -> None:
        super().__init__(path_type=Path)
        self._suffixes = list(suffixes)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path, if a regular file can be written there."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if self._suffixes and path.suffix.lower() not in self._suffixes:
            *others, last = self._suffixes
            ends = f"{', '.join(others)} or {last}" if others else last
            self.fail(f"{path} must end in {ends}", param, ctx)
        if path.exists() and not path.is_file():
            self.fail(f"{path} is not a regular file", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"there is no folder {path.parent}; create it first", param, ctx)
        try:
            tempfile.TemporaryFile(dir=path.parent).close()
        except OSError as error:
            self.fail(f"no file can be made in {path.parent}: {error.strerror}", param, ctx)
        return path


def checked(check: Callable[..., Any], **bounds: float) -> Callback:
    """Return a callback that checks a value as the library does; messages name the option."""

    def callback(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        return None if value is None else check(param.opts[0], value, **bounds)

    return callback


def refuse_overwriting(inputs: list[Path], **outputs: Path | None) -> None:
    """Refuse an output file that is one of the input files, or another output.

    Parameters
    ----------
    inputs
        The files that are read.
    outputs
        The files that are written, by the names of their options; None is ignored.

    Raises
    ------
    click.BadParameter
        An output is the same file as another one, perhaps under another name.
    """
    taken = [(path, "is an input of this command") for path in inputs]
    for name, path in outputs.items():
        if path is None:
            continue
        flag = "--" + name.replace("_", "-")
        for other, what in taken:
            if _same_file(path, other):
                raise click.BadParameter(
                    f"{path} {what}; choose another name", param_hint=f"'{flag}'"
                )
        taken.append((path, f"is the file of {flag} too"))


def _same_file(one: Path, other: Path) -> bool:
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()


def model_output(command: Command) -> Command:
    """Add ``--output`` for a model."""
    return option(
        "Files", "--output", type=OutputFile(), default="model.safetensors",
        help="Where to save the model.",
    )(command)  # fmt: skip


def verbosity(command: Command) -> Command:
    """Add ``--verbosity``, which sets up the log before anything else."""
    return option(
        "Other", "--verbosity", type=click.Choice(log.LEVELS), default="info",
        is_eager=True, expose_value=False, callback=lambda ctx, param, value: log.setup(value),
        help="Lowest level of messages to show; warning and error also hide the progress bar.",
    )(command)  # fmt: skip


def threshold(command: Command) -> Command:
    """Add ``--threshold``."""
    return option(
        "Data", "--threshold", type=float, metavar="NUMBER", check=finite,
        help="0/1 labels: an output above it is positive.  [default: 0.5]  Other labels: the "
        "relative error that counts as right.  [default: 0.1]",
    )(command)  # fmt: skip


def horizon(command: Command) -> Command:
    """Add ``--horizon``."""
    return option(
        "Data", "--horizon", metavar="ROWS", callback=_horizons,
        help="Numeric labels: how many rows ahead they lie, for the baseline; separate several "
        "columns by commas.  [default: 1]",
    )(command)  # fmt: skip


def _horizons(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    if value is None:
        return None
    try:
        return tuple(positive_integer("--horizon", int(rows)) for rows in value.split(","))
    except ValueError as error:
        raise click.BadParameter(
            f"'{value}' is not a number of rows from 1 upwards, or several with commas between"
        ) from error


def key_columns(command: Command) -> Command:
    """Add the options for grouping and ordering rows: ``--id``, ``--time``, ..."""
    for add in reversed(_KEY_OPTIONS):
        command = add(command)
    return command


def value_columns(command: Command) -> Command:
    """Add ``--features``, ``--labels`` and ``--weights``."""
    for add in reversed(_VALUE_OPTIONS):
        command = add(command)
    return command


def read(path: Path, chosen: dict[str, Any], **columns: Any) -> Dataset:
    """Read a file with the options of :func:`key_columns`, which are removed from ``chosen``.

    If no time or id column is chosen, use the one in ``columns``, which a model knows.
    """
    from rnn_rust import Dataset
    from rnn_rust.data.columns import Roles
    from rnn_rust.data.files import open_files
    from rnn_rust.data.tables import read_table

    given = {name: chosen.pop(name) for name in _KEY_NAMES}
    if given.pop("no_time"):
        if given["time"]:
            raise click.UsageError("--time and --no-time contradict each other; give one")
        columns["time"] = None
    elif given["time"]:
        columns["time"] = given["time"]
    del given["time"]
    for name, value in given.items():
        if value is not None:
            columns[name] = value
    table = open_files(
        path, separator=columns.pop("separator", None), comment=columns.pop("comment", None)
    )
    return Dataset(**read_table(table, Roles(**columns), None))


def typed(chosen: dict[str, Any]) -> list[str]:
    """Return the options of :func:`key_columns` as the words to type."""
    words: list[str] = []
    for name in _KEY_NAMES:
        value, flag = chosen[name], "--" + name.replace("_", "-")
        if value is True:
            words.append(flag)
        elif isinstance(value, tuple):
            words += [word for one in value for word in (flag, _quoted(one))]
        elif value:
            words += [flag, value]
    return words


def _quoted(name: str) -> str:
    """Return a name as a CSV cell."""
    return '"' + name.replace('"', '""') + '"' if {",", '"'} & set(name) else name


def names(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...] | None:
    """Read names from lines of CSV; a name that has a comma is in quotes."""
    if not values:
        return None
    found: list[str] = []
    for value in values:
        try:
            cells = next(csv.reader([value], skipinitialspace=True, strict=True), [""])
        except csv.Error as error:
            raise click.BadParameter(f"'{value}' is not a list of names ({error})") from error
        found += [name.strip() for name in cells]
    return tuple(found)


def checked_names(check: Callable[..., Any]) -> Callback:
    """Return a callback that reads names as `names` does, () if none, and checks them."""

    def callback(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> Any:
        return checked(check)(ctx, param, names(ctx, param, values) or ())

    return callback


_KEY_NAMES = ("id", "time", "no_time", "time_format", "ties", "separator", "comment")

_KEY_OPTIONS = (
    option(
        "Data", "--id", metavar="NAME",
        help="Column with the id of each row's sequence.  [default: id or name; without one the "
        "table is one series]",
    ),
    option(
        "Data", "--time", metavar="NAMES", multiple=True, callback=names,
        help="Column that orders the rows of a sequence, or several columns to combine "
        "(year,quarter).  [default: t]",
    ),
    option("Data", "--no-time", is_flag=True, help="The rows are already in time order."),
    option(
        "Data", "--time-format", metavar="FORMAT",
        help="Format of the times, as for strptime: %d.%m.%y.  [default: recognised]",
    ),
    option(
        "Data", "--ties", type=click.Choice(("refuse", "keep")),
        help="What to do with rows of an id at the same time; keep leaves them in the order of the "
        "file.  [default: refuse]",
    ),
    option(
        "Data", "--separator", metavar="CHARACTER",
        help="Character between the cells of a CSV file.  [default: comma, semicolon or tab]",
    ),
    option(
        "Data", "--comment", metavar="CHARACTER",
        help="Character that starts lines to skip in a CSV file.",
    ),
)  # fmt: skip

_VALUE_OPTIONS = (
    option(
        "Data", "--features", metavar="NAMES", multiple=True, callback=names,
        help="Feature columns, comma-separated as in CSV; may be repeated.  [default: all named x "
        "or f and a number]",
    ),
    option(
        "Data", "--categories", metavar="NAMES", multiple=True, callback=names,
        help="Features that are categories although they are numbers; text always is.",
    ),
    option(
        "Data", "--static", metavar="NAMES", multiple=True, callback=names,
        help="Features with one value for all rows of a sequence.",
    ),
    option(
        "Data", "--labels", metavar="NAMES", multiple=True, callback=names,
        help="Label columns, as above.  [default: all named y or l and a number, label, target]",
    ),
    option(
        "Data", "--weights", metavar="NAME",
        help="Column with the weight of each row in the loss.  [default: equal weights]",
    ),
)  # fmt: skip
