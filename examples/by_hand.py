"""Write your own training loop: one update per sequence, a held-out part, and early stopping.

Run it from the root of the repository: python examples/by_hand.py
"""

import numpy as np

import rnn_rust as rnn

dataset = rnn.Dataset.from_csv("data/sample.csv")
train, test = dataset.split(0.75, seed=3, stratify=True)

# The scaler is fitted on the training part only; the model applies it to all its inputs.
model = rnn.RNN(
    input_size=3,
    hidden_size=5,
    output_size=1,
    activation="tanh",
    optimizer=rnn.SGD(learning_rate=0.1),
    scaler=rnn.MinMaxScaler().fit(train),
    seed=1,
)

order = np.random.default_rng(0)
best, patience = float("inf"), 0
for epoch in range(1, 501):
    losses = [model.update(train[i]) for i in order.permutation(len(train))]
    held_out = model.loss(test)
    if epoch % 50 == 0:
        print(f"epoch {epoch:3}: train {np.mean(losses):.4f}, held out {held_out:.4f}")
    best, patience = (held_out, 0) if held_out < best else (best, patience + 1)
    if patience == 100:
        print(f"epoch {epoch:3}: no better than {best:.4f} for 100 epochs, stopping")
        break

# Show the gradient for the training part, tensor by tensor.
loss, gradient = model.gradients(train)
for name, array in gradient.items():
    print(f"{name:13} {array.shape!s:8} gradient norm {np.linalg.norm(array):.2e}")

for step, y in zip(test[0].features, model.predict(test[0]), strict=True):
    print("features", step, "->", y.round(3))
