"""The same seed gives the same bits: in every process, in parts, beside other threads."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from conftest import RunPython
from oracle import make_data, same_bits

from rnn_rust import RNN, Dataset
from rnn_rust.learning.history import Record

DATA = make_data([4, 1, 6, 2, 3, 5, 2, 4, 1, 3], 2, 1)

TRAIN_AND_PRINT = """
import hashlib
import numpy as np
import rnn_rust as rnn
x = np.random.default_rng(0).normal(size=(60, 2))
data = rnn.Dataset.from_arrays(x, x[:, :1], range(0, 61, 5))
model = rnn.RNN(2, 9, 1, seed={seed}, dtype="{dtype}", scaler="standard")
model.fit(data, epochs=20, batch_size=4)
weights = b"".join(array.tobytes() for array in model.state_dict().values())
print(hashlib.sha256(weights + model.predict(data).tobytes()).hexdigest())
"""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_two_processes_one_seed_the_same_bits(run_python: RunPython, dtype: str) -> None:
    one, same, other = (
        run_python(TRAIN_AND_PRINT.format(seed=seed, dtype=dtype)).stdout for seed in (1, 1, 2)
    )
    assert len(one) == 65
    assert one == same
    assert one != other


def trained(data: Dataset = DATA, *epochs: int, **options: Any) -> RNN:
    """Return a fresh model after one fit for each of ``epochs``."""
    seed, scaler = options.pop("seed", 0), options.pop("scaler", None)
    model = RNN(2, 5, 1, seed=seed, scaler=scaler)
    for number in epochs:
        model.fit(data, epochs=number, batch_size=3, progress=False, **options)
    return model


@pytest.mark.parametrize("shuffle", [True, False])
def test_training_in_parts_is_training(shuffle: bool) -> None:
    whole = trained(DATA, 5, shuffle=shuffle)
    assert same_bits(whole, trained(DATA, 2, 3, shuffle=shuffle))
    assert same_bits(whole, trained(DATA, 1, 1, 1, 1, 1, shuffle=shuffle))
    assert not same_bits(whole, trained(DATA, 4, shuffle=shuffle))


def test_what_is_watched_does_not_change_training() -> None:
    watched = trained(DATA, 5, validation=DATA, callbacks=[lambda record: None], eval_every=2)
    assert same_bits(watched, trained(DATA, 5))


def test_orders_follow_from_the_seed_and_differ_between_epochs() -> None:
    def weights_after(epochs: int, seed: int) -> RNN:
        """The initial weights of seed 0, trained in the orders of another."""
        model = RNN(2, 5, 1, seed=seed).load_state_dict(RNN(2, 5, 1).state_dict())
        model.fit(DATA, epochs=epochs, batch_size=1, progress=False)
        return model

    in_order = trained(DATA, 1, shuffle=False)
    assert same_bits(weights_after(1, seed=3), weights_after(1, seed=3))
    assert not same_bits(weights_after(1, seed=3), weights_after(1, seed=4))
    assert not same_bits(trained(DATA, 1), in_order)
    twice = trained(DATA, 1)
    twice.epochs_trained = 0  # the order of the first epoch again
    twice.fit(DATA, epochs=1, batch_size=3, progress=False)
    assert not same_bits(twice, trained(DATA, 2))


def test_shuffling_takes_every_sequence_once() -> None:
    """With all sequences in one batch, their order changes nothing but rounding."""
    shuffled = RNN(2, 5, 1, dtype="float64", reduction="sum")
    ordered = RNN(2, 5, 1, dtype="float64", reduction="sum")
    losses = [
        model.fit(DATA, epochs=5, batch_size=10, shuffle=shuffle, progress=False).loss
        for model, shuffle in ((shuffled, True), (ordered, False))
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-13)


def with_other_test_part(data: Dataset, seed: int) -> Dataset:
    """Change every value of the test part of the split with that seed."""
    test = data.split(0.8, seed=seed)[1]
    features, labels = data.features.copy(), data.labels.copy()
    features[test.row_numbers] = 1e3 - 50 * features[test.row_numbers]
    labels[test.row_numbers] = -1e4
    return Dataset.from_arrays(features, labels, data.offsets)


@pytest.mark.parametrize("scaler", ["minmax", "standard"])
def test_the_test_part_never_reaches_the_training(scaler: str) -> None:
    other = with_other_test_part(DATA, seed=6)
    by_fit = [trained(data.split(0.8, seed=6)[0], 3, scaler=scaler) for data in (DATA, other)]
    assert same_bits(*by_fit)
    by_train = [RNN(2, 5, 1, seed=6, scaler=scaler) for _ in range(2)]
    for model, data in zip(by_train, (DATA, other), strict=True):
        model.train(data, epochs=3)
    assert same_bits(*by_train)
    for one, two in (by_fit, by_train):
        assert one.scaler is not None
        assert two.scaler is not None
        assert one.scaler.to_dict() == two.scaler.to_dict()


def test_a_later_fit_keeps_the_scaler_of_the_first() -> None:
    model = trained(DATA, 1, scaler="minmax")
    assert model.scaler is not None
    before = model.scaler.to_dict()
    model.fit(with_other_test_part(DATA, seed=0), epochs=1, progress=False)
    assert model.scaler.to_dict() == before


# Threads -------------------------------------------------------------------------------------


def test_threads_predict_side_by_side() -> None:
    model = RNN(3, 20, 2)
    data = [make_data([50, 1, 20], 3, 2, seed=seed) for seed in range(40)]
    expected = [model.predict(one) for one in data]
    with ThreadPoolExecutor(8) as pool:
        for predicted, right in zip(pool.map(model.predict, data), expected, strict=True):
            np.testing.assert_array_equal(predicted, right)


def test_threads_predict_while_another_trains() -> None:
    model, done = RNN(2, 5, 1), threading.Event()
    seen: list[Record] = []

    def predict_until_done() -> int:
        count = 0
        while not done.is_set() or count == 0:
            assert np.isfinite(model.predict(DATA)).all()
            assert np.isfinite(model.state_dict()["bias_l0"]).all()
            count += 1
        return count

    with ThreadPoolExecutor(2) as pool:
        counts = [pool.submit(predict_until_done) for _ in range(2)]
        try:
            model.fit(DATA, epochs=200, batch_size=3, callbacks=[seen.append], progress=False)
        finally:
            done.set()
        assert all(count.result(timeout=20) > 0 for count in counts)
    assert len(seen) == 200
    assert same_bits(model, trained(DATA, 200))


@pytest.mark.timing
def test_a_prediction_does_not_wait_for_the_end_of_a_training() -> None:
    model = RNN(2, 5, 1)
    options = {"epochs": 400_000, "progress": False}  # about a second
    training = threading.Thread(target=model.fit, args=(DATA,), kwargs=options)
    start = time.monotonic()
    training.start()
    time.sleep(0.05)
    model.predict(DATA)
    predicted = time.monotonic() - start
    training.join()
    assert predicted < 0.5 * (time.monotonic() - start)


def test_models_train_side_by_side() -> None:
    seeds = range(6)
    with ThreadPoolExecutor(3) as pool:
        models = list(pool.map(lambda seed: trained(DATA, 30, seed=seed), seeds))
    for seed, model in zip(seeds, models, strict=True):
        assert same_bits(model, trained(DATA, 30, seed=seed))
