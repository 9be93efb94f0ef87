"""The log as people see it: levels, time stamps, colours, and no effect on other loggers."""

import logging

import pytest
from conftest import LOG_LINE
from oracle import make_data, same_bits
from rich.console import Console

from rnn_rust import RNN, log
from rnn_rust.errors import ParameterError
from rnn_rust.training import loop

logger = logging.getLogger("rnn_rust")
pytestmark = pytest.mark.usefixtures("logger_as_before")


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
    assert LOG_LINE.match(output.err.rstrip("\n")).groups() == ("INFO", "Epoch 10: loss 0.25")


@pytest.mark.parametrize(("verbosity", "count"), [*zip(log.LEVELS, (4, 3, 2, 1), strict=True)])
def test_verbosity_is_the_least_level_shown(capsys, verbosity, count):
    log.setup(verbosity)
    say_everything()
    lines = capsys.readouterr().err.splitlines()
    wanted = [level.upper() for level in log.LEVELS][-count:]
    assert [LOG_LINE.match(line).group(1) for line in lines] == wanted


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
    assert LOG_LINE.match(capsys.readouterr().err.rstrip("\n")).group(2) == message


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


# Training ------------------------------------------------------------------------------------


def train(epochs=25, callbacks=(), **options):
    data = make_data([3, 2], 2, 1)
    model = RNN(2, 3, 1)
    history = model.fit(data, epochs=epochs, callbacks=callbacks, progress=False, **options)
    return model, history


def lines_of(text):
    return [LOG_LINE.match(line).group(2) for line in text.splitlines()]


@pytest.mark.parametrize("callbacks", [(), [lambda record: None]])
def test_a_training_with_nothing_else_to_do_has_a_line_every_ten_epochs(capsys, callbacks):
    quiet, expected = train(callbacks=callbacks)
    assert capsys.readouterr().err == ""
    log.setup()
    model, history = train(callbacks=callbacks)
    assert lines_of(capsys.readouterr().err) == [
        f"Epoch {epoch}: loss {history.loss[epoch - 1]:.4g}" for epoch in (1, 10, 20, 25)
    ]
    assert history.loss == expected.loss
    assert same_bits(model, quiet)


def test_eval_every_says_how_often_a_line_comes(capsys):
    log.setup()
    train(epochs=8, eval_every=3)
    epochs = [line.split(":")[0] for line in lines_of(capsys.readouterr().err)]
    assert epochs == ["Epoch 1", "Epoch 3", "Epoch 6", "Epoch 8"]
    train(epochs=8, eval_every=3, validation=make_data([2], 2, 1))
    shown = lines_of(capsys.readouterr().err)
    assert [line.split(":")[0] for line in shown] == epochs
    assert all("validation" in line for line in shown)


@pytest.mark.parametrize(("verbosity", "passages"), [(None, 3), ("warning", 3), ("info", 31)])
def test_only_a_log_that_is_shown_makes_the_engine_stop_for_lines(monkeypatch, verbosity, passages):
    calls = []
    original = loop.train_epochs
    monkeypatch.setattr(
        loop, "train_epochs", lambda *arguments: calls.append(1) or original(*arguments)
    )
    if verbosity is not None:
        log.setup(verbosity)
    train(epochs=3000, eval_every=100)
    assert len(calls) == passages
