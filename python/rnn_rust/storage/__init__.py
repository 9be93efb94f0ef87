"""The format of model files: from a description and tensors to bytes, and back."""
