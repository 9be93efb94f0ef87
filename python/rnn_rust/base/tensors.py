"""PyTorch tensors as NumPy arrays, recognised by their attributes: PyTorch is not imported."""

from __future__ import annotations

from typing import Any, TypeGuard

from rnn_rust.errors import DataError


def is_tensor(value: object) -> TypeGuard[Any]:
    """Whether the value is a tensor; it may have a gradient or be on another device."""
    return hasattr(value, "detach") and hasattr(value, "cpu")  # Open files have detach too.


def without_tensors(name: str, value: Any) -> Any:
    """Return a tensor as an array, also inside lists; other values are unchanged.

    The array is on the CPU and has no gradient; bfloat16, which NumPy lacks, becomes float32.

    Raises
    ------
    DataError
        A tensor is not a dense array of numbers, or NumPy lacks its type.
    """
    if isinstance(value, list | tuple):
        return [without_tensors(name, item) for item in value]
    if not is_tensor(value):
        return value
    _check(name, value)
    tensor = value.detach().cpu()
    if "bfloat16" in str(tensor.dtype):
        tensor = tensor.float()
    if hasattr(tensor, "resolve_conj"):  # For complex numbers, which are refused later.
        tensor = tensor.resolve_conj().resolve_neg()
    return tensor.numpy()


def _check(name: str, tensor: Any) -> None:
    layout = str(getattr(tensor, "layout", "torch.strided"))
    if getattr(tensor, "is_meta", False):
        problem = "a tensor on the device meta has no numbers; load them first"
    elif getattr(tensor, "is_quantized", False):
        problem = f"a quantised tensor ({tensor.dtype}); give it as it was before"
    elif getattr(tensor, "is_nested", False):
        problem = "a nested tensor has rows of several lengths; give a list of its unbind()"
    elif layout != "torch.strided":
        kind = "sparse tensor" if "sparse" in layout else "tensor of another layout"
        problem = f"a {kind} ({layout}); give its to_dense()"
    elif "float8" in str(tensor.dtype) or "float4" in str(tensor.dtype):
        problem = f"NumPy has no type {tensor.dtype}; give the tensor's float()"
    else:
        return
    raise DataError(f"{name}: {problem}")
