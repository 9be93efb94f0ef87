//! The engine against the textbook version: outputs, states, loss and every gradient, in both
//! layouts, on every instruction set of the machine.

use crate::cases::{Cases, Data};
use rnn_rust::reference::Reference;
use rnn_rust::simd::Level;
use rnn_rust::{Activation, Cell, Compiled, Config, Context, Loss, Objective, Reduction, Shape};

/// The largest |a − b| relative to the largest |b| (at least 1).
fn distance<T: Compiled>(a: &[T], b: &[T]) -> f64 {
    assert_eq!(a.len(), b.len());
    let scale = b.iter().fold(1.0, |m, v| f64::max(m, v.to_f64().abs()));
    let differ = |(a, b): (&T, &T)| (a.to_f64() - b.to_f64()).abs();
    let largest =
        a.iter().zip(b).map(differ).fold(0.0, |m, d| if d > m || d.is_nan() { d } else { m });
    largest / scale
}

/// What a case is drawn from.
struct Sizes {
    /// Inputs and units.
    units: usize,
    sequences: usize,
    steps: usize,
    /// The simple networks with squared errors, or anything.
    simple: bool,
}

fn compare<T: Compiled>(seed: u64, sizes: &Sizes, tolerance: f64) {
    let mut cases = Cases::new(seed);
    let (config, loss) = if sizes.simple {
        (cases.config(sizes.units), Loss::Mse)
    } else {
        (cases.any_config(sizes.units), cases.loss())
    };
    let lengths: Vec<usize> =
        (0..cases.size(1, sizes.sequences)).map(|_| cases.size(1, sizes.steps)).collect();
    let reduction = if seed.is_multiple_of(2) { Reduction::Mean } else { Reduction::Sum };
    let objective = Objective { loss, reduction };
    let case = format!("case {seed}, {config:?}, {objective:?}, {lengths:?}");
    let data = cases.data_for::<T>(&config, loss, &lengths);
    compare_case(&mut cases, (config, objective), &data, &lengths, &|what, level, d| {
        assert!(d <= tolerance, "{level}, {case}: {what} differs by {d:e}");
    });
}

fn compare_case<T: Compiled>(
    cases: &mut Cases,
    (config, objective): (Config, Objective),
    data: &Data<T>,
    lengths: &[usize],
    check: &dyn Fn(&str, Level, f64),
) {
    let network = cases.network::<T>(config);
    let data = if lengths.len().is_multiple_of(3) { data.weighted() } else { data.view() };
    let dropout_seed = lengths.len().is_multiple_of(2).then_some(7);
    let oracle = Reference::of(&network);
    let (outputs, states) = oracle.predict(&data, objective.loss);
    let all: Vec<u32> = (0..lengths.len() as u32).collect();
    let (expected_loss, expected) = oracle.gradient(&data, &all, objective, dropout_seed);

    for level in Level::available() {
        let mut go_on = || true;
        let mut context = Context::new(&mut go_on).unwrap().with_level(level);
        let close = |what: &str, a: &[T], b: &[T]| check(what, level, distance(a, b));
        let predicted = network.predict(&data, objective.loss, &mut context).unwrap();
        close("outputs", &predicted, &outputs);
        close("states", &network.hidden_states(&data, &mut context).unwrap(), &states);
        let (loss, gradient) =
            network.gradient(&data, objective, dropout_seed, &mut context).unwrap();
        let alone = network.loss(&data, objective, dropout_seed, &mut context).unwrap();
        assert_eq!(loss, alone, "the loss is the same with and without its gradient");
        close("loss", &[T::from_f64(loss)], &[T::from_f64(expected_loss)]);
        let tensors = network.layout().tensors().iter().enumerate();
        for ((number, tensor), expected) in tensors.zip(&expected) {
            close(tensor.name(), &network.layout().unpack(&gradient, number), expected);
        }
        let nonzero = |numbers: &[T]| numbers.iter().filter(|g| g.to_f64() != 0.0).count();
        let layout = network.layout();
        let used: usize =
            (0..expected.len()).map(|tensor| nonzero(&layout.unpack(&gradient, tensor))).sum();
        assert_eq!(nonzero(&gradient), used, "a padding weight has a gradient");
    }
}

const FEW: Sizes = Sizes { units: 70, sequences: 3, steps: 12, simple: true };
const MANY: Sizes = Sizes { units: 70, sequences: 60, steps: 9, simple: true };
const LONG: Sizes = Sizes { units: 10, sequences: 40, steps: 200, simple: true };
const ANY_FEW: Sizes = Sizes { units: 36, sequences: 3, steps: 9, simple: false };
const ANY_MANY: Sizes = Sizes { units: 20, sequences: 50, steps: 9, simple: false };
const ANY_LONG: Sizes = Sizes { units: 8, sequences: 30, steps: 150, simple: false };

#[test]
fn double_precision_agrees_to_rounding() {
    for seed in 0..60 {
        compare::<f64>(seed, &FEW, 1e-12);
        compare::<f64>(seed, &MANY, 1e-12);
    }
}

#[test]
fn single_precision_agrees_to_rounding() {
    for seed in 0..60 {
        compare::<f32>(seed, &FEW, 2e-5);
        compare::<f32>(seed, &MANY, 2e-5);
    }
}

#[test]
fn every_cell_stack_readout_and_loss_agrees_in_double_precision() {
    for seed in 0..150 {
        compare::<f64>(seed, &ANY_FEW, 1e-11);
        compare::<f64>(seed, &ANY_MANY, 1e-11);
    }
}

/// Sequences so long that the forward pass is computed again, window by window; alone, in lanes, and
/// with others before and after them in a lane.
fn long_sequences<T: Compiled>(lengths: &[usize], tolerance: f64) {
    let cells = [Cell::Elman(Activation::Tanh), Cell::Lstm, Cell::Gru { reset_after: false }];
    for (seed, cell) in cells.into_iter().enumerate() {
        let mut cases = Cases::new(seed as u64);
        let shape = Shape { input: 2, hidden: 3, output: 1 };
        let config =
            Config { layers: 2, dropout: 0.2, recurrent_dropout: 0.1, ..Config::new(shape, cell) };
        let data = cases.data_for::<T>(&config, Loss::Mse, lengths);
        let objective = Objective { loss: Loss::Mse, reduction: Reduction::Mean };
        compare_case(&mut cases, (config, objective), &data, lengths, &|what, level, d| {
            assert!(d <= tolerance, "{level}, {cell:?}, {lengths:?}: {what} differs by {d:e}");
        });
    }
}

#[test]
fn long_sequences_agree() {
    long_sequences::<f64>(&[40_000, 9], 1e-10);
    long_sequences::<f64>(&[9_000, 12_000, 7_000, 3, 500, 11_000, 12_500, 8_000], 1e-10);
    // Windows have a multiple of 64 steps: some begin where a sequence does.
    let mut fitting = vec![6_720; 15];
    fitting[0] *= 2;
    long_sequences::<f64>(&fitting, 1e-10);
    let ragged: Vec<usize> = (1..=36).map(|s| 500 * s % 7_919).collect();
    long_sequences::<f32>(&ragged, 1e-3);
}

/// Recurrent weights and batches so large that the weights are laid out anew for the steps.
#[test]
fn large_recurrent_weights_agree() {
    let gru = |reset_after| Cell::Gru { reset_after };
    let cells = [Cell::Elman(Activation::Tanh), Cell::Lstm, gru(false), gru(true)];
    for (seed, cell) in cells.into_iter().enumerate() {
        let mut cases = Cases::new(seed as u64);
        let shape = Shape { input: 2, hidden: 97, output: 1 };
        let config = Config { bidirectional: seed == 0, ..Config::new(shape, cell) };
        let lengths: Vec<usize> = (0..80).map(|_| cases.size(40, 70)).collect();
        let data = cases.data_for::<f64>(&config, Loss::Mse, &lengths);
        let objective = Objective { loss: Loss::Mse, reduction: Reduction::Mean };
        compare_case(&mut cases, (config, objective), &data, &lengths, &|what, level, d| {
            assert!(d <= 1e-12, "{level}, {cell:?}: {what} differs by {d:e}");
        });
    }
}

#[test]
fn every_cell_stack_readout_and_loss_agrees_in_single_precision() {
    for seed in 0..80 {
        compare::<f32>(seed, &ANY_FEW, 2e-4);
        compare::<f32>(seed, &ANY_MANY, 2e-4);
    }
}

#[test]
fn sequences_longer_than_a_window_agree() {
    for seed in 1000..1010 {
        compare::<f64>(seed, &LONG, 1e-11);
        compare::<f64>(seed, &ANY_LONG, 1e-9);
    }
}

/// Few sequences of simple networks, which have a way of their own: sizes about whole groups of lanes,
/// lengths about a window, any loss, and labels that are all there or all missing.
fn compare_at_edges<T: Compiled>(seed: u64, tolerance: f64) {
    let mut cases = Cases::new(seed);
    let one_of = |cases: &mut Cases, sizes: &[usize]| sizes[cases.size(0, sizes.len() - 1)];
    let shape = Shape {
        input: one_of(&mut cases, &[1, 3, 16, 300]),
        hidden: one_of(&mut cases, &[1, 7, 8, 9, 15, 16, 17, 31, 32, 33]),
        output: one_of(&mut cases, &[1, 1, 2, 17, 40]),
    };
    let output_activation = cases.activation();
    let config =
        Config { output_activation, ..Config::new(shape, Cell::Elman(cases.activation())) };
    let lengths: Vec<usize> =
        (0..cases.size(1, 3)).map(|_| one_of(&mut cases, &[1, 2, 6, 7, 13, 63, 64, 65])).collect();
    let objective = Objective { loss: cases.loss(), reduction: Reduction::Sum };
    let mut data = cases.data_for::<T>(&config, objective.loss, &lengths);
    match seed % 3 {
        0 => data.labels.iter_mut().filter(|l| l.is_nan()).for_each(|l| *l = T::ZERO),
        1 => data.labels[..lengths[0]].fill(T::from_f64(f64::NAN)),
        _ => data.labels.fill(T::from_f64(f64::NAN)),
    }
    let case = format!("case {seed}, {config:?}, {objective:?}, {lengths:?}");
    compare_case(&mut cases, (config, objective), &data, &lengths, &|what, level, d| {
        assert!(d <= tolerance, "{level}, {case}: {what} differs by {d:e}");
    });
}

#[test]
fn few_sequences_agree_at_the_edges() {
    for seed in 0..100 {
        compare_at_edges::<f64>(seed, 1e-11);
        compare_at_edges::<f32>(seed, 3e-4);
    }
}
