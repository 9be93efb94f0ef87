"""The log as people see it: levels, time stamps, colours, and no effect on other loggers."""

import logging
import re

import pytest
from rich.console import Console

from rnn_rust import log
from rnn_rust.errors import ParameterError

LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} (DEBUG|INFO|WARNING|ERROR) +(.*)$")
logger = logging.getLogger("rnn_rust")


@pytest.fixture(autouse=True)
def logger_as_before():
    state = logger.level, logger.propagate, logger.handlers[:]
    yield
    logger.level, logger.propagate, logger.handlers[:] = state
    logger.manager._clear_cache()


def say_everything():
    logger.debug("a detail")
    logger.info("some news")
    logger.warning("a doubt")
    logger.error("a failure")


def test_a_line_has_microseconds_level_and_message(capsys):
    log.setup("info")
    logger.info("Epoch %d: loss %g", 10, 0.25)
    output = capsys.readouterr()
    assert output.out == ""
    assert LINE.match(output.err.rstrip("\n")).groups() == ("INFO", "Epoch 10: loss 0.25")


@pytest.mark.parametrize(("verbosity", "count"), [*zip(log.LEVELS, (4, 3, 2, 1), strict=True)])
def test_verbosity_is_the_least_level_shown(capsys, verbosity, count):
    log.setup(verbosity)
    say_everything()
    lines = capsys.readouterr().err.splitlines()
    wanted = [level.upper() for level in log.LEVELS][-count:]
    assert [LINE.match(line).group(1) for line in lines] == wanted


def test_a_second_setup_changes_the_level_and_repeats_nothing(capsys):
    log.setup("debug")
    log.setup("error")
    say_everything()
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_other_loggers_stay_as_they_are(capsys):
    root, handlers = logging.getLogger(), logging.getLogger().handlers[:]
    level = root.level
    log.setup("debug")
    assert (root.level, root.handlers) == (level, handlers)
    logging.getLogger("another").info("not ours")
    assert "not ours" not in capsys.readouterr().err


def test_an_unknown_verbosity_is_refused():
    with pytest.raises(ParameterError, match="one of debug, info, warning, error, got 'loud'"):
        log.setup("loud")


def test_a_long_line_stays_one_line_and_markup_is_text(capsys):
    log.setup()
    message = "[red]:smile: 'a/b' " + "word " * 100
    logger.info(message)
    assert LINE.match(capsys.readouterr().err.rstrip("\n")).group(2) == message


def test_a_traceback_follows_its_line(capsys):
    log.setup()
    try:
        raise ValueError("odd")
    except ValueError:
        logger.exception("It happened")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith("It happened")
    assert lines[-1] == "ValueError: odd"


@pytest.mark.parametrize("terminal", [True, False])
def test_colours_are_for_terminals(monkeypatch, capsys, terminal):
    monkeypatch.delenv("NO_COLOR", raising=False)
    console = Console(stderr=True, force_terminal=terminal, _environ={"TERM": "xterm"})
    monkeypatch.setattr(log, "console", lambda: console)
    log.setup()
    logger.warning("look")
    text = capsys.readouterr().err
    assert ("\x1b[" in text) is terminal
    assert "look" in text


def test_a_message_that_cannot_be_formatted_does_not_stop_the_work(capsys):
    log.setup()
    logger.info("%d", "seven")
    assert "Logging error" in capsys.readouterr().err
