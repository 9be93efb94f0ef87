//! Categories: a number that says which row of the weights is added, in place of a product by a row of
//! zeros and a one.

use super::{Lookups, MOST_LANES, Packing, Products, Rows, RowsMut, Weight};
use crate::lanes::Real;
use crate::lanes::simd::{Kernel, Lanes, Simd, numbers};

/// Columns that are summed up before the sum is added: so many numbers of rows are kept at a time.
pub(crate) const LOOKED_UP: usize = 8;

/// Where the row of each category begins, by column and lane.
#[inline(always)]
pub(super) fn starts_by_lane<V: Lanes>(
    codes: &[V],
    stride: usize,
) -> [[usize; MOST_LANES]; LOOKED_UP] {
    let mut starts = [[0; MOST_LANES]; LOOKED_UP];
    for (starts, code) in starts.iter_mut().zip(codes) {
        for (start, &code) in starts.iter_mut().zip(numbers(std::slice::from_ref(code))) {
            *start = row_of(code) * stride;
        }
    }
    starts
}

/// `out[t] += Σ_c W[code_c of t]`: rows are summed up in the order of columns, and then added.
#[inline(always)]
pub(crate) fn look_up<P: Packing, V: Lanes>(
    simd: V::Simd,
    lookups: Lookups<'_, V>,
    weight: Weight<'_, V::Elem>,
    out: RowsMut<'_, V>,
) {
    if lookups.count > 0 {
        simd.vectorize(AddLookups::<P, V> {
            lookups,
            weight,
            out,
            packing: std::marker::PhantomData,
        });
    }
}

struct AddLookups<'a, P, V: Lanes> {
    lookups: Lookups<'a, V>,
    weight: Weight<'a, V::Elem>,
    out: RowsMut<'a, V>,
    packing: std::marker::PhantomData<P>,
}

impl<P: Packing, S: Simd, V: Lanes<Simd = S>> Kernel<S> for AddLookups<'_, P, V> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        P::add_lookups(simd, self.lookups, self.weight, self.out);
    }
}

/// `products[code_c of t] += b[t]` for every step and column.
#[inline(always)]
pub(crate) fn look_up_gradient<P: Packing, V: Lanes>(
    simd: V::Simd,
    lookups: Lookups<'_, V>,
    b: Rows<'_, V>,
    products: Products<'_, V::Elem>,
) {
    if lookups.count > 0 {
        simd.vectorize(AddAtLookups::<P, V> {
            lookups,
            b,
            products,
            packing: std::marker::PhantomData,
        });
    }
}

struct AddAtLookups<'a, P, V: Lanes> {
    lookups: Lookups<'a, V>,
    b: Rows<'a, V>,
    products: Products<'a, V::Elem>,
    packing: std::marker::PhantomData<P>,
}

impl<P: Packing, S: Simd, V: Lanes<Simd = S>> Kernel<S> for AddAtLookups<'_, P, V> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        P::add_at_lookups(simd, self.lookups, self.b, self.products);
    }
}

/// The row of weights that a number stands for; numbers are checked before they reach the engine.
#[inline(always)]
pub(super) fn row_of<T: Real>(code: T) -> usize {
    code.to_index()
}

/// A block of groups, of which those that lie within a part are of `row` from `first` on, and others 0.
#[inline(always)]
pub(super) fn block_of<V: Lanes>(simd: V::Simd, row: &[V], width: usize) -> V::Block {
    let mut block = V::splat(simd, V::Elem::ZERO).block();
    for i in 0..V::LEN {
        if i < width {
            block.as_mut()[i] = row[i];
        }
    }
    block
}
