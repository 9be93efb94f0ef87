//! How numbers lie in groups of lanes, and the products that depend on it.
//!
//! Elementwise code works on rows of groups and need not know what the lanes are. Products by weights
//! must, and are written once for each *packing*:
//!
//! | packing | a group holds | used for |
//! |---|---|---|
//! | [`BySequence`] | the same number of many sequences | mini-batches |
//! | [`ByUnit`] | many numbers of one sequence | one sequence at a time |

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

/// The numbers of a row: `parts` (gates, directions, outputs), each of `width` numbers that lie
/// side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(crate) parts: usize,
    pub(crate) width: usize,
}

impl Columns {
    pub(crate) const fn new(parts: usize, width: usize) -> Self {
        Self { parts, width }
    }

    /// The numbers, of one sequence.
    pub(crate) const fn len(self) -> usize {
        self.parts * self.width
    }

    /// The groups of a row that a packing makes of them, with so many lanes in a group.
    #[inline(always)]
    pub(crate) fn groups<P: Packing>(self, lanes: usize) -> usize {
        self.parts * P::groups(self.width, lanes)
    }

    /// The groups of a padded row of weights.
    #[inline(always)]
    pub(crate) fn padded_groups(self, lanes: usize) -> usize {
        self.parts * self.width.div_ceil(lanes)
    }

    /// Where the numbers of such a group are in a row without padding, and how many it has.
    #[inline(always)]
    pub(crate) fn block(self, group: usize, lanes: usize) -> (usize, usize) {
        let (part, block) =
            (group / self.width.div_ceil(lanes), group % self.width.div_ceil(lanes));
        let first = block * lanes;
        (part * self.width + first, (self.width - first).min(lanes))
    }

    /// Parts without padding lie side by side in rows of weights too: together they can be cut into
    /// fewer blocks.
    #[inline(always)]
    pub(crate) fn joined(self, lanes: usize) -> Self {
        if self.width.is_multiple_of(lanes) { Self::new(1, self.len()) } else { self }
    }
}

/// Some columns of rows of groups, one row per step.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a, V> {
    /// All groups of all rows.
    pub(crate) groups: &'a [V],
    /// Groups of a row.
    pub(crate) stride: usize,
    /// The group in a row at which the columns begin.
    pub(crate) first: usize,
    pub(crate) columns: Columns,
}

impl<'a, V> Rows<'a, V> {
    /// The rows, one by one. Not `chunks_exact`, which divides: for a block of a few steps a
    /// division takes as long as the block.
    #[inline(always)]
    pub(crate) fn each(&self) -> std::slice::Chunks<'a, V> {
        self.groups.chunks(self.stride)
    }
}

/// The same, to be written.
pub(crate) struct RowsMut<'a, V> {
    pub(crate) groups: &'a mut [V],
    pub(crate) stride: usize,
    pub(crate) first: usize,
}

/// Weights as they lie in a layout: a row of padded parts for each number they multiply.
#[derive(Clone, Copy)]
pub(crate) struct Weight<'a, T> {
    /// From the first column that is wanted.
    pub(crate) rows: &'a [T],
    /// Numbers of a padded row.
    pub(crate) stride: usize,
    /// The columns that are wanted.
    pub(crate) columns: Columns,
    /// The same numbers once more, in the order of [`Packing::add_product`]'s blocks.
    pub(crate) panel: Option<Panel<'a, T>>,
}

impl<T> Weight<'_, T> {
    /// Without the first rows.
    #[inline(always)]
    pub(crate) fn skip_rows(self, rows: usize) -> Self {
        Self { rows: &self.rows[rows * self.stride..], panel: None, ..self }
    }
}

/// Weights in panels: of each block of columns of a part all rows, one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Panel<'a, T> {
    /// From the first column that is wanted.
    pub(crate) numbers: &'a [T],
    /// Rows of a panel, and the first that is wanted.
    pub(crate) rows: usize,
    pub(crate) first: usize,
}

/// What a product is added to.
#[derive(Clone, Copy)]
pub(crate) enum Start<'a, T> {
    /// Nothing.
    Zero,
    /// A padded row of numbers, as the weights have them.
    Bias(&'a [T]),
    /// What is there.
    Present,
}

/// Padded rows of a gradient, as the weights have them, that products over steps are added to.
pub(crate) struct Products<'a, T> {
    /// From the first number that is wanted to the end of the gradient.
    pub(crate) numbers: &'a mut [T],
    /// Numbers of a row.
    pub(crate) stride: usize,
}

/// Where the numbers of rows stand: behind the first `numbers` columns of `rows`, in each of its steps.
#[derive(Clone, Copy)]
pub(crate) struct Lookups<'a, V> {
    pub(crate) rows: Rows<'a, V>,
    /// Columns before.
    pub(crate) numbers: usize,
    /// Columns that are numbers of rows.
    pub(crate) count: usize,
}

impl<'a, V> Lookups<'a, V> {
    /// The groups of a row that are categories, where a group is of one column.
    #[inline(always)]
    fn of(&self, row: &'a [V]) -> &'a [V] {
        &row[self.rows.first + self.numbers..][..self.count]
    }
}

/// Where the lanes of a group come from, and the products that depend on it.
///
/// Sums of the forward pass run in one order, whatever the packing: bias, inputs, the even units of
/// the state; then the sum of the odd units, which is computed separately. So predictions have the
/// same bits in either packing.
pub(crate) trait Packing: Copy + Send + Sync + 'static {
    /// Whether the lanes of a group belong to several sequences, each with its own starts.
    const SEVERAL: bool;

    /// The groups that `width` numbers of one sequence take, with so many lanes in a group.
    fn groups(width: usize, lanes: usize) -> usize;

    /// Where number `i` of `columns` lies in a row seen as numbers, for the sequence in `lane`.
    fn position(columns: Columns, i: usize, lane: usize, lanes: usize) -> usize;

    /// `out[t] = start + W a[t]` for every row.
    fn multiply<V: Lanes>(
        simd: V::Simd,
        a: Rows<'_, V>,
        weight: Weight<'_, V::Elem>,
        start: Start<'_, V::Elem>,
        out: RowsMut<'_, V>,
    );

    /// `out += W a` for one row: `a` has all groups of `columns`, `out` those of the weight's.
    fn add_product<V: Lanes>(
        simd: V::Simd,
        a: &[V],
        columns: Columns,
        weight: Weight<'_, V::Elem>,
        out: &mut [V],
    );

    /// `products[r] += Σ_t a[t][r] b[t]`; `scratch` may have [`copies`].
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

    /// `sums[l] += Σ_t rows[t][l]` for rows with one part per output, as [`Self::read_out`] has
    /// them, where `sums` is a row of the gradient.
    fn add_output_sums<V: Lanes>(simd: V::Simd, rows: &[V], outputs: usize, sums: &mut [V::Elem]);

    /// Adds N groups of a row, from group `first` of `columns` on, to the row of a gradient: sums over
    /// the sequences in their lanes.
    fn add_to_row<V: Lanes, const N: usize>(
        simd: V::Simd,
        groups: &[V; N],
        columns: Columns,
        first: usize,
        row: &mut [V::Elem],
    );

    /// Sets a row to numbers that are the same for every sequence, `padded` to whole groups.
    fn spread<V: Lanes>(simd: V::Simd, padded: &[V::Elem], row: &mut [V]);

    /// Sets lanes beyond a row's `width` numbers to 0.
    fn clear_padding<V: Lanes>(simd: V::Simd, row: &mut [V], width: usize);
}

/// `sums[c] += Σ_t rows[t][c]`, where `sums` begins with a row of the gradient.
#[inline(always)]
pub(crate) fn add_sums<P: Packing, V: Lanes>(
    simd: V::Simd,
    rows: Rows<'_, V>,
    sums: &mut [V::Elem],
) {
    let groups = rows.columns.groups::<P>(V::LEN);
    // Several sums at once, as additions wait for the one before.
    let whole = groups - groups % AT_ONCE;
    for first in (0..whole).step_by(AT_ONCE) {
        add_block::<P, AT_ONCE, V>(simd, rows, first, sums);
    }
    for first in whole..groups {
        add_block::<P, 1, V>(simd, rows, first, sums);
    }
}

/// Columns that are summed up at once.
const AT_ONCE: usize = 8;

/// [`add_sums`] for N columns from `first` on.
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

/// [`Packing::multiply`], compiled once for all of its callers, as are the next two: products are
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
