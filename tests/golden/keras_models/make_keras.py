"""Write models of Keras 3.15 with random weights, and what Keras computes with them.

The files land here; ``expected.npz`` has ``{name}.X`` and ``{name}.outputs``. With PyTorch as the
backend, whose float64 is exact: ``KERAS_BACKEND=torch python make_keras.py``.
"""

from pathlib import Path

import keras
import numpy as np
from keras import layers

HERE = Path(__file__).parent
RNG = np.random.default_rng(5)
FEATURES, STEPS = 3, 7


def chain(*parts):
    """Return a Sequential model."""
    return keras.Sequential([keras.Input((None, FEATURES)), *parts])


def functional(*parts):
    """Return a functional model of the same layers."""
    inputs = outputs = keras.Input((None, FEATURES))
    for part in parts:
        outputs = part(outputs)
    return keras.Model(inputs, outputs)


def use(dtype):
    """Let inputs and layers have this type."""
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)


def double():
    """Return a model of float64."""
    use("float64")
    model = chain(*(layers.LSTM(4, return_sequences=True) for _ in range(2)))
    use("float32")
    return model


def models():
    """Return the models by name."""
    both, each_step = layers.Bidirectional, {"return_sequences": True}
    return {
        "simple-rnn-relu": functional(
            layers.SimpleRNN(4, activation="relu", **each_step), layers.Dense(2)
        ),
        "simple-rnn-stack": chain(
            layers.SimpleRNN(4, **each_step),
            layers.SimpleRNN(4),
            layers.Dense(3),
            layers.Activation("softmax"),
        ),
        "gru": chain(
            layers.GRU(4, recurrent_dropout=0.1, **each_step),
            layers.TimeDistributed(layers.Dense(1, activation="sigmoid")),
        ),
        "gru-reset-before": chain(
            layers.GRU(4, reset_after=False), layers.Dense(2, activation="tanh")
        ),
        "gru-bidirectional-stack": functional(
            both(layers.GRU(3, **each_step)),
            layers.Dropout(0.2),
            both(layers.GRU(3, **each_step)),
            layers.Dense(2),
        ),
        "gru-reset-before-bidirectional": chain(
            both(layers.GRU(3, reset_after=False, **each_step)), layers.Dense(2)
        ),
        "lstm-masking": chain(layers.Masking(0.0), layers.LSTM(4, **each_step), layers.Dense(2)),
        "lstm-bidirectional-last": functional(
            both(layers.LSTM(3)), layers.Dense(4, activation="softmax")
        ),
        "lstm-no-bias-mean": chain(
            layers.LSTM(4, use_bias=False, **each_step),
            layers.GlobalAveragePooling1D(),
            layers.Dense(2, use_bias=False),
        ),
        "lstm-states-float64": double(),
    }


def main():
    """Write all files."""
    expected = {}
    for name, model in models().items():
        # Keras begins with biases of 0, which would hide where they belong.
        model.set_weights([RNG.normal(0, 0.6, array.shape) for array in model.get_weights()])
        X = RNG.normal(size=(3, STEPS, FEATURES))
        if "masking" in name:
            X[1, 4:] = X[2, 1:] = 0.0
        dtype = "float64" if "float64" in name else "float32"
        expected[f"{name}.X"] = X.astype(dtype)
        use(dtype)
        outputs = model(expected[f"{name}.X"], training=False)
        expected[f"{name}.outputs"] = keras.ops.convert_to_numpy(outputs)
        model.save(HERE / f"{name}.keras")
    np.savez_compressed(HERE / "expected.npz", **expected)


if __name__ == "__main__":
    main()
