"""Compute the golden numbers with PyTorch 2.13 (CPU, float64); the .npz files land here.

One generator gives the data of all cases in turn, so cases stay in their order.
"""

import itertools
import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

HERE = Path(__file__).parent
RNG = np.random.default_rng(7)

LOSSES = {
    "mse": functional.mse_loss,
    "huber": functional.huber_loss,
    "bce": functional.binary_cross_entropy_with_logits,
    "ce": lambda outputs, labels: functional.cross_entropy(outputs, labels[:, 0].long()),
}
OPTIMIZERS = {
    "sgd": lambda weights: torch.optim.SGD(weights, lr=0.1),
    "sgd_momentum": lambda weights: torch.optim.SGD(weights, lr=0.05, momentum=0.9),
    "sgd_nesterov": lambda weights: torch.optim.SGD(weights, lr=0.05, momentum=0.9, nesterov=True),
    "sgd_decay": lambda weights: torch.optim.SGD(weights, lr=0.1, weight_decay=0.01),
    "adam": lambda weights: torch.optim.Adam(weights, lr=0.01),
    "adamw": lambda weights: torch.optim.AdamW(weights, lr=0.01, weight_decay=0.05),
    "rmsprop": lambda weights: torch.optim.RMSprop(weights, lr=0.01),
    "adagrad": lambda weights: torch.optim.Adagrad(weights, lr=0.05),
}


class SigmoidRNN(torch.nn.Module):
    """torch.nn.RNN knows tanh and relu only; this is the same with sigmoid."""

    def __init__(self, inputs, hidden):
        super().__init__()
        shapes = {
            "weight_ih_l0": (hidden, inputs),
            "weight_hh_l0": (hidden, hidden),
            "bias_ih_l0": (hidden,),
            "bias_hh_l0": (hidden,),
        }
        for name, shape in shapes.items():
            values = (torch.rand(shape) * 2 - 1) * hidden**-0.5
            self.register_parameter(name, torch.nn.Parameter(values))

    def forward(self, x):
        """Return the states of a batch of one sequence, (1, T, H), in the form of torch.nn.RNN."""
        h, states = torch.zeros(self.weight_hh_l0.shape[0]), []
        for x_t in x[0]:
            z = x_t @ self.weight_ih_l0.T + self.bias_ih_l0 + h @ self.weight_hh_l0.T
            h = torch.sigmoid(z + self.bias_hh_l0)
            states.append(h)
        return torch.stack(states)[None], h


def make_cell(kind, inputs, hidden, **options):
    if kind == "sigmoid":
        return SigmoidRNN(inputs, hidden)
    if kind in ("tanh", "relu"):
        return torch.nn.RNN(inputs, hidden, nonlinearity=kind, batch_first=True, **options)
    return {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[kind](
        inputs, hidden, batch_first=True, **options
    )


def make_sequences(count, shortest, longest, inputs):
    lengths = RNG.integers(shortest, longest + 1, count)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return RNG.normal(size=(offsets[-1], inputs)), offsets


def make_labels(loss, rows, outputs):
    if loss == "bce":
        return (RNG.random((rows, outputs)) < 0.3) * 1.0
    if loss == "ce":
        return RNG.integers(0, outputs, (rows, 1)) * 1.0
    return RNG.normal(size=(rows, outputs))


def run(cell, head, X, offsets):
    """Return the outputs of all sequences, back to back."""
    sequences = [torch.tensor(X[a:b])[None] for a, b in itertools.pairwise(offsets)]
    return torch.cat([head(cell(x)[0][0]) for x in sequences])


def named_weights(cell, head):
    weights = dict(cell.named_parameters())
    weights |= {f"head.{name}": weight for name, weight in head.named_parameters()}
    return {name: weight for name, weight in weights.items() if weight.requires_grad}


def write_case(name, kind, sizes, loss, **options):
    inputs, hidden, outputs = sizes
    torch.manual_seed(sum(map(ord, name)))
    cell = make_cell(kind, inputs, hidden, **options)
    head = torch.nn.Linear(hidden * (2 if options.get("bidirectional") else 1), outputs)
    X, offsets = make_sequences(7, 1, 13, inputs)
    Y = make_labels(loss, len(X), outputs)
    predicted = run(cell, head, X, offsets)
    value = LOSSES[loss](predicted, torch.tensor(Y))
    value.backward()
    weights = named_weights(cell, head)
    arrays = {"X": X, "Y": Y, "offsets": offsets, "outputs": predicted.detach().numpy()}
    arrays |= {"loss": value.item()}
    arrays |= {f"w.{key}": weight.detach().numpy() for key, weight in weights.items()}
    arrays |= {f"g.{key}": weight.grad.numpy() for key, weight in weights.items()}
    about = dict(zip(("input_size", "hidden_size", "output_size"), sizes, strict=True))
    about |= {"kind": kind, "loss": loss, "num_layers": 1, "bidirectional": False} | options
    np.savez_compressed(HERE / f"{name}.npz", **arrays, meta=json.dumps(about))


def write_optimizer(name, X, Y, offsets):
    """Write the weights after each of 25 full-batch steps of a tanh 3-6-1 network."""
    torch.manual_seed(11)
    cell, head = torch.nn.RNN(3, 6, batch_first=True), torch.nn.Linear(6, 1)
    torch.nn.init.zeros_(cell.bias_hh_l0).requires_grad_(False)  # one bias per unit, as here
    weights = named_weights(cell, head)
    before = {f"w.{key}": weight.detach().numpy().copy() for key, weight in weights.items()}
    optimizer = OPTIMIZERS[name](list(weights.values()))
    losses, trajectory = [], []
    for _ in range(25):
        optimizer.zero_grad()
        loss = functional.mse_loss(run(cell, head, X, offsets), torch.tensor(Y))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        trajectory.append(np.concatenate([w.detach().numpy().ravel() for w in weights.values()]))
    np.savez_compressed(
        HERE / f"optim-{name}.npz",
        X=X, Y=Y, offsets=offsets, trajectory=trajectory, losses=losses,
        order=json.dumps(list(weights)), **before,
    )  # fmt: skip


def main():
    torch.set_default_dtype(torch.float64)
    for kind in ("tanh", "relu", "sigmoid", "gru", "lstm"):
        for sizes, loss in (((3, 7, 2), "mse"), ((5, 16, 1), "bce"), ((2, 12, 4), "ce")):
            name = "-".join(map(str, (kind, *sizes, loss)))
            write_case(name, kind, sizes, loss)
    for kind in ("tanh", "gru", "lstm"):
        stacked, both_ways = {"num_layers": 2}, {"bidirectional": True}
        write_case(f"{kind}-stack2", kind, (4, 9, 2), "mse", **stacked)
        write_case(f"{kind}-bidir", kind, (2, 7, 1), "huber", **both_ways)
        write_case(f"{kind}-stack2-bidir", kind, (2, 4, 3), "ce", **stacked, **both_ways)
    X, offsets = make_sequences(11, 2, 9, 3)
    Y = RNG.normal(size=(len(X), 1))
    for name in OPTIMIZERS:
        write_optimizer(name, X, Y, offsets)


if __name__ == "__main__":
    main()
