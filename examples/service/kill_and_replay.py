"""Send events from several clients, kill the service midway, and check that each counts once.

Every score that a client gets must have the same bits as ``model.predict`` on the entity's whole
sequence, and every state in the last snapshot the same bits as a stepper after that sequence. An
event that is lost, scored twice or scored out of order changes all later ones.

Run it from the root of the repository: python examples/service/kill_and_replay.py
"""

from __future__ import annotations

import argparse
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from client import Client

import rnn_rust as rnn

NAMES = ["amount", "seconds", "distance"]


def make_model(path: Path, seed: int) -> rnn.GRU:
    """Save a model trained on made-up purchases, and return it."""
    random = np.random.default_rng(seed)
    frame = pl.DataFrame({name: random.normal(5, 3, 400) for name in NAMES})
    frame = frame.with_columns(
        card=pl.Series(np.repeat(np.arange(20), 20)), t=pl.Series(np.tile(np.arange(20), 20)),
        fraud=pl.Series(random.integers(0, 2, 400)),
    )  # fmt: skip
    data = rnn.Dataset.from_frame(frame, id="card", time="t", features=NAMES, labels="fraud")
    model = rnn.GRU(hidden_size=16, loss="binary_cross_entropy", scaler="standard", seed=seed)
    model.fit(data, epochs=2, progress=False)
    model.save(path)
    return model


def make_log(client: int, events: int, seed: int) -> list[dict[str, Any]]:
    """Return events of a client's cards; some cards have many events, most have few."""
    random = np.random.default_rng([seed, client])
    cards = np.minimum(random.zipf(1.3, events), 200)
    rows = random.normal(5, 3, (events, len(NAMES)))
    return [
        {"key": f"card {client}-{card}", "features": dict(zip(NAMES, row, strict=True))}
        for card, row in zip(cards.tolist(), rows.tolist(), strict=True)
    ]


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


class Process:
    """The service as a process, which can be killed and started again."""

    def __init__(self, model: Path, folder: Path, *options: str) -> None:
        self.port = free_port()
        command = [sys.executable, Path(__file__).with_name("serve.py"), model, "--folder", folder]
        self.log = folder.with_suffix(".log")
        self._command = [*map(str, command), "--port", str(self.port), *options]
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)
        Client("127.0.0.1", self.port, "who starts it", []).close()

    def kill(self) -> None:
        """Kill it without warning, as a power failure would (kill -9)."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Stop it gracefully; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


def require(truth: bool, otherwise: str) -> None:
    """End the script if something does not hold."""
    if not truth:
        sys.exit(f"Failed: {otherwise}")


def send_all(client: Client, seed: int, failures: list[BaseException]) -> None:
    """Send a client's log in pieces of random sizes."""
    random = np.random.default_rng(seed)
    try:
        while client.next < len(client.log):
            client.send(int(random.integers(1, 40)))
    except BaseException as error:
        failures.append(error)
    finally:
        client.close()


def run(options: argparse.Namespace, folder: Path) -> tuple[rnn.GRU, list[Client], Path]:
    """Send all events while the service is killed; return the clients, and its last snapshot."""
    model = make_model(folder / "model.safetensors", options.seed)
    states = folder / "snapshots"
    service = Process(folder / "model.safetensors", states, "--snapshot-every", "0.1")
    clients = [
        Client("127.0.0.1", service.port, f"till {n}", make_log(n, options.events, options.seed))
        for n in range(options.clients)
    ]
    failures: list[BaseException] = []
    threads = [
        threading.Thread(target=send_all, args=(client, number, failures))
        for number, client in enumerate(clients)
    ]
    try:
        for thread in threads:
            thread.start()
        total = options.clients * options.events
        for kill in range(options.kills):
            goal = total * (kill + 1) // (options.kills + 1)
            while sum(client.next for client in clients) < goal and not failures:
                time.sleep(0.001)
            service.kill()
            service.start()
        for thread in threads:
            thread.join()
        require(not failures, f"{failures[:1]}\n{service.log.read_text()}")
        code = service.stop()
        require(code == 0, f"the service stopped with {code}")
    finally:
        service.kill()
    (path,) = states.glob("states-*.safetensors")
    return model, clients, path


def check(model: rnn.GRU, clients: list[Client], path: Path) -> int:
    """Compare scores and states with predictions; return the number of entities."""
    scorer = rnn.load_scorer(path)
    sequences: dict[str, list[tuple[list[float], list[float]]]] = {}
    for client in clients:
        for event, score in zip(client.log, client.scores, strict=True):
            require(score is not None, f"{client.name!r} never got a score of {event}")
            require(score["new"] == (event["key"] not in sequences), f"what is new: {event}")
            pair = (list(event["features"].values()), score["outputs"])
            sequences.setdefault(event["key"], []).append(pair)
    for key, pairs in sequences.items():
        rows, outputs = (np.array(column) for column in zip(*pairs, strict=True))
        predicted = model.predict(rows)
        same = outputs.astype(predicted.dtype).tobytes() == predicted.tobytes()
        require(same, f"the scores of {key} are not those of predict")
        stepper = model.stepper()
        for row in rows:
            stepper.step(row)
        state = scorer.state(key)
        same = state is not None and state.tobytes() == stepper.state.tobytes()
        require(same, f"the state of {key} is not that of a stepper")
    require(len(scorer) == len(sequences), f"{len(scorer)} entities, not {len(sequences)}")
    return len(sequences)


def main() -> None:
    """Run the test and report what was checked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--events", type=int, default=5000, help="of each client")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        model, clients, path = run(options, Path(folder))
        seconds = time.perf_counter() - start
        entities = check(model, clients, path)
    resumed = [pair for client in clients for pair in client.resumed]
    require(
        not options.kills or any(start > 0 for _, start in resumed),
        "no client went on from a snapshot; send more events",
    )
    print(
        f"{options.clients * options.events} events of {entities} entities from {options.clients} "
        f"clients in {seconds:.1f} s, {options.kills} kills, "
        f"{sum(end - start for end, start in resumed)} events sent again after them: "
        "each was applied once, scores and states are the bits of predictions"
    )


if __name__ == "__main__":
    main()
