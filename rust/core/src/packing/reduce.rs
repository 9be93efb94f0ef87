//! Sums over the lanes of groups, if lanes are sequences.

use crate::lanes::Real;
use crate::lanes::simd::Lanes;

/// Adds the sum over the lanes of each of N groups to the first N of `numbers`.
#[inline(always)]
pub(super) fn add_lane_sums<V: Lanes, const N: usize>(
    simd: V::Simd,
    groups: &[V; N],
    numbers: &mut [V::Elem],
) {
    for first in (0..N).step_by(V::LEN) {
        let sums = reduce(simd, groups, first);
        let numbers = &mut numbers[first..];
        // The sums of lanes without a group are 0, so a whole group of numbers can be added to, which
        // is faster than part of one.
        if let Some(numbers) = numbers.get_mut(..V::LEN) {
            (V::load(simd, numbers) + sums).store(numbers);
        } else {
            (V::load_partial(simd, numbers, V::Elem::ZERO) + sums).store_partial(numbers);
        }
    }
}

/// Sums over the lanes of up to [`Lanes::LEN`] groups starting at `first`: one sum in each lane.
#[inline(always)]
fn reduce<V: Lanes, const N: usize>(simd: V::Simd, groups: &[V; N], first: usize) -> V {
    let mut block = V::splat(simd, V::Elem::ZERO).block();
    // A loop over a fixed number of groups, so that these stay in registers.
    let own = block.as_mut();
    for i in 0..V::LEN {
        if first + i < N {
            own[i] = groups[first + i];
        }
    }
    V::reduce_add_each(block)
}
