"""States that networks start from and end with; networks that read from the end."""

import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slopes import check_slopes

import rnn_rust as rnn
from rnn_rust.errors import StateWarning

CELLS = ["RNN", "GRU", "LSTM"]


def dataset(lengths=(4, 1, 6, 3), columns=2, seed=0):
    rng = np.random.default_rng(seed)
    offsets = np.append(0, np.cumsum(lengths))
    return rnn.Dataset.from_arrays(
        rng.normal(size=(offsets[-1], columns)), rng.normal(size=offsets[-1]), offsets
    )


def network(cell, **options):
    return getattr(rnn, cell)(2, 5, 1, dtype="float64", seed=3, **options)


@settings(max_examples=40, deadline=None)
@given(
    cell=st.sampled_from(CELLS),
    dtype=st.sampled_from(["float32", "float64"]),
    layers=st.integers(1, 3),
    lengths=st.lists(st.integers(2, 9), min_size=1, max_size=40),
    readout=st.sampled_from(["each_step", "last"]),
)
def test_later_rows_go_on_from_the_state_that_earlier_ones_left(
    cell, dtype, layers, lengths, readout
):
    data = dataset(lengths)
    model = getattr(rnn, cell)(
        2, 5, 1, num_layers=layers, dtype=dtype, readout=readout, scaler="standard"
    )
    model.fit(data, epochs=1, progress=False)
    rng = np.random.default_rng(1)
    cuts = [int(rng.integers(1, length)) for length in lengths]
    early = np.concatenate([np.arange(n) < cut for n, cut in zip(lengths, cuts, strict=True)])
    parts = []
    for rows, sizes in (
        (early, cuts), (~early, [n - cut for n, cut in zip(lengths, cuts, strict=True)])
    ):  # fmt: skip
        offsets = np.append(0, np.cumsum(sizes))
        parts.append(rnn.Dataset.from_arrays(data.features[rows], None, offsets))
    whole, end = model.predict(data, return_state=True)
    assert np.array_equal(whole, model.predict(data))
    first, state = model.predict(parts[0], return_state=True)
    second, last = model.predict(parts[1], initial_state=state, return_state=True)
    assert np.array_equal(last, end)
    if readout == "each_step":
        assert np.array_equal(first, whole[early])
        assert np.array_equal(second, whole[~early])
        states = model.hidden_states(parts[1], initial_state=state)
        assert np.array_equal(states, model.hidden_states(data)[~early])
    else:
        assert np.array_equal(second, whole)
    again = model.predict(parts[1].with_initial_state(state))
    assert np.array_equal(again, second)
    order = np.arange(len(lengths))[::-1]
    chosen = parts[1].with_initial_state(state).subset(order)
    expected = [model.predict(parts[1][int(s)], initial_state=state[s]) for s in order]
    assert np.array_equal(model.predict(chosen), np.concatenate(expected))


def test_states_of_a_table_are_in_the_order_of_its_ids():
    rows = pl.DataFrame(
        {
            "id": ["b", "a", "b", "a", "c"], "t": [2, 1, 1, 2, 1], "x1": [0.1, 0.4, 0.9, 0.3, 0.7],
            "x2": [1.0, 0.2, 0.5, 0.6, 0.8],
        }
    )  # fmt: skip
    model = network("GRU")
    states = np.random.default_rng(0).normal(size=(3, 5))
    outputs, ends = model.predict(rows, initial_state=states, return_state=True)
    for state, end, places in zip(states, ends, ([2, 0], [1, 3], [4]), strict=True):
        features = rows.select("x1", "x2").to_numpy()[places]
        own, own_end = model.predict(features, initial_state=state, return_state=True)
        assert np.array_equal(outputs[places], own)
        assert np.array_equal(end, own_end)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 2])
def test_a_stepper_goes_on_from_a_final_state(cell, layers):
    data = dataset()
    model = network(cell, num_layers=layers)
    sequence = data[2]
    outputs = model.predict(sequence)
    stepper = model.stepper()
    _, stepper.state = model.predict(sequence.features[:3], return_state=True)
    again = model.stepper(initial_state=stepper.state)
    assert np.array_equal(again.step(sequence.features[3]), outputs[3])
    assert stepper.state.shape == model.predict(data, return_state=True)[1].shape[1:]
    for row, output in zip(sequence.features[3:], outputs[3:], strict=True):
        assert np.array_equal(stepper.step(row), output)


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_are_slopes_where_sequences_start_from_states(cell):
    data = dataset()
    model = network(cell)
    _, state = model.predict(data, return_state=True)
    assert check_slopes(model, data.with_initial_state(state * 1.5))


def test_training_starts_from_them():
    data = dataset((4,) * 20)
    state = np.random.default_rng(2).normal(size=(20, 5))
    trained = {}
    for name, given_state in (("zero", None), ("own", state)):
        model = network("GRU", optimizer=rnn.SGD(0.1))
        model.fit(
            data, epochs=2, batch_size=4, progress=False, shuffle=True, initial_state=given_state
        )
        by_data = network("GRU", optimizer=rnn.SGD(0.1))
        own = data.with_initial_state(given_state)
        by_data.fit(own, epochs=2, batch_size=4, progress=False)
        trained[name] = model.state_dict()
        for key, value in by_data.state_dict().items():
            assert np.array_equal(value, trained[name][key])
    assert not np.array_equal(trained["zero"]["weight_hh_l0"], trained["own"]["weight_hh_l0"])
    one, two = network("GRU"), network("GRU")
    loss = one.update(data, initial_state=state)
    assert loss == two.loss(data.with_initial_state(state))


def test_a_bidirectional_network_starts_from_them_at_both_ends():
    data = dataset()
    model = network("LSTM", bidirectional=True, num_layers=2)
    outputs, state = model.predict(data, return_state=True)
    assert state.shape == (4, 4, 10)
    assert np.array_equal(model.predict(data, initial_state=np.zeros_like(state)), outputs)
    ones = model.predict(data, initial_state=np.ones_like(state))
    alone = [model.predict(one, initial_state=np.ones((4, 10))) for one in data]
    assert np.array_equal(ones, np.concatenate(alone))
    own = data.with_initial_state(state)
    assert check_slopes(model, own)
    model.fit(own, epochs=1, validation=own, progress=False)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("readout", ["each_step", "last", "mean"])
def test_a_reverse_network_reads_from_the_end(cell, readout):
    data = dataset()
    reverse = network(cell, reverse=True, readout=readout, num_layers=2)
    forward = network(cell, readout=readout, num_layers=2)
    forward.load_state_dict(reverse.state_dict())
    for sequence in data:
        turned = sequence.features[::-1].copy()
        expected, end = forward.predict(turned, return_state=True)
        got, own_end = reverse.predict(sequence, return_state=True)
        each = readout == "each_step"
        assert np.array_equal(got, expected[::-1] if each else expected)
        assert np.array_equal(own_end, end)
        states = reverse.hidden_states(sequence)
        assert np.array_equal(states, forward.hidden_states(turned)[::-1])
    both = network(cell, bidirectional=True, readout="each_step")
    weights = both.state_dict()
    single = network(cell, reverse=True)
    renamed = {
        name.removesuffix("_reverse"): value
        for name, value in weights.items()
        if name.endswith("_reverse")
    }
    single.load_state_dict(
        renamed | {"head.weight": weights["head.weight"][:, 5:], "head.bias": weights["head.bias"]}
    )
    assert np.array_equal(single.hidden_states(data), both.hidden_states(data)[:, 5:])


def test_a_reverse_network_is_trained_saved_and_compared_with_labels_at_their_rows(tmp_path):
    data = dataset((5,) * 12)
    model = network("GRU", reverse=True, loss="mse", optimizer=rnn.SGD(0.1))
    turned_features = np.concatenate([one.features[::-1] for one in data])
    turned_labels = np.concatenate([one.labels[::-1] for one in data])
    turned = rnn.Dataset.from_arrays(turned_features, turned_labels, data.offsets)
    forward = network("GRU", loss="mse", optimizer=rnn.SGD(0.1))
    for one, rows in ((model, data), (forward, turned)):
        one.fit(rows, epochs=3, batch_size=4, progress=False)
    for name, value in forward.state_dict().items():
        assert np.array_equal(value, model.state_dict()[name])
    model.save(tmp_path / "model.safetensors")
    loaded = rnn.load(tmp_path / "model.safetensors")
    assert np.array_equal(loaded.predict(data), model.predict(data))
    assert "reverse=True" in repr(model)
    with pytest.raises(rnn.errors.ParameterError, match="reverse"):
        model.stepper()
    with pytest.raises(rnn.errors.ParameterError, match="reverse has no effect"):
        network("GRU", reverse=True, bidirectional=True)


def test_a_view_with_states_is_still_one():
    data, state = dataset(), np.zeros((2, 5))
    view = data.subset([3, 0]).with_initial_state(state)
    assert view.shares_rows
    assert view.shared_rows.arrays["features"] is data.features
    assert view.with_initial_state(None) == data.subset([3, 0])
    network("GRU").predict(view)
    assert "features" not in vars(view)
    state[:] = 1.0
    assert not view.initial_state.any()
    with pytest.raises(ValueError, match="read-only"):
        view.initial_state[:] = 1.0


def test_wrong_states_are_refused_by_name():
    data, model = dataset(), network("LSTM")
    for state, message in (
        (np.zeros((4, 5)), r"shape \(4, 5\); the network's states have \(4, 10\)"),
        (np.zeros((3, 10)), "each of the 4 sequences"),
        (np.zeros(10), "each of the 4 sequences"),
    ):
        with pytest.raises(rnn.errors.ShapeError, match=message):
            model.predict(data, initial_state=state)
    with pytest.raises(rnn.errors.ShapeError, match="state"):
        model.stepper(initial_state=np.zeros(3))
    with pytest.raises(rnn.errors.DataError, match="finite"):
        model.predict(data, initial_state=np.full((4, 10), np.nan))
    for one in (data[0], np.zeros((3, 2))):
        for shape in ((4, 10), (1, 10), (5,)):
            message = (
                rf"shape \({re.escape(str(shape)[1:])}; the state of a single sequence has \(10,"
            )
            with pytest.raises(rnn.errors.ShapeError, match=message):
                model.predict(one, initial_state=np.zeros(shape))
        for number in (np.nan, np.inf):
            with pytest.raises(rnn.errors.DataError, match="finite"):
                model.predict(one, initial_state=np.full(10, number))
    with pytest.raises(rnn.errors.DataError, match="finite"):
        model.update(data[0], initial_state=np.full(10, np.nan))
    with pytest.raises(rnn.errors.ParameterError, match="return_state must be True or False"):
        model.predict(data, return_state=1)
    own = data.with_initial_state(np.zeros((4, 10)))
    with pytest.raises(rnn.errors.ParameterError, match="cut them first"):
        own.windows(1)
    with pytest.raises(rnn.errors.ShapeError, match="some data sets alone"):
        rnn.Dataset.concat([own.subset([0]), data.subset([1])])
    assert own != data
    assert rnn.Dataset.concat([own.subset([0]), own.subset([1])]) == own.subset([0, 1])


def test_sequences_of_one_row_that_are_read_out_whole_have_an_output_each():
    rows = np.random.default_rng(0).normal(size=(4, 1, 2))
    last, each = network("GRU", readout="last"), network("GRU")
    assert last.predict(rows).shape == (4, 1)
    assert each.predict(rows).shape == (4, 1, 1)
    assert last.hidden_states(rows).shape == (4, 1, 5)
    assert last.predict([*rows]).shape == (4, 1)


GAPS = {
    "id": [0] * 5, "t": [0.0, 1.0, 3.0, 7.0, 8.0], "a": [1.0, None, 3.0, None, 2.0],
    "b": [0.5, 1.0, -1.0, 2.0, 0.0], "y": [0.0, 1.0, 0.0, 1.0, 1.0],
}  # fmt: skip


def of_gaps(**options):
    data = rnn.Dataset.from_frame(GAPS, features=["a", "b"], labels="y", missing="keep")
    model = rnn.GRU(hidden_size=3, dtype="float64", scaler="standard", **options)
    model.fit(data, epochs=1, progress=False)
    return data, model


def rows_from(first, end=5):
    return {name: column[first:end] for name, column in GAPS.items()}


@pytest.mark.parametrize(
    ("options", "first", "words"),
    [
        ({"missing": "mean"}, 3, None),
        ({"missing": "forward"}, 2, None),
        ({"missing": "forward"}, 3, r"missing numbers \(a\) become the mean"),
        ({"missing": "mean", "time_features": "elapsed"}, 2, "counts as 0; let one stepper"),
        (
            {"missing": "forward", "time_features": "log_elapsed"}, 3,
            r"counts as 0 and missing numbers \(a\) become",
        ),
    ],
)  # fmt: skip
def test_a_warning_tells_where_a_state_is_not_all_there_is_to_know_of_rows_before(
    options, first, words
):
    _, model = of_gaps(**options)
    whole = model.predict(GAPS)
    _, state = model.predict(rows_from(0, first), return_state=True)
    rows = [dict(zip(GAPS, row, strict=True)) for row in zip(*GAPS.values(), strict=True)]
    read = model.stepper()
    for row in rows[:first]:
        read.step(row)
    started, given_state = model.stepper(initial_state=state[0]), model.stepper()
    given_state.step({**rows[0], "a": 99.0})
    given_state.state = state[0]
    later = rnn.Dataset.from_frame(
        rows_from(first), features=["a", "b"], labels="y", missing="keep"
    )
    ways = [
        lambda: model.predict(rows_from(first), initial_state=state),
        lambda: model.predict(later.with_initial_state(state)),
        lambda: [started.step(row) for row in rows[first:]],
        lambda: [given_state.step(row) for row in rows[first:]],
    ]
    for way in ways:
        if words is None:
            # Nothing is lost: the outputs are those of the whole sequence.
            np.testing.assert_array_equal(way(), whole[first:])
        else:
            with pytest.warns(StateWarning, match=words) as caught:
                outputs = way()
            assert len(caught) == 1
            assert not np.array_equal(outputs, whole[first:])
    if words is not None:
        with pytest.warns(StateWarning, match=words):
            model.fit(later, epochs=1, progress=False, initial_state=state)
    # Within one stepper nothing is lost, nor after a new beginning.
    np.testing.assert_array_equal([read.step(row) for row in rows[first:]], whole[first:])
    given_state.state = state[0]
    given_state.reset()
    np.testing.assert_array_equal([given_state.step(row) for row in rows], whole)


def test_a_state_of_0_is_none_and_warns_of_nothing():
    _, model = of_gaps(time_features="elapsed", missing="forward")
    zeros, expected = np.zeros((1, 3)), model.predict(GAPS)
    np.testing.assert_array_equal(model.predict(GAPS, initial_state=zeros), expected)
    stepper = model.stepper(initial_state=zeros[0])
    rows = [dict(zip(GAPS, row, strict=True)) for row in zip(*GAPS.values(), strict=True)]
    np.testing.assert_array_equal([stepper.step(row) for row in rows], expected)
    # Only the sequences that start from another one count.
    gap_first = rnn.Dataset.from_frame(
        {"id": [0, 0, 1, 1], "t": [0, 1, 0, 1], "a": [None, 1.0, 2.0, 3.0], "y": [0.0, 1.0] * 2},
        features="a", labels="y", missing="keep",
    )  # fmt: skip
    model = rnn.GRU(hidden_size=3, missing="forward").build(gap_first)
    model.predict(gap_first.with_initial_state([[0.0] * 3, [0.1] * 3]))
    with pytest.warns(StateWarning, match=r"missing numbers \(a\)"):
        model.predict(gap_first.with_initial_state([[0.1] * 3, [0.0] * 3]))


def test_the_warning_points_to_the_call():
    _, model = of_gaps(time_features="elapsed", missing="mean")
    _, state = model.predict(rows_from(0, 2), return_state=True)
    stepper = model.stepper(initial_state=state[0])
    row = {name: column[2] for name, column in GAPS.items()}
    later = rnn.Dataset.from_frame(rows_from(2), features=["a", "b"], labels="y", missing="keep")
    started = later.with_initial_state(state)
    for call in (
        lambda: model.predict(rows_from(2), initial_state=state),
        lambda: stepper.step(row),
        lambda: model.loss(started),
        lambda: model.gradients(started),
        lambda: model.evaluate(started),
        lambda: model.fit(started, validation=started, epochs=2, progress=False),
    ):
        with pytest.warns(StateWarning) as caught:
            call()
        assert {warning.filename for warning in caught} == {__file__}
    stepper.state = state[0]
    # Where warnings are errors, as in these tests, a step that is refused has changed nothing.
    with pytest.raises(StateWarning):
        stepper.step(row)
    np.testing.assert_array_equal(stepper.state, state[0])
