//! Work for an engine of any instruction set.

use super::epochs::{EpochRecord, EpochRun, in_order, mean, train_epoch};
use crate::context::Context;
use crate::data::Sequences;
use crate::engine::{BatchRequest, Engine, EngineSpec, EngineWork, with_engine};
use crate::error::Result;
use crate::lanes::Real;
use crate::lanes::simd::{Simd, WithSimd};
use crate::optim::Optimizer;
use crate::weights::Network;

/// Work for an engine, with the arguments to build one for any instruction set.
pub(super) struct OnEngine<'a, 'p, T: Real, W> {
    pub(super) network: &'a mut Network<T>,
    pub(super) data: &'a Sequences<'a, T>,
    pub(super) spec: EngineSpec,
    pub(super) context: &'a mut Context<'p>,
    pub(super) work: W,
}

impl<T: Real, W: EngineWork<T>> WithSimd for OnEngine<'_, '_, T, W> {
    type Output = Result<W::Output>;

    fn run<S: Simd>(self, simd: S) -> Result<W::Output> {
        with_engine(simd, self.network, self.data, self.spec, self.context, self.work)
    }
}

/// Loss and gradient of one batch.
pub(super) struct OneBatch<'a> {
    pub(super) order: &'a [u32],
    pub(super) request: BatchRequest,
}

impl<T: Real> EngineWork<T> for OneBatch<'_> {
    type Output = Result<(f64, Vec<T>)>;

    fn run(self, engine: &mut impl Engine<T>) -> Self::Output {
        let (sum, divisor) = engine.batch(self.order, &[], self.request)?;
        // Without labels there is no gradient; return 0.
        let gradient = if self.request.gradient { engine.gradient().to_vec() } else { Vec::new() };
        Ok((mean(sum, divisor), gradient))
    }
}

/// Epochs of training.
pub(super) struct Epochs<'a, T> {
    pub(super) data: &'a Sequences<'a, T>,
    /// The most steps of a window, if sequences are cut into windows.
    pub(super) window: Option<usize>,
    pub(super) run: &'a EpochRun<'a>,
    pub(super) optimizer: &'a mut dyn Optimizer<T>,
    pub(super) records: &'a mut Vec<EpochRecord>,
}

impl<T: Real> EngineWork<T> for Epochs<'_, T> {
    type Output = Result<()>;

    fn run(self, engine: &mut impl Engine<T>) -> Result<()> {
        let Self { data, window, run, optimizer, records } = self;
        run.each(in_order(data), records, |epoch, order| {
            train_epoch((data, order), (run, window), epoch, optimizer, engine)
        })
    }
}
