//! Every method against the textbook, on every level; taking steps back and going on.

use crate::textbook::Textbook;
use rnn_rust::rng::{Purpose, Rng};
use rnn_rust::simd::Level;
use rnn_rust::{GradientDescent, Method, Optimizer, Real};

/// Every method, with and without each of its parts.
fn methods() -> Vec<Method> {
    let sgd = |momentum, nesterov| Method::Sgd { momentum, nesterov, weight_decay: 0.01 };
    let rms = |momentum, centered| Method::RmsProp {
        alpha: 0.9,
        eps: 1e-8,
        weight_decay: 0.02,
        momentum,
        centered,
    };
    let adagrad = |lr_decay, initial_accumulator_value| Method::Adagrad {
        lr_decay,
        weight_decay: 0.01,
        initial_accumulator_value,
        eps: 1e-10,
    };
    let (beta1, beta2, eps) = (0.9, 0.999, 1e-8);
    vec![
        Method::SGD,
        sgd(0.0, false),
        sgd(0.9, false),
        sgd(0.9, true),
        rms(0.0, false),
        rms(0.9, false),
        rms(0.0, true),
        rms(0.9, true),
        adagrad(0.0, 0.0),
        adagrad(0.1, 0.5),
        Method::Adam { beta1, beta2, eps, weight_decay: 0.0 },
        Method::Adam { beta1: 0.5, beta2, eps: 1e-3, weight_decay: 0.03 },
        Method::AdamW { beta1, beta2, eps, weight_decay: 0.05 },
    ]
}

/// Every method on every level.
fn everywhere() -> impl Iterator<Item = (Method, Level)> {
    let levels = |method| Level::available().into_iter().map(move |level| (method, level));
    methods().into_iter().flat_map(levels)
}

fn normal<T: Real>(rng: &mut Rng, len: usize) -> Vec<T> {
    (0..len).map(|_| T::from_f64(rng.normal())).collect()
}

const LEN: usize = 48;

/// A training: the gradients of its steps, at falling rates.
struct Run<T: Real> {
    level: Level,
    descent: GradientDescent<T>,
    weights: Vec<T>,
    gradients: Rng,
}

impl<T: Real> Run<T> {
    fn new(method: Method, level: Level) -> Self {
        let mut start = Rng::new(1, Purpose::Weights, 0);
        Self {
            level,
            descent: GradientDescent::new(method, LEN).unwrap(),
            weights: normal(&mut start, LEN),
            gradients: Rng::new(2, Purpose::Weights, 0),
        }
    }

    fn step(&mut self) -> (f64, Vec<T>) {
        let gradient = normal(&mut self.gradients, LEN);
        let rate = 0.1 / (1.0 + self.descent.steps() as f64);
        let (mut used, mut after) = (gradient.clone(), vec![T::ZERO; LEN]);
        assert!(self.descent.step(self.level, rate, &self.weights, &mut used, &mut after));
        assert!(used.iter().all(|&g| g == T::ZERO), "the next gradient is added up there");
        self.weights = after;
        (rate, gradient)
    }

    /// The count of steps, and weights and moments one after the other.
    fn state(&self) -> (u64, Vec<T>) {
        let moments = self.descent.moments().into_iter().map(|(_, moment)| moment);
        (
            self.descent.steps(),
            [self.weights.as_slice()].into_iter().chain(moments).flatten().copied().collect(),
        )
    }
}

fn agrees_with_the_textbook<T: Real>(tolerance: f64) {
    for (method, level) in everywhere() {
        let mut run = Run::<T>::new(method, level);
        let mut expected: Vec<Textbook> =
            run.weights.iter().map(|w| Textbook::new(method, w.to_f64())).collect();
        for _ in 0..40 {
            let (rate, gradient) = run.step();
            for (expected, g) in expected.iter_mut().zip(gradient) {
                expected.step(method, rate, g.to_f64());
            }
        }
        let close = |name: &str, got: &[T], expected: Vec<f64>| {
            for (got, expected) in got.iter().zip(expected) {
                let error = (got.to_f64() - expected).abs();
                let close = error <= tolerance * (1.0 + expected.abs());
                assert!(close, "{level} {method:?}: {name} {got} for {expected}");
            }
        };
        close("weights", &run.weights, expected.iter().map(|e| e.w).collect());
        for (name, moment) in run.descent.moments() {
            close(name, moment, expected.iter().map(|e| e.moment(name)).collect());
        }
    }
}

#[test]
fn every_method_agrees_with_the_textbook() {
    agrees_with_the_textbook::<f64>(1e-12);
    agrees_with_the_textbook::<f32>(2e-5);
}

fn gives_the_same_bits<T: Real>() {
    for method in methods() {
        let fused = Level::available().into_iter().filter(|level| level.name() != "portable");
        let states: Vec<_> = fused
            .map(|level| {
                let mut run = Run::<T>::new(method, level);
                (0..10).for_each(|_| drop(run.step()));
                run.state()
            })
            .collect();
        assert!(states.windows(2).all(|pair| pair[0] == pair[1]), "{method:?}");
    }
}

#[test]
fn instruction_sets_with_fma_give_the_same_bits() {
    gives_the_same_bits::<f32>();
    gives_the_same_bits::<f64>();
}

#[test]
fn a_step_taken_back_leaves_no_trace() {
    let level = Level::available()[0];
    for method in methods() {
        for steps in [0, 3] {
            let mut run = Run::<f32>::new(method, level);
            (0..steps).for_each(|_| drop(run.step()));
            let before = run.state();
            run.step();
            run.descent.undo();
            run.weights.copy_from_slice(&before.1[..LEN]);
            assert_eq!(run.state(), before, "{method:?}");
            run.descent.undo();
            assert_eq!(run.state(), before, "once only: {method:?}");
            // As if the step had never been.
            run.gradients = Rng::new(3, Purpose::Weights, 0);
            let mut other = Run::<f32>::new(method, level);
            (0..steps).for_each(|_| drop(other.step()));
            other.gradients = Rng::new(3, Purpose::Weights, 0);
            drop((run.step(), other.step()));
            assert_eq!(run.state(), other.state(), "{method:?}");
        }
    }
}

#[test]
fn a_restored_descent_goes_on_with_the_same_bits() {
    let level = Level::available()[0];
    for method in methods() {
        let five_steps = || {
            let mut run = Run::<f64>::new(method, level);
            (0..5).for_each(|_| drop(run.step()));
            run
        };
        let mut run = five_steps();
        let fresh = GradientDescent::new(method, LEN).unwrap();
        let mut resumed = Run { descent: fresh, ..five_steps() };
        resumed.descent.restore(0, &run.descent.moments()).unwrap();
        resumed.descent.take_memory().unwrap();
        assert_eq!(resumed.descent.moments(), run.descent.moments(), "{method:?}");
        resumed.descent.restore(run.descent.steps(), &run.descent.moments()).unwrap();
        resumed.descent.take_memory().unwrap();
        resumed.descent.undo();
        (0..5).for_each(|_| drop((run.step(), resumed.step())));
        assert_eq!(run.state(), resumed.state(), "{method:?}");
    }
}

#[test]
fn moments_of_another_method_or_length_are_refused() {
    let mut adam = GradientDescent::<f32>::new(methods()[10], 16).unwrap();
    let (right, short) = ([1.0; 16], [1.0; 8]);
    let refused: [&[(&str, &[f32])]; 3] = [
        &[("exp_avg", &right), ("sum", &right)],
        &[("exp_avg", &right)],
        &[("exp_avg", &right), ("exp_avg_sq", &short)],
    ];
    for moments in refused {
        let error = adam.restore(3, moments).unwrap_err();
        assert!(error.to_string().starts_with("optimizer moments: expected"), "{error}");
        assert!(adam.steps() == 0 && adam.moments().iter().all(|(_, m)| *m == [0.0; 16]));
    }
    let moments: [(&str, &[f32]); 2] = [("exp_avg", &right), ("exp_avg_sq", &right)];
    let error = adam.restore(u64::MAX, &moments).unwrap_err().to_string();
    assert!(error.starts_with("optimizer steps must be at most 2^53, got 1844"), "{error}");
    assert!(adam.steps() == 0 && adam.moments().iter().all(|(_, m)| *m == [0.0; 16]));
}

#[test]
fn zeros_without_a_gradient_stay_zero() {
    for (method, level) in everywhere() {
        let method = match method {
            Method::RmsProp { alpha, weight_decay, momentum, centered, .. } => {
                Method::RmsProp { alpha, eps: 0.0, weight_decay, momentum, centered }
            }
            Method::Adagrad { lr_decay, weight_decay, initial_accumulator_value, .. } => {
                Method::Adagrad { lr_decay, weight_decay, initial_accumulator_value, eps: 0.0 }
            }
            Method::Adam { beta1, beta2, weight_decay, .. } => {
                Method::Adam { beta1, beta2, eps: 1e-60, weight_decay }
            }
            other => other,
        };
        let mut descent = GradientDescent::<f32>::new(method, 16).unwrap();
        for _ in 0..3 {
            let mut after = [1.0; 16];
            assert!(descent.step(level, 0.1, &[0.0; 16], &mut [0.0; 16], &mut after), "{method:?}");
            assert_eq!(after, [0.0; 16], "{level} {method:?}");
        }
    }
}

#[test]
fn tells_of_weights_and_moments_that_are_not_finite() {
    for (method, level) in everywhere() {
        for gradient in [f32::INFINITY, f32::NAN, f32::MAX] {
            let mut g = [0.0f32; 16];
            g[7] = gradient;
            let mut descent = GradientDescent::new(method, 16).unwrap();
            let finite = descent.step(level, 1e3, &[1.0; 16], &mut g, &mut [0.0; 16]);
            assert!(!finite, "{level} {method:?} {gradient}");
        }
    }
}

#[test]
fn parameters_that_are_none_are_refused() {
    let (beta1, beta2, eps, weight_decay) = (0.9, 0.999, 1e-8, 0.0);
    let sgd = |momentum, nesterov, weight_decay| Method::Sgd { momentum, nesterov, weight_decay };
    let refused = [
        (sgd(-0.1, false, 0.0), "momentum must be a number of at least 0, got -0.1"),
        (sgd(0.0, true, 0.0), "momentum must be greater than 0 for nesterov, got 0"),
        (sgd(0.9, true, f64::NAN), "weight_decay must be a number of at least 0, got NaN"),
        (
            Method::Adam { beta1: 1.0, beta2, eps, weight_decay },
            "beta1 must be at least 0 and less than 1, got 1",
        ),
        (
            Method::AdamW { beta1, beta2, eps: -1.0, weight_decay },
            "eps must be a number of at least 0, got -1",
        ),
        (
            Method::Adagrad { lr_decay: -1.0, weight_decay, initial_accumulator_value: 0.0, eps },
            "lr_decay must be a number of at least 0, got -1",
        ),
        (
            Method::RmsProp { alpha: 1.5, eps, weight_decay, momentum: 0.0, centered: false },
            "alpha must be at least 0 and less than 1, got 1.5",
        ),
    ];
    for (method, message) in refused {
        assert_eq!(GradientDescent::<f32>::new(method, 16).unwrap_err().to_string(), message);
    }
    for rate in [-1e-9, f64::NAN, f64::INFINITY, 1e39] {
        assert!(rnn_rust::optim::check_rate::<f32>(rate).is_err(), "{rate}");
    }
    assert!(rnn_rust::optim::check_rate::<f64>(1e39).is_ok());
}
