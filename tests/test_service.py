"""The service of the examples: over loopback, killed and started again, each event counts once."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from app import make_app
from client import Client, ServiceError
from kill_and_replay import NAMES, Process, free_port, make_log, make_model, send_all
from opening import open_ledger

import rnn_rust as rnn

SERVICE = Path(__file__).resolve().parents[1] / "examples/service"

pytestmark = pytest.mark.timing


@pytest.fixture(scope="module")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    make_model(path, 0)
    return path


@contextmanager
def asking(port: int) -> Iterator[Any]:
    """Something that asks the service, and returns status and content."""
    client = Client("127.0.0.1", port, "test", [])
    yield client.ask
    client.close()


@pytest.fixture
def service(model_path: Path, tmp_path: Path) -> Iterator[Process]:
    """A service that takes no snapshot by the clock."""
    process = Process(model_path, tmp_path / "snapshots", "--snapshot-every", "9999")
    yield process
    process.kill()


@pytest.fixture
def ask(service: Process) -> Iterator[Any]:
    with asking(service.port) as ask:
        yield ask


# Killed --------------------------------------------------------------------------------------


def test_the_script_loads_kills_and_checks(tmp_path: Path) -> None:
    command = [sys.executable, SERVICE / "kill_and_replay.py", "--events", "3000", "--kills", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = re.match(
        r"12000 events of (\d+) entities from 4 clients .* 2 kills, (\d+) ", done.stdout
    )
    assert found
    assert int(found[1]) > 300
    assert int(found[2]) > 0
    assert list(tmp_path.iterdir()) == []


def test_an_answer_that_got_lost_is_given_again_also_after_a_kill(
    service: Process, ask: Any
) -> None:
    events = make_log(0, 20, 0)
    first = ask("POST", "/score", events[:10], client="a", offset=0)
    assert ask("POST", "/score", events[:10], client="a", offset=0) == first
    assert ask("POST", "/snapshot")[0] == 200
    ask("POST", "/score", events[10:], client="a", offset=10)
    assert ask("GET", "/applied", client="a")[1] == {"client": "a", "applied": 20, "saved": 10}
    service.kill()
    service.start()
    assert ask("GET", "/applied", client="a")[1] == {"client": "a", "applied": 10, "saved": 10}
    assert ask("POST", "/score", events[:10], client="a", offset=0) == first
    status, answer = ask("POST", "/score", events[10:], client="a", offset=12)
    assert (status, answer["applied"]) == (409, 10)
    assert "go on from offset 10" in answer["error"]
    ask("POST", "/score", events[10:], client="a", offset=10)
    assert ask("GET", "/applied", client="a")[1] == {"client": "a", "applied": 20, "saved": 10}
    # A client that starts again goes on where the service is, and back where a kill left that.
    client = Client("127.0.0.1", service.port, "a", events + make_log(0, 5, 1))
    client.send(3)
    assert [score is None for score in client.scores] == [True] * 20 + [False] * 3
    service.kill()
    service.start()
    while client.next < 25:
        client.send(7)
    client.close()
    assert client.resumed == [(23, 10)]
    assert [score is None for score in client.scores] == [True] * 10 + [False] * 15


class WaitingClient(Client):
    """Sends the last third of its log when the service has been stopped once."""

    stopped = threading.Event()

    def send(self, count: int) -> None:
        if self.next > 1000:
            assert self.stopped.wait(60)
        super().send(count)


def test_a_graceful_stop_loses_nothing(service: Process, model_path: Path, tmp_path: Path) -> None:
    logs = [make_log(number, 1500, 1) for number in range(3)]
    # However slowly the service stops, one has events left.
    clients = [
        kind("127.0.0.1", service.port, f"{n}", log)
        for n, (kind, log) in enumerate(zip([WaitingClient, Client, Client], logs, strict=True))
    ]
    failures: list[BaseException] = []
    threads = [threading.Thread(target=send_all, args=(client, 0, failures)) for client in clients]
    for thread in threads:
        thread.start()
    while min(client.next for client in clients) < 300:
        time.sleep(0.001)
    assert service.stop() == 0
    assert any(client.next < 1500 for client in clients)
    WaitingClient.stopped.set()
    service.start()
    for thread in threads:
        thread.join()
    assert failures == []
    # After a kill they would have gone back; here all that was answered is in the snapshot.
    assert [client.resumed for client in clients] == [[], [], []]
    model = rnn.load(model_path)
    for client in clients:
        for key in {event["key"] for event in client.log}:
            places = [n for n, event in enumerate(client.log) if event["key"] == key]
            rows = np.array([list(client.log[place]["features"].values()) for place in places])
            outputs = np.array([client.scores[place]["outputs"] for place in places])
            assert outputs.astype(np.float32).tobytes() == model.predict(rows).tobytes()
    assert len(list((tmp_path / "snapshots").glob("*"))) == 3


# Requests ------------------------------------------------------------------------------------

GOOD = dict.fromkeys(NAMES, 1.0)
WRONG: list[tuple[dict[str, Any], Any, int, str]] = [
    ({"offset": 0}, GOOD, 400, "query: .*`client`"),
    ({"client": "a"}, GOOD, 400, "query: .*`offset`"),
    ({"client": "a", "offset": -1}, GOOD, 400, r"query: Expected `int` >= 0 - at `\$.offset`"),
    ({"client": "", "offset": 0}, GOOD, 400, r"length >= 1 - at `\$.client`"),
    ({}, "text", 400, "body: Expected `object | array`, got `str`"),
    ({}, [{"features": GOOD}], 400, r"body: .*`key` - at `\$\[0\]`"),
    ({}, [{"key": 1.5, "features": GOOD}], 400, r"got `float` - at `\$\[0\].key`"),
    ({}, {"key": 1, "features": GOOD, "tme": 1}, 400, "unknown field `tme`"),
    ({}, [{"key": 1, "features": GOOD}, {"key": 2**64, "features": GOOD}], 422, r"\$\[1\].key: "),
    ({}, [{"key": 1, "features": {"amount": 1}}], 422, r"\$\[0\].features: there is no 'seconds'"),
    ({}, [{"key": 1, "features": [1, 2]}], 422, "2 values; the model takes 3"),
    ({}, [{"key": 1, "features": [1, 2, None]}], 422, "'distance' is None; give a number"),
    ({}, [{"key": 1, "features": [1, 2, "3"]}], 422, "'distance' is '3'; give a number"),
    ({}, [{"key": 1, "features": [1, 2, 10**30]}], 400, r"`int` <= 922337203685477580\d - at"),
    ({}, [{"key": 1, "features": [1, [2], 3]}], 400, r"got `array` - at `\$\[0\].features\[1\]`"),
    ({}, [{"key": 1, "features": GOOD}] * 1001, 413, "1001 events; send 1000 at most"),
    ({}, "x" * 2**20, 413, "more than 1048576 bytes; send less"),
]  # fmt: skip


def test_what_is_wrong_with_a_request_is_said_and_changes_nothing(
    service: Process, ask: Any
) -> None:
    for query, body, status, words in WRONG:
        got, answer = ask("POST", "/score", body, **(query or {"client": "a", "offset": 0}))
        assert got == status, answer
        assert re.search(words, answer["error"]), answer
    assert ask("GET", "/score")[0] == 405
    assert ask("GET", "/nothing") == (404, {"error": "Not Found"})
    assert ask("GET", "/applied")[0] == 400
    with socket.create_connection(("127.0.0.1", service.port)) as half:
        half.sendall(
            b"POST /score?client=a&offset=0 HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n[{"
        )
    health = ask("GET", "/health")[1]
    assert (health["entities"], health["scored"]) == (0, 0)
    service.stop()
    assert "Traceback" not in service.log.read_text()


def test_others_are_served_while_events_wait(model_path: Path, tmp_path: Path) -> None:
    port, log = free_port(), make_log(0, 5, 0)
    with open_ledger(model_path, tmp_path) as ledger:
        app = make_app(ledger, snapshot_every=9999, max_events=9, max_bytes=9999)
        server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
        running = threading.Thread(target=server.run)
        running.start()
        answers: list[int] = []

        def send(name: str) -> None:
            with asking(port) as ask:
                answers.append(ask("POST", "/score", log, client=name, offset=0)[1]["applied"])

        with asking(port) as ask:
            senders = [threading.Thread(target=send, args=(f"{n}",)) for n in range(5)]
            with ledger._lock:
                for sender in senders:
                    sender.start()
                assert ask("GET", "/health")[1]["scored"] == 0
                time.sleep(0.2)
                assert ask("GET", "/health")[1]["scored"] == 0
                assert answers == []
            for sender in senders:
                sender.join()
            assert answers == [5] * 5
            assert ask("GET", "/health")[1]["scored"] == 25
        server.should_exit = True
        running.join()
    with open_ledger(model_path, tmp_path) as ledger:
        assert ledger.applied("4") == (5, 5)


def test_health_and_metrics(service: Process, ask: Any) -> None:
    log = make_log(0, 50, 0)
    client = Client("127.0.0.1", service.port, "a", log)
    while client.next < 50:
        client.send(10)
    client.close()
    assert len(client.scores) == 50
    ask("POST", "/score", log[45:], client="a", offset=45)
    ask("POST", "/score", log[45:], client="a", offset=60)
    entities = len({event["key"] for event in log})
    health = ask("GET", "/health")[1]
    assert health.pop("snapshot_age") < 60
    assert health == {"status": "ok", "entities": entities, "scored": 50}
    shown = dict(line.rsplit(" ", 1) for line in metrics_of(service) if line[0] != "#")
    assert shown['rnn_rust_requests_total{status="200"}'] == "6.0"
    assert shown['rnn_rust_requests_total{status="409"}'] == "1.0"
    assert shown["rnn_rust_scored_events_total"] == "50.0"
    assert shown["rnn_rust_repeated_events_total"] == "5.0"
    assert float(shown["rnn_rust_entities"]) == entities
    assert float(shown["rnn_rust_score_seconds_count"]) == 7
    quantiles = [
        float(shown[f'rnn_rust_score_seconds{{quantile="{q}"}}']) for q in (0.5, 0.9, 0.99, 0.999)
    ]
    assert 0 < quantiles[0] <= quantiles[1] <= quantiles[2] <= quantiles[3] < 10
    assert quantiles[0] * 3 <= float(shown["rnn_rust_score_seconds_sum"]) <= quantiles[3] * 7


def metrics_of(service: Process) -> list[str]:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return text.splitlines()


def test_without_a_place_for_snapshots_it_goes_on_and_says_so(
    service: Process, ask: Any, tmp_path: Path
) -> None:
    log = make_log(0, 20, 0)
    shutil.rmtree(tmp_path / "snapshots")
    assert ask("POST", "/score", log[:10], client="a", offset=0)[0] == 200
    status, answer = ask("POST", "/snapshot")
    assert status == 500
    assert "there is no new snapshot: cannot write" in answer["error"]
    assert ask("POST", "/score", log[10:], client="a", offset=10)[1]["applied"] == 20
    assert service.stop() == 1
    assert "there are events that no snapshot has" in service.log.read_text()


def test_entities_are_forgotten_by_the_time_of_events(model_path: Path, tmp_path: Path) -> None:
    service = Process(model_path, tmp_path / "snapshots", "--expire-after", "10")
    try:
        event = {"key": "a", "features": GOOD}
        client = Client("127.0.0.1", service.port, "a", [event])
        with pytest.raises(ServiceError, match=r"\$\[0\].time: there is none"):
            client.send(1)
        client.log[:] = [event | {"time": time_} for time_ in (0, 5, 30)]
        client.send(3)
        client.close()
        assert [score["new"] for score in client.scores] == [True, False, True]
    finally:
        service.kill()


def test_a_service_that_cannot_start_says_so_in_a_line(tmp_path: Path) -> None:
    command = [sys.executable, SERVICE / "serve.py", tmp_path / "nothing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: there is no file")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", [("--snapshot-every", "0"), ("--snapshot-every", "nan"), ("--max-events", "0")]
)
def test_limits_without_a_use_are_refused(words: tuple[str, str]) -> None:
    command = [sys.executable, SERVICE / "serve.py", "model", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"argument {words[0]}: it must be above 0, and finite, not {words[1]}" in done.stderr
