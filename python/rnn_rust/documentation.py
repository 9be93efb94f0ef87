"""Signatures and docstrings in full, where arguments are handed on as ``**options``.

The arguments that all models have are described once, in their base class. What ``help`` and
notebooks show of a model is composed from that; what stands in its source is short.
"""

from __future__ import annotations

import inspect
import re

# A section of a numpy-style docstring, by its title.
_SECTION = r"^{}\n-+\n(.*?)(?=\n\n[A-Z][^\n]*\n-+\n|\Z)"
# What stands for the arguments of the base class.
_OPTIONS = re.compile(r"^options\n(?: +\S.*\n?)+", re.MULTILINE)


def show_in_full(model: type, base: type) -> None:
    """Let a class show the arguments of its base class beside its own.

    Parameters
    ----------
    model
        A class whose ``__init__`` hands on ``**options`` to that of ``base``. Its docstring, and
        that of its ``__init__``, get what ``base`` says of them in place of ``options``; all
        arguments come into its signature.
    base
        The class that describes these arguments.
    """
    own, common = inspect.signature(model.__init__), inspect.signature(base.__init__)  # type: ignore[misc]
    joined = {**own.parameters, **common.parameters}
    parameters = [each for each in joined.values() if each.kind is not each.VAR_KEYWORD]
    parameters.sort(key=lambda each: each.kind)
    signature = inspect.Signature(parameters)
    model.__init__.__signature__ = signature  # type: ignore[misc]
    model.__signature__ = signature.replace(parameters=parameters[1:])  # type: ignore[attr-defined]
    # "python -OO" leaves no docstrings.
    if model.__doc__ and base.__doc__:
        text = _composed(inspect.cleandoc(model.__doc__), inspect.cleandoc(base.__doc__), own)
        model.__doc__ = text
        sections = [_titled("Parameters", text), _titled("Raises", text)]
        model.__init__.__doc__ = "\n\n".join(["Make an untrained model.", *sections])  # type: ignore[misc]


def _composed(own: str, base: str, signature: inspect.Signature) -> str:
    """Return ``own`` with what ``base`` says of all models, and of arguments that it lacks."""
    about = base.partition("\n\n")[2].partition("\n\nParameters\n")[0]
    entries = re.split(r"\n(?=\S)", _section("Parameters", base))
    shared = [each for each in entries if _first_name(each) not in signature.parameters]
    text = _OPTIONS.sub(lambda _: "\n".join(shared) + "\n", own)
    return text.replace("\n\nParameters\n", f"\n\n{about}\n\nParameters\n", 1)


def _first_name(entry: str) -> str:
    return entry.splitlines()[0].partition(",")[0]


def _section(title: str, text: str) -> str:
    found = re.search(_SECTION.format(title), text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def _titled(title: str, text: str) -> str:
    return f"{title}\n{'-' * len(title)}\n{_section(title, text)}"
