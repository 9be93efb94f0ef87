"""The processes of the contestants, for ``compare.py``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rivals.job import Job, one_thread

HERE = Path(__file__).resolve().parent


class SkippedError(Exception):
    """A contestant cannot do a job; the message says why."""


class Pool:
    """Starts a contestant's process when it is first needed, and ends all of them at the end."""

    def __init__(self, core: int, original: Path | None) -> None:
        self.core = core
        self.environment = one_thread()
        path = [str(HERE.parent), *self.environment.get("PYTHONPATH", "").split(os.pathsep)]
        self.environment["PYTHONPATH"] = os.pathsep.join(filter(None, path))
        if original is not None:
            self.environment["RNN_RUST_ORIGINAL"] = str(original.resolve())
        self._processes: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End every process by closing its input."""
        for process in self._processes.values():
            process.communicate()

    def prepare(self, name: str, job: Job, cores: list[int] | None = None) -> dict[str, Any]:
        """Let a contestant prepare a job, on the one pinned core or on ``cores``."""
        return self._ask(name, {"prepare": asdict(job), "cores": cores or [self.core]})

    def seconds(self, name: str, passes: int) -> float:
        """Return the seconds for this many passes of the prepared job."""
        return float(self._ask(name, {"measure": passes})["seconds"])

    def learn(self, name: str, job: Job) -> dict[str, list[Any]]:
        """Return the weights of each of a contestant's variants after one epoch."""
        learnt: dict[str, list[Any]] = self._ask(name, {"learn": asdict(job)})["weights"]
        return learnt

    def _ask(self, name: str, request: dict[str, Any]) -> dict[str, Any]:
        process = self._processes.get(name) or self._start(name)
        assert process.stdin
        assert process.stdout
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise SkippedError("its process ended")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise SkippedError(reply["error"])
        return reply

    def _start(self, name: str) -> subprocess.Popen[str]:
        self._processes[name] = subprocess.Popen(
            [sys.executable, "-m", "rivals.worker", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=self.environment,
        )
        return self._processes[name]
