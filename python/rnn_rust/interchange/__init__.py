"""Networks from PyTorch, Keras and ONNX; PyTorch and Keras need not be installed."""
