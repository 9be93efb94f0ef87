"""Models as ONNX files, for other runtimes and from other libraries.

Users call :meth:`rnn_rust.RNN.to_onnx` and :func:`rnn_rust.from_onnx`, which need the library onnx:
``pip install "rnn-rust[onnx]"``.

`export.py` writes networks: `graph.py` collects nodes, `features.py` prepares the features,
`layers.py` has the recurrent layers, and `outputs.py` the head.
"""

try:
    import onnx as _onnx  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        'ONNX files need the library onnx: pip install "rnn-rust[onnx]"', name="onnx"
    ) from error
