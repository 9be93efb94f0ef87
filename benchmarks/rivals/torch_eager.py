"""PyTorch as its users write it: ``nn.RNN`` and a loop over batches, nothing compiled."""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from rivals.job import (
    LEARNING_RATE,
    MOST_UPDATES,
    Array,
    Job,
    Variant,
    data,
    events,
    timed,
    timed_calls,
    weights,
)

torch: Any = import_module("torch")
torch.set_num_threads(1)


def variants(job: Job) -> Iterator[Variant]:
    """Yield the only variant; ``nn.RNN`` has no sigmoid: there, users write the loop over time."""
    if job.kind == "train":
        yield train(job)
    elif job.kind == "predict":
        for chunk in (256, 1024, 4096):
            yield predict(job, chunk)
    elif job.kind == "stream":
        yield Variant("RNNCell and Linear", 1, timed_calls(stream(job)))


def rnn_layer(job: Job) -> Any:
    """Return an ``nn.RNN``, or for other activations a module that is called in the same way."""
    if job.activation in {"tanh", "relu"}:
        return torch.nn.RNN(job.inputs, job.hidden, nonlinearity=job.activation, batch_first=True)

    class Loop(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.cell = torch.nn.RNNCell(job.inputs, job.hidden)

        def forward(self, x: Any) -> Any:
            c = self.cell
            projected = torch.nn.functional.linear(x, c.weight_ih, c.bias_ih + c.bias_hh)
            h, states = torch.zeros(len(x), job.hidden, dtype=x.dtype), []
            for at in projected.unbind(1):
                h = torch.sigmoid(at + h @ c.weight_hh.t())
                states.append(h)
            return torch.stack(states, 1), h

    return Loop()


def network(job: Job) -> tuple[Any, Any]:
    """Return the layer and its head, with the initial weights that all share."""
    layer, head = rnn_layer(job), torch.nn.Linear(job.hidden, 1)
    dtype = getattr(torch, job.dtype)
    layer, head = layer.to(dtype), head.to(dtype)
    w_ih, w_hh, b, w_hy, b_y = (torch.from_numpy(w) for w in weights(job))
    with torch.no_grad():
        for parameter, value in zip(layer.parameters(), (w_ih, w_hh, b, 0 * b), strict=True):
            parameter.copy_(value)
        head.weight.copy_(w_hy)
        head.bias.copy_(b_y)
    return layer, head


def train(job: Job) -> Variant:
    """Return training with ``MSELoss``, ``backward`` and ``SGD``."""
    layer, head = network(job)
    # If the second bias of nn.RNN also learnt, both together would learn twice as fast as one.
    parameters = list(layer.parameters())
    parameters[3].requires_grad_(False)
    optimizer = torch.optim.SGD([*parameters[:3], *head.parameters()], lr=LEARNING_RATE)
    criterion = torch.nn.MSELoss()
    x, y = (torch.from_numpy(a) for a in data(job, MOST_UPDATES * job.batch))
    given = list(zip(x.split(job.batch), y.split(job.batch), strict=True))

    def epoch() -> None:
        for features, labels in given:
            optimizer.zero_grad()
            criterion(head(layer(features)[0]), labels).backward()
            optimizer.step()

    def learnt() -> list[Array]:
        return [p.detach().numpy() for p in (*parameters[:3], *head.parameters())]

    name = "eager" if job.activation in {"tanh", "relu"} else "eager, own loop over time"
    return Variant(name, y.numel(), timed(epoch), learnt)


def predict(job: Job, chunk: int) -> Variant:
    """Return prediction of all sequences, in chunks of this many."""
    layer, head = network(job)
    parts = torch.from_numpy(data(job)[0]).split(chunk)

    def every() -> None:
        with torch.inference_mode():
            for part in parts:
                head(layer(part)[0])

    return Variant(f"{chunk} at a time", job.sequences * job.steps, timed(every))


def stream(job: Job) -> Callable[[], Any]:
    """Return one streaming step."""
    layer, head = network(job)
    cell = torch.nn.RNNCell(job.inputs, job.hidden)
    cell.load_state_dict({name[:-3]: value for name, value in layer.state_dict().items()})
    rows = [torch.from_numpy(row) for row in events(job)]
    state, position = torch.zeros(job.hidden), 0

    def call() -> Any:
        nonlocal state, position
        position = (position + 1) & 63
        with torch.inference_mode():
            state = cell(rows[position], state)
            return head(state)

    return call
