//! The engine against the textbook version: outputs, states, loss and every gradient, in both
//! layouts, on every instruction set of the machine.

use crate::cases::Cases;
use rnn_rust::reference::Elman;
use rnn_rust::simd::Level;
use rnn_rust::{Context, Loss, Objective, Real, Reduction, Tensor};

/// The largest |a − b| relative to the largest |b| (at least 1).
fn distance<T: Real>(a: &[T], b: &[T]) -> f64 {
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
}

fn compare<T: Real>(seed: u64, sizes: &Sizes, tolerance: f64) {
    let mut cases = Cases::new(seed);
    let config = cases.config(sizes.units);
    let network = cases.network::<T>(config);
    let lengths: Vec<usize> =
        (0..cases.size(1, sizes.sequences)).map(|_| cases.size(1, sizes.steps)).collect();
    let data = cases.data::<T>(config.shape, &lengths);
    let reduction = if seed.is_multiple_of(2) { Reduction::Mean } else { Reduction::Sum };
    let objective = Objective { loss: Loss::Mse, reduction };
    let oracle = Elman::of(&network);
    let (outputs, states) = oracle.predict(&data.view());
    let all: Vec<u32> = (0..lengths.len() as u32).collect();
    let (expected_loss, expected) = oracle.gradient(&data.view(), &all, Loss::Mse, reduction);
    let used: usize = expected.iter().flatten().filter(|g| g.to_f64() != 0.0).count();

    for level in Level::available() {
        let mut go_on = || true;
        let mut context = Context::new(&mut go_on).unwrap().with_level(level);
        let close = |what: &str, a: &[T], b: &[T]| {
            let d = distance(a, b);
            let case = format!("{level}, case {seed}, {config:?}, {lengths:?}");
            assert!(d <= tolerance, "{case}: {what} differs by {d:e}");
        };
        close("outputs", &network.predict(&data.view(), &mut context).unwrap(), &outputs);
        close("states", &network.hidden_states(&data.view(), &mut context).unwrap(), &states);
        let (loss, gradient) = network.gradient(&data.view(), objective, &mut context).unwrap();
        let alone = network.loss(&data.view(), objective, &mut context).unwrap();
        assert_eq!(loss, alone, "the loss is the same with and without its gradient");
        close("loss", &[T::from_f64(loss)], &[T::from_f64(expected_loss)]);
        for (tensor, expected) in Tensor::ALL.into_iter().zip(&expected) {
            close(tensor.name(), &network.layout().unpack(&gradient, tensor), expected);
        }
        let nonzero = gradient.iter().filter(|g| g.to_f64() != 0.0).count();
        assert!(nonzero <= used, "case {seed}: a padding weight has a gradient");
    }
}

const FEW: Sizes = Sizes { units: 70, sequences: 3, steps: 12 };
const MANY: Sizes = Sizes { units: 70, sequences: 60, steps: 9 };
const LONG: Sizes = Sizes { units: 10, sequences: 40, steps: 200 };

#[test]
fn double_precision_agrees_to_rounding() {
    for seed in 0..100 {
        compare::<f64>(seed, &FEW, 1e-12);
        compare::<f64>(seed, &MANY, 1e-12);
    }
}

#[test]
fn single_precision_agrees_to_rounding() {
    for seed in 0..100 {
        compare::<f32>(seed, &FEW, 2e-5);
        compare::<f32>(seed, &MANY, 2e-5);
    }
}

#[test]
fn sequences_longer_than_a_window_agree() {
    for seed in 1000..1010 {
        compare::<f64>(seed, &LONG, 1e-11);
    }
}
