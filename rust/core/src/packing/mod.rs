//! How numbers are arranged in groups of lanes, and the products that depend on it.
//!
//! Elementwise code works on rows of groups and need not know what the lanes hold. Products by weights
//! must know, and are written once for each *packing*:
//!
//! | packing | a group holds | used for |
//! |---|---|---|
//! | [`BySequence`] | the same number of several sequences | mini-batches |
//! | [`ByUnit`] | several numbers of one sequence | one sequence at a time |

mod by_sequence;
mod by_unit;
mod lookup;
mod lookup_lanes;
mod outer;
mod outer_halves;
mod reduce;
mod stream;
mod tiling;

pub(crate) use by_sequence::BySequence;
pub(crate) use by_unit::{ByUnit, padding};
pub(crate) use lookup::{LOOKED_UP, look_up, look_up_gradient};
pub(crate) use outer::copies;
pub(crate) use stream::{MOST_LANES, gather, scatter};
pub(crate) use tiling::{
    FEWEST_STEPS, FEWEST_STEPS_OF_GRADIENTS, Tile, Tiling, fewest_tiled, most_tile_steps,
};

use std::marker::PhantomData;

use crate::lanes::blocks::part;
use crate::lanes::simd::{Kernel, Lanes, Simd};

/// The numbers of a row: `parts` (gates, directions, outputs) of `width` contiguous numbers each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(crate) parts: usize,
    pub(crate) width: usize,
}

impl Columns {
    pub(crate) const fn new(parts: usize, width: usize) -> Self {
        Self { parts, width }
    }

    /// The count of these numbers, for one sequence.
    pub(crate) const fn len(self) -> usize {
        self.parts * self.width
    }

    /// The groups that a row takes in a packing, with `lanes` lanes per group.
    #[inline(always)]
    pub(crate) fn groups<P: Packing>(self, lanes: usize) -> usize {
        self.parts * P::groups(self.width, lanes)
    }

    /// The groups of a padded row of weights.
    #[inline(always)]
    pub(crate) fn padded_groups(self, lanes: usize) -> usize {
        self.parts * self.width.div_ceil(lanes)
    }

    /// Where the numbers of such a group start in a row without padding, and how many there are.
    #[inline(always)]
    pub(crate) fn block(self, group: usize, lanes: usize) -> (usize, usize) {
        let (part, block) =
            (group / self.width.div_ceil(lanes), group % self.width.div_ceil(lanes));
        let first = block * lanes;
        (part * self.width + first, (self.width - first).min(lanes))
    }

    /// As one part, if no padding separates the parts in rows of weights: they can then be cut into
    /// fewer blocks.
    #[inline(always)]
    pub(crate) fn joined(self, lanes: usize) -> Self {
        if self.width.is_multiple_of(lanes) { Self::new(1, self.len()) } else { self }
    }
}

/// Some columns of rows of groups, with one row per step.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a, V> {
    /// All groups of all rows.
    pub(crate) groups: &'a [V],
    /// Groups per row.
    pub(crate) stride: usize,
    /// The group of a row at which the columns start.
    pub(crate) first: usize,
    pub(crate) columns: Columns,
}

impl<'a, V> Rows<'a, V> {
    /// The rows, one by one. Not `chunks_exact`, which divides: for a block of a few steps, a division
    /// takes as long as the block.
    #[inline(always)]
    pub(crate) fn each(&self) -> std::slice::Chunks<'a, V> {
        self.groups.chunks(self.stride)
    }
}

/// Mutable [`Rows`].
pub(crate) struct RowsMut<'a, V> {
    pub(crate) groups: &'a mut [V],
    pub(crate) stride: usize,
    pub(crate) first: usize,
}

/// Weights in the order of a layout: a row of padded parts for each number that they multiply.
#[derive(Clone, Copy)]
pub(crate) struct Weight<'a, T> {
    /// The rows, starting at the first column wanted.
    pub(crate) rows: &'a [T],
    /// Numbers per padded row.
    pub(crate) stride: usize,
    /// The columns wanted.
    pub(crate) columns: Columns,
    /// A copy of these numbers in the order of [`Packing::add_product`]'s blocks.
    pub(crate) panel: Option<Panel<'a, T>>,
}

impl<T> Weight<'_, T> {
    /// The weights without the first `rows` rows.
    #[inline(always)]
    pub(crate) fn skip_rows(self, rows: usize) -> Self {
        Self { rows: &self.rows[rows * self.stride..], panel: None, ..self }
    }
}

/// Weights in panels: for each block of columns of a part, all of its rows in turn.
#[derive(Clone, Copy)]
pub(crate) struct Panel<'a, T> {
    /// The panels, starting at the first column wanted.
    pub(crate) numbers: &'a [T],
    /// Rows per panel, and the first row wanted.
    pub(crate) rows: usize,
    pub(crate) first: usize,
}

/// The initial value that a product is added to.
#[derive(Clone, Copy)]
pub(crate) enum Start<'a, T> {
    /// Nothing.
    Zero,
    /// A padded row of numbers, laid out like the weights.
    Bias(&'a [T]),
    /// The present value of the output.
    Present,
}

/// Padded rows of a gradient, laid out like the weights, to which products over steps are added.
pub(crate) struct Products<'a, T> {
    /// From the first number wanted to the end of the gradient.
    pub(crate) numbers: &'a mut [T],
    /// Numbers per row.
    pub(crate) stride: usize,
}

/// The row indices to look up: in each step of `rows`, they follow the first `numbers` columns.
#[derive(Clone, Copy)]
pub(crate) struct Lookups<'a, V> {
    pub(crate) rows: Rows<'a, V>,
    /// Columns before the indices.
    pub(crate) numbers: usize,
    /// Columns that are indices.
    pub(crate) count: usize,
}

impl<'a, V> Lookups<'a, V> {
    /// The groups of a row that are indices, if each group holds one column.
    #[inline(always)]
    fn of(&self, row: &'a [V]) -> &'a [V] {
        &row[self.rows.first + self.numbers..][..self.count]
    }
}

/// What the lanes of a group hold, and the products that depend on it.
///
/// The forward pass adds up in the same order in either packing: bias, inputs, even units of the state;
/// then the sum of the odd units, computed separately. So predictions have the same bits in both.
pub(crate) trait Packing: Copy + Send + Sync + 'static {
    /// Whether the lanes of a group belong to different sequences, each with its own starts.
    const SEVERAL: bool;

    /// The groups that `width` numbers of one sequence take, with `lanes` lanes per group.
    fn groups(width: usize, lanes: usize) -> usize;

    /// The index of number `i` of `columns` in a row seen as numbers, for the sequence in `lane`.
    fn position(columns: Columns, i: usize, lane: usize, lanes: usize) -> usize;

    /// `out[t] = start + W a[t]` for every row.
    fn multiply<V: Lanes>(
        simd: V::Simd,
        a: Rows<'_, V>,
        weight: Weight<'_, V::Elem>,
        start: Start<'_, V::Elem>,
        out: RowsMut<'_, V>,
    );

    /// `out += W a` for one row: `a` has all groups of `columns`, `out` all groups of the weight's
    /// columns.
    fn add_product<V: Lanes>(
        simd: V::Simd,
        a: &[V],
        columns: Columns,
        weight: Weight<'_, V::Elem>,
        out: &mut [V],
    );

    /// `products[r] += Σ_t a[t][r] b[t]`; `scratch` may have room for [`copies`].
    fn add_outer<V: Lanes>(
        simd: V::Simd,
        a: Rows<'_, V>,
        b: Rows<'_, V>,
        products: Products<'_, V::Elem>,
        scratch: &mut [V],
    );

    /// `out[t] += Σ_c W[code_c of t]`
    fn add_lookups<V: Lanes>(
        simd: V::Simd,
        lookups: Lookups<'_, V>,
        weight: Weight<'_, V::Elem>,
        out: RowsMut<'_, V>,
    );

    /// `products[code_c of t] += b[t]`
    fn add_at_lookups<V: Lanes>(
        simd: V::Simd,
        lookups: Lookups<'_, V>,
        b: Rows<'_, V>,
        products: Products<'_, V::Elem>,
    );

    /// `logits[t][l] = bias[l] + W[l] · state[t]`; logits have one part per output.
    fn read_out<V: Lanes>(
        simd: V::Simd,
        state: Rows<'_, V>,
        weight: Weight<'_, V::Elem>,
        bias: &[V::Elem],
        logits: &mut [V],
    );

    /// `sums[l] += Σ_t rows[t][l]` for rows with one part per output, like the logits of
    /// [`Self::read_out`]; `sums` is a row of the gradient.
    fn add_output_sums<V: Lanes>(simd: V::Simd, rows: &[V], outputs: usize, sums: &mut [V::Elem]);

    /// Adds N groups of a row, starting at group `first` of `columns`, to a row of the gradient, summed
    /// over the sequences in their lanes.
    fn add_to_row<V: Lanes, const N: usize>(
        simd: V::Simd,
        groups: &[V; N],
        columns: Columns,
        first: usize,
        row: &mut [V::Elem],
    );

    /// Fills a row with numbers that are the same for every sequence, `padded` to whole groups.
    fn spread<V: Lanes>(simd: V::Simd, padded: &[V::Elem], row: &mut [V]);

    /// Sets lanes beyond a row's `width` numbers to 0.
    fn clear_padding<V: Lanes>(simd: V::Simd, row: &mut [V], width: usize);
}

/// `sums[c] += Σ_t rows[t][c]`, where `sums` starts with a row of the gradient.
#[inline(always)]
pub(crate) fn add_sums<P: Packing, V: Lanes>(
    simd: V::Simd,
    rows: Rows<'_, V>,
    sums: &mut [V::Elem],
) {
    let groups = rows.columns.groups::<P>(V::LEN);
    // Several sums at once: each addition to one sum waits for the one before.
    let whole = groups - groups % AT_ONCE;
    for first in (0..whole).step_by(AT_ONCE) {
        add_block::<P, AT_ONCE, V>(simd, rows, first, sums);
    }
    for first in whole..groups {
        add_block::<P, 1, V>(simd, rows, first, sums);
    }
}

/// Columns summed at once.
const AT_ONCE: usize = 8;

/// [`add_sums`] for N columns starting at `first`.
#[inline(always)]
fn add_block<P: Packing, const N: usize, V: Lanes>(
    simd: V::Simd,
    rows: Rows<'_, V>,
    first: usize,
    sums: &mut [V::Elem],
) {
    let mut totals = [V::splat(simd, crate::lanes::Real::ZERO); N];
    for row in rows.each() {
        let row: &[V; N] = part(row, rows.first + first);
        for c in 0..N {
            totals[c] = totals[c] + row[c];
        }
    }
    P::add_to_row(simd, &totals, rows.columns, first, sums);
}

/// [`Packing::multiply`], compiled once for all callers, like the next two functions: products are
/// large, and inlined into every cell's equations they would be compiled a hundred times.
#[inline(always)]
pub(crate) fn multiply<P: Packing, V: Lanes>(
    simd: V::Simd,
    a: Rows<'_, V>,
    weight: Weight<'_, V::Elem>,
    start: Start<'_, V::Elem>,
    out: RowsMut<'_, V>,
) {
    simd.vectorize(Multiply::<P, V> { a, weight, start, out, packing: PhantomData });
}

struct Multiply<'a, P, V: Lanes> {
    a: Rows<'a, V>,
    weight: Weight<'a, V::Elem>,
    start: Start<'a, V::Elem>,
    out: RowsMut<'a, V>,
    packing: PhantomData<P>,
}

impl<P: Packing, S: Simd, V: Lanes<Simd = S>> Kernel<S> for Multiply<'_, P, V> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        P::multiply(simd, self.a, self.weight, self.start, self.out);
    }
}

/// [`Packing::add_product`]
#[inline(always)]
pub(crate) fn add_product<P: Packing, V: Lanes>(
    simd: V::Simd,
    a: &[V],
    columns: Columns,
    weight: Weight<'_, V::Elem>,
    out: &mut [V],
) {
    simd.vectorize(AddProduct::<P, V> { a, columns, weight, out, packing: PhantomData });
}

struct AddProduct<'a, P, V: Lanes> {
    a: &'a [V],
    columns: Columns,
    weight: Weight<'a, V::Elem>,
    out: &'a mut [V],
    packing: PhantomData<P>,
}

impl<P: Packing, S: Simd, V: Lanes<Simd = S>> Kernel<S> for AddProduct<'_, P, V> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        P::add_product(simd, self.a, self.columns, self.weight, self.out);
    }
}

/// [`Packing::add_outer`]
#[inline(always)]
pub(crate) fn add_outer<P: Packing, V: Lanes>(
    simd: V::Simd,
    a: Rows<'_, V>,
    b: Rows<'_, V>,
    products: Products<'_, V::Elem>,
    scratch: &mut [V],
) {
    simd.vectorize(AddOuter::<P, V> { a, b, products, scratch, packing: PhantomData });
}

struct AddOuter<'a, P, V: Lanes> {
    a: Rows<'a, V>,
    b: Rows<'a, V>,
    products: Products<'a, V::Elem>,
    scratch: &'a mut [V],
    packing: PhantomData<P>,
}

impl<P: Packing, S: Simd, V: Lanes<Simd = S>> Kernel<S> for AddOuter<'_, P, V> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        P::add_outer(simd, self.a, self.b, self.products, self.scratch);
    }
}
