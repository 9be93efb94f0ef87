//! Sums over the lanes of groups that hold sequences side by side.

use crate::lanes::Real;
use crate::lanes::simd::Lanes;

/// Adds the sum over the lanes of each of N groups to as many numbers, the first of `numbers`.
#[inline(always)]
pub(super) fn add_lane_sums<V: Lanes, const N: usize>(
    simd: V::Simd,
    groups: &[V; N],
    numbers: &mut [V::Elem],
) {
    for first in (0..N).step_by(V::LEN) {
        let sums = reduce(simd, groups, first);
        let numbers = &mut numbers[first..];
        // The sums of lanes without a group are 0: whole groups of numbers can be added to, which is
        // faster than a part of one.
        if let Some(numbers) = numbers.get_mut(..V::LEN) {
            (V::load(simd, numbers) + sums).store(numbers);
        } else {
            (V::load_partial(simd, numbers, V::Elem::ZERO) + sums).store_partial(numbers);
        }
    }
}

/// The sums over lanes of the groups from `first` on, up to [`Lanes::LEN`]: one in each lane.
#[inline(always)]
fn reduce<V: Lanes, const N: usize>(simd: V::Simd, groups: &[V; N], first: usize) -> V {
    let mut block = V::splat(simd, V::Elem::ZERO).block();
    // As many turns as there are groups, so that these stay in registers.
    let own = block.as_mut();
    for i in 0..V::LEN {
        if first + i < N {
            own[i] = groups[first + i];
        }
    }
    V::reduce_add_each(block)
}
