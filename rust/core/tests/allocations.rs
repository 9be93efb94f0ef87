//! A call allocates its workspace once; sequences, batches and epochs allocate nothing.
//!
//! A program of its own, without the test harness, whose threads would be counted too.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use rnn_rust::*;

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged; counting touches no memory of it.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System` with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of a training call and of a prediction, and the bytes of the former.
fn count(
    sequences: usize,
    epochs: usize,
    (batch_size, threads, shuffle): (usize, usize, bool),
) -> [usize; 3] {
    let shape = Shape { input: 3, hidden: 10, output: 1 };
    let config = Config::new(shape, Cell::Elman(Activation::Tanh));
    let mut network = Network::<f32>::new(config, Init::Pytorch, 0).unwrap();
    let (features, labels) = (vec![0.5; sequences * 5 * 3], vec![1.0; sequences * 5]);
    // Lengths 3, 5, 7, 5, 3, 5, ...
    let bend = [0, -2, -2, 0];
    let offsets: Vec<i64> = (0..=sequences).map(|s| 5 * s as i64 + bend[s % 4]).collect();
    let data = Sequences::new(&features, &labels, &offsets, (3, 1)).unwrap();
    let objective = Objective { loss: Loss::Mse, reduction: Reduction::Mean };
    let run = EpochRun { batch_size, shuffle, epochs, ..EpochRun::default() };
    let mut records = Vec::with_capacity(epochs);
    let mut go_on = || true;
    let mut context = Context::new(&mut go_on).unwrap().with_threads(threads);
    let method = Method::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 };
    let mut adam = GradientDescent::new(method, network.layout().len()).unwrap();

    let (before, bytes) = (ALLOCATIONS.load(Ordering::Relaxed), BYTES.load(Ordering::Relaxed));
    network.train(&data, objective, &run, &mut adam, &mut records, &mut context).unwrap();
    let between = ALLOCATIONS.load(Ordering::Relaxed);
    let bytes = BYTES.load(Ordering::Relaxed) - bytes;
    network.predict(&data, Loss::Mse, &mut context).unwrap();
    [between - before, ALLOCATIONS.load(Ordering::Relaxed) - between, bytes]
}

/// Allocations of batches of events of known entities.
fn of_known_entities(limits: Limits) -> usize {
    let shape = Shape { input: 3, hidden: 10, output: 1 };
    let network = Network::new(Config::new(shape, Cell::Lstm), Init::Pytorch, 0).unwrap();
    let level = simd::level().unwrap();
    let mut scorer = Scorer::<f32>::new(network.into(), Loss::Mse, level, limits).unwrap();
    let texts: Vec<String> = (0..64).map(|number| format!("card {number}")).collect();
    let mut batch = |first: usize| {
        let mut keys = [scorer.hasher().hashed(Key::Number(0)); 64];
        for (number, key) in keys.iter_mut().enumerate() {
            let number = (first + number) % 100;
            let text = texts.get(number).map(|text| Key::Text(text));
            *key = scorer.hasher().hashed(text.unwrap_or(Key::Number(number as u64 / 4)));
        }
        let (mut outputs, mut new) = ([0.0; 64], [false; 64]);
        let times = [first as f64; 64];
        scorer.score((&keys, Some(&times)), &[0.5; 64 * 3], (&mut outputs, &mut new)).unwrap();
    };
    (0..200).for_each(&mut batch);
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    (0..2000).for_each(&mut batch);
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

fn main() {
    for limits in [Limits::default(), Limits { max_entities: Some(1000), expire_after: Some(1e6) }]
    {
        assert_eq!(of_known_entities(limits), 0, "events of known entities allocate: {limits:?}");
    }
    for (batch_size, threads) in [(1, 1), (64, 1), (1024, 2)] {
        // The first call pays for what the process sets up once.
        let shuffled = (batch_size, threads, true);
        count(2048, 1, shuffled);
        let few = count(2048, 1, shuffled);
        let many = count(8192, 20, shuffled);
        println!("allocations, batch {batch_size}, {threads} threads: {few:?}, then {many:?}");
        // A sequence costs its place in the order, 4 bytes; all else is there once.
        assert!(many[2] - few[2] <= 4 * (8192 - 2048), "the workspace grows with the data");
        // A prediction may start another thread for more work.
        assert_eq!(many[0], few[0], "sequences or epochs allocate");
        assert!(few[0] < 150 && many[1] <= few[1] + 40, "{few:?} {many:?}");
    } // Batches that come in every epoch are packed before the first one.
    let [few, many] = [16, 32].map(|epochs| count(2048, epochs, (64, 1, false)));
    println!("allocations in order: {few:?}, then {many:?}");
    assert_eq!(many, few, "epochs in order allocate");
}
