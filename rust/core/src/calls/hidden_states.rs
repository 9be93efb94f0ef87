//! The states of the last layer over a data set.

use super::inference::{Inference, whole};
use crate::context::Context;
use crate::engine::UnitWorker;
use crate::error::Result;
use crate::lanes::Real;
use crate::lanes::simd::{Simd, WithSimd, numbers};
use crate::memory::check_memory_beside;

/// States of the last layer, `(N, D·H)`: the two directions are concatenated.
pub(super) struct HiddenStates<'a, 'p, T: Real> {
    pub(super) inference: Inference<'a, T>,
    pub(super) states: &'a mut [T],
    pub(super) context: &'a mut Context<'p>,
}

impl<T: Real> WithSimd for HiddenStates<'_, '_, T> {
    type Output = Result<()>;

    fn run<S: Simd>(self, simd: S) -> Result<()> {
        let Self { inference, states, context } = self;
        let Inference { network, data, .. } = inference;
        let (hidden, layout) = (network.config().shape.hidden, network.layout());
        let buffers = inference.buffers(data.longest());
        check_memory_beside::<T>(UnitWorker::<T, S>::size(layout, buffers), states.len())?;
        let mut worker = UnitWorker::<T, S>::new(simd, layout, buffers);
        let padded = hidden.next_multiple_of(T::LANES);
        let mut rest = states.chunks_exact_mut(hidden);
        for s in 0..data.len() {
            let cancel = &mut context.cancel;
            let trace =
                worker.forward(&inference.inputs(), whole(data, s), inference.masks, cancel)?;
            let states = numbers(&trace.layers[network.config().layers - 1].states);
            let parts =
                states.chunks_exact(padded).take(trace.steps * network.config().directions());
            for (padded, own) in parts.zip(&mut rest) {
                own.copy_from_slice(&padded[..hidden]);
            }
        }
        Ok(())
    }
}
