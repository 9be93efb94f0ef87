//! Time per timestep of training and prediction, by shape and type, on one thread:
//!
//!     cargo run --release --example shapes [FILTER [EPOCHS [PREDICTIONS]]]
//!
//! Only shapes whose line contains FILTER. `benchmarks/instructions.py` counts instructions with it.

use std::sync::Arc;
use std::time::Instant;

use rnn_rust::rng::{Purpose, Rng};
use rnn_rust::*;

#[global_allocator]
static ALLOCATOR: HugePages = HugePages;

/// (name, inputs, hidden units, steps, sequences, batch size, cell); one output each. The sequences
/// of ragged cases have 5 steps to so many, those of the sample the lengths of `data/sample.csv`.
type Case = (&'static str, usize, usize, usize, usize, usize, Cell);

const TANH: Cell = Cell::Elman(Activation::Tanh);

const CASES: [Case; 28] = [
    ("fraud", 29, 10, 10, 28_480, 1, TANH),
    ("fraud", 29, 10, 10, 28_480, 32, TANH),
    ("fraud", 29, 10, 10, 28_480, 256, TANH),
    ("fraud", 29, 10, 10, 28_480, 4096, TANH),
    ("few frauds", 29, 10, 10, 512, 1, TANH),
    ("few frauds", 29, 10, 10, 512, 32, TANH),
    ("few frauds", 29, 10, 10, 512, 256, TANH),
    ("temperature", 6, 32, 24, 350, 1, Cell::Elman(Activation::Sigmoid)),
    ("temperature", 6, 32, 24, 350, 32, Cell::Elman(Activation::Sigmoid)),
    ("temperature", 1, 5, 24, 350, 1, Cell::Elman(Activation::Sigmoid)),
    ("temperature", 1, 5, 24, 350, 32, Cell::Elman(Activation::Sigmoid)),
    ("sample", 3, 5, 8, 16, 1, Cell::Elman(Activation::Relu)),
    ("lstm", 29, 10, 50, 64, 1, Cell::Lstm),
    ("lstm", 29, 32, 50, 64, 1, Cell::Lstm),
    ("gru", 29, 16, 50, 64, 1, Cell::Gru { reset_after: true }),
    ("gru", 29, 64, 50, 64, 1, Cell::Gru { reset_after: true }),
    ("lstm", 29, 32, 50, 512, 32, Cell::Lstm),
    ("lstm", 29, 32, 50, 512, 256, Cell::Lstm),
    ("gru", 29, 32, 50, 512, 32, Cell::Gru { reset_after: true }),
    ("gru", 29, 32, 50, 512, 256, Cell::Gru { reset_after: true }),
    ("level", 8, 32, 103, 512, 64, Cell::Lstm),
    ("ragged", 8, 32, 200, 512, 64, Cell::Lstm),
    ("level", 8, 32, 103, 512, 64, Cell::Gru { reset_after: true }),
    ("ragged", 8, 32, 200, 512, 64, Cell::Gru { reset_after: true }),
    ("large", 29, 512, 20, 256, 64, TANH),
    ("large", 29, 128, 20, 256, 64, Cell::Lstm),
    ("large", 29, 256, 20, 128, 64, Cell::Lstm),
    ("large", 29, 512, 20, 64, 64, Cell::Lstm),
];

/// Hidden units of the cases that differ in nothing else; neighbours should cost much the same.
const UNITS: [usize; 26] = [
    1, 4, 8, 9, 10, 12, 15, 16, 17, 20, 24, 31, 32, 33, 48, 63, 64, 65, 96, 100, 127, 128, 129,
    192, 255, 256,
];

/// Steps of the sequences of `data/sample.csv`.
const SAMPLE: [usize; 16] = [8, 5, 1, 7, 3, 8, 2, 6, 4, 8, 1, 5, 7, 2, 6, 3];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let filter = arguments.next().unwrap_or_default();
    let mut count =
        |default| arguments.next().map_or(default, |text| text.parse().expect("a number"));
    let (epochs, predictions) = (count(5), count(1));
    println!(
        "shape                      type  batch   train ns  GFLOP/s  predict ns  (per timestep)"
    );
    let units = UNITS.map(|h| ("units", 29, h, 10, if h <= 32 { 5120 } else { 1024 }, 256, TANH));
    for case in CASES.into_iter().chain(units) {
        run::<f32>(&filter, case, (epochs, predictions));
        run::<f64>(&filter, case, (epochs, predictions));
    }
    for cell in [TANH, Cell::Gru { reset_after: true }, Cell::Lstm] {
        stream::<f32>(&filter, cell);
        stream::<f64>(&filter, cell);
    }
}

/// The time of one step of a stream, in nanoseconds.
fn stream<T: Compiled>(filter: &str, cell: Cell) {
    const STEPS: usize = 1_000_000;
    let line = format!("stream       29-10-1         {}   {cell:?}", std::any::type_name::<T>());
    if !line.contains(filter) {
        return;
    }
    let config = Config::new(Shape { input: 29, hidden: 10, output: 1 }, cell);
    let network = Network::<T>::new(config, Init::Pytorch, 0).expect("it fits into memory");
    let level = simd::level().expect("the environment is sound");
    let mut stepper = Stepper::new(Arc::new(network), Loss::Mse, level).expect("it reads forward");
    let x: Vec<T> = (0..29).map(|i| T::from_f64(0.1 * f64::from(i))).collect();
    let start = Instant::now();
    for _ in 0..STEPS {
        stepper.step(&x).expect("the size fits");
    }
    println!("{line}  {:8.1}", start.elapsed().as_secs_f64() * 1e9 / STEPS as f64);
}

fn run<T: Compiled>(filter: &str, case: Case, times: (usize, usize)) {
    let (name, input, hidden, steps, sequences, batch_size, cell) = case;
    let size = format!("{input}-{hidden}-1");
    let line = format!(
        "{name:<12} {size:<9} T={steps:<3} {}   {batch_size:<5}",
        std::any::type_name::<T>()
    );
    if !line.contains(filter) {
        return;
    }
    let mut rng = Rng::new(1, Purpose::Weights, 0);
    let mut offsets = vec![0];
    for s in 0..sequences {
        let spread = (steps - 4) as u64;
        let own = match name {
            "ragged" => 5 + (rng.next_u64() % spread) as usize,
            "sample" => SAMPLE[s],
            _ => steps,
        };
        offsets.push(offsets[s] + own as i64);
    }
    let rows = offsets[sequences] as usize;
    let mut numbers =
        |count| -> Vec<T> { (0..count).map(|_| T::from_f64(rng.uniform())).collect() };
    let (x, y) = (numbers(rows * input), numbers(rows));
    let data = Sequences::new(&x, &y, &offsets, (input, 1)).expect("the sizes fit");
    let (train, predict) = seconds(&data, hidden, cell, batch_size, times);
    // A product and a sum for each weight forward, for its gradient, and, but for W_ih, backward.
    let gates = cell.gates();
    let flops = 2 * (3 * (gates * hidden * (input + hidden) + hidden) - gates * hidden * input);
    let ns = 1e9 / rows as f64;
    println!(
        "{line}  {:8.1} {:8.1}  {:10.1}",
        train * ns,
        flops as f64 / (train * ns),
        predict * ns
    );
}

/// The median time of an epoch, and that of the fastest prediction.
fn seconds<T: Compiled>(
    data: &Sequences<'_, T>,
    hidden: usize,
    cell: Cell,
    batch_size: usize,
    (epochs, predictions): (usize, usize),
) -> (f64, f64) {
    let shape = Shape { input: data.input_size(), hidden, output: 1 };
    let config = Config::new(shape, cell);
    let mut network = Network::<T>::new(config, Init::Pytorch, 0).expect("it fits into memory");
    let objective = Objective { loss: Loss::Mse, reduction: Reduction::Mean };
    let run = EpochRun { batch_size, epochs, learning_rates: &[1e-3], ..EpochRun::default() };
    let (mut go_on, mut records) = (|| true, Vec::with_capacity(epochs));
    let mut context = Context::new(&mut go_on).expect("the environment is sound").with_threads(1);
    let mut sgd =
        GradientDescent::new(Method::SGD, network.layout().len()).expect("it fits into memory");
    network
        .train(data, objective, &run, &mut sgd, &mut records, &mut context)
        .expect("training succeeds");
    let mut seconds: Vec<f64> = records.iter().map(|record| record.seconds).collect();
    seconds.sort_by(f64::total_cmp);
    let mut fastest = f64::INFINITY;
    for _ in 0..predictions {
        let start = Instant::now();
        network.predict(data, Loss::Mse, &mut context).expect("prediction succeeds");
        fastest = fastest.min(start.elapsed().as_secs_f64());
    }
    (seconds[seconds.len() / 2], fastest)
}
