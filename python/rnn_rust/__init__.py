"""Small recurrent networks on the CPU, trained by backpropagation through time.

>>> import rnn_rust as rnn
>>> ds = rnn.Dataset.from_csv("data/sample.csv")
>>> train, test = ds.split(0.8, seed=0)
>>> model = rnn.RNN(3, 5, 1, scaler="minmax")
>>> history = model.fit(train, epochs=20, progress=False)
>>> model.predict(test).shape == test.labels.shape
True

The public names are listed in the stub ``__init__.pyi``. They load when first used: importing the
package needs only NumPy.
"""

import ast as _ast
import logging as _logging
from importlib import import_module as _import_module
from pathlib import Path as _Path


def _public_names() -> dict[str, str]:
    """Return the module that each public name is imported from in the stub."""
    stub = _ast.parse(_Path(__file__).with_suffix(".pyi").read_text("utf-8"))
    return {
        alias.asname: node.module
        for node in stub.body
        if isinstance(node, _ast.ImportFrom) and node.module
        for alias in node.names
        if alias.asname
    }


_HOMES = _public_names()
# Modules are left out: `from rnn_rust import *` would load them.
__all__ = [  # noqa: PLE0604 (the names of the stub)
    *(name for name, home in _HOMES.items() if home != __name__)
]

# A library stays silent unless its user, or the command line, configures logging.
_logging.getLogger(__name__).addHandler(_logging.NullHandler())


def __getattr__(name: str) -> object:
    if name == "__version__":
        return _import_module("rnn_rust._core").__version__
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES[name]
    if home == __name__:
        return _import_module(f"{home}.{name}")
    value = getattr(_import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    special = [name for name in globals() if name.startswith("__")]
    return sorted({*_HOMES, *special, "__version__"})
