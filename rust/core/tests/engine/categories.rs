//! Categories: looked up, they are what a network of all their inputs computes.

use std::sync::Arc;

use crate::cases::Cases;
use rnn_rust::simd::Level;
use rnn_rust::{
    Activation, Categories, Cell, Compiled, Config, Context, Loss, Network, Objective, Reduction,
    Sequences, Shape, Stepper,
};

/// A network with categories, and the same one that multiplies all of its inputs.
fn pair(cell: Cell, cases: &mut Cases) -> (Network<f64>, Network<f64>) {
    let shape = Shape { input: 3 + 20, hidden: 19, output: 1 };
    let categories = Categories { columns: 3, levels: 20 };
    let config = Config { categories, ..Config::new(shape, cell) };
    let looked_up = cases.network::<f64>(config);
    let mut multiplied =
        cases.network::<f64>(Config { categories: Categories::default(), ..config });
    for tensor in 0..looked_up.layout().tensors().len() {
        multiplied.set_tensor(tensor, &looked_up.tensor(tensor)).unwrap();
    }
    (looked_up, multiplied)
}

/// The inputs that features stand for.
fn all_inputs(features: &[f64], config: &Config) -> Vec<f64> {
    let mut inputs = Vec::new();
    for row in features.chunks(config.features()) {
        let (numbers, codes) = row.split_at(config.numbers());
        let mut all = numbers.to_vec();
        all.resize(config.shape.input, 0.0);
        codes.iter().for_each(|&code| all[code as usize] = 1.0);
        inputs.extend(all);
    }
    inputs
}

#[test]
fn lookups_are_products_by_a_row_of_zeros_and_a_one() {
    let objective = Objective { loss: Loss::Mse, reduction: Reduction::Mean };
    for (seed, cell) in [Cell::Elman(Activation::Tanh), Cell::Gru { reset_after: true }, Cell::Lstm]
        .into_iter()
        .enumerate()
    {
        let mut cases = Cases::new(seed as u64);
        let (looked_up, multiplied) = pair(cell, &mut cases);
        for lengths in [vec![7], vec![5; 40], vec![1, 9, 3, 30, 2]] {
            let config = looked_up.config();
            let data = cases.data_for::<f64>(config, Loss::Mse, &lengths);
            let inputs = all_inputs(&data.features, config);
            let size = (config.shape.input, 1);
            let all = Sequences::new(&inputs, &data.labels, &data.offsets, size).unwrap();
            for level in Level::available() {
                let mut go_on = || true;
                let mut context = Context::new(&mut go_on).unwrap().with_level(level);
                let own = looked_up.predict(&data.view(), Loss::Mse, &mut context).unwrap();
                let other = multiplied.predict(&all, Loss::Mse, &mut context).unwrap();
                for (a, b) in own.iter().zip(&other) {
                    assert!((a - b).abs() <= 1e-13, "{level}, {cell:?}: {a} and {b}");
                }
                let (_, own) =
                    looked_up.gradient(&data.view(), objective, None, &mut context).unwrap();
                let (_, other) = multiplied.gradient(&all, objective, None, &mut context).unwrap();
                for (a, b) in own.iter().zip(&other) {
                    assert!((a - b).abs() <= 1e-12, "{level}, {cell:?}: {a} and {b}");
                }
            }
        }
    }
}

/// Whether a stepper has the bits of the outputs, sequence by sequence of so many rows.
fn check_stepper<T: Compiled>(
    network: &Network<T>,
    features: &[T],
    (outputs, steps): (&[T], usize),
    level: Level,
) {
    let mut stepper = Stepper::new(Arc::new(network.clone()), Loss::Mse, level).unwrap();
    let rows = features.chunks(network.config().features());
    for (i, (row, &output)) in rows.zip(outputs).enumerate() {
        if i % steps == 0 {
            stepper.reset();
        }
        let cell = network.config().cell;
        assert_eq!(stepper.step(row).unwrap(), &[output], "{level}, {cell:?}, row {i}");
    }
}

#[test]
fn a_stepper_has_the_bits_of_a_prediction() {
    for cell in [Cell::Elman(Activation::Tanh), Cell::Lstm] {
        let mut cases = Cases::new(3);
        let (network, _) = pair(cell, &mut cases);
        let data = cases.data_for::<f64>(network.config(), Loss::Mse, &[12]);
        for level in Level::available() {
            let mut go_on = || true;
            let mut context = Context::new(&mut go_on).unwrap().with_level(level);
            let outputs = network.predict(&data.view(), Loss::Mse, &mut context).unwrap();
            check_stepper(&network, &data.features, (&outputs, 12), level);
        }
    }
}

/// More columns than are summed up at once, and rows of several groups.
#[test]
fn many_columns_have_the_same_bits_in_a_batch_and_alone() {
    for cell in [Cell::Elman(Activation::Tanh), Cell::Lstm] {
        let mut cases = Cases::new(4);
        let shape = Shape { input: 2 + 90, hidden: 19, output: 1 };
        let categories = Categories { columns: 37, levels: 90 };
        let network = cases.network::<f32>(Config { categories, ..Config::new(shape, cell) });
        let data = cases.data_for::<f32>(network.config(), Loss::Mse, &[9; 40]);
        let mut gradients = Vec::new();
        for level in Level::available() {
            let mut go_on = || true;
            let mut context = Context::new(&mut go_on).unwrap().with_level(level);
            let outputs = network.predict(&data.view(), Loss::Mse, &mut context).unwrap();
            check_stepper(&network, &data.features, (&outputs, 9), level);
            let objective = Objective { loss: Loss::Mse, reduction: Reduction::Mean };
            let gradient = network.gradient(&data.view(), objective, None, &mut context);
            if level.name() != "portable" {
                gradients.push(gradient.unwrap());
            }
        }
        assert!(gradients.windows(2).all(|pair| pair[0] == pair[1]), "instruction sets differ");
    }
}

#[test]
fn a_number_that_is_no_category_is_refused() {
    let mut cases = Cases::new(0);
    let (network, _) = pair(Cell::Lstm, &mut cases);
    let mut go_on = || true;
    let mut context = Context::new(&mut go_on).unwrap();
    for code in [2.0, 23.0, 3.5, -1.0, f64::NAN, f64::INFINITY] {
        let features = [0.5, 0.5, 0.5, 3.0, 4.0, code];
        let data = Sequences::new(&features, &[], &[0, 1], (6, 1)).unwrap();
        let error = network.predict(&data, Loss::Mse, &mut context).unwrap_err();
        assert!(error.to_string().starts_with("a category"), "{error}");
        let mut stepper =
            Stepper::new(Arc::new(network.clone()), Loss::Mse, Level::available()[0]).unwrap();
        assert!(stepper.step(&features).is_err());
    }
    for (columns, levels) in [(1, 0), (0, 1), (3, 2), (1, 24)] {
        let shape = Shape { input: 23, hidden: 2, output: 1 };
        let categories = Categories { columns, levels };
        let config = Config { categories, ..Config::new(shape, Cell::Lstm) };
        assert!(Network::<f64>::new(config, rnn_rust::Init::Pytorch, 0).is_err());
    }
}
