//! Random networks and data for the tests of the engine.

use rnn_rust::rng::{Purpose, Rng};
use rnn_rust::{Activation, Config, Init, Network, Real, Sequences, Shape};

/// A generator of test cases.
pub(crate) struct Cases(Rng);

impl Cases {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Rng::new(seed, Purpose::Weights, 1 << 40))
    }

    /// Uniform in `low..=high`.
    pub(crate) fn size(&mut self, low: usize, high: usize) -> usize {
        low + (self.0.next_u64() % (high - low + 1) as u64) as usize
    }

    pub(crate) fn activation(&mut self) -> Activation {
        Activation::ALL[self.size(0, 3)].1
    }

    pub(crate) fn config(&mut self, largest: usize) -> Config {
        let shape = Shape {
            input: self.size(1, largest),
            hidden: self.size(1, largest),
            output: self.size(1, 4),
        };
        Config { shape, activation: self.activation(), output_activation: self.activation() }
    }

    /// A network whose states stay in range: weights within 1/√H.
    pub(crate) fn network<T: Real>(&mut self, config: Config) -> Network<T> {
        Network::new(config, Init::Pytorch, self.0.next_u64()).unwrap()
    }

    /// Ragged data; about one label in five is missing.
    pub(crate) fn data<T: Real>(&mut self, shape: Shape, lengths: &[usize]) -> Data<T> {
        let mut offsets = vec![0];
        offsets.extend(lengths.iter().scan(0, |end, &length| {
            *end += length as i64;
            Some(*end)
        }));
        let rows = lengths.iter().sum::<usize>();
        let mut numbers = |count: usize, missing: f64| -> Vec<T> {
            let draw = |_| {
                let value = if self.0.uniform() < missing { f64::NAN } else { self.0.normal() };
                T::from_f64(value)
            };
            (0..count).map(draw).collect()
        };
        Data {
            features: numbers(rows * shape.input, 0.0),
            labels: numbers(rows * shape.output, 0.2),
            offsets,
            shape,
        }
    }
}

/// An owned data set.
pub(crate) struct Data<T> {
    pub(crate) features: Vec<T>,
    pub(crate) labels: Vec<T>,
    pub(crate) offsets: Vec<i64>,
    pub(crate) shape: Shape,
}

impl<T: Real> Data<T> {
    /// The data set of one sequence alone.
    pub(crate) fn one(&self, s: usize) -> Self {
        let view = self.view();
        Self {
            features: view.features(s).to_vec(),
            labels: view.labels(s).to_vec(),
            offsets: vec![0, view.range(s).len() as i64],
            shape: self.shape,
        }
    }

    pub(crate) fn view(&self) -> Sequences<'_, T> {
        let sizes = (self.shape.input, self.shape.output);
        Sequences::new(&self.features, &self.labels, &self.offsets, sizes).unwrap()
    }
}
