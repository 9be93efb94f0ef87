"""Sequences of several lengths for rivals that need rectangles: sorted, padded, weighted."""

import numpy as np

from rivals.job import Array, Job, data, lengths, real


def padded_batches(job: Job, multiple: int = 1) -> list[tuple[Array, Array, Array]]:
    """Return batches of features ``(T, B, I)``, labels and weights ``(T, B, 1)``.

    Sequences of similar length are batched, and padded to the longest one, rounded up to a
    multiple. A real step has weight 1 / (number of real steps in the batch), a padded step 0; the
    loss is the weighted sum of squared errors.
    """
    (features, labels), among, long = data(job), real(job), lengths(job)
    order, found = np.argsort(long, kind="stable"), []
    for start in range(0, job.sequences, job.batch):
        chosen = order[start : start + job.batch]
        steps = -(-int(long[chosen].max()) // multiple) * multiple
        weight = among[chosen, :steps, None].astype(job.dtype)
        weight /= weight.sum()
        arrays = (features[chosen, :steps], labels[chosen, :steps], weight)
        x, y, weight = (np.ascontiguousarray(array.swapaxes(0, 1)) for array in arrays)
        found.append((x, y, weight))
    return found
