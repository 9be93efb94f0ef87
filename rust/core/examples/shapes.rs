//! Time per timestep of a full training step, by shape: `cargo run --release --example shapes`.

use std::time::Instant;

use rnn_rust::rng::{Purpose, Rng};
use rnn_rust::*;

struct Case {
    name: &'static str,
    shape: (usize, usize, usize),
    steps: usize,
    sequences: usize,
    batch: usize,
    activation: Activation,
}

fn run<T: Real>(case: &Case) {
    let (input, hidden, output) = case.shape;
    let mut rng = Rng::new(1, Purpose::Weights, 0);
    let rows = case.steps * case.sequences;
    let x: Vec<T> = (0..rows * input).map(|_| T::from_f64(rng.uniform())).collect();
    let y: Vec<T> = (0..rows * output).map(|_| T::from_f64(rng.uniform())).collect();
    let offsets: Vec<i64> = (0..=case.sequences).map(|s| (s * case.steps) as i64).collect();
    let data = Sequences::new(&x, &y, &offsets, (input, output)).unwrap();
    let config = Config {
        shape: Shape { input, hidden, output },
        activation: case.activation,
        output_activation: Activation::Identity,
    };
    let mut network = Network::<T>::new(config, Init::Pytorch, 0).unwrap();
    let objective = Objective { loss: Loss::Mse, reduction: Reduction::Mean };
    let schedule = Schedule {
        batch_size: case.batch,
        shuffle: false,
        seed: 0,
        first_epoch: 0,
        epochs: 5,
        time_budget: None,
    };
    let (mut go_on, mut records) = (|| true, Vec::with_capacity(100));
    let mut context = Context::new(&mut go_on).unwrap();
    let mut sgd = Sgd::new(1e-3).unwrap();
    network.train(&data, objective, &schedule, &mut sgd, &mut records, &mut context).unwrap();
    let mut seconds: Vec<f64> = records.iter().map(|record| record.seconds).collect();
    seconds.sort_by(f64::total_cmp);
    let start = Instant::now();
    network.predict(&data, &mut context).unwrap();
    let predict = start.elapsed().as_secs_f64();
    let ns = 1e9 / rows as f64;
    let flops = 2 * (3 * (hidden * (input + hidden) + hidden * output) - hidden * input);
    println!(
        "{:<22} {:<4} batch {:<5} train {:8.1} ns/step  {:6.1} GFLOP/s   predict {:8.1}",
        case.name,
        std::any::type_name::<T>(),
        case.batch,
        seconds[seconds.len() / 2] * ns,
        flops as f64 / (seconds[seconds.len() / 2] * ns),
        predict * ns
    );
}

fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    let case = |name, shape, steps, sequences, batch, activation| Case {
        name,
        shape,
        steps,
        sequences,
        batch,
        activation,
    };
    use Activation::{Relu, Sigmoid, Tanh};
    for case in [
        case("A 29-10-1 T=10", (29, 10, 1), 10, 28_480, 1, Tanh),
        case("A 29-10-1 T=10", (29, 10, 1), 10, 28_480, 32, Tanh),
        case("A 29-10-1 T=10", (29, 10, 1), 10, 28_480, 256, Tanh),
        case("A 29-10-1 T=10", (29, 10, 1), 10, 28_480, 4096, Tanh),
        case("B 6-32-1 T=24", (6, 32, 1), 24, 350, 1, Sigmoid),
        case("B 6-32-1 T=24", (6, 32, 1), 24, 350, 32, Sigmoid),
        case("B 1-5-1 T=24", (1, 5, 1), 24, 350, 1, Sigmoid),
        case("B 1-5-1 T=24", (1, 5, 1), 24, 350, 32, Sigmoid),
        case("3-5-1 T=5", (3, 5, 1), 5, 15, 1, Relu),
        case("H=8", (29, 8, 1), 10, 5120, 256, Tanh),
        case("H=16", (29, 16, 1), 10, 5120, 256, Tanh),
        case("H=17", (29, 17, 1), 10, 5120, 256, Tanh),
        case("H=32", (29, 32, 1), 10, 5120, 256, Tanh),
        case("H=64", (29, 64, 1), 10, 2560, 256, Tanh),
        case("H=128", (29, 128, 1), 10, 1024, 256, Tanh),
        case("H=256", (29, 256, 1), 10, 512, 256, Tanh),
    ] {
        if format!("{} {}", case.name, case.batch).contains(&filter) {
            if std::env::args().nth(2).is_none() {
                run::<f32>(&case);
            }
            run::<f64>(&case);
        }
    }
}
