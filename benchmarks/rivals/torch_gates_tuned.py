"""PyTorch's own layers at their fastest: steps first, the fused ``Adam``, sorted and padded."""

from collections.abc import Iterator
from typing import Any

from rivals.job import LEARNING_RATE, Job, Variant, lengths, timed
from rivals.padding import padded_batches
from rivals.torch_gates import Network, torch


def variants(job: Job) -> Iterator[Variant]:
    """Yield the one way there is."""
    if job.kind == "train":
        yield train(job)


def train(job: Job) -> Variant:
    """Return training on batches ``(T, B, I)``; the loss is weighted only if steps are padded."""
    network = Network(job, batch_first=False)
    optimizer = torch.optim.Adam(network.parameters, lr=LEARNING_RATE, fused=True)
    given = [tuple(map(torch.from_numpy, batch)) for batch in padded_batches(job)]

    def loss(outputs: Any, labels: Any, weight: Any) -> Any:
        if job.shortest is None:
            return torch.nn.functional.mse_loss(outputs, labels)
        return ((outputs - labels).square() * weight).sum()

    def epoch() -> None:
        for features, labels, weight in given:
            optimizer.zero_grad(set_to_none=True)
            loss(network.head(network.layer(features)[0]), labels, weight).backward()
            optimizer.step()

    name = f"nn.{job.cell}, fused Adam" + ", sorted and padded" * (job.shortest is not None)
    return Variant(name, int(lengths(job).sum()), timed(epoch), network.learnt)
