"""The process of one contestant: reads a request per line, answers with a line, both JSON.

``{"prepare": job, "cores": [..]}`` builds and warms up every variant, keeps the fastest, and
answers with its name, the steps in one pass and the seconds that it took. ``{"measure": n}``
answers with the seconds of n passes. ``{"learn": job}`` trains one epoch and answers with every
variant's weights. An answer may be ``{"error": reason}`` instead.
"""

import gc
import importlib
import json
import math
import os
import sys
from collections.abc import Iterator
from typing import Any

from rivals import RIVALS
from rivals.job import Job, Variant

SCREENING = 0.1
"""Seconds for which each variant is tried."""


class Contestant:
    """The variants of one contestant's module, and the fastest of them for the present job."""

    def __init__(self, name: str) -> None:
        self.module: Any = importlib.import_module(RIVALS[name].module)
        self.chosen: Variant | None = None

    def variants(self, job: dict[str, Any]) -> Iterator[Variant]:
        """Return the module's variants for a job."""
        found: Iterator[Variant] = iter(self.module.variants(Job(**job)))
        return found

    def prepare(self, job: dict[str, Any]) -> dict[str, Any]:
        """Try every variant and keep the fastest."""
        self.chosen = None
        tried: dict[str, float] = {}
        for variant in self.variants(job):
            variant.seconds(1)  # compiles
            passes = max(1, math.ceil(SCREENING / max(variant.seconds(1), 1e-7)))
            seconds = min(variant.seconds(passes) for _ in range(2)) / passes
            if not tried or seconds / variant.steps < min(tried.values()):
                self.chosen, chosen_seconds = variant, seconds
            tried[variant.name] = seconds / variant.steps
            gc.collect()
        if self.chosen is None:
            raise LookupError("does not do this job")
        return {
            "variant": self.chosen.name,
            "steps": self.chosen.steps,
            "seconds": chosen_seconds,
            "tried": {name: seconds * 1e9 for name, seconds in tried.items()},
        }

    def measure(self, passes: int) -> dict[str, Any]:
        """Return the seconds for this many passes of the chosen variant."""
        if self.chosen is None:
            raise LookupError("nothing is prepared")
        return {"seconds": self.chosen.seconds(passes)}

    def learn(self, job: dict[str, Any]) -> dict[str, Any]:
        """Return the weights of every variant after one epoch."""
        learnt = {}
        for variant in self.variants(job):
            variant.seconds(1)
            if variant.weights is not None:
                learnt[variant.name] = [array.tolist() for array in variant.weights()]
        return {"weights": learnt}


def answer(contestant: Contestant, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out one request."""
    if "prepare" in request:
        os.sched_setaffinity(0, request["cores"])
        return contestant.prepare(request["prepare"])
    if "learn" in request:
        return contestant.learn(request["learn"])
    return contestant.measure(request["measure"])


def main() -> None:
    """Answer until the input ends."""
    # Libraries may print anything: answers go to a copy of stdout, everything else to stderr.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    contestant: Contestant | None = None
    for line in sys.stdin:
        try:
            contestant = contestant or Contestant(sys.argv[1])
            reply = answer(contestant, json.loads(line))
        except Exception as error:
            first = (str(error).splitlines() or [""])[0]
            reply = {
                "error": first
                if isinstance(error, ImportError | LookupError)
                else repr(error)[:300]
            }
        print(json.dumps(reply), file=answers)


if __name__ == "__main__":
    main()
