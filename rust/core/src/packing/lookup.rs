//! Categories: the index of the row of the weights to add, in place of a product by a one-hot row.

use super::{Lookups, Packing, Products, Rows, RowsMut, Weight};
use crate::lanes::Real;
use crate::lanes::simd::{Kernel, Lanes, Simd};

/// Columns whose rows are summed before the sum is added: as many indices are kept at a time.
pub(crate) const LOOKED_UP: usize = 16;

/// `out[t] += Σ_c W[code_c of t]`: rows are summed in the order of columns, then the sum is added.
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

/// The row of weights that a category stands for; categories are checked before they reach the engine.
#[inline(always)]
pub(super) fn row_of<T: Real>(code: T) -> usize {
    code.to_index()
}
