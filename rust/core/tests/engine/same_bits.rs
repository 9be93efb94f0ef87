//! The same bits: whatever the number of threads, the layout, and the instruction set with FMA.

use std::sync::Arc;

use crate::cases::{Cases, Data, sgd};
use rnn_rust::simd::Level;
use rnn_rust::*;

pub(crate) fn in_context<R>(
    level: Level,
    threads: usize,
    run: impl FnOnce(&mut Context<'_>) -> R,
) -> R {
    let mut go_on = || true;
    run(&mut Context::new(&mut go_on).unwrap().with_level(level).with_threads(threads))
}

/// The levels that fuse multiply and add.
pub(crate) fn fused() -> impl Iterator<Item = Level> {
    Level::available().into_iter().filter(|level| level.name() != "portable")
}

fn case<T: Compiled>(seed: u64, ragged: bool) -> (Network<T>, Data<T>) {
    let mut cases = Cases::new(seed);
    let config = if seed < 4 { cases.config(40) } else { cases.any_config(12) };
    let lengths: Vec<usize> =
        (0..700).map(|_| if ragged { cases.size(1, 15) } else { 7 }).collect();
    (cases.network(config), cases.data_for(&config, Loss::Mse, &lengths))
}

fn trained<T: Compiled>(
    start: &Network<T>,
    data: &Data<T>,
    level: Level,
    threads: usize,
) -> Vec<T> {
    let mut network = start.clone();
    let objective = Objective { loss: Loss::Mse, reduction: Reduction::Mean };
    let run = EpochRun {
        batch_size: 300,
        shuffle: true,
        seed: 1,
        epochs: 2,
        learning_rates: &[0.05],
        ..EpochRun::default()
    };
    let mut sgd = sgd(&network);
    in_context(level, threads, |context| {
        let records = &mut Vec::new();
        network.train(&data.view(), objective, &run, &mut sgd, records, context).unwrap();
    });
    network.parameters().to_vec()
}

fn training_gives_the_same_bits<T: Compiled>(seed: u64) {
    trainings_agree(seed, case::<T>(seed, seed.is_multiple_of(2)));
}

fn trainings_agree<T: Compiled>(seed: u64, (network, data): (Network<T>, Data<T>)) {
    let alone: Vec<_> = fused().map(|level| trained(&network, &data, level, 1)).collect();
    assert!(alone.windows(2).all(|pair| pair[0] == pair[1]), "instruction sets differ");
    for level in Level::available() {
        let expected = trained(&network, &data, level, 1);
        for threads in [2, 3, 8] {
            let weights = trained(&network, &data, level, threads);
            assert_eq!(weights, expected, "{level}, {threads} threads, case {seed}");
        }
    }
}

#[test]
fn training() {
    for seed in 0..10 {
        training_gives_the_same_bits::<f32>(seed);
        training_gives_the_same_bits::<f64>(seed);
    }
}

/// The weights after so many calls of so many epochs each, without shuffling.
fn trained_in_order<T: Compiled>(
    (start, data): (&Network<T>, &Sequences<'_, T>),
    (level, threads, batch_size): (Level, usize, usize),
    (calls, epochs): (usize, usize),
) -> (Vec<T>, Vec<f64>) {
    let (mut network, mut records) = (start.clone(), Vec::new());
    let objective = Objective { loss: Loss::Mse, reduction: Reduction::Mean };
    let mut sgd = sgd(&network);
    for call in 0..calls {
        let first_epoch = call * epochs;
        let run = EpochRun { batch_size, first_epoch, epochs, ..EpochRun::default() };
        in_context(level, threads, |context| {
            network.train(data, objective, &run, &mut sgd, &mut records, context).unwrap();
        });
    }
    (network.parameters().to_vec(), records.iter().map(|record| record.loss).collect())
}

/// Each call packs its tiles anew; but once, where it has many epochs in order.
fn packed_once<T: Compiled>(seed: u64) {
    let mut cases = Cases::new(seed);
    let config = cases.any_config(12);
    let lengths: Vec<usize> =
        (0..90).map(|_| if seed.is_multiple_of(3) { 7 } else { cases.size(1, 15) }).collect();
    let network: Network<T> = cases.network(config);
    let data: Data<T> = cases.data_for(&config, Loss::Mse, &lengths);
    // The last batch of 44 is of two sequences, too few for a tile.
    let batch_size = [64, 37, 44, 16][seed as usize % 4];
    for level in Level::available() {
        for data in [data.view(), data.weighted()] {
            let of = |threads, calls, epochs| {
                let call = (level, threads, batch_size);
                trained_in_order((&network, &data), call, (calls, epochs))
            };
            let expected = of(1, 16, 1);
            assert_eq!(of(1, 1, 16), expected, "{level}, case {seed}");
            assert_eq!(of(2, 1, 16), expected, "{level}, two threads, case {seed}");
        }
    }
}

#[test]
fn tiles_that_are_packed_once() {
    for seed in 0..9 {
        packed_once::<f32>(seed);
        packed_once::<f64>(seed);
    }
}

/// Outputs of all sequences at once, and of each by itself.
fn predictions_give_the_same_bits<T: Compiled>(seed: u64) {
    predictions_agree(seed, case::<T>(seed, true));
}

fn predictions_agree<T: Compiled>(seed: u64, (network, data): (Network<T>, Data<T>)) {
    let mut seen: Vec<Vec<T>> = Vec::new();
    for level in Level::available() {
        let all = |threads| {
            in_context(level, threads, |context| {
                network.predict(&data.view(), Loss::Mse, context).unwrap()
            })
        };
        let together = all(1);
        for threads in [2, 3, 8] {
            assert_eq!(all(threads), together, "{level}, {threads} threads");
        }
        let each: Vec<T> = (0..data.view().len())
            .flat_map(|s| {
                let one = data.one(s);
                in_context(level, 1, |context| {
                    network.predict(&one.view(), Loss::Mse, context).unwrap()
                })
            })
            .collect();
        assert_eq!(each, together, "{level}: one sequence is not as in a batch, case {seed}");
        if level.name() != "portable" {
            seen.push(together);
        }
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "instruction sets differ");
}

#[test]
fn predictions() {
    for seed in 0..12 {
        predictions_give_the_same_bits::<f32>(seed);
        predictions_give_the_same_bits::<f64>(seed);
    }
}

/// Recurrent weights so large that they are laid out anew for the steps of tiles.
#[test]
fn large_recurrent_weights() {
    for (seed, cell) in [Cell::Lstm, Cell::Gru { reset_after: false }].into_iter().enumerate() {
        let mut cases = Cases::new(seed as u64);
        let shape = Shape { input: 3, hidden: 97, output: 1 };
        let config = Config::new(shape, cell);
        let data = cases.data_for::<f32>(&config, Loss::Mse, &[21; 310]);
        let network = cases.network::<f32>(config);
        let alone: Vec<_> = fused().map(|level| trained(&network, &data, level, 1)).collect();
        assert!(alone.windows(2).all(|pair| pair[0] == pair[1]), "instruction sets differ");
        for level in fused() {
            assert_eq!(trained(&network, &data, level, 2), alone[0], "{level}, 2 threads");
        }
        for level in fused() {
            let predict = |data: &Data<f32>| {
                in_context(level, 1, |context| {
                    network.predict(&data.view(), Loss::Mse, context).unwrap()
                })
            };
            let together = predict(&data);
            assert_eq!(together[7 * 21..8 * 21], predict(&data.one(7)), "{level}");
        }
    }
}

/// Sequences that are computed in windows, in tiles and one by one.
#[test]
fn long_sequences() {
    for (seed, lengths) in [vec![40_000, 9, 30_000], vec![7_000; 20]].into_iter().enumerate() {
        let mut cases = Cases::new(seed as u64);
        let shape = Shape { input: 1, hidden: 3, output: 1 };
        let config = Config { layers: 2, ..Config::new(shape, Cell::Gru { reset_after: true }) };
        let network = cases.network::<f64>(config);
        let data = || Cases::new(7).data_for(&config, Loss::Mse, &lengths);
        trainings_agree(seed as u64, (network.clone(), data()));
        predictions_agree(seed as u64, (network, data()));
    }
}

#[test]
fn a_state_that_overflows_is_the_same_in_both_layouts() {
    let shape = Shape { input: 1, hidden: 10, output: 1 };
    let output_activation = Activation::Sigmoid;
    let config = Config { output_activation, ..Config::new(shape, Cell::Elman(Activation::Relu)) };
    let mut network = Network::<f32>::new(config, Init::Pytorch, 0).unwrap();
    let (weight_ih, head_weight) = (0, 3);
    network.set_tensor(weight_ih, &[1e30; 10]).unwrap();
    network.set_tensor(head_weight, &[1.0; 10]).unwrap();
    let x = [3e38f32; 40];
    let offsets: Vec<i64> = (0..=40).collect();
    for level in Level::available() {
        let many = Sequences::new(&x, &[], &offsets, (1, 1)).unwrap();
        let one = Sequences::new(&x[..1], &[], &offsets[..2], (1, 1)).unwrap();
        let [many, one] = [many, one].map(|data| {
            in_context(level, 1, |context| network.predict(&data, Loss::Mse, context).unwrap())
        });
        assert_eq!((many[0], one[0]), (1.0, 1.0), "{level}");
    }
}

/// Losses, gradients and probabilities of many classes; means of states.
fn classes_agree<T: Compiled>(readout: Readout) {
    let (mut cases, shape) = (Cases::new(5), Shape { input: 2, hidden: 9, output: 70 });
    let config = Config { readout, ..Config::new(shape, Cell::Lstm) };
    let lengths: Vec<usize> = (0..61).map(|_| cases.size(1, 90)).collect();
    let network = Arc::new(cases.network::<T>(config));
    let loss = Loss::CrossEntropy;
    let data: Data<T> = cases.data_for(&config, loss, &lengths);
    let of = |level, threads, data: &Data<T>| {
        in_context(level, threads, |context| {
            let objective = Objective { loss, reduction: Reduction::Mean };
            let gradient = network.gradient(&data.view(), objective, None, context).unwrap();
            (gradient, network.predict(&data.view(), loss, context).unwrap())
        })
    };
    let mut fused = fused().map(|level| of(level, 1, &data));
    let first = fused.next();
    assert!(fused.all(|other| Some(other) == first), "instruction sets differ");
    for level in Level::available() {
        let expected = of(level, 1, &data);
        assert!([2, 3, 8].map(|threads| of(level, threads, &data)).iter().all(|e| *e == expected));
        let alone: Vec<T> = (0..61).flat_map(|s| of(level, 1, &data.one(s)).1).collect();
        assert_eq!(alone, expected.1, "{level}");
        if readout == Readout::EachStep {
            let mut stepper = Stepper::new(Arc::clone(&network), loss, level).unwrap();
            let steps = data.features[..2 * lengths[0]].chunks(2);
            let stepped: Vec<T> = steps.flat_map(|x| stepper.step(x).unwrap().to_vec()).collect();
            assert_eq!(stepped, expected.1[..stepped.len()], "{level}");
        }
    }
}

#[test]
fn many_classes_and_means() {
    for readout in [Readout::EachStep, Readout::Mean] {
        classes_agree::<f32>(readout);
        classes_agree::<f64>(readout);
    }
}

/// Steps one by one, which take several groups of units at once, and sequences side by side.
fn steps_are_predictions<T: Compiled>(cell: Cell, hidden: usize) {
    let mut cases = Cases::new(hidden as u64);
    let shape = Shape { input: 5, hidden, output: 2 };
    let config = Config { layers: 2, ..Config::new(shape, cell) };
    let network = Arc::new(cases.network::<T>(config));
    let data: Data<T> = cases.data_for(&config, Loss::Mse, &[6; 20]);
    for level in Level::available() {
        let predicted = in_context(level, 1, |context| {
            network.predict(&data.view(), Loss::Mse, context).unwrap()
        });
        let mut stepper = Stepper::new(Arc::clone(&network), Loss::Mse, level).unwrap();
        for (x, predicted) in data.features.chunks(6 * 5).zip(predicted.chunks(6 * 2)) {
            stepper.reset();
            let stepped: Vec<T> =
                x.chunks(5).flat_map(|x| stepper.step(x).unwrap().to_vec()).collect();
            assert_eq!(stepped, predicted, "{cell:?} of {hidden} units, {level}");
        }
    }
}

#[test]
fn steps_of_any_width() {
    // From a part of a group to more groups than are taken at once.
    for hidden in [1, 7, 8, 16, 17, 48, 70, 100] {
        for cell in [
            Cell::Elman(Activation::Softplus),
            Cell::Lstm,
            Cell::Gru { reset_after: true },
            Cell::Gru { reset_after: false },
        ] {
            steps_are_predictions::<f32>(cell, hidden);
            steps_are_predictions::<f64>(cell, hidden);
        }
    }
}
