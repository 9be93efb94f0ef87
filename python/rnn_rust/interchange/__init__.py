"""Networks of PyTorch, Keras and ONNX; neither PyTorch nor Keras has to be installed."""
