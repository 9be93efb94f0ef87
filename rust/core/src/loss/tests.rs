//! For every loss: its derivative against finite differences, lanes against the textbook, extremes.

use super::Loss;
use crate::activation::Activation;
use crate::error::Error;
use crate::lanes::Real;
use crate::lanes::simd::{Kernel, Level, Simd, WithSimd, dispatch};
use crate::rng::{Purpose, Rng};

const LOSSES: [Loss; 10] = [
    Loss::Mse,
    Loss::Mae,
    Loss::Huber { delta: 0.8 },
    Loss::Quantile { q: 0.2 },
    Loss::BinaryCrossEntropy { pos_weight: 1.0 },
    Loss::BinaryCrossEntropy { pos_weight: 3.5 },
    Loss::CrossEntropy,
    Loss::Focal { gamma: 2.0, pos_weight: 1.0 },
    Loss::Focal { gamma: 0.7, pos_weight: 3.5 },
    Loss::Focal { gamma: 0.0, pos_weight: 3.5 },
];

const NAN: f64 = f64::NAN;

/// Pre-activations, labels and weights of one step.
struct Row {
    z: Vec<f64>,
    labels: Vec<f64>,
    weights: Vec<f64>,
}

impl Row {
    /// About one label in six is missing; under cross entropy, some are not a class.
    fn random(loss: Loss, outputs: usize, size: f64, rng: &mut Rng) -> Self {
        let mut draw = |count, number: &mut dyn FnMut(&mut Rng) -> f64| -> Vec<f64> {
            (0..count).map(|_| number(rng)).collect()
        };
        let z = draw(outputs, &mut |rng| size * rng.normal());
        let columns = loss.label_columns(outputs);
        let labels = draw(columns, &mut |rng| match loss {
            _ if rng.uniform() < 1.0 / 6.0 => NAN,
            Loss::CrossEntropy => (rng.uniform() * (outputs as f64 + 0.3)).floor(),
            _ if loss.implied() && rng.uniform() < 0.5 => (rng.uniform() * 2.0).floor(),
            _ if loss.implied() => rng.uniform(),
            _ => rng.normal(),
        });
        let weights =
            if outputs.is_multiple_of(2) { Vec::new() } else { draw(columns, &mut Rng::uniform) };
        Self { z, labels, weights }
    }

    fn value(&self, loss: Loss, activation: Activation, z: &[f64]) -> f64 {
        loss.row(activation, z, &self.labels, &self.weights, &mut vec![0.0; z.len()])
    }
}

/// Whether the loss has a kink near this row, where finite differences mean nothing.
fn has_kink(loss: Loss, activation: Activation, row: &Row) -> bool {
    let near = |limit: f64| {
        let d = |(&z, &label): (&f64, &f64)| (activation.value(z) - label).abs() - limit;
        row.z.iter().zip(&row.labels).any(|pair| d(pair).abs() < 1e-4)
    };
    let bent = |z: &f64| z.abs() < 1e-4;
    let rectifier = matches!(activation, Activation::Relu | Activation::LeakyRelu);
    match loss {
        Loss::Mae | Loss::Quantile { .. } => near(0.0) || rectifier && row.z.iter().any(bent),
        _ => rectifier && row.z.iter().any(bent),
    }
}

#[test]
fn derivatives_equal_central_differences() {
    let mut rng = Rng::new(1, Purpose::Weights, 0);
    for (loss, case) in LOSSES.into_iter().flat_map(|loss| (0..200).map(move |i| (loss, i))) {
        let activation = Activation::ALL[case % 9].1;
        let row = Row::random(loss, 1 + case % 5, 2.0, &mut rng);
        if has_kink(loss, activation, &row) {
            continue;
        }
        let mut dz = vec![NAN; row.z.len()];
        loss.row(activation, &row.z, &row.labels, &row.weights, &mut dz);
        for l in 0..row.z.len() {
            let moved = |by: f64| {
                let mut z = row.z.clone();
                z[l] += by;
                row.value(loss, activation, &z)
            };
            let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            let close = (slope - dz[l]).abs() < 1e-7 * (1.0 + slope.abs());
            assert!(close, "{loss:?} of {activation:?}, case {case}: {slope} for {}", dz[l]);
        }
    }
}

#[test]
fn values_are_those_of_the_formulas() {
    let of = |loss: Loss, z: &[f64], labels: &[f64]| {
        loss.row(Activation::Identity, z, labels, &[], &mut vec![0.0; z.len()])
    };
    let p = 1.0 / (1.0 + (-0.3f64).exp());
    let cross = -3.0 * 0.25 * p.ln() - 0.75 * (1.0 - p).ln();
    let table = [
        (Loss::Mse, 3.0, 1.0, 4.0),
        (Loss::Mae, 3.0, 1.0, 2.0),
        (Loss::Huber { delta: 1.5 }, 3.0, 1.0, 1.5 * (2.0 - 0.75)),
        (Loss::Huber { delta: 1.5 }, 0.0, 1.0, 0.5),
        (Loss::Quantile { q: 0.9 }, 3.0, 1.0, 0.1 * 2.0),
        (Loss::Quantile { q: 0.9 }, 1.0, 3.0, 0.9 * 2.0),
        (Loss::BinaryCrossEntropy { pos_weight: 3.0 }, 0.3, 0.25, cross),
        (Loss::Focal { gamma: 2.0, pos_weight: 1.0 }, 0.3, 1.0, -(1.0 - p).powi(2) * p.ln()),
        (Loss::Focal { gamma: 2.0, pos_weight: 1.0 }, 0.3, 0.0, -p.powi(2) * (1.0 - p).ln()),
    ];
    for (loss, z, label, expected) in table {
        assert!((of(loss, &[z], &[label]) - expected).abs() < 1e-14, "{loss:?}");
    }
    let sum = 1f64.exp() + 2f64.exp() + 0.5f64.exp();
    let got = of(Loss::CrossEntropy, &[1.0, 2.0, 0.5], &[2.0]);
    assert!((got - (sum.ln() - 0.5)).abs() < 1e-14);
    let mut z = [1.0, 2.0, 0.5];
    Loss::CrossEntropy.outputs(Activation::Tanh, &mut z);
    assert!((z[1] - 2f64.exp() / sum).abs() < 1e-15);
}

#[test]
fn a_weight_of_two_counts_twice_and_a_missing_label_not_at_all() {
    for loss in LOSSES {
        let labels = if loss == Loss::CrossEntropy { vec![1.0] } else { vec![1.0, NAN] };
        let run = |weight: f64| {
            let mut dz = [NAN; 2];
            let weights = vec![weight; labels.len()];
            let value = loss.row(Activation::Tanh, &[0.3, -0.2], &labels, &weights, &mut dz);
            (value, dz)
        };
        let (once, twice) = (run(1.0), run(2.0));
        assert_eq!((2.0 * once.0, once.1.map(|dz| 2.0 * dz)), twice, "{loss:?}");
        assert_eq!(once.1[1] == 0.0, loss != Loss::CrossEntropy, "{loss:?}");
        let mut dz = [NAN; 2];
        let missing = vec![NAN; labels.len()];
        let value = loss.row(Activation::Tanh, &[0.3, -0.2], &missing, &[], &mut dz);
        assert_eq!((value, dz), (0.0, [0.0; 2]), "{loss:?}");
    }
}

/// [`Loss::row_groups`] and [`Loss::outputs_groups`] for one step, in the last lane.
struct OfGroups<'a, T> {
    loss: Loss,
    activation: Activation,
    row: [&'a [T]; 3],
    scale: T,
}

impl<T: Real> WithSimd for OfGroups<'_, T> {
    type Output = (T, Vec<T>, Vec<T>);
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        simd.vectorize(self)
    }
}

impl<T: Real, S: Simd> Kernel<S> for OfGroups<'_, T> {
    type Output = (T, Vec<T>, Vec<T>);
    #[inline(always)]
    fn run(self, simd: S) -> Self::Output {
        let lane = |number: T| {
            let mut group = vec![T::HALF; T::LANES];
            group[T::LANES - 1] = number;
            simd.load(&group)
        };
        let number = |group: T::Lanes<S>| {
            let mut numbers = vec![T::ZERO; T::LANES];
            crate::lanes::simd::Lanes::store(group, &mut numbers);
            numbers[T::LANES - 1]
        };
        let [mut z, labels, weights] =
            self.row.map(|numbers| numbers.iter().map(|&n| lane(n)).collect::<Vec<_>>());
        let mut outputs = z.clone();
        self.loss.outputs_groups(self.activation, &mut outputs);
        let scale = simd.splat(self.scale);
        let value = self.loss.row_groups(self.activation, &mut z, &labels, &weights, scale);
        let [dz, outputs] = [z, outputs].map(|g| g.into_iter().map(number).collect());
        (number(value), dz, outputs)
    }
}

fn groups_agree<T: Real>(tolerance: f64) {
    let mut rng = Rng::new(2, Purpose::Weights, 0);
    for (loss, case) in LOSSES.into_iter().flat_map(|loss| (0..300).map(move |i| (loss, i))) {
        let activation = Activation::ALL[case % 9].1;
        let row = Row::random(loss, 1 + case % 7, 3.0, &mut rng);
        let of = |numbers: &[f64]| numbers.iter().map(|&n| T::from_f64(n)).collect::<Vec<_>>();
        let [z, labels, weights] = [&row.z, &row.labels, &row.weights].map(|n| of(n));
        let mut dz = z.clone();
        let value = loss.row(activation, &z, &labels, &weights, &mut dz);
        let mut outputs = z.clone();
        loss.outputs(activation, &mut outputs);
        for level in Level::available() {
            let row = [z.as_slice(), &labels, &weights];
            let got = dispatch(level, OfGroups { loss, activation, row, scale: T::HALF });
            let dz = dz.iter().map(|dz| T::HALF * *dz);
            let expected = [value].into_iter().chain(dz).chain(outputs.iter().copied());
            let got = [got.0].into_iter().chain(got.1).chain(got.2);
            for (number, (got, expected)) in got.zip(expected).enumerate() {
                let error = (got.to_f64() - expected.to_f64()).abs();
                let close = error <= tolerance * (1.0 + expected.to_f64().abs());
                let what = format!("{level}, {loss:?} of {activation:?}, case {case}, {number}");
                assert!(close, "{what}: {got} for {expected}");
            }
        }
    }
}

#[test]
fn lanes_agree_with_the_textbook() {
    groups_agree::<f64>(2e-14);
    groups_agree::<f32>(1e-5);
}

fn stays_finite<T: Real>() {
    let everywhere = |loss| Level::available().into_iter().map(move |level| (loss, level));
    for (loss, level) in LOSSES.into_iter().flat_map(everywhere) {
        for (z, label) in
            [-1000.0, 1000.0].into_iter().flat_map(|z| [0.0, 0.5, 1.0].map(|label| (z, label)))
        {
            let z = [T::from_f64(z), T::from_f64(-z / 2.0)];
            let label = if loss == Loss::CrossEntropy { f64::from(label > 0.3) } else { label };
            let labels = vec![T::from_f64(label); loss.label_columns(2)];
            let mut dz = [T::from_f64(NAN); 2];
            let value = loss.row(Activation::Identity, &z, &labels, &[], &mut dz);
            let row = [z.as_slice(), &labels, &[]];
            let activation = Activation::Identity;
            let got = dispatch(level, OfGroups { loss, activation, row, scale: T::ONE });
            let numbers = [value, got.0].into_iter().chain(dz).chain(got.1).chain(got.2);
            for number in numbers {
                assert!(number.is_finite(), "{level} {loss:?} at {z:?} with {label}");
            }
            let error = (got.0 - value).to_f64().abs();
            assert!(
                error <= 1e-6 * (1.0 + value.to_f64().abs()),
                "{level} {loss:?}: {} {value}",
                got.0
            );
        }
    }
}

#[test]
fn extreme_logits_give_finite_losses_and_derivatives() {
    stays_finite::<f64>();
    stays_finite::<f32>();
}

/// Cross entropy against sums in double precision: relative errors of one probability and of all sums.
fn many_classes_keep_their_digits<T: Real>((each, all): (f64, f64)) {
    let mut rng = Rng::new(3, Purpose::Weights, 0);
    for (classes, offset) in [(2, 0.0), (3, 40.0), (10, -30.0), (64, 0.0), (20_000, 5.0)] {
        let z: Vec<T> = (0..classes).map(|_| T::from_f64(offset + 3.0 * rng.normal())).collect();
        let exact: Vec<f64> = z.iter().map(|z| (z.to_f64() - offset).exp()).collect();
        let (sum, label) = (exact.iter().sum::<f64>(), classes / 3);
        let expected = sum.ln() - (z[label].to_f64() - offset);
        for level in Level::available() {
            let labels = [T::from_f64(label as f64)];
            let row = [z.as_slice(), &labels, &[]];
            let (loss, activation, scale) = (Loss::CrossEntropy, Activation::Identity, T::ONE);
            let (value, dz, outputs) = dispatch(level, OfGroups { loss, activation, row, scale });
            let total = |numbers: &[T]| numbers.iter().map(|n| n.to_f64()).sum::<f64>();
            let errors = [value.to_f64() / expected - 1.0, total(&outputs) - 1.0, total(&dz)];
            assert!(errors.iter().all(|error| error.abs() < all), "{level}, {classes}: {errors:?}");
            for (p, exact) in outputs.iter().zip(&exact) {
                let error = p.to_f64() / (exact / sum) - 1.0;
                assert!(error.abs() < each, "{level}, {classes}: {error}");
            }
        }
    }
}

#[test]
fn probabilities_of_thousands_of_classes_add_up_to_one() {
    many_classes_keep_their_digits::<f64>((2e-14, 2e-14));
    many_classes_keep_their_digits::<f32>((2.5e-6, 6e-7));
}

#[test]
fn kinks_have_a_derivative() {
    for loss in [Loss::Mae, Loss::Quantile { q: 0.3 }, Loss::Huber { delta: 1.0 }] {
        for level in Level::available() {
            let (row, activation) = ([[2.0].as_slice(), &[2.0], &[]], Activation::Identity);
            let got = dispatch(level, OfGroups { loss, activation, row, scale: 1.0 });
            let mut dz = [NAN];
            let value = loss.row(activation, &[2.0], &[2.0], &[], &mut dz);
            assert_eq!((value, dz[0], got.0, got.1[0]), (0.0, 0.0, 0.0, 0.0), "{loss:?}");
        }
    }
}

#[test]
fn names_and_parameters() {
    let focal = Loss::from_name("focal", &[("pos_weight", 2.0)]);
    assert_eq!(focal, Ok(Loss::Focal { gamma: 2.0, pos_weight: 2.0 }));
    assert_eq!(Loss::from_name("huber", &[]), Ok(Loss::Huber { delta: 1.0 }));
    for name in ["mse", "mae", "quantile", "binary_cross_entropy", "cross_entropy"] {
        assert!(Loss::from_name(name, &[]).is_ok(), "{name}");
    }
    let refused = [
        ("hinge", "", 0.0, "loss must be one of mse, mae,"),
        ("mse", "delta", 1.0, "loss parameters must be those of the loss, got \"delta\""),
        ("huber", "delta", 0.0, "delta must be a positive number, got 0"),
        ("huber", "delta", f64::INFINITY, "delta must be a positive number, got inf"),
        ("quantile", "q", 1.0, "q must be between 0 and 1, got 1"),
        ("focal", "gamma", -1.0, "gamma must be a number of at least 0, got -1"),
        ("focal", "pos_weight", NAN, "pos_weight must be a positive number, got NaN"),
        ("binary_cross_entropy", "pos_weight", 0.0, "pos_weight must be a positive number"),
    ];
    for (name, parameter, value, message) in refused {
        let parameters = if parameter.is_empty() { vec![] } else { vec![(parameter, value)] };
        let error = Loss::from_name(name, &parameters).unwrap_err();
        assert!(matches!(error, Error::Parameter { .. }));
        assert!(error.to_string().starts_with(message), "{error}");
    }
}
