"""Demonstrations: generated and converted data, and baselines to compare a network with."""
