//! States that sequences start from, and those that they end with.

use crate::cases::{Cases, Data};
use rnn_rust::reference::Reference;
use rnn_rust::simd::Level;
use rnn_rust::{
    Compiled, Config, Context, EpochRun, Loss, Network, Objective, Reduction, Sequences,
};

/// A network, and ragged data that starts from states of its own.
fn case<T: Compiled>(seed: u64) -> (Network<T>, Data<T>, Loss) {
    let mut cases = Cases::new(seed);
    let loss = cases.loss();
    let config = Config {
        bidirectional: seed.is_multiple_of(3),
        ..if seed.is_multiple_of(2) { cases.config(40) } else { cases.any_config(12) }
    };
    let count = [1, 3, 40][(seed % 3) as usize];
    let lengths: Vec<usize> = (0..count).map(|_| cases.size(1, 9)).collect();
    let data = cases.data_for::<T>(&config, loss, &lengths);
    let initial = cases.states(&config, count);
    (cases.network(config), data.with_initial(initial, &config), loss)
}

fn close(what: &str, a: &[f64], b: &[f64]) {
    assert_eq!(a.len(), b.len(), "{what}");
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= 1e-11 * (1.0 + b.abs()), "{what}: {a} and {b}");
    }
}

#[test]
fn outputs_states_and_gradients_are_those_of_the_oracle() {
    for seed in 0..60 {
        let (network, data, loss) = case::<f64>(seed);
        let (data, config) = (data.view(), *network.config());
        let oracle = Reference::of(&network);
        let (outputs, states) = oracle.predict(&data, loss);
        let objective = Objective { loss, reduction: Reduction::Mean };
        let all: Vec<u32> = (0..data.len() as u32).collect();
        let (expected_loss, expected) = oracle.gradient(&data, &all, objective, None);
        for level in Level::available() {
            let mut go_on = || true;
            let mut context = Context::new(&mut go_on).unwrap().with_level(level);
            let what = format!("{level}, case {seed}, {config:?}");
            let own = network.predict(&data, loss, &mut context).unwrap();
            close(&what, &own, &outputs);
            close(&what, &network.hidden_states(&data, &mut context).unwrap(), &states);
            let (own_loss, gradient) =
                network.gradient(&data, objective, None, &mut context).unwrap();
            close(&what, &[own_loss], &[expected_loss]);
            for (number, expected) in expected.iter().enumerate() {
                close(&what, &network.layout().unpack(&gradient, number), expected);
            }
        }
    }
}

/// Some rows of the data of one sequence, which start from a state.
fn part<'a, T: Compiled>(
    data: &Sequences<'a, T>,
    rows: std::ops::Range<usize>,
    (offsets, state): (&'a [i64], &'a [T]),
    s: usize,
) -> Sequences<'a, T> {
    let size = data.input_size();
    let features = &data.features(s)[rows.start * size..rows.end * size];
    let part = Sequences::new(features, &[], offsets, (size, 1)).unwrap();
    let part = part.with_statics(data.statics(s), data.static_size()).unwrap();
    part.with_initial_states(state, state.len()).unwrap()
}

fn cut_in_two<T: Compiled>(seed: u64) {
    let mut cases = Cases::new(seed);
    let config = Config {
        bidirectional: false,
        readout: rnn_rust::Readout::EachStep,
        ..cases.any_config(20)
    };
    let lengths: Vec<usize> = (0..40).map(|_| cases.size(2, 9)).collect();
    let data = cases.data_for::<T>(&config, Loss::Mse, &lengths);
    let (network, data) = (cases.network::<T>(config), data.view());
    for level in Level::available() {
        let mut go_on = || true;
        let mut context = Context::new(&mut go_on).unwrap().with_level(level);
        let (whole, ends) = network.predict_with_states(&data, Loss::Mse, &mut context).unwrap();
        let plain = network.predict(&data, Loss::Mse, &mut context).unwrap();
        assert_eq!(whole, plain);
        let len = config.state_len();
        for s in [0, 7, 39] {
            let range = data.range(s);
            let cut = range.len() / 2;
            let (offsets, later) = ([0, cut as i64], [0, (range.len() - cut) as i64]);
            let zeros = vec![T::ZERO; len];
            let first = part(&data, 0..cut, (&offsets, &zeros), s);
            let (mut outputs, state) =
                network.predict_with_states(&first, Loss::Mse, &mut context).unwrap();
            let second = part(&data, cut..range.len(), (&later, &state), s);
            let (rest, end) =
                network.predict_with_states(&second, Loss::Mse, &mut context).unwrap();
            outputs.extend(rest);
            let columns = config.shape.output;
            assert_eq!(outputs, whole[range.start * columns..range.end * columns], "{level}");
            assert_eq!(end, ends[s * len..(s + 1) * len], "{level}");
        }
    }
}

#[test]
fn a_sequence_cut_in_two_goes_on_to_the_bit() {
    for seed in 0..20 {
        cut_in_two::<f32>(seed);
        cut_in_two::<f64>(seed);
    }
}

#[test]
fn final_states_of_both_directions_are_the_hidden_states_there() {
    let mut cases = Cases::new(5);
    let config = Config { bidirectional: true, layers: 1, dropout: 0.0, ..cases.any_config(20) };
    let lengths: Vec<usize> = (0..40).map(|_| cases.size(1, 9)).collect();
    let data = cases.data_for::<f64>(&config, Loss::Mse, &lengths);
    let (network, data) = (cases.network::<f64>(config), data.view());
    let mut go_on = || true;
    let mut context = Context::new(&mut go_on).unwrap();
    let (_, ends) = network.predict_with_states(&data, Loss::Mse, &mut context).unwrap();
    let states = network.hidden_states(&data, &mut context).unwrap();
    let (hidden, width) = (config.shape.hidden, config.state_width());
    for s in 0..data.len() {
        let (first, last) = (data.range(s).start, data.range(s).end - 1);
        let end = &ends[s * config.state_len()..(s + 1) * config.state_len()];
        assert_eq!(end[..hidden], states[last * 2 * hidden..][..hidden]);
        assert_eq!(end[width..width + hidden], states[(first * 2 + 1) * hidden..][..hidden]);
    }
}

#[test]
fn training_starts_from_them_in_windows_too() {
    let mut cases = Cases::new(1);
    let config = Config { recurrent_dropout: 0.0, ..cases.config(12) };
    let data = cases.data_for::<f64>(&config, Loss::Mse, &[6; 20]);
    let initial = cases.states(&config, 20);
    let network = cases.network::<f64>(config);
    let objective = Objective { loss: Loss::Mse, reduction: Reduction::Mean };
    let data = data.with_initial(initial, &config);
    let trained = |bptt_steps: Option<usize>, batch_size: usize, threads: usize| {
        let mut network = network.clone();
        let run = EpochRun {
            batch_size,
            bptt_steps,
            epochs: 2,
            learning_rates: &[0.05],
            ..EpochRun::default()
        };
        let mut go_on = || true;
        let mut context = Context::new(&mut go_on).unwrap().with_threads(threads);
        let mut sgd = crate::cases::sgd(&network);
        let records = &mut Vec::new();
        network.train(&data.view(), objective, &run, &mut sgd, records, &mut context).unwrap();
        network.parameters().to_vec()
    };
    // By hand: the whole batch once per epoch.
    let by_hand = |network: &Network<f64>| {
        let mut network = network.clone();
        for _ in 0..2 {
            let mut go_on = || true;
            let mut context = Context::new(&mut go_on).unwrap();
            let (_, gradient) =
                network.gradient(&data.view(), objective, None, &mut context).unwrap();
            for number in 0..network.layout().tensors().len() {
                let steps = network.layout().unpack(&gradient, number);
                let values: Vec<f64> =
                    network.tensor(number).iter().zip(steps).map(|(w, g)| w - 0.05 * g).collect();
                network.set_tensor(number, &values).unwrap();
            }
        }
        network.parameters().to_vec()
    };
    close("whole batch", &trained(None, 20, 1), &by_hand(&network));
    assert_eq!(trained(None, 20, 1), trained(None, 20, 3));
    assert_eq!(trained(Some(6), 20, 1), trained(None, 20, 1));
    let windows = trained(Some(2), 20, 1);
    assert!(windows.iter().zip(trained(None, 20, 1)).any(|(a, b)| *a != b));
    assert_eq!(windows, trained(Some(2), 20, 2));
}
