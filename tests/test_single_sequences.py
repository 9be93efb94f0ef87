"""A sequence of a data set is to a model what the data set of that sequence alone is."""

import numpy as np
import polars as pl
import pytest

import rnn_rust as rnn

ROWS = 24


def table() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    ids = np.repeat(np.arange(6), 4)
    return pl.DataFrame(
        {
            "id": ids, "t": np.arange(ROWS), "amount": rng.normal(size=ROWS),
            "shop": np.array(["p", "q", "r"])[rng.integers(0, 3, ROWS)],
            "age": np.array([30.0, 40, 50, 60, 70, 80])[ids],
            "kind": np.array(["u", "v", "w"])[rng.integers(0, 3, ROWS)],
            "y": rng.normal(size=ROWS),
        }
    )  # fmt: skip


def gaps(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(amount=pl.when(pl.col("t") % 3 == 1).then(None).otherwise("amount"))


def read(frame: pl.DataFrame, **roles: object) -> rnn.Dataset:
    return rnn.Dataset.from_frame(frame, **({"features": "amount", "labels": "y"} | roles))


DATA = {
    "numbers": (read(table()), {}),
    "categories": (read(table(), features=["amount", "shop"]), {}),
    "static": (read(table(), static=["age"]), {}),
    "missing": (read(gaps(table()), missing="keep"), {"missing": "mean"}),
    "classes": (read(table(), labels="kind"), {"loss": "cross_entropy"}),
    "forecast": (read(table()).forecast("amount", 2, season=2), {}),
}


@pytest.mark.parametrize("kind", DATA)
def test_it_is_what_a_data_set_of_it_alone_is(kind: str) -> None:
    data, options = DATA[kind]
    model = rnn.GRU(hidden_size=4, dtype="float64", scaler="standard", seed=1, **options)
    model.fit(data, epochs=3, progress=False)
    alone, sequence = data.subset([2]), data[2]
    assert np.array_equal(model.predict(sequence), model.predict(alone))
    assert model.loss(sequence) == model.loss(alone)
    assert model.evaluate(sequence).metrics() == model.evaluate(alone).metrics()


def test_classes_are_those_of_the_model() -> None:
    data, options = DATA["classes"]
    model = rnn.GRU(hidden_size=4, **options)
    model.fit(data, epochs=3, progress=False)
    # Here "v" has the number 0, and in the model 1.
    others = read(table().filter(pl.col("kind") != "u"), labels="kind")
    assert others.label_levels == {"kind": ("v", "w")}
    assert model.loss(others[0]) == model.loss(others.subset([0]))
    assert model.evaluate(others[0]) == model.evaluate(others.subset([0]))


def of_lengths(lengths: list[int]) -> rnn.Dataset:
    rng, rows = np.random.default_rng(0), sum(lengths)
    offsets = np.cumsum([0, *lengths])
    return rnn.Dataset.from_arrays(rng.normal(size=(rows, 3)), rng.normal(size=(rows, 1)), offsets)


@pytest.mark.parametrize(("dtype", "count"), [("float32", 318), ("float64", 158)])
@pytest.mark.parametrize("model", [rnn.RNN, rnn.GRU, rnn.LSTM])
def test_many_of_one_length_beside_a_longer_one(model: type, dtype: str, count: int) -> None:
    """Sequences of one length share lanes; how long these get depends on a part of the data."""
    data = of_lengths([8] + [7] * count)
    network = model(3, 5, 1, num_layers=2, seed=1, dtype=dtype)
    alone = [network.predict(data[k : k + 1]) for k in range(len(data))]
    np.testing.assert_array_equal(network.predict(data), np.concatenate(alone))


@pytest.mark.parametrize(("dtype", "batch_size"), [("float32", 63), ("float64", 31)])
def test_batches_of_one_length_beside_a_longer_sequence(dtype: str, batch_size: int) -> None:
    data = of_lengths([30] + [29] * (4 * batch_size))
    losses = [
        rnn.GRU(3, 5, 1, seed=1, dtype=dtype, optimizer=rnn.optim.SGD(0.0))
        .fit(data, batch_size=size, epochs=1, progress=False)
        .loss[-1]
        for size in (batch_size, 1)
    ]
    np.testing.assert_allclose(*losses, rtol=1e-5)
