"""How arguments are described, and the signatures and docstrings made from the descriptions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints


@dataclass(frozen=True)
class Option:
    """How the command line offers an argument, with the argument's own type and default.

    Attributes
    ----------
    help
        One line for the command's help.
    group
        Its heading in the help.
    flag
        The flag to type, if not ``--`` and the argument's name.
    metavar
        Placeholder for the value in the help, if not the type.
    choices
        The possible values, if there are only a few.
    default
        The default on the command line, if not the argument's default.
    """

    help: str
    group: str = "Model"
    flag: str | None = None
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    default: Any = None


@dataclass(frozen=True)
class Argument:
    """One argument of a model.

    Attributes
    ----------
    default
        Its default.
    check
        Takes name and value, and returns the value to keep or raises ParameterError. Names of
        activations, losses and the like are checked by the engine.
    text
        Its description for the docstring.
    option
        How the command line offers it; None if it does not.
    is_setting
        Whether it is one of the network's settings, which files store by name.
    """

    default: Any
    check: Callable[[str, Any], Any]
    text: str
    option: Option | None = None
    is_setting: bool = True


def described(options: type) -> dict[str, Argument]:
    """Return the arguments that the ``Annotated`` entries of a TypedDict describe, by name."""
    entries = get_type_hints(options, include_extras=True)
    return {name: get_args(entry)[1] for name, entry in entries.items()}


def argument_types(options: type) -> dict[str, Any]:
    """Return the type of each argument."""
    return get_type_hints(options)


def signature(positional: type, options: type) -> inspect.Signature:
    """Return the signature of a class with these arguments; ``options`` are keyword-only."""
    parameters = [
        inspect.Parameter(
            name, inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=described(positional)[name].default, annotation=hint,
        )
        for name, hint in argument_types(positional).items()
    ]  # fmt: skip
    arguments, hints = described(options), argument_types(options)
    parameters += [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY,
            default=argument.default, annotation=hints[name],
        )
        for name, argument in arguments.items()
    ]  # fmt: skip
    return inspect.Signature(parameters)


def parameters_section(positional: type, options: type) -> str:
    """Return the section "Parameters" of a numpy-style docstring."""
    lines = ["Parameters", "----------"]
    for name, argument in (described(positional) | described(options)).items():
        text = inspect.cleandoc(argument.text)
        lines += [name, *(f"    {line}" for line in text.splitlines())]
    return "\n".join(lines)


def show_arguments(model: type, positional: type, options: type, *, about: str | None) -> None:
    """Write the arguments into the signature and the docstring of a class.

    The second paragraph of ``about`` goes before them.
    """
    shown = signature(positional, options)
    this = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    model.__signature__ = shown  # type: ignore[attr-defined]
    model.__init__.__signature__ = shown.replace(  # type: ignore[misc]
        parameters=[this, *shown.parameters.values()]
    )
    # "python -OO" removes docstrings.
    if model.__doc__ and about:
        parameters = parameters_section(positional, options)
        paragraph = inspect.cleandoc(about).split("\n\n")[1]
        intro, raises = inspect.cleandoc(model.__doc__).split("\n\nRaises\n")
        model.__doc__ = f"{intro}\n\n{paragraph}\n\n{parameters}\n\nRaises\n{raises}"
        errors = raises.split("\n\n")[0]
        model.__init__.__doc__ = (  # type: ignore[misc]
            f"Make an untrained model.\n\n{parameters}\n\nRaises\n{errors}\n"
        )
