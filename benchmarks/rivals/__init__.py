"""The contestants of ``compare.py``: this package, and everything it is measured against.

Each is a module with a function ``variants(job)``, which ``worker.py`` runs in a separate process,
so that compiled state is kept between measurements and libraries do not share threads.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rival:
    """A contestant: its module, its title for readers, and the packages whose versions to list."""

    module: str
    title: str
    packages: tuple[str, ...] = ()


OURS = "ours"

RIVALS = {
    OURS: Rival("rivals.ours", "this package", ("rnn-rust", "numpy")),
    "jax": Rival("rivals.jax_bptt", "JAX, tuned by hand", ("jax", "jaxlib")),
    "compile": Rival("rivals.torch_compiled", "torch.compile, by hand", ("torch",)),
    "numpy": Rival("rivals.numpy_bptt", "NumPy by hand", ("numpy",)),
    "torch": Rival("rivals.torch_eager", "PyTorch nn.RNN", ("torch",)),
    "jax-gates": Rival("rivals.jax_gates", "JAX, tuned by hand", ("jax", "jaxlib")),
    "torch-gates": Rival("rivals.torch_gates", "PyTorch", ("torch",)),
    "torch-tuned": Rival("rivals.torch_gates_tuned", "PyTorch, tuned", ("torch",)),
    "keras": Rival("rivals.keras_fit", "Keras fit", ("keras", "tensorflow")),
    "onnx": Rival("rivals.onnx_session", "ONNX Runtime", ("onnxruntime", "onnx")),
    "peak": Rival("rivals.fma_peak", "the core's peak"),
    "original": Rival("rivals.original", "the Rust project RNN-Rust"),
}

IDIOMATIC = ("torch", "torch-gates", "keras")
"""What a user would otherwise write; the first one measured is shown next to the best rival."""
