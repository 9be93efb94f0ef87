//! Random networks and data for the tests of the engine.

use rnn_rust::rng::{Purpose, Rng};
use rnn_rust::{
    Activation, Categories, Cell, Compiled, Config, GradientDescent, Init, Loss, Method, Network,
    Readout, Sequences, Shape, StaticFeatures,
};

/// Plain stochastic gradient descent.
pub(crate) fn sgd<T: Compiled>(network: &Network<T>) -> GradientDescent<T> {
    GradientDescent::new(Method::SGD, network.layout().len()).unwrap()
}

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
        Activation::ALL[self.size(0, Activation::ALL.len() - 1)].1
    }

    pub(crate) fn shape(&mut self, largest: usize) -> Shape {
        Shape {
            input: self.size(1, largest),
            hidden: self.size(1, largest),
            output: self.size(1, 4),
        }
    }

    /// One layer that reads forward and has outputs at every step.
    pub(crate) fn config(&mut self, largest: usize) -> Config {
        let (shape, activation) = (self.shape(largest), self.activation());
        let output_activation = self.activation();
        let categories = self.categories(shape.input);
        let statics = self.statics(shape.input, categories);
        Config {
            output_activation,
            categories,
            statics,
            ..Config::new(shape, Cell::Elman(activation))
        }
    }

    /// Anything.
    pub(crate) fn any_config(&mut self, largest: usize) -> Config {
        let cell = match self.size(0, 3) {
            0 => Cell::Elman(self.activation()),
            1 => Cell::Lstm,
            2 => Cell::Gru { reset_after: true },
            _ => Cell::Gru { reset_after: false },
        };
        let shape = self.shape(largest);
        let layers = self.size(1, 3);
        let categories = self.categories(shape.input);
        let often = |chosen: usize| if chosen == 0 { 0.3 } else { 0.0 };
        Config {
            layers,
            categories,
            statics: self.statics(shape.input, categories),
            bidirectional: self.size(0, 1) == 1,
            readout: [Readout::EachStep, Readout::Last, Readout::Mean][self.size(0, 2)],
            output_activation: self.activation(),
            dropout: if layers > 1 { often(self.size(0, 1)) } else { 0.0 },
            recurrent_dropout: often(self.size(0, 1)),
            ..Config::new(shape, cell)
        }
    }

    pub(crate) fn loss(&mut self) -> Loss {
        match self.size(0, 6) {
            0 => Loss::Mse,
            1 => Loss::Mae,
            2 => Loss::Huber { delta: 0.7 },
            3 => Loss::Quantile { q: 0.8 },
            4 => Loss::BinaryCrossEntropy { pos_weight: 2.5 },
            5 => Loss::CrossEntropy,
            _ => Loss::Focal { gamma: 2.0, pos_weight: 1.5 },
        }
    }

    /// A network whose states stay in range: weights within 1/√H.
    pub(crate) fn network<T: Compiled>(&mut self, config: Config) -> Network<T> {
        Network::new(config, Init::Pytorch, self.0.next_u64()).unwrap()
    }

    /// Ragged data; about one label in five is missing.
    pub(crate) fn data<T: Compiled>(&mut self, shape: Shape, lengths: &[usize]) -> Data<T> {
        self.data_for(&Config::new(shape, Cell::Lstm), Loss::Mse, lengths)
    }

    /// The same with labels as a loss and a readout want them.
    pub(crate) fn data_for<T: Compiled>(
        &mut self,
        config: &Config,
        loss: Loss,
        lengths: &[usize],
    ) -> Data<T> {
        let mut offsets = vec![0];
        offsets.extend(lengths.iter().scan(0, |end, &length| {
            *end += length as i64;
            Some(*end)
        }));
        let rows = lengths.iter().sum::<usize>();
        let columns = loss.label_columns(config.shape.output);
        let features = (0..rows).flat_map(|_| self.features_of_row(config)).map(T::from_f64);
        let features: Vec<T> = features.collect();
        let mut labels: Vec<T> = (0..rows * columns)
            .map(|_| {
                let label = match loss {
                    Loss::CrossEntropy => self.size(0, config.shape.output - 1) as f64,
                    Loss::BinaryCrossEntropy { .. } | Loss::Focal { .. } => self.size(0, 1) as f64,
                    _ => self.0.normal(),
                };
                T::from_f64(if self.0.uniform() < 0.2 { f64::NAN } else { label })
            })
            .collect();
        if config.per_sequence() {
            for end in offsets.windows(2) {
                for row in end[0] as usize..end[1] as usize - 1 {
                    labels[row * columns..(row + 1) * columns].fill(T::from_f64(f64::NAN));
                }
            }
        }
        let weights = (0..labels.len()).map(|_| T::from_f64(self.size(0, 3) as f64)).collect();
        let statics = lengths.iter().flat_map(|_| self.statics_of_sequence(config));
        let statics = statics.map(T::from_f64).collect();
        let (input, own) = (config.features(), config.statics.len());
        let (initial, state_len) = (Vec::new(), 0);
        Data {
            features,
            labels,
            weights,
            offsets,
            statics,
            initial,
            input,
            own,
            state_len,
            columns,
        }
    }

    /// Numbers, and then the inputs that categories stand for: all of a category lie side by side.
    fn features_of_row(&mut self, config: &Config) -> Vec<f64> {
        let mut row: Vec<f64> = (0..config.numbers()).map(|_| self.0.normal()).collect();
        row.extend(self.codes(config.categories, config.numbers()));
        row
    }

    /// The same of a whole sequence.
    fn statics_of_sequence(&mut self, config: &Config) -> Vec<f64> {
        let StaticFeatures { numbers, categories } = config.statics;
        let mut row: Vec<f64> = (0..numbers).map(|_| self.0.normal()).collect();
        row.extend(self.codes(categories, config.first_static() + numbers));
        row
    }

    /// A state of each of so many sequences.
    pub(crate) fn states<T: Compiled>(&mut self, config: &Config, sequences: usize) -> Vec<T> {
        let count = sequences * config.state_len();
        (0..count).map(|_| T::from_f64(self.0.normal().clamp(-1.0, 1.0))).collect()
    }

    /// An input of each category; those of all begin with input `first`.
    fn codes(&mut self, Categories { columns, levels }: Categories, first: usize) -> Vec<f64> {
        let bound = |column: usize| first + column * levels / columns;
        (0..columns).map(|column| self.size(bound(column), bound(column + 1) - 1) as f64).collect()
    }

    /// None mostly; else some of the inputs that are left, so that each row has a feature.
    fn statics(&mut self, input: usize, Categories { levels, .. }: Categories) -> StaticFeatures {
        let input = if levels > 0 { input - levels } else { input - 1 };
        if input == 0 || self.size(0, 2) > 0 {
            return StaticFeatures::default();
        }
        let numbers = self.size(0, input);
        StaticFeatures { numbers, categories: self.categories(input - numbers) }
    }

    /// None mostly; else some of the inputs, and at times all of them.
    fn categories(&mut self, input: usize) -> Categories {
        let levels = if input == 0 || self.size(0, 2) > 0 { 0 } else { self.size(1, input) };
        let columns = if levels == 0 { 0 } else { self.size(1, levels.min(4)) };
        Categories { columns, levels }
    }
}

/// An owned data set.
pub(crate) struct Data<T> {
    pub(crate) features: Vec<T>,
    pub(crate) labels: Vec<T>,
    pub(crate) weights: Vec<T>,
    pub(crate) offsets: Vec<i64>,
    pub(crate) statics: Vec<T>,
    pub(crate) initial: Vec<T>,
    input: usize,
    state_len: usize,
    own: usize,
    columns: usize,
}

impl<T: Compiled> Data<T> {
    /// The same data whose sequences start from these states.
    pub(crate) fn with_initial(mut self, initial: Vec<T>, config: &Config) -> Self {
        (self.initial, self.state_len) = (initial, config.state_len());
        self
    }

    /// The data set of one sequence alone.
    pub(crate) fn one(&self, s: usize) -> Self {
        let view = self.weighted();
        Self {
            features: view.features(s).to_vec(),
            labels: view.labels(s).to_vec(),
            weights: view.label_weights(s).to_vec(),
            offsets: vec![0, view.range(s).len() as i64],
            statics: view.statics(s).to_vec(),
            initial: view.initial_state(s).to_vec(),
            ..*self
        }
    }

    pub(crate) fn view(&self) -> Sequences<'_, T> {
        let sizes = (self.input, self.columns);
        let data = Sequences::new(&self.features, &self.labels, &self.offsets, sizes).unwrap();
        let data = data.with_statics(&self.statics, self.own).unwrap();
        data.with_initial_states(&self.initial, self.state_len).unwrap()
    }

    /// The same with a weight for each label.
    pub(crate) fn weighted(&self) -> Sequences<'_, T> {
        self.view().with_label_weights(&self.weights).unwrap()
    }
}
