"""Classify handwritten digits row by row: one label per sequence, ten classes.

Each of scikit-learn's 1797 images of 8 x 8 pixels is a sequence of 8 steps with 8 pixels. Half of
the images, equally many of each digit, are held out. Needs scikit-learn.

Run it from anywhere: python examples/digits.py
"""

import argparse
from statistics import median

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import rnn_rust as rnn

STEPS = 8


def sequences(images: np.ndarray, digits: np.ndarray) -> rnn.Dataset:
    """Return a data set of images (S, 8, 8) in [0, 16] with the digits (S,) as their labels."""
    # The label of a sequence is taken from its last labelled row.
    labels = np.full((len(images), STEPS), np.nan)
    labels[:, -1] = digits
    return rnn.Dataset.from_arrays(
        features=images.reshape(-1, STEPS) / 16,
        labels=labels.reshape(-1),
        offsets=np.arange(len(images) + 1) * STEPS,
        label_names=["digit"],
    )


images, digits = load_digits(return_X_y=True)
halves = train_test_split(
    images.reshape(-1, STEPS, STEPS), digits, test_size=899, random_state=0, stratify=digits
)
train, test = sequences(halves[0], halves[2]), sequences(halves[1], halves[3])
print(f"{len(train)} images to learn from, {len(test)} held out")

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--seeds", type=int, default=5)
parser.add_argument("--epochs", type=int, default=40)
options = parser.parse_args()

accuracies = []
for seed in range(options.seeds):
    model = rnn.GRU(
        input_size=STEPS,
        hidden_size=64,
        output_size=10,
        readout="last",
        loss="cross_entropy",
        optimizer=rnn.Adam(learning_rate=0.005),
        clip_norm=1.0,
        seed=seed,
    )
    model.fit(train, epochs=options.epochs, batch_size=32, progress=False)
    # predict returns one row of probabilities per image.
    answers = model.predict(test).argmax(axis=1)
    accuracies.append(float(np.mean(answers == halves[3])))
    print(f"seed {seed}: accuracy {accuracies[-1]:.4f}")
print(f"median accuracy {median(accuracies):.4f}")
