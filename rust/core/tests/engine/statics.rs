//! Static features: multiplied once per sequence, they are what a network computes of the same features
//! in each of its rows.

use std::sync::Arc;

use crate::cases::{Cases, Data};
use rnn_rust::simd::Level;
use rnn_rust::{
    Activation, Categories, Cell, Config, Context, Loss, Network, Objective, Readout, Reduction,
    Sequences, Shape, StaticFeatures, Stepper,
};

const CELLS: [Cell; 3] =
    [Cell::Elman(Activation::Tanh), Cell::Gru { reset_after: true }, Cell::Lstm];

/// Two numbers and a category in each row; two numbers and a category of 5 levels of each sequence.
fn config(cell: Cell, bidirectional: bool) -> Config {
    let shape = Shape { input: 2 + 4 + 2 + 5, hidden: 19, output: 1 };
    let categories = Categories { columns: 1, levels: 4 };
    let statics = StaticFeatures { numbers: 2, categories: Categories { columns: 1, levels: 5 } };
    Config { categories, statics, bidirectional, layers: 2, ..Config::new(shape, cell) }
}

/// A network that takes all inputs in each row, with the same weights.
fn of_rows(network: &Network<f64>, cases: &mut Cases) -> Network<f64> {
    let config = *network.config();
    let none = (Categories::default(), StaticFeatures::default());
    let mut other = cases.network::<f64>(Config { categories: none.0, statics: none.1, ..config });
    for tensor in 0..network.layout().tensors().len() {
        other.set_tensor(tensor, &network.tensor(tensor)).unwrap();
    }
    other
}

/// All inputs of each row.
fn all_inputs(data: &Data<f64>, config: &Config) -> Vec<f64> {
    let view = data.view();
    let mut inputs = Vec::new();
    for s in 0..view.len() {
        for row in view.features(s).chunks(config.features()) {
            let mut all = vec![0.0; config.shape.input];
            all[..2].copy_from_slice(&row[..2]);
            all[6..8].copy_from_slice(&view.statics(s)[..2]);
            all[row[2] as usize] = 1.0;
            all[view.statics(s)[2] as usize] = 1.0;
            inputs.extend(all);
        }
    }
    inputs
}

fn close(what: &str, a: &[f64], b: &[f64]) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= 1e-12, "{what}: {a} and {b}");
    }
}

#[test]
fn static_features_are_those_of_every_row() {
    let objective = Objective { loss: Loss::Mse, reduction: Reduction::Mean };
    for (seed, cell) in CELLS.into_iter().enumerate() {
        let mut cases = Cases::new(seed as u64);
        let network = cases.network::<f64>(config(cell, seed == 2));
        let rows = of_rows(&network, &mut cases);
        for lengths in [vec![7], vec![5; 40], vec![2; 90], vec![1, 9, 3, 70, 2], vec![3; 3]] {
            let data = cases.data_for::<f64>(network.config(), Loss::Mse, &lengths);
            let inputs = all_inputs(&data, network.config());
            let size = (network.config().shape.input, 1);
            let all = Sequences::new(&inputs, &data.labels, &data.offsets, size).unwrap();
            for level in Level::available() {
                let mut go_on = || true;
                let mut context = Context::new(&mut go_on).unwrap().with_level(level);
                let what = format!("{level}, {cell:?}, {lengths:?}");
                let own = network.predict(&data.view(), Loss::Mse, &mut context).unwrap();
                close(&what, &own, &rows.predict(&all, Loss::Mse, &mut context).unwrap());
                let (_, own) =
                    network.gradient(&data.view(), objective, None, &mut context).unwrap();
                close(&what, &own, &rows.gradient(&all, objective, None, &mut context).unwrap().1);
            }
        }
    }
}

#[test]
fn a_stepper_has_the_bits_of_a_prediction() {
    for cell in CELLS {
        let mut cases = Cases::new(3);
        let config = Config { readout: Readout::EachStep, ..config(cell, false) };
        let network = cases.network::<f64>(config);
        let data = cases.data_for::<f64>(&config, Loss::Mse, &[12; 40]);
        for level in Level::available() {
            let mut go_on = || true;
            let mut context = Context::new(&mut go_on).unwrap().with_level(level);
            let outputs = network.predict(&data.view(), Loss::Mse, &mut context).unwrap();
            let mut stepper = Stepper::new(Arc::new(network.clone()), Loss::Mse, level).unwrap();
            for s in [0, 39] {
                stepper.reset();
                stepper.set_statics(data.view().statics(s)).unwrap();
                let mut stepper = stepper.clone();
                let rows = data.view().features(s).chunks(config.features());
                for (row, output) in rows.zip(&outputs[12 * s..]) {
                    assert_eq!(stepper.step(row).unwrap(), &[*output], "{level}, {cell:?}");
                }
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut cases = Cases::new(0);
    let network = cases.network::<f64>(config(Cell::Lstm, false));
    let mut go_on = || true;
    let mut context = Context::new(&mut go_on).unwrap();
    let features = [0.5, 0.5, 2.0];
    let data = Sequences::new(&features, &[], &[0, 1], (3, 1)).unwrap();
    let error = network.predict(&data, Loss::Mse, &mut context).unwrap_err();
    assert!(error.to_string().starts_with("static features"), "{error}");
    let mut stepper =
        Stepper::new(Arc::new(network.clone()), Loss::Mse, Level::available()[0]).unwrap();
    stepper.step(&features).unwrap();
    for code in [7.0, 13.0, 8.5, f64::NAN] {
        let statics = [0.0, 0.0, code];
        let data = data.with_statics(&statics, 3).unwrap();
        let error = network.predict(&data, Loss::Mse, &mut context).unwrap_err();
        assert!(error.to_string().starts_with("a category"), "{error}");
        assert!(stepper.set_statics(&statics).is_err());
    }
    assert!(stepper.set_statics(&[0.0, 0.0]).is_err());
    assert!(data.with_statics(&[0.0; 4], 3).is_err());
}
