//! Training: what is learnt, what stops it, and what is left behind.

use crate::cases::{Cases, sgd};
use rnn_rust::*;

const MEAN: Objective = Objective { loss: Loss::Mse, reduction: Reduction::Mean };

fn run(batch_size: usize, epochs: usize) -> EpochRun<'static> {
    EpochRun { batch_size, shuffle: true, seed: 1, epochs, ..EpochRun::default() }
}

fn config(input: usize, hidden: usize, output: usize) -> Config {
    Config::new(Shape { input, hidden, output }, Cell::Elman(Activation::Tanh))
}

fn train<T: Compiled>(
    network: &mut Network<T>,
    data: &Sequences<'_, T>,
    run: &EpochRun<'_>,
    rate: f64,
    go_on: &mut dyn FnMut() -> bool,
) -> (Vec<EpochRecord>, Result<()>) {
    let mut records = Vec::new();
    let mut sgd = sgd(network);
    let mut context = Context::new(go_on).unwrap();
    let run = &EpochRun { learning_rates: &[rate], ..*run };
    let end = network.train(data, MEAN, run, &mut sgd, &mut records, &mut context);
    (records, end)
}

#[test]
fn one_epoch_is_the_gradient_step_of_each_batch_in_order() {
    let mut cases = Cases::new(11);
    let config = config(3, 9, 2);
    let mut network = cases.network::<f64>(config);
    let data = cases.data::<f64>(config.shape, &[4, 1, 6, 3, 2]);
    let mut by_hand = network.clone();
    let mut go_on = || true;
    for batch in
        [[0i64, 4, 5].as_slice(), &[0, 6, 9], &[0, 2]].iter().scan(0usize, |row, offsets| {
            let first = *row;
            *row += *offsets.last().unwrap() as usize;
            Some((first, *row, *offsets))
        })
    {
        let (first, end, offsets) = batch;
        let part = Sequences::new(
            &data.features[first * 3..end * 3],
            &data.labels[first * 2..end * 2],
            offsets,
            (3, 2),
        )
        .unwrap();
        let (_, mut gradient) =
            by_hand.gradient(&part, MEAN, None, &mut Context::new(&mut go_on).unwrap()).unwrap();
        let level = simd::level().unwrap();
        let mut sgd = sgd(&by_hand);
        assert!(by_hand.update(&mut sgd, (level, 0.1), &mut gradient));
    }
    let in_order = EpochRun { shuffle: false, ..run(2, 1) };
    train(&mut network, &data.view(), &in_order, 0.1, &mut || true).1.unwrap();
    for (a, b) in network.parameters().iter().zip(by_hand.parameters()) {
        assert!((a - b).abs() < 1e-14, "{a} {b}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bits_and_calls_can_be_cut() {
    let mut cases = Cases::new(3);
    let config = config(2, 5, 1);
    let start = cases.network::<f32>(config);
    let data = cases.data::<f32>(config.shape, &[3, 7, 1, 4, 4, 2]);
    let run = |parts: &[usize], seed: u64| {
        let mut network = start.clone();
        let mut first_epoch = 0;
        for &epochs in parts {
            let run = EpochRun { seed, first_epoch, ..run(2, epochs) };
            train(&mut network, &data.view(), &run, 0.05, &mut || true).1.unwrap();
            first_epoch += epochs;
        }
        network.parameters().to_vec()
    };
    assert_eq!(run(&[6], 1), run(&[6], 1));
    assert_eq!(run(&[6], 1), run(&[2, 3, 1], 1));
    assert_ne!(run(&[6], 1), run(&[6], 2));
}

#[test]
fn batches_without_labels_change_nothing() {
    let config = config(1, 3, 1);
    let mut network = Network::<f64>::new(config, Init::Pytorch, 0).unwrap();
    let before = network.parameters().to_vec();
    let (x, y) = ([0.5, 1.0], [f64::NAN; 2]);
    let data = Sequences::new(&x, &y, &[0, 2], (1, 1)).unwrap();
    let (records, end) = train(&mut network, &data, &run(1, 3), 0.1, &mut || true);
    assert_eq!((end, records.len(), records[0].loss), (Ok(()), 3, 0.0));
    assert_eq!(network.parameters(), before);
}

#[test]
fn divergence_names_epoch_and_batch_and_keeps_finite_weights() {
    let shape = Shape { input: 1, hidden: 4, output: 1 };
    let config = Config::new(shape, Cell::Elman(Activation::Identity));
    let mut network = Network::<f32>::new(config, Init::Pytorch, 0).unwrap();
    let x = vec![1.0; 40];
    let y = vec![1.0; 40];
    let data = Sequences::new(&x, &y, &[0, 10, 20, 30, 40], (1, 1)).unwrap();
    let (_, end) = train(&mut network, &data, &run(1, 1000), 10.0, &mut || true);
    assert!(matches!(end, Err(Error::Diverged { epoch: 1.., batch: 1..=4 })), "{end:?}");
    assert!(network.parameters().iter().all(|w| w.is_finite()));
}

#[test]
fn cancelling_keeps_the_weights_of_the_last_finished_update() {
    let mut cases = Cases::new(5);
    let config = config(20, 64, 1);
    let mut network = cases.network::<f32>(config);
    let data = cases.data::<f32>(config.shape, &[2000]);
    let before = network.parameters().to_vec();
    let mut questions = 0;
    let (records, end) = train(&mut network, &data.view(), &run(1, 100), 1e-3, &mut || {
        questions += 1;
        questions < 3
    });
    assert_eq!(end, Err(Error::Cancelled));
    assert!(records.is_empty(), "the first epoch is longer than three questions");
    assert_eq!(network.parameters(), before, "no half-finished update");
}

#[test]
fn a_refusal_ends_a_tiled_batch_and_is_not_asked_again() {
    let mut cases = Cases::new(6);
    let config = config(29, 10, 1);
    let mut network = cases.network::<f32>(config);
    let data = cases.data::<f32>(config.shape, &[10; 4096]);
    let before = network.parameters().to_vec();
    for threads in [1, 2] {
        let (mut questions, mut records) = (0, Vec::new());
        let mut go_on = || {
            questions += 1;
            false
        };
        let mut context = Context::new(&mut go_on).unwrap().with_threads(threads);
        let mut sgd = sgd(&network);
        let run = run(4096, 1);
        let end = network.train(&data.view(), MEAN, &run, &mut sgd, &mut records, &mut context);
        assert_eq!(end, Err(Error::Cancelled));
        assert_eq!(network.parameters(), before);
        assert_eq!(questions, 1, "{threads} threads");
    }
}

#[test]
fn a_batch_without_labels_in_a_tiled_epoch_changes_nothing() {
    let mut cases = Cases::new(7);
    let config = config(2, 5, 1);
    let mut network = cases.network::<f64>(config);
    let mut data = cases.data::<f64>(config.shape, &[3; 64]);
    data.labels[96..].fill(f64::NAN);
    let mut half = network.clone();
    let in_order = EpochRun { shuffle: false, ..run(32, 2) };
    train(&mut network, &data.view(), &in_order, 0.1, &mut || true).1.unwrap();
    let first =
        Sequences::new(&data.features[..96 * 2], &data.labels[..96], &data.offsets[..=32], (2, 1));
    train(&mut half, &first.unwrap(), &in_order, 0.1, &mut || true).1.unwrap();
    assert_eq!(network.parameters(), half.parameters());
}

#[test]
fn the_loss_of_a_long_sequence_keeps_its_digits() {
    let config = config(1, 1, 1);
    let mut network = Network::<f32>::new(config, Init::Pytorch, 0).unwrap();
    for tensor in 0..network.layout().tensors().len() {
        network.set_tensor(tensor, &[0.0]).unwrap();
    }
    let steps = 200_000;
    let (x, y) = (vec![0.0f32; 4 * steps], vec![0.1f32.sqrt(); 4 * steps]);
    let offsets: Vec<i64> = (0..=4).map(|s| (s * steps) as i64).collect();
    let data = Sequences::new(&x, &y, &offsets, (1, 1)).unwrap();
    let mut go_on = || true;
    let mut context = Context::new(&mut go_on).unwrap();
    let (loss, gradient) = network.gradient(&data, MEAN, None, &mut context).unwrap();
    assert!((loss - 0.1).abs() < 1e-6, "{loss}");
    let bias = network.layout().unpack(&gradient, 4)[0];
    assert!((f64::from(bias) + 2.0 * 0.1f64.sqrt()).abs() < 1e-4, "{bias}");
}

#[test]
fn a_time_budget_ends_the_call_after_a_whole_epoch() {
    let mut cases = Cases::new(8);
    let config = config(2, 4, 1);
    let mut network = cases.network::<f64>(config);
    let data = cases.data::<f64>(config.shape, &[5, 5]);
    let budget = EpochRun { time_budget: Some(std::time::Duration::ZERO), ..run(1, 50) };
    let (records, end) = train(&mut network, &data.view(), &budget, 0.1, &mut || true);
    assert_eq!((records.len(), end), (1, Ok(())));
}

#[test]
fn five_hundred_units_do_not_overflow_the_stack() {
    let config = config(3, 512, 1);
    let run = move || {
        let mut network = Network::<f64>::new(config, Init::Orthogonal, 0).unwrap();
        let data = Cases::new(1).data::<f64>(config.shape, &[4]);
        train(&mut network, &data.view(), &run(1, 1), 1e-3, &mut || true).1.unwrap();
        network.parameters().iter().all(|w| w.is_finite())
    };
    // A quarter of the smallest default stack of a spawned thread.
    let thread = std::thread::Builder::new().stack_size(512 * 1024).spawn(run).unwrap();
    assert!(thread.join().unwrap());
}

#[test]
fn arguments_that_do_not_fit_are_refused() {
    let mut network = Network::<f32>::new(config(2, 3, 1), Init::Pytorch, 0).unwrap();
    let x = [0.0f32; 6];
    let unlabelled = Sequences::new(&x, &[], &[0, 3], (2, 1)).unwrap();
    let refused = train(&mut network, &unlabelled, &run(1, 1), 0.1, &mut || true).1;
    assert!(refused.unwrap_err().to_string().starts_with("labels"));
    let narrow = Sequences::new(&x, &[], &[0, 6], (1, 1)).unwrap();
    let mut go_on = || true;
    let refused = network.predict(&narrow, Loss::Mse, &mut Context::new(&mut go_on).unwrap());
    assert_eq!(refused.unwrap_err().to_string(), "features: expected 2, got 1");
    let labelled = Sequences::new(&x, &[0.0; 3], &[0, 3], (2, 1)).unwrap();
    let refused = train(&mut network, &labelled, &run(0, 1), 0.1, &mut || true).1;
    assert!(refused.unwrap_err().to_string().starts_with("batch_size"));
    assert!(Network::<f32>::new(config(2, 0, 1), Init::Pytorch, 0).is_err());
}

#[test]
fn a_label_that_is_no_class_is_refused_and_a_missing_one_is_not() {
    let network = Network::<f64>::new(config(1, 3, 2), Init::Pytorch, 0).unwrap();
    let objective = Objective { loss: Loss::CrossEntropy, reduction: Reduction::Mean };
    for (label, fits) in [(0.0, true), (1.0, true), (f64::NAN, true), (2.0, false), (0.5, false)] {
        let labels = [1.0, label];
        let data = Sequences::new(&[0.5, -0.5], &labels, &[0, 2], (1, 1)).unwrap();
        let mut go_on = || true;
        let context = &mut Context::new(&mut go_on).unwrap();
        let refused = network.loss(&data, objective, None, context).err();
        assert_eq!(refused.is_none(), fits, "{label}");
        let expected = "labels must be numbers of classes, one for each output from 0 on, got ";
        assert!(refused.is_none_or(|error| error.to_string().starts_with(expected)));
    }
}

#[test]
fn labels_of_weights_beyond_all_digits_count_for_nothing() {
    let network = Network::<f32>::new(config(1, 3, 1), Init::Pytorch, 0).unwrap();
    let gradient = |weight: f32| {
        let weights = [weight; 2];
        let data = Sequences::new(&[0.5, -0.5], &[1.0, 2.0], &[0, 2], (1, 1)).unwrap();
        let data = data.with_label_weights(&weights).unwrap();
        let mut go_on = || true;
        let context = &mut Context::new(&mut go_on).unwrap();
        network.gradient(&data, MEAN, None, context).unwrap()
    };
    let (loss, flat) = gradient(1e-44);
    assert!(loss == 0.0 && flat.iter().all(|&g| g == 0.0));
    let ((loss, flat), (small, like)) = (gradient(1.0), gradient(1e-36));
    assert!((small / loss - 1.0).abs() < 1e-6);
    assert!(flat.iter().zip(&like).all(|(g, same)| (g - same).abs() < 1e-6));
}

#[test]
fn orthogonal_weights_can_be_cancelled() {
    let mut calls = 0;
    let mut go_on = || {
        calls += 1;
        calls < 3
    };
    let context = &mut Context::new(&mut go_on).unwrap();
    let large = config(1, 600, 1);
    let refused = Network::<f32>::new_in(large, Init::Orthogonal, 0, context).err();
    assert_eq!((refused, calls), (Some(Error::Cancelled), 3));
    let zeros = Network::<f32>::zeros(large).unwrap();
    assert!(zeros.parameters().iter().all(|&w| w == 0.0));
}

/// The mean squared error, computed outside of the engine.
struct SquaredError;

impl<T: Compiled> BatchLoss<T> for SquaredError {
    fn value_and_gradient(&mut self, outputs: &[T], labels: &[T]) -> Option<(f64, Vec<T>)> {
        let count = outputs.len() as f64;
        let differences = outputs.iter().zip(labels).map(|(&y, &label)| y - label);
        let value = differences.clone().map(|d| d.to_f64() * d.to_f64()).sum::<f64>() / count;
        Some((value, differences.map(|d| d * T::from_f64(2.0 / count)).collect()))
    }
}

#[test]
fn a_loss_from_outside_has_the_gradient_of_the_same_loss_within() {
    let mut cases = Cases::new(9);
    for lengths in [vec![5, 3, 4], vec![6; 40]] {
        for readout in [Readout::EachStep, Readout::Mean] {
            let config = Config {
                readout,
                output_activation: Activation::Softplus,
                ..Config::new(Shape { input: 3, hidden: 9, output: 2 }, Cell::Lstm)
            };
            let network = cases.network::<f64>(config);
            let mut data = cases.data_for::<f64>(&config, Loss::Mse, &lengths);
            data.labels.iter_mut().filter(|label| label.is_nan()).for_each(|label| *label = 0.5);
            if config.per_sequence() {
                // Labels stand in last rows alone.
                for end in data.offsets.windows(2) {
                    data.labels[end[0] as usize * 2..(end[1] as usize - 1) * 2].fill(f64::NAN);
                }
            }
            let mut go_on = || true;
            let context = &mut Context::new(&mut go_on).unwrap();
            let data = data.view();
            let (expected, gradient) = network.gradient(&data, MEAN, None, context).unwrap();
            let (loss, by_outside) =
                network.gradient_by(&data, &mut SquaredError, (true, None), context).unwrap();
            assert!((loss - expected).abs() < 1e-12, "{readout:?}: {loss} {expected}");
            for (a, b) in by_outside.iter().zip(&gradient) {
                assert!((a - b).abs() < 1e-12, "{readout:?}: {a} {b}");
            }
        }
    }
}
