"""The service of the examples: over loopback, killed and started again, each event counts once."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rnn_rust as rnn

ROOT = Path(__file__).resolve().parents[1]
SERVICE = ROOT / "examples/service"
sys.path.append(str(SERVICE))

from client import Client, ServiceError  # noqa: E402
from events import Event  # noqa: E402
from kill_and_replay import NAMES, Process, make_log, make_model, send_all  # noqa: E402
from ledger import INDEX, Contents, LogError  # noqa: E402
from opening import StartError, open_ledger  # noqa: E402


@pytest.fixture(scope="module")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    make_model(path, 0)
    return path


@pytest.fixture
def service(model_path: Path, tmp_path: Path) -> Iterator[Process]:
    """A service that takes no snapshot by the clock."""
    process = Process(model_path, tmp_path / "snapshots", "--snapshot-every", "9999")
    yield process
    process.kill()


@pytest.fixture
def ask(service: Process) -> Iterator[Any]:
    """Ask the service something; return status and content."""
    client = Client("127.0.0.1", service.port, "test", [])
    yield client.ask
    client.close()


# Killed --------------------------------------------------------------------------------------


@pytest.mark.timing
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


@pytest.mark.timing
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


@pytest.mark.timing
def test_a_graceful_stop_loses_nothing(service: Process, model_path: Path, tmp_path: Path) -> None:
    logs = [make_log(number, 1500, 1) for number in range(3)]
    clients = [Client("127.0.0.1", service.port, f"{n}", log) for n, log in enumerate(logs)]
    failures: list[BaseException] = []
    threads = [threading.Thread(target=send_all, args=(client, 0, failures)) for client in clients]
    for thread in threads:
        thread.start()
    while min(client.next for client in clients) < 300:
        time.sleep(0.001)
    assert service.stop() == 0
    assert any(client.next < 1500 for client in clients)
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


# What is kept, without HTTP ------------------------------------------------------------------


def events_of(log: list[dict[str, Any]]) -> list[Event]:
    return [Event(**event) for event in log]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_is_sent_again_each_event_counts_once(
    data: st.DataObject, model_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, model = tmp_path_factory.mktemp("ledger"), rnn.load(model_path)
    logs = {f"{n}": events_of(make_log(n, 60, data.draw(st.integers(0, 9)))) for n in range(3)}
    scores: dict[str, dict[int, Any]] = {name: {} for name in logs}
    reached = dict.fromkeys(logs, 0)
    for _ in range(data.draw(st.integers(1, 5))):
        # A service from its start to its end by a kill.
        with open_ledger(model_path, folder) as ledger:
            for _ in range(data.draw(st.integers(1, 15))):
                name = data.draw(st.sampled_from([*logs, "snapshot"]))
                if name == "snapshot":
                    ledger.snapshot()
                    continue
                start = max(reached[name] - data.draw(st.integers(-1, 12)), 0)
                piece = logs[name][start : start + data.draw(st.integers(0, 25))]
                applied = ledger.applied(name)[0]
                if applied < start:
                    with pytest.raises(LogError, match=f"go on from offset {applied}"):
                        ledger.apply(name, start, piece)
                    reached[name] = applied
                    continue
                record, _ = ledger.apply(name, start, piece)
                assert ledger.applied(name)[0] == max(applied, start + len(piece))
                reached[name] = start + len(piece)
                for place, score in enumerate(record.scores, start):
                    if score is None:
                        assert place < applied
                    else:
                        assert scores[name].setdefault(place, score) == score
    sequences: dict[Any, list[tuple[Any, Any]]] = {}
    for name, found in scores.items():
        # Every event that was applied has been answered, without a gap.
        assert sorted(found) == list(range(len(found)))
        for place, score in sorted(found.items()):
            event = logs[name][place]
            sequences.setdefault(event.key, []).append((event, score))
    for pairs in sequences.values():
        rows = np.array([list(event.features.values()) for event, _ in pairs])
        outputs = np.array([score.outputs for _, score in pairs], np.float32)
        assert outputs.tobytes() == model.predict(rows).tobytes()
        assert [score.new for _, score in pairs] == [True] + [False] * (len(pairs) - 1)


def test_a_snapshot_has_states_and_records_of_one_moment(model_path: Path, tmp_path: Path) -> None:
    logs = [events_of(make_log(number, 4000, 2)) for number in range(3)]
    model, checked = rnn.load(model_path), set()

    def send(number: int) -> None:
        for start in range(0, 4000, 7):
            ledger.apply(f"{number}", start, logs[number][start : start + 7])

    with open_ledger(model_path, tmp_path) as ledger:
        threads = [threading.Thread(target=send, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            ledger.snapshot()
            contents = msgspec.json.decode((tmp_path / INDEX).read_bytes(), type=Contents)
            scorer = rnn.load_scorer(tmp_path / contents.states)
            for number, log in enumerate(logs):
                if f"{number}" not in contents.records:
                    continue
                applied = contents.records[f"{number}"].applied
                checked.add(applied)
                key = log[applied - 1].key
                stepper = model.stepper()
                for event in log[:applied]:
                    if event.key == key:
                        stepper.step(event.features)
                np.testing.assert_array_equal(scorer.state(key), stepper.state)
    assert len([applied for applied in checked if 0 < applied < 4000]) > 3


def test_two_clients_of_one_name_are_told(model_path: Path, tmp_path: Path) -> None:
    one, other = events_of(make_log(0, 5, 0)), events_of(make_log(1, 5, 0))
    with open_ledger(model_path, tmp_path) as ledger:
        ledger.apply("a", 0, one)
        with pytest.raises(LogError, match="another event was applied at offset 0; give each"):
            ledger.apply("a", 0, other)
        with pytest.raises(LogError, match="another event was applied at offset 4"):
            ledger.apply("a", 4, other)
        assert ledger.applied("a")[0] == 5
        assert len(ledger.scorer) == len({event.key for event in one})


def test_models_with_categories_gaps_and_times(tmp_path: Path) -> None:
    frame = pl.read_csv(ROOT / "data/purchases-rich.csv")[:400]
    features = ["amount", "abroad", "merchant"]
    data = rnn.Dataset.from_frame(
        frame,
        id="card",
        time="when",
        features=features,
        labels="fraud",
        ties="keep",
        missing="keep",
    )
    model = rnn.GRU(
        hidden_size=5, scaler="standard", missing="forward", missing_indicator=True,
        time_features=["elapsed", "hour"], loss="binary_cross_entropy",
    )  # fmt: skip
    model.fit(data, epochs=1, progress=False)
    model.save(tmp_path / "model")
    gaps = pl.when(pl.int_range(pl.len()) % 5 != 3).then("amount").alias("amount")
    frame = frame.with_columns(gaps)
    expected = model.score_frame(frame)[:, -1].to_numpy()
    log = [
        {"key": row["card"], "features": {name: row[name] for name in [*features, "when"]}}
        for row in frame.iter_rows(named=True)
    ]
    scores: list[Any] = []
    for start in range(0, 400, 50):
        with open_ledger(tmp_path / "model", tmp_path / "snapshots") as ledger:
            events = msgspec.json.decode(
                msgspec.json.encode(log[start : start + 50]), type=list[Event]
            )
            scores += ledger.apply("a", start, events)[0].scores
            ledger.snapshot()
    outputs = np.array([score.outputs[0] for score in scores], expected.dtype)
    np.testing.assert_array_equal(outputs, expected)


# How it starts -------------------------------------------------------------------------------


def snapshot_in(folder: Path, model: Path, **options: Any) -> None:
    with open_ledger(model, folder, **options) as ledger:
        ledger.apply("a", 0, events_of(make_log(0, 5, 0)))
        ledger.snapshot()


def refused(folder: Path, model: Path, **options: Any) -> str:
    errors = (StartError, rnn.errors.RnnRustError)
    with pytest.raises(errors) as caught, open_ledger(model, folder, **options):
        pass
    return str(caught.value)


def test_another_model_goes_on_only_if_asked_for(model_path: Path, tmp_path: Path) -> None:
    folder, other = tmp_path / "snapshots", tmp_path / "other"
    snapshot_in(folder, model_path)
    second = make_model(other, 1)
    assert "taken with another model" in refused(folder, other)
    with open_ledger(other, folder, swap=True) as ledger:
        assert ledger.applied("a") == (5, 5)
        tensors = ledger.scorer.state_dict()
        for name, tensor in second.state_dict().items():
            np.testing.assert_array_equal(tensors[name], tensor)
        ledger.snapshot()
    with open_ledger(other, folder):
        pass
    assert "taken with another model" in refused(folder, model_path)


def test_a_folder_that_does_not_fit_is_refused(model_path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "snapshots"
    snapshot_in(folder, model_path)
    assert "max_entities is 5, and None in the snapshot" in refused(
        folder, model_path, max_entities=5
    )
    assert "cannot read the model" in refused(folder, tmp_path / "nothing")
    with open_ledger(model_path, folder):
        assert "another service uses" in refused(folder, model_path)
    (states,) = folder.glob("states-*")
    good = states.read_bytes()
    states.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    assert "damaged" in refused(folder, model_path)
    states.write_bytes(good)
    index = (folder / INDEX).read_bytes()
    (folder / INDEX).write_bytes(index[:-9])
    assert f"{INDEX} is damaged" in refused(folder, model_path)
    (folder / INDEX).write_bytes(index)
    (folder / "states-77.safetensors").write_bytes(good[:100])  # A kill before the index was.
    with open_ledger(model_path, folder) as ledger:
        assert ledger.applied("a") == (5, 5)
    assert [path.name for path in folder.glob("states-*")] == [states.name]


@pytest.mark.timing
def test_a_service_that_cannot_start_says_so_in_a_line(tmp_path: Path) -> None:
    command = [sys.executable, SERVICE / "serve.py", tmp_path / "nothing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: cannot read the model")
    assert done.stderr.count("\n") == 1


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
    ({}, [{"key": 1, "features": [1, 2, 10**400]}], 422, "'distance' is too large"),
    ({}, [{"key": 1, "features": [1, [2], 3]}], 400, r"got `array` - at `\$\[0\].features\[1\]`"),
    ({}, [{"key": 1, "features": GOOD}] * 1001, 413, "1001 events; send 1000 at most"),
    ({}, "x" * 2**20, 413, "more than 1048576 bytes; send less"),
]  # fmt: skip


@pytest.mark.timing
def test_what_is_wrong_with_a_request_is_said_and_changes_nothing(ask: Any) -> None:
    for query, body, status, words in WRONG:
        got, answer = ask("POST", "/score", body, **(query or {"client": "a", "offset": 0}))
        assert got == status, answer
        assert re.search(words, answer["error"]), answer
    assert ask("GET", "/score")[0] == 405
    assert ask("GET", "/nothing") == (404, {"error": "Not Found"})
    assert ask("GET", "/applied")[0] == 400
    health = ask("GET", "/health")[1]
    assert (health["entities"], health["scored"]) == (0, 0)


@pytest.mark.timing
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


@pytest.mark.timing
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


@pytest.mark.timing
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
