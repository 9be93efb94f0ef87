"""Sequences of different lengths: reading, grouping, splitting and scaling."""

from rnn_rust.data.dataset import Dataset, Sequence
from rnn_rust.data.scale import MinMaxScaler, RobustScaler, StandardScaler

__all__ = ["Dataset", "MinMaxScaler", "RobustScaler", "Sequence", "StandardScaler"]
