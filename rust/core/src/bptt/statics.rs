//! Static features, given once per sequence. Their share of the first layer's pre-activations is
//! computed once per span: the steps from one at which some lane starts a sequence to the next. The
//! derivatives of a span are summed before they are multiplied.

use std::ops::Range;

use crate::config::Config;
use crate::lanes::Real;
use crate::lanes::simd::{Lanes, numbers_mut};
use crate::packing::{
    BySequence, ByUnit, Columns, Lookups, Packing, Products, Rows, RowsMut, Start, Tile, Weight,
    add_outer, look_up, look_up_gradient, multiply,
};

/// The static features of the sequences in the lanes: one row for each span of steps in which the
/// sequences stay the same.
#[derive(Clone)]
pub(crate) struct StaticRows<V> {
    /// The step at which each span starts, in order.
    spans: Vec<usize>,
    /// `(spans, S)`
    x: Vec<V>,
    /// Static features per sequence.
    size: usize,
    /// For each span of a chunk: products, and later sums of derivatives.
    rows: Vec<V>,
}

impl<V: Lanes> StaticRows<V> {
    /// For passes of `steps` steps in chunks of `chunk`; `row` is the number of groups of a step's
    /// slots.
    pub(super) fn build<P: Packing>(
        config: &Config,
        (steps, chunk, row): (usize, usize, usize),
        buffer: &mut impl FnMut(usize) -> Vec<V>,
    ) -> Self {
        let size = config.statics.len();
        let rows = if size == 0 { 0 } else { steps.min(chunk) * row };
        Self {
            spans: Vec::new(),
            x: buffer(steps * P::groups(size, V::LEN)),
            size,
            rows: buffer(rows),
        }
    }

    /// Makes room for the spans of `steps` steps.
    pub(super) fn reserve(&mut self, config: &Config, steps: usize) {
        if !config.statics.is_empty() {
            self.spans.reserve_exact(steps);
        }
    }

    /// Sets the features of the only sequence of a pass.
    pub(crate) fn set_one(&mut self, statics: &[V::Elem]) {
        if self.size > 0 {
            self.spans.clear();
            self.spans.push(0);
            self.set::<ByUnit>((0, 0), statics);
        }
    }

    /// Sets the features of the sequences of a tile.
    pub(crate) fn set_tile<'a>(&mut self, tile: Tile<'_>, of: impl Fn(u32) -> &'a [V::Elem])
    where
        V::Elem: 'a,
    {
        if self.size == 0 {
            return;
        }
        self.spans.clear();
        self.spans.push(0);
        let starts = tile.segments().map(|(_, segment)| segment.start as usize);
        for start in starts {
            if let Err(place) = self.spans.binary_search(&start) {
                self.spans.insert(place, start);
            }
        }
        for lane in 0..tile.lanes() {
            let mut segments = tile.lane(lane).iter().peekable();
            let mut current: &[V::Elem] = &[];
            for span in 0..self.spans.len() {
                let begins = |start: u32| start as usize == self.spans[span];
                if let Some(segment) = segments.next_if(|segment| begins(segment.start)) {
                    current = of(segment.sequence);
                }
                self.set::<BySequence>((span, lane), current);
            }
        }
    }

    /// Sets the features of a lane in a span. A lane without a sequence keeps its old ones, which have
    /// no effect.
    fn set<P: Packing>(&mut self, (span, lane): (usize, usize), statics: &[V::Elem]) {
        let columns = Columns::new(1, self.size);
        let row = P::groups(self.size, V::LEN);
        let numbers = numbers_mut(&mut self.x[span * row..(span + 1) * row]);
        for (i, &value) in statics.iter().enumerate() {
            numbers[P::position(columns, i, lane, V::LEN)] = value;
        }
    }

    /// The spans that contain the given steps.
    fn spans_of(&self, steps: &Range<usize>) -> Range<usize> {
        let first = self.spans.partition_point(|&start| start <= steps.start) - 1;
        first..self.spans.partition_point(|&start| start < steps.end)
    }

    /// Those of `steps` that are in a span.
    fn steps_of(&self, span: usize, steps: &Range<usize>) -> Range<usize> {
        let end = self.spans.get(span + 1).copied().unwrap_or(usize::MAX);
        self.spans[span].max(steps.start)..end.min(steps.end)
    }

    /// The features of some spans: the numeric columns, and the categories after them.
    fn features<P: Packing>(
        &self,
        config: &Config,
        spans: &Range<usize>,
    ) -> (Rows<'_, V>, Lookups<'_, V>) {
        let stride = P::groups(self.size, V::LEN);
        let groups = &self.x[spans.start * stride..spans.end * stride];
        let numbers = config.statics.numbers;
        let rows = Rows { groups, stride, first: 0, columns: Columns::new(1, numbers) };
        (rows, Lookups { rows, numbers, count: config.statics.categories.columns })
    }

    /// Adds their share of the pre-activations to the rows of some steps; `weight` is all of `W_ih`.
    #[inline(always)]
    pub(super) fn add_products<P: Packing>(
        &mut self,
        simd: V::Simd,
        (config, weight): (&Config, Weight<'_, V::Elem>),
        steps: Range<usize>,
        out: RowsMut<'_, V>,
    ) {
        if self.size == 0 {
            return;
        }
        let spans = self.spans_of(&steps);
        let mut rows = std::mem::take(&mut self.rows);
        let (x, lookups) = self.features::<P>(config, &spans);
        let products = &mut rows[..spans.len() * out.stride];
        let own = RowsMut { groups: &mut *products, stride: out.stride, first: 0 };
        multiply::<P, V>(simd, x, weight.skip_rows(config.first_static()), Start::Zero, own);
        let own = RowsMut { groups: &mut *products, stride: out.stride, first: 0 };
        look_up::<P, V>(simd, lookups, weight, own);
        let columns = weight.columns.groups::<P>(V::LEN);
        for (product, span) in products.chunks(out.stride).zip(spans) {
            for step in self.steps_of(span, &steps) {
                let row = &mut out.groups[(step - steps.start) * out.stride..][..columns];
                for u in 0..columns {
                    row[u] = row[u] + product[u];
                }
            }
        }
        self.rows = rows;
    }

    /// Adds their share of the gradient by `W_ih`, whose rows start `products`; `dz` holds the
    /// derivatives by the pre-activations of some steps.
    #[inline(always)]
    pub(super) fn add_gradient<P: Packing>(
        &mut self,
        simd: V::Simd,
        (config, steps): (&Config, Range<usize>),
        dz: Rows<'_, V>,
        (products, copies): (Products<'_, V::Elem>, &mut [V]),
    ) {
        if self.size == 0 {
            return;
        }
        let (spans, columns) = (self.spans_of(&steps), dz.columns.groups::<P>(V::LEN));
        let mut rows = std::mem::take(&mut self.rows);
        for (sum, span) in rows.chunks_mut(dz.stride).zip(spans.clone()) {
            sum[..columns].fill(V::splat(simd, V::Elem::ZERO));
            for step in self.steps_of(span, &steps) {
                let row = &dz.groups[(step - steps.start) * dz.stride + dz.first..][..columns];
                for u in 0..columns {
                    sum[u] = sum[u] + row[u];
                }
            }
        }
        let (x, lookups) = self.features::<P>(config, &spans);
        let groups = &rows[..spans.len() * dz.stride];
        let sums = Rows { groups, first: 0, ..dz };
        let Products { numbers, stride } = products;
        let own = Products { numbers: &mut numbers[config.first_static() * stride..], stride };
        add_outer::<P, V>(simd, x, sums, own, copies);
        look_up_gradient::<P, V>(simd, lookups, sums, Products { numbers, stride });
        self.rows = rows;
    }
}
