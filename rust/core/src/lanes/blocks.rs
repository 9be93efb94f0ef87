//! Cuts any size into blocks of sizes known to the compiler, and loads their registers.
//!
//! Loops, not closures: a closure that is not inlined is compiled without the instruction set.

use crate::lanes::matrix::Vector;
use crate::lanes::simd::Lanes;

/// Cuts `count` into the fewest blocks of at most `most`, of nearly equal width: (first, width) of
/// each. Call it outside loops, as it divides.
#[inline(always)]
pub(crate) fn blocks(count: usize, most: usize) -> Blocks {
    let number = count.div_ceil(most);
    let width = if number > 1 { count / number } else { count };
    Blocks { next: 0, number, width, wider: count - number * width, first: 0 }
}

/// The remaining blocks.
#[derive(Clone, Copy)]
pub(crate) struct Blocks {
    next: usize,
    number: usize,
    width: usize,
    /// How many of the first blocks are wider by one.
    wider: usize,
    first: usize,
}

impl Iterator for Blocks {
    type Item = (usize, usize);

    #[inline(always)]
    fn next(&mut self) -> Option<(usize, usize)> {
        if self.next == self.number {
            return None;
        }
        let block = (self.first, self.width + usize::from(self.next < self.wider));
        self.next += 1;
        self.first += block.1;
        Some(block)
    }
}

/// `by_width!(width <= most, J => call)`: evaluates `call` with the constant `J` equal to `width`,
/// which is from 1 to `most`; `most` is at most 12.
macro_rules! by_width {
    ($width:ident <= $most:expr, $J:ident => $call:expr) => {
        by_width!($width <= $most, $J => $call; 1 2 3 4 5 6 7 8 9 10 11 12)
    };
    ($width:ident <= $most:expr, $J:ident => $call:expr; $($n:literal)*) => {
        match $width {
            // If `most` is a constant, arms beyond it are not compiled.
            $($n if $n <= $most => { const $J: usize = $n; $call })*
            _ => unreachable!("a block is at least one and at most {} wide", $most),
        }
    };
}
pub(crate) use by_width;

/// `J` groups, each with one number in all lanes.
#[inline(always)]
pub(crate) fn splat_each<V: Lanes, const J: usize>(
    simd: V::Simd,
    numbers: &[V::Elem; J],
) -> Vector<J, V> {
    let mut block = Vector([V::splat(simd, numbers[0]); J]);
    for j in 1..J {
        block.0[j] = V::splat(simd, numbers[j]);
    }
    block
}

/// `J` consecutive groups.
#[inline(always)]
pub(crate) fn load_each<V: Lanes, const J: usize>(
    simd: V::Simd,
    numbers: &[V::Elem],
) -> Vector<J, V> {
    let numbers = &numbers[..J * V::LEN];
    let mut block = Vector([V::load(simd, &numbers[..V::LEN]); J]);
    for j in 1..J {
        block.0[j] = V::load(simd, &numbers[j * V::LEN..(j + 1) * V::LEN]);
    }
    block
}

/// The `J` elements starting at `first`.
#[inline(always)]
pub(crate) fn part<T, const J: usize>(row: &[T], first: usize) -> &[T; J] {
    row[first..].first_chunk().expect("the block lies within the row")
}

#[cfg(test)]
mod tests {
    use super::blocks;

    #[test]
    fn blocks_are_few_and_level() {
        assert_eq!(blocks(13, 12).collect::<Vec<_>>(), [(0, 7), (7, 6)]);
        assert_eq!(blocks(10, 12).collect::<Vec<_>>(), [(0, 10)]);
        assert_eq!(blocks(0, 12).count(), 0);
        for count in 1..200 {
            let widths: Vec<usize> = blocks(count, 6).map(|(_, width)| width).collect();
            assert_eq!(widths.iter().sum::<usize>(), count);
            assert!(widths.iter().all(|&w| (1..=6).contains(&w)));
        }
    }
}
