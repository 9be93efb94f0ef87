//! Sums over the lanes of groups that hold sequences side by side.

use super::Columns;
use crate::lanes::Real;
use crate::lanes::simd::{Kernel, Lanes, Simd};

struct ReduceLanes<'a, V: Lanes> {
    lanes: &'a [V],
    columns: Columns,
    sums: &'a mut [V::Elem],
}

/// Sums rows of `columns` over their lanes: into as many padded rows of numbers.
pub(crate) fn reduce_lanes<V: Lanes>(
    simd: V::Simd,
    lanes: &[V],
    columns: Columns,
    sums: &mut [V::Elem],
) {
    simd.vectorize(ReduceLanes { lanes, columns, sums });
}

impl<S: Simd, V: Lanes<Simd = S>> Kernel<S> for ReduceLanes<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let padded = self.columns.width.next_multiple_of(V::LEN);
        let parts = self.lanes.chunks_exact(self.columns.width);
        for (own, sums) in parts.zip(self.sums.chunks_exact_mut(padded)) {
            for (groups, sums) in own.chunks(V::LEN).zip(sums.chunks_exact_mut(V::LEN)) {
                reduce(simd, groups).store(sums);
            }
        }
    }
}

/// The sum over lanes of up to [`Lanes::LEN`] groups, one in each lane of the result.
#[inline(always)]
fn reduce<V: Lanes>(simd: V::Simd, groups: &[V]) -> V {
    let mut block = V::splat(simd, V::Elem::ZERO).block();
    // As many turns as there are groups, so that these stay in registers.
    let own = block.as_mut();
    for i in 0..V::LEN {
        if i < groups.len() {
            own[i] = groups[i];
        }
    }
    V::reduce_add_each(block)
}
