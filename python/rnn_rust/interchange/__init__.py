"""Weights from PyTorch and Keras; neither has to be installed."""
