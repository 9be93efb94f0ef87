"""torch.compile: an update written by hand, the loop over time unrolled into one graph."""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from rivals.job import LEARNING_RATE, Array, Job, Variant, batches, timed, weights

torch: Any = import_module("torch")
torch.set_num_threads(1)


def variants(job: Job) -> Iterator[Variant]:
    """Yield training with the gradient by hand."""
    if job.kind == "train":
        yield train(job)


def update_by_hand(job: Job) -> Callable[[Any, Any, Any], None]:
    """Return one update on a batch ``(T, B, I)``, weights input-major and changed in place."""

    def act(z: Any) -> Any:
        return torch.tanh(z) if job.activation == "tanh" else torch.sigmoid(z)

    def slope(h: Any) -> Any:
        return 1 - h * h if job.activation == "tanh" else h * (1 - h)

    def update(w: list[Any], x: Any, y: Any) -> None:
        w_ih, w_hh, b, w_hy, b_y = w
        projected = x @ w_ih + b
        states = [act(projected[0])]
        for t in range(1, job.steps):
            states.append(act(projected[t] + states[-1] @ w_hh))
        h = torch.stack(states)
        error = (h @ w_hy + b_y - y) * (2 / y.numel())
        into_state = error * w_hy[:, 0]
        deltas: list[Any] = []
        for t in reversed(range(job.steps)):
            carried = into_state[t] + deltas[-1] @ w_hh.t() if deltas else into_state[t]
            deltas.append(carried * slope(states[t]))
        delta = torch.stack(deltas[::-1])
        gradient = (
            x.flatten(0, 1).t() @ delta.flatten(0, 1),
            h[:-1].flatten(0, 1).t() @ delta[1:].flatten(0, 1),
            delta.sum((0, 1)),
            h.flatten(0, 1).t() @ error.flatten(0, 1),
            error.sum((0, 1)),
        )
        for weight, change in zip(w, gradient, strict=True):
            weight.sub_(change, alpha=LEARNING_RATE)

    return update


def train(job: Job) -> Variant:
    """Return training, one call per update."""
    given = [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in batches(job)]
    w = [torch.from_numpy(a.T.copy()) for a in weights(job)]
    torch.compiler.reset()
    compiled = torch.compile(update_by_hand(job), dynamic=False, fullgraph=True)

    def epoch() -> None:
        with torch.no_grad():
            for x, y in given:
                compiled(w, x, y)

    def learnt() -> list[Array]:
        return [a.numpy().T for a in w]

    return Variant("update as one graph", job.sequences * job.steps, timed(epoch), learnt)
