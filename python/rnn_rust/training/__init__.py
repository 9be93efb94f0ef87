"""Training: the loop over epochs with its callbacks, loggers and checkpoints."""
