"""The log on the terminal, as shown by the command line and by scripts that ask for it.

The library itself only writes to the logger ``rnn_rust``; :func:`setup` makes it visible.
"""

from __future__ import annotations

import logging
from datetime import datetime

try:
    from rich.text import Text
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "the log on a terminal takes rich: pip install rich; without it, add a handler to "
        'logging.getLogger("rnn_rust")',
        name=error.name,
    ) from error

from rnn_rust.base.console import console
from rnn_rust.errors import ParameterError

LEVELS = ("debug", "info", "warning", "error")


class ConsoleHandler(logging.Handler):
    """Writes lines like ``2026-11-22 09:30:12.123456 INFO     Epoch 10: loss 0.02``.

    They go to the console of the progress bar, which stays below them; in colour on a terminal.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, followed by its traceback if it has one."""
        try:
            time = datetime.fromtimestamp(record.created).isoformat(" ", "microseconds")
            level = record.levelname
            line = Text.assemble(
                (time, "log.time"),
                " ",
                (f"{level:<8}", f"logging.level.{level.lower()}"),
                " ",
                self.format(record),
            )
            # Soft wrap: a line stays one line, so that the output can be searched.
            console().print(line, soft_wrap=True, highlight=False)
        except Exception:
            self.handleError(record)


def setup(verbosity: str = "info") -> None:
    """Show the log of this package on standard error; a second call changes the level.

    Other loggers, including the root logger, are not changed.

    Parameters
    ----------
    verbosity
        The least important level to show: ``"debug"``, ``"info"``, ``"warning"`` or ``"error"``.

    Raises
    ------
    ParameterError
        ``verbosity`` is anything else.
    """
    if verbosity not in LEVELS:
        raise ParameterError(f"verbosity must be one of {', '.join(LEVELS)}, got {verbosity!r}")
    logger = logging.getLogger("rnn_rust")
    if not any(isinstance(handler, ConsoleHandler) for handler in logger.handlers):
        logger.addHandler(ConsoleHandler())
    logger.setLevel(verbosity.upper())
    # A handler of the root logger would show every line twice.
    logger.propagate = False
