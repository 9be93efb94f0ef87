"""Predict tomorrow's temperature with a GRU and early stopping, in a script that can be killed.

Kill it at any moment and start it again: it continues where it was, and ends with the same bits.

Run it from the root of the repository: python examples/resume.py
"""

import argparse

import rnn_rust as rnn

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--epochs", type=int, default=300)
options = parser.parse_args()

weather = rnn.Dataset.from_csv("data/weather.csv")
# The last year is only for the final evaluation; the months before it decide when to stop.
past, future = weather.split(0.75, by="time")
train, validation = past.split(0.8, by="time")

model = rnn.GRU(12, 16, 1, optimizer=rnn.Adam(0.003), scaler="standard", seed=0)
history = model.fit(
    train,
    epochs=options.epochs,
    batch_size=4,
    validation=validation,
    callbacks=[
        rnn.EarlyStopping("validation_loss", patience=20),
        rnn.Checkpoint("resume.checkpoint"),
    ],
    resume="resume.checkpoint",
)
print(f"{len(history)} epochs, the best one {history.best['epoch']}")
print(f"RMSE in 2015: {rnn.RegressionEvaluator().evaluate(model, future).rmse:.3f} °C")
