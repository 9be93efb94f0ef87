//! What a pass reads of its sequences: rows of groups, row-major `(steps, columns)`.

use super::trace::BufferSpec;
use crate::lanes::Real;
use crate::lanes::simd::Lanes;
use crate::packing::{Columns, Packing};
use crate::weights::Layout;

/// Features and labels of the steps of a pass.
#[derive(Clone, Copy)]
pub(crate) struct PassInputs<'a, V> {
    /// Features, `(steps, I)`.
    pub(crate) x: &'a [V],
    /// Labels, NaN where there is none; and their weights, if they have any.
    pub(crate) labels: &'a [V],
    pub(crate) label_weights: &'a [V],
}

/// The groups that each of them takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InputSizes {
    pub(crate) x: usize,
    pub(crate) labels: usize,
    pub(crate) label_weights: usize,
}

impl InputSizes {
    pub(crate) fn new<P: Packing, V: Lanes>(layout: &Layout, spec: BufferSpec) -> Self {
        // Sequences are packed in square blocks.
        let packed = |columns: usize| (spec.steps * columns).next_multiple_of(V::LEN);
        let labels = packed(Columns::new(spec.label_columns, 1).groups::<P>(V::LEN));
        Self {
            x: packed(P::groups(layout.config().features(), V::LEN)),
            labels: if spec.backward { labels } else { 0 },
            label_weights: if spec.weighted { labels } else { 0 },
        }
    }

    pub(crate) fn total(self) -> usize {
        self.x + self.labels + self.label_weights
    }
}

/// Room for the inputs of one pass after the other.
pub(crate) struct InputBuffers<V> {
    pub(crate) x: Vec<V>,
    pub(crate) labels: Vec<V>,
    pub(crate) label_weights: Vec<V>,
}

impl<V: Lanes> InputBuffers<V> {
    /// Buffers of zeros.
    pub(crate) fn new<P: Packing>(simd: V::Simd, layout: &Layout, spec: BufferSpec) -> Self {
        let zeros = |groups: usize| vec![V::splat(simd, V::Elem::ZERO); groups];
        let sizes = InputSizes::new::<P, V>(layout, spec);
        Self {
            x: zeros(sizes.x),
            labels: zeros(sizes.labels),
            label_weights: zeros(sizes.label_weights),
        }
    }

    pub(crate) fn view(&self) -> PassInputs<'_, V> {
        let Self { x, labels, label_weights } = self;
        PassInputs { x, labels, label_weights }
    }
}
