"""Models as ONNX files, for other runtimes and from other libraries.

:meth:`rnn_rust.RNN.to_onnx` and :func:`rnn_rust.from_onnx` are what users call. They need the
library onnx: ``pip install "rnn-rust[onnx]"``.

`export.py` writes networks: `graph.py` collects nodes, `features.py` has what happens to features
before the network, `layers.py` the recurrent layers, `outputs.py` the head.
"""

try:
    import onnx as _onnx  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        'ONNX files need the library onnx: pip install "rnn-rust[onnx]"', name="onnx"
    ) from error
