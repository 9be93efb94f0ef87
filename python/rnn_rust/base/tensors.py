"""Tensors of PyTorch as arrays of NumPy, known by what they have: PyTorch is not imported."""

from __future__ import annotations

from typing import Any, TypeGuard

from rnn_rust.errors import DataError


def is_tensor(value: object) -> TypeGuard[Any]:
    """Whether it is a tensor, which may have a gradient or be on another device."""
    return hasattr(value, "detach") and hasattr(value, "cpu")  # Open files have the former.


def without_tensors(name: str, value: Any) -> Any:
    """Return a tensor as an array, lists with the tensors in them as arrays, and all else as it is.

    An array has no gradient and is in the memory of the CPU, and bfloat16, which NumPy lacks,
    becomes float32.

    Raises
    ------
    DataError
        A tensor does not have its numbers side by side, or NumPy lacks their type.
    """
    if isinstance(value, list | tuple):
        return [without_tensors(name, item) for item in value]
    if not is_tensor(value):
        return value
    _check(name, value)
    tensor = value.detach().cpu()
    if "bfloat16" in str(tensor.dtype):
        tensor = tensor.float()
    if hasattr(tensor, "resolve_conj"):  # Of complex numbers, which are refused as what they are.
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
