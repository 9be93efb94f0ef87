//! The networks whose sizes are types, as the oracle of a table of shapes: each cell, on every
//! instruction set; and what they promise by themselves.

use rnn_rust::matrix::Vector;
use rnn_rust::simd::Level;
use rnn_rust::textbook::{Elman, Equations, Gru, GruUnit, Lstm, LstmUnit, Rnn, State, Textbook};
use rnn_rust::*;

use crate::cases::Cases;

/// Lengths of the sequences of which the engine takes the first alone, or all as one batch.
const LENGTHS: [usize; 9] = [7, 1, 3, 12, 2, 5, 5, 9, 4];

const BCE: Loss = Loss::BinaryCrossEntropy { pos_weight: 1.5 };
const MEAN: Reduction = Reduction::Mean;

fn vectors<const N: usize, T: Compiled>(numbers: &[T]) -> Vec<Vector<N, T>> {
    numbers.as_chunks::<N>().0.iter().map(|&row| Vector(row)).collect()
}

/// Compares outputs, loss and gradient of the first sequence, and outputs of all in one batch.
fn compare<C, const G: usize, const I: usize, const H: usize, const L: usize, T: Compiled>(
    cell: C,
    tolerance: f64,
) where
    C: Equations<G> + std::fmt::Debug,
{
    let mut cases = Cases::new((I * 1000 + H * 10 + L + G) as u64);
    let shape = Shape { input: I, hidden: H, output: L };
    for (loss, output_activation) in [(Loss::Mse, Activation::Softsign), (BCE, Activation::Tanh)] {
        let config = Config { output_activation, ..Config::new(shape, cell.cell()) };
        let network = cases.network::<T>(config);
        let data = cases.data_for::<T>(&config, loss, &LENGTHS);
        let oracle = Textbook::<C, G, I, H, L, T>::of(&network).unwrap().with_loss(loss).unwrap();
        let first = data.one(0);
        let (x, y) = (vectors(&first.features), vectors(&first.labels));
        let (expected_loss, gradient) = oracle.gradient(&x, &y);
        let expected = {
            let mut holder = oracle.clone();
            holder.weights = gradient;
            holder.state_dict()
        };
        let all = vectors(&data.features);
        let sequences = data.offsets.windows(2).map(|o| &all[o[0] as usize..o[1] as usize]);
        let outputs: Vec<T> = sequences.flat_map(|x| oracle.predict(x)).flat_map(|y| y.0).collect();
        for level in Level::available() {
            let close = |what: &str, got: &[T], expected: &[T]| {
                assert_eq!(got.len(), expected.len());
                for (a, b) in got.iter().zip(expected) {
                    let error = (a.to_f64() - b.to_f64()).abs() / (1.0 + b.to_f64().abs());
                    assert!(error <= tolerance, "{cell:?} {I}-{H}-{L} {level} {what}: {a} for {b}");
                }
            };
            let mut go_on = || true;
            let context = &mut Context::new(&mut go_on).unwrap().with_level(level);
            close("outputs", &network.predict(&data.view(), loss, context).unwrap(), &outputs);
            let objective = Objective { loss, reduction: MEAN };
            let (loss, gradient) =
                network.gradient(&first.view(), objective, None, context).unwrap();
            close("loss", &[T::from_f64(loss)], &[expected_loss]);
            for (t, tensor) in network.layout().tensors().iter().enumerate() {
                let got = network.layout().unpack(&gradient, t);
                close(tensor.name(), &got, &expected[tensor.name()]);
            }
        }
    }
}

/// Every cell at one shape, in both types.
macro_rules! compare_at {
    ($($I:literal $H:literal $L:literal),*) => {$(
        for (_, activation) in Activation::ALL {
            compare::<_, 1, $I, $H, $L, f64>(Elman(activation), 1e-11);
            compare::<_, 1, $I, $H, $L, f32>(Elman(activation), 2e-4);
        }
        for reset_after in [true, false] {
            compare::<_, 3, $I, $H, $L, f64>(GruUnit { reset_after }, 1e-11);
            compare::<_, 3, $I, $H, $L, f32>(GruUnit { reset_after }, 2e-4);
        }
        compare::<_, 4, $I, $H, $L, f64>(LstmUnit, 1e-11);
        compare::<_, 4, $I, $H, $L, f32>(LstmUnit, 2e-4);
    )*};
}

#[test]
fn the_engine_agrees_with_the_textbook() {
    compare_at!(1 1 1, 3 5 1, 29 10 1, 6 32 2, 2 17 3);
}

fn gradients_equal_differences<C: Equations<G>, const G: usize>(cell: C, loss: Loss) {
    let network = Textbook::<C, G, 2, 3, 2, f64>::new(cell, Init::Uniform, 4).unwrap();
    let network = network.with_loss(loss).unwrap();
    let x = [[0.3, -0.8], [1.2, 0.1], [-0.4, 0.9]].map(Vector);
    let labels = [[0.2, 1.0], [f64::NAN, 0.6], [0.9, 0.0]].map(Vector);
    let (_, gradient) = network.gradient(&x, &labels);
    let mut holder = network.clone();
    holder.weights = gradient;
    for (name, slopes) in holder.state_dict() {
        for (i, slope) in slopes.iter().enumerate() {
            let loss = |h: f64| {
                let (mut moved, mut state) = (network.clone(), network.state_dict());
                state.get_mut(&name).unwrap()[i] += h;
                moved.load_state_dict(&state).unwrap();
                moved.gradient(&x, &labels).0
            };
            let difference = (loss(1e-6) - loss(-1e-6)) / 2e-6;
            assert!((slope - difference).abs() < 1e-8, "{name} {i}: {slope} for {difference}");
        }
    }
}

#[test]
fn the_gradient_is_that_of_the_reported_loss() {
    for loss in [Loss::Mse, BCE] {
        gradients_equal_differences(Elman::default(), loss);
        gradients_equal_differences(GruUnit { reset_after: true }, loss);
        gradients_equal_differences(GruUnit { reset_after: false }, loss);
        gradients_equal_differences(LstmUnit, loss);
    }
}

#[test]
fn training_is_that_of_the_engine() {
    let mut textbook = Gru::<3, 6, 1, f64>::new(GruUnit::default(), Init::Pytorch, 1).unwrap();
    let mut network = textbook.to_network().unwrap();
    let data = Cases::new(2).data::<f64>(network.config().shape, &[9]);
    let run = EpochRun { epochs: 20, learning_rates: &[0.1], ..EpochRun::default() };
    let (mut sgd, mut records) = (crate::cases::sgd(&network), Vec::new());
    let (mut go_on, objective) = (|| true, Objective { loss: Loss::Mse, reduction: MEAN });
    let context = &mut Context::new(&mut go_on).unwrap();
    network.train(&data.view(), objective, &run, &mut sgd, &mut records, context).unwrap();
    for record in records {
        let loss = textbook.train(&vectors(&data.features), &vectors(&data.labels), 0.1);
        assert!((loss - record.loss).abs() < 1e-12, "{loss} {}", record.loss);
    }
    let back = Gru::<3, 6, 1, f64>::of(&network).unwrap().state_dict();
    for (name, values) in textbook.state_dict() {
        for (a, b) in values.iter().zip(&back[&name]) {
            assert!((a - b).abs() < 1e-12, "{name}: {a} {b}");
        }
    }
}

#[test]
fn a_step_at_a_time_gives_the_same_bits() {
    let network = Lstm::<2, 4, 1, f32>::new(LstmUnit, Init::Pytorch, 3).unwrap();
    let x = [[0.5, 1.0], [-1.0, 0.2], [0.1, 0.0]].map(Vector);
    let mut state = State::default();
    let steps: Vec<_> = x.iter().map(|x| network.step(&mut state, x)).collect();
    assert_eq!(steps, network.predict(&x));
}

#[test]
fn what_does_not_fit_is_refused_whole() {
    let mut network = Rnn::<2, 3, 1, f64>::new(Elman::default(), Init::Pytorch, 0).unwrap();
    let before = network.state_dict();
    let refused = |network: &mut Rnn<2, 3, 1, f64>, change: &dyn Fn(&mut _)| {
        let mut state = before.clone();
        state.get_mut("bias_l0").unwrap()[0] = 9.0;
        change(&mut state);
        let message = network.load_state_dict(&state).unwrap_err().to_string();
        assert_eq!(network.state_dict(), before);
        message
    };
    type State = std::collections::BTreeMap<String, Vec<f64>>;
    let missing = refused(&mut network, &|state: &mut State| drop(state.remove("head.bias")));
    assert_eq!(missing, "head.bias: expected 1 numbers, got 0");
    let long = refused(&mut network, &|s: &mut State| s.get_mut("head.weight").unwrap().push(1.0));
    assert_eq!(long, "head.weight: expected 3 numbers, got 4");
    let other = refused(&mut network, &|s: &mut State| drop(s.insert("bias_hn_l0".into(), vec![])));
    assert_eq!(other, "bias_hn_l0: expected a tensor of this network, got none of that name");

    let fast = network.to_network().unwrap();
    let error = Rnn::<2, 4, 1, f64>::of(&fast).unwrap_err().to_string();
    assert_eq!(error, "network: expected 2-4-1, got 2-3-1");
    let error = Lstm::<2, 3, 1, f64>::of(&fast).unwrap_err().to_string();
    assert!(error.starts_with("network must be one layer of this cell"), "{error}");
    let error = network.with_loss(Loss::CrossEntropy).unwrap_err().to_string();
    assert!(error.starts_with("loss must be a loss with a label for each output"), "{error}");
}

#[test]
fn five_hundred_units_do_not_overflow_the_stack() {
    let run = || {
        let mut network = Lstm::<3, 512, 1, f64>::new(LstmUnit, Init::Uniform, 0).unwrap();
        let (x, y) = ([Vector([0.1, 0.2, 0.3]); 4], [Vector([0.5]); 4]);
        let first = network.train(&x, &y, 1e-3);
        network.train(&x, &y, 1e-3) < first
    };
    // A quarter of the smallest default stack of a spawned thread; the weights are 8 MB.
    let thread = std::thread::Builder::new().stack_size(512 * 1024).spawn(run).unwrap();
    assert!(thread.join().unwrap());
}
