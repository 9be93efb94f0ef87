"""What the service of the examples keeps: each event counts once, whatever is sent again."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from events import Event
from hypothesis import given, settings
from hypothesis import strategies as st
from kill_and_replay import make_log, make_model
from ledger import INDEX, Contents, LogError
from opening import StartError, open_ledger

import rnn_rust as rnn

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    make_model(path, 0)
    return path


def events_of(log: list[dict[str, Any]]) -> list[Event]:
    return [Event(**event) for event in log]


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_whatever_is_sent_again_each_event_counts_once(
    data: st.DataObject, model_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, model = tmp_path_factory.mktemp("ledger"), rnn.load(model_path)
    logs = {f"{n}": events_of(make_log(n, 60, data.draw(st.integers(0, 9)))) for n in range(3)}
    scores: dict[str, dict[int, Any]] = {name: {} for name in logs}
    reached = dict.fromkeys(logs, 0)
    # Where the last request that was new began, and that of the snapshot.
    begun = saved = dict.fromkeys(logs, 0)
    for _ in range(data.draw(st.integers(1, 5))):
        # A service from its start to its end by a kill.
        begun = dict(saved)
        with open_ledger(model_path, folder) as ledger:
            for _ in range(data.draw(st.integers(1, 15))):
                name = data.draw(st.sampled_from([*logs, "snapshot"]))
                if name == "snapshot":
                    ledger.snapshot()
                    saved = dict(begun)
                    continue
                start = max(reached[name] - data.draw(st.integers(-1, 12)), 0)
                piece = logs[name][start : start + data.draw(st.integers(0, 25))]
                applied = ledger.applied(name)[0]
                if applied < start:
                    with pytest.raises(LogError, match=f"go on from offset {applied}"):
                        ledger.apply(name, start, piece)
                    reached[name] = applied
                    continue
                if start < min(begun[name], start + len(piece)):
                    with pytest.raises(LogError, match=f"not known .* from offset {applied}, and"):
                        ledger.apply(name, start, piece)
                    continue
                record, _ = ledger.apply(name, start, piece)
                assert ledger.applied(name)[0] == max(applied, start + len(piece))
                reached[name] = start + len(piece)
                if applied < reached[name]:
                    begun[name] = start
                assert len(record.scores) == len(piece)
                for place, score in enumerate(record.scores, start):
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


class Polite:
    """A lock after whose release others have a turn, so that what is done too late shows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()
        time.sleep(0.0005)


def test_a_snapshot_has_states_and_records_of_one_moment(model_path: Path, tmp_path: Path) -> None:
    logs = [events_of(make_log(number, 4000, 2)) for number in range(3)]
    model, checked = rnn.load(model_path), set()

    def send(number: int) -> None:
        for start in range(0, 4000, 7):
            ledger.apply(f"{number}", start, logs[number][start : start + 7])

    with open_ledger(model_path, tmp_path) as ledger:
        ledger._lock = Polite()
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
        # Whether these are the same is not known after another request, whatever they are.
        ledger.apply("a", 5, one[:1])
        for events in (other[:1], one[:1], one + other):
            with pytest.raises(LogError, match="before offset 5 are applied, and which they were"):
                ledger.apply("a", 0, events)
        assert ledger.applied("a")[0] == 6


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
    assert "there is no file" in refused(folder, tmp_path / "nothing")
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
    whole = msgspec.json.decode(index)
    kept = {"scores": [{"outputs": [0.5], "new": True}] * 2, "digests": [1, 2], "applied": 2}
    for part in ({"digests": [1]}, {"scores": []}, {"applied": 1}, {"applied": -1}):
        whole["records"] = {"a": kept | part}
        (folder / INDEX).write_bytes(msgspec.json.encode(whole))
        assert f"{INDEX} is damaged" in refused(folder, model_path)
    (folder / INDEX).write_bytes(index)
    (folder / "states-77.safetensors").write_bytes(good[:100])  # A kill before the index was.
    with open_ledger(model_path, folder) as ledger:
        assert ledger.applied("a") == (5, 5)
    assert [path.name for path in folder.glob("states-*")] == [states.name]
    (folder / INDEX).unlink()
    assert f"has {states.name}, but not the {INDEX}" in refused(folder, model_path)
    assert states.read_bytes() == good


@pytest.mark.parametrize(
    "limits", [{"max_entities": 0}, {"expire_after": float("nan")}, {"expire_after": -1.0}]
)
def test_limits_that_are_refused_leave_no_folder(
    limits: dict[str, Any], model_path: Path, tmp_path: Path
) -> None:
    assert next(iter(limits)) in refused(tmp_path / "snapshots", model_path, **limits)
    model = rnn.GRU(1, 2, 1, bidirectional=True)
    model.save(tmp_path / "model")
    refused(tmp_path / "snapshots", tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_model_that_changes_while_it_is_read_is_refused(
    model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, load = tmp_path / "model", rnn.load
    path.write_bytes(model_path.read_bytes())

    def load_and_replace(source: Path) -> Any:
        loaded = load(source)
        make_model(source, 1)
        return loaded

    monkeypatch.setattr(rnn, "load", load_and_replace)
    assert f"{path} changed while it was read" in refused(tmp_path / "snapshots", path)


def test_a_record_with_a_score_that_is_not_known_counts_its_events(
    model_path: Path, tmp_path: Path
) -> None:
    snapshot_in(tmp_path, model_path)
    contents = msgspec.json.decode((tmp_path / INDEX).read_bytes())
    contents["records"]["a"]["scores"][0] = None
    (tmp_path / INDEX).write_bytes(msgspec.json.encode(contents))
    log = events_of(make_log(0, 7, 0))
    with open_ledger(model_path, tmp_path) as ledger:
        assert ledger.applied("a") == (5, 5)
        with pytest.raises(LogError, match="not known any more; go on from offset 5"):
            ledger.apply("a", 0, log[:5])
        record, new = ledger.apply("a", 5, log[5:])
        assert (record.applied, len(record.scores), new) == (7, 2, 2)


def test_a_kill_before_the_first_index_is_harmless(model_path: Path, tmp_path: Path) -> None:
    with open_ledger(model_path, tmp_path):
        (states,) = tmp_path.glob("states-*")
    (tmp_path / INDEX).unlink()
    states.write_bytes(states.read_bytes()[:100])
    snapshot_in(tmp_path, model_path)
    with open_ledger(model_path, tmp_path) as ledger:
        assert ledger.applied("a") == (5, 5)
