//! What a pass reads from its sequences: rows of groups, row-major `(steps, columns)`.

use super::spec::BufferSpec;
use crate::lanes::Real;
use crate::lanes::simd::Lanes;
use crate::packing::{Columns, Packing};
use crate::weights::Layout;

/// Features and labels of the steps of a pass.
#[derive(Clone, Copy)]
pub(crate) struct PassInputs<'a, V> {
    /// Features, `(steps, I)`.
    pub(crate) x: &'a [V],
    /// Labels, NaN where one is missing; and their weights, if they have any.
    pub(crate) labels: &'a [V],
    pub(crate) label_weights: &'a [V],
}

/// The number of groups in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InputSizes {
    pub(crate) x: usize,
    pub(crate) labels: usize,
    pub(crate) label_weights: usize,
}

impl InputSizes {
    pub(crate) fn new<P: Packing, V: Lanes>(layout: &Layout, spec: BufferSpec) -> Self {
        let columns = Columns::new(spec.label_columns, 1).groups::<P>(V::LEN);
        let labels = packed_groups::<V>(spec.steps, columns);
        Self {
            x: packed_groups::<V>(spec.steps, P::groups(layout.config().features(), V::LEN)),
            labels: if spec.backward { labels } else { 0 },
            label_weights: if spec.weighted { labels } else { 0 },
        }
    }

    pub(crate) fn total(self) -> usize {
        self.x + self.labels + self.label_weights
    }
}

/// The groups that `rows` rows take: sequences are packed in square blocks.
pub(super) fn packed_groups<V: Lanes>(rows: usize, columns: usize) -> usize {
    (rows * columns).next_multiple_of(V::LEN)
}

/// Space for the inputs of one pass at a time.
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
