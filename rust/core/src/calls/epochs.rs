//! [`EpochRun`]: epochs of batches, with their order and their learning rates.

use std::time::{Duration, Instant};

use crate::bptt::DropoutMasks;
use crate::data::Sequences;
use crate::engine::{BatchRequest, Engine};
use crate::error::{Error, Result};
use crate::lanes::Real;
use crate::optim::{Clip, Optimizer};
use crate::rng::{Purpose, Rng};

/// A run of epochs: how a call to [`Network::train`](crate::Network::train) goes through the data.
#[derive(Clone, Copy, Debug)]
pub struct EpochRun<'a> {
    /// Sequences per update.
    pub batch_size: usize,
    /// Whether each epoch visits the sequences in random order; otherwise in the data's order.
    pub shuffle: bool,
    /// Seed of the orders and of dropout.
    pub seed: u64,
    /// Epochs that the network has already been trained for: the random orders continue from there.
    pub first_epoch: usize,
    /// The most epochs to train for.
    pub epochs: usize,
    /// The learning rate of each of these epochs; the last one also applies to any further epochs.
    pub learning_rates: &'a [f64],
    /// Limits on the gradient.
    pub clip: Clip,
    /// Truncated backpropagation through time (Williams and Peng, 1990): sequences are cut into windows
    /// of this many steps, with an update for each. States are carried from one window to the next;
    /// derivatives are not.
    pub bptt_steps: Option<usize>,
    /// The call ends after the first epoch to finish after this much time.
    pub time_budget: Option<Duration>,
}

impl Default for EpochRun<'_> {
    /// One epoch in the data's order with a learning rate of 0.01.
    fn default() -> Self {
        Self {
            batch_size: 1,
            shuffle: false,
            seed: 0,
            first_epoch: 0,
            epochs: 1,
            learning_rates: &[0.01],
            clip: Clip::default(),
            bptt_steps: None,
            time_budget: None,
        }
    }
}

/// One finished epoch.
#[derive(Clone, Copy, Debug)]
pub struct EpochRecord {
    /// The loss over all labels; each batch's loss is from before its update.
    pub loss: f64,
    /// Wall time.
    pub seconds: f64,
}

/// An epoch of a run.
#[derive(Clone, Copy)]
pub(super) struct Epoch {
    /// Its number over the life of the network, from 0.
    pub(super) number: usize,
    pub(super) learning_rate: f64,
}

impl EpochRun<'_> {
    /// Runs the epochs: `train` gets each with its order of the sequences, and returns its loss.
    /// Finished epochs are recorded even if a later one fails.
    pub(super) fn each(
        &self,
        mut order: Vec<u32>,
        records: &mut Vec<EpochRecord>,
        mut train: impl FnMut(Epoch, &[u32]) -> Result<f64>,
    ) -> Result<()> {
        let start = Instant::now();
        let mut lap = start;
        for number in 0..self.epochs {
            let learning_rate = self.learning_rates[number.min(self.learning_rates.len() - 1)];
            let number = self.first_epoch.saturating_add(number);
            self.arrange(&mut order, number);
            let loss = train(Epoch { number, learning_rate }, &order)?;
            let now = Instant::now();
            records.push(EpochRecord { loss, seconds: (now - lap).as_secs_f64() });
            lap = now;
            if self.time_budget.is_some_and(|budget| now - start >= budget) {
                break;
            }
        }
        Ok(())
    }

    /// Sets `order` for `epoch`; it depends only on the seed and the epoch's number.
    fn arrange(&self, order: &mut [u32], epoch: usize) {
        if self.shuffle {
            order.iter_mut().zip(0..).for_each(|(item, s)| *item = s);
            Rng::new(self.seed, Purpose::Order, epoch as u64).shuffle(order);
        }
    }
}

/// Trains one epoch with an engine; returns the mean loss. If `window` is given, sequences are cut into
/// windows of that many steps.
pub(super) fn train_epoch<T: Real>(
    (data, order): (&Sequences<'_, T>, &[u32]),
    (run, window): (&EpochRun<'_>, Option<usize>),
    epoch: Epoch,
    optimizer: &mut dyn Optimizer<T>,
    engine: &mut impl Engine<T>,
) -> Result<f64> {
    let (mut total, mut divisors) = (0.0, 0.0);
    let masks = Some(DropoutMasks::of_epoch(run.seed, epoch.number));
    for (number, batch) in order.chunks(run.batch_size).enumerate() {
        let upcoming = order.get((number + 1) * run.batch_size..).unwrap_or(&[]);
        let diverged = || Err(Error::Diverged { epoch: epoch.number + 1, batch: number + 1 });
        for window in windows(data, batch, window) {
            let request = BatchRequest { gradient: true, masks, window };
            let (sum, divisor) = engine.batch(batch, upcoming, request)?;
            if divisor == 0.0 {
                continue;
            }
            if !sum.is_finite() {
                // The last update caused this: undo it.
                engine.undo();
                optimizer.undo();
                return diverged();
            }
            if !engine.update(optimizer, epoch.learning_rate, &run.clip) {
                return diverged();
            }
            total += sum;
            divisors += divisor;
        }
    }
    Ok(mean(total, divisors))
}

/// The windows of a batch's steps, (from, how many); without windows, all steps as one.
fn windows<T: Real>(
    data: &Sequences<'_, T>,
    batch: &[u32],
    window: Option<usize>,
) -> impl Iterator<Item = Option<(usize, usize)>> {
    let count = window.map_or(1, |steps| {
        let longest = batch.iter().map(|&s| data.range(s as usize).len()).max().unwrap_or(0);
        longest.div_ceil(steps)
    });
    (0..count).map(move |number| window.map(|steps| (number * steps, steps)))
}

/// The loss of a batch from its numerator and divisor; 0 if there are no labels.
pub(super) fn mean(sum: f64, divisor: f64) -> f64 {
    if divisor > 0.0 { sum / divisor } else { 0.0 }
}

/// The sequences in the data's order.
pub(super) fn in_order<T: Real>(data: &Sequences<'_, T>) -> Vec<u32> {
    (0..data.len() as u32).collect()
}
