"""The format of model files: bytes on one side, a description and tensors on the other."""
