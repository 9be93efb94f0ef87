//! A group holds many numbers of one sequence; the parts of a row are padded to whole groups.
//!
//! Inputs of many steps are multiplied at once, and so are weight gradients. Only the recurrence goes
//! step by step, as each step depends on the one before; it uses two independent sums (even and odd
//! units). An output is repeated in all lanes of its group.

use super::lookup::{LOOKED_UP, row_of};
use super::{Columns, Lookups, MOST_LANES, Packing, Products, Rows, RowsMut, Start, Weight};
use crate::lanes::Real;
use crate::lanes::blocks::{blocks, by_width, load_each, part, splat_each};
use crate::lanes::matrix::Vector;
use crate::lanes::simd::{Lanes, Simd, numbers};

/// Several units of one sequence per group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ByUnit;

impl Packing for ByUnit {
    const SEVERAL: bool = false;

    #[inline(always)]
    fn groups(width: usize, lanes: usize) -> usize {
        width.div_ceil(lanes)
    }

    #[inline(always)]
    fn position(columns: Columns, i: usize, _: usize, lanes: usize) -> usize {
        let Columns { parts, width } = columns;
        // Division is slow, and most rows have one part.
        if parts == 1 { i } else { i / width * width.next_multiple_of(lanes) + i % width }
    }

    #[inline(always)]
    fn multiply<V: Lanes>(
        simd: V::Simd,
        a: Rows<'_, V>,
        weight: Weight<'_, V::Elem>,
        start: Start<'_, V::Elem>,
        out: RowsMut<'_, V>,
    ) {
        let steps = a.groups.len() / a.stride;
        let groups = weight.columns.groups::<Self>(V::LEN);
        let mut out = out;
        if steps == 1 {
            // Additions to a single sum would wait for one another: several groups at once.
            for (group, width) in blocks(groups, <V::Simd as Simd>::ACCUMULATORS) {
                by_width!(width <= <V::Simd as Simd>::ACCUMULATORS, G => {
                    multiply_block::<V, 1, G>(simd, (a, 0), (weight, start), group, &mut out);
                });
            }
            return;
        }
        for (top, height) in blocks(steps, <V::Simd as Simd>::ACCUMULATORS) {
            for group in 0..groups {
                by_width!(height <= <V::Simd as Simd>::ACCUMULATORS, J => {
                    multiply_block::<V, J, 1>(simd, (a, top), (weight, start), group, &mut out);
                });
            }
        }
    }

    #[inline(always)]
    fn add_product<V: Lanes>(
        simd: V::Simd,
        a: &[V],
        columns: Columns,
        weight: Weight<'_, V::Elem>,
        out: &mut [V],
    ) {
        let groups = weight.columns.groups::<Self>(V::LEN);
        let own = Self::groups(columns.width, V::LEN);
        for (first, width) in blocks(groups, <V::Simd as Simd>::CHAIN_PAIRS) {
            let out = &mut out[first..first + width];
            by_width!(width <= <V::Simd as Simd>::CHAIN_PAIRS, G => {
                let mut sums: Vector<G, V> = Vector(*out.first_chunk().expect("the block"));
                let mut odd = Vector([V::splat(simd, V::Elem::ZERO); G]);
                let mut rows = weight.rows[first * V::LEN..].chunks(weight.stride);
                for p in 0..columns.parts {
                    let a = &numbers(&a[p * own..(p + 1) * own])[..columns.width];
                    let (pairs, last) = a.as_chunks::<2>();
                    for &[a, b] in pairs {
                        sums.add_scaled(V::splat(simd, a), &load_each(simd, rows.next().expect("a row")));
                        odd.add_scaled(V::splat(simd, b), &load_each(simd, rows.next().expect("a row")));
                    }
                    if let &[a] = last {
                        sums.add_scaled(V::splat(simd, a), &load_each(simd, rows.next().expect("a row")));
                    }
                }
                for g in 0..G {
                    out[g] = sums.0[g] + odd.0[g];
                }
            });
        }
    }

    #[inline(always)]
    fn add_outer<V: Lanes>(
        simd: V::Simd,
        a: Rows<'_, V>,
        b: Rows<'_, V>,
        products: Products<'_, V::Elem>,
        _: &mut [V],
    ) {
        let own = Self::groups(a.columns.width, V::LEN);
        let groups = b.columns.groups::<Self>(V::LEN);
        let mut products = products;
        for p in 0..a.columns.parts {
            for (top, height) in blocks(a.columns.width, <V::Simd as Simd>::ACCUMULATORS) {
                let from = (a.first + p * own) * V::LEN + top;
                let row = p * a.columns.width + top;
                by_width!(height <= <V::Simd as Simd>::ACCUMULATORS, R => {
                    for group in 0..groups {
                        add_outer_block::<V, R>(simd, (a, from), (b, group), row, &mut products);
                    }
                });
            }
        }
    }

    #[inline(always)]
    fn add_lookups<V: Lanes>(
        simd: V::Simd,
        lookups: Lookups<'_, V>,
        weight: Weight<'_, V::Elem>,
        out: RowsMut<'_, V>,
    ) {
        let groups = weight.columns.groups::<Self>(V::LEN);
        for (row, out_row) in lookups.rows.each().zip(out.groups.chunks_mut(out.stride)) {
            let codes = &numbers(&row[lookups.rows.first..])[lookups.numbers..][..lookups.count];
            for codes in codes.chunks(LOOKED_UP) {
                for (group, own) in out_row[out.first..][..groups].iter_mut().enumerate() {
                    let part = |code: V::Elem| {
                        let start = row_of(code) * weight.stride + group * V::LEN;
                        V::load(simd, &weight.rows[start..][..V::LEN])
                    };
                    let mut sum = part(codes[0]);
                    for &code in &codes[1..] {
                        sum = sum + part(code);
                    }
                    *own = *own + sum;
                }
            }
        }
    }

    #[inline(always)]
    fn add_at_lookups<V: Lanes>(
        simd: V::Simd,
        lookups: Lookups<'_, V>,
        b: Rows<'_, V>,
        products: Products<'_, V::Elem>,
    ) {
        let Products { numbers: sums, stride } = products;
        let groups = b.columns.groups::<Self>(V::LEN);
        for (row, b_row) in lookups.rows.each().zip(b.each()) {
            let codes = &numbers(&row[lookups.rows.first..])[lookups.numbers..][..lookups.count];
            for &code in codes {
                let sums = &mut sums[row_of(code) * stride..][..groups * V::LEN];
                let b = &b_row[b.first..][..groups];
                for (sums, &b) in sums.chunks_exact_mut(V::LEN).zip(b) {
                    (V::load(simd, sums) + b).store(sums);
                }
            }
        }
    }

    #[inline(always)]
    fn read_out<V: Lanes>(
        simd: V::Simd,
        state: Rows<'_, V>,
        weight: Weight<'_, V::Elem>,
        bias: &[V::Elem],
        logits: &mut [V],
    ) {
        let groups = state.columns.groups::<Self>(V::LEN);
        for (logits, row) in logits.chunks_mut(bias.len()).zip(state.each()) {
            let row = &row[state.first..state.first + groups];
            for (l, logit) in logits.iter_mut().enumerate() {
                let weights = &weight.rows[l * weight.stride..][..groups * V::LEN];
                let mut sum = V::splat(simd, V::Elem::ZERO);
                for (&h, w) in row.iter().zip(weights.chunks_exact(V::LEN)) {
                    sum = h.fma(V::load(simd, w), sum);
                }
                *logit = V::splat(simd, sum.reduce_add() + bias[l]);
            }
        }
    }

    #[inline(always)]
    fn add_output_sums<V: Lanes>(simd: V::Simd, rows: &[V], outputs: usize, sums: &mut [V::Elem]) {
        for l in 0..outputs {
            let mut total = V::splat(simd, V::Elem::ZERO);
            for row in rows.chunks_exact(outputs) {
                total = total + row[l];
            }
            sums[l] += total.first();
        }
    }

    #[inline(always)]
    fn add_to_row<V: Lanes, const N: usize>(
        simd: V::Simd,
        groups: &[V; N],
        _: Columns,
        first: usize,
        row: &mut [V::Elem],
    ) {
        let row = &mut row[first * V::LEN..][..N * V::LEN];
        for (numbers, &group) in row.chunks_exact_mut(V::LEN).zip(groups) {
            (V::load(simd, numbers) + group).store(numbers);
        }
    }

    #[inline(always)]
    fn spread<V: Lanes>(simd: V::Simd, padded: &[V::Elem], row: &mut [V]) {
        for (group, own) in row.iter_mut().zip(padded.chunks_exact(V::LEN)) {
            *group = V::load(simd, own);
        }
    }

    #[inline(always)]
    fn clear_padding<V: Lanes>(simd: V::Simd, row: &mut [V], width: usize) {
        let last = row.len() - 1;
        let zero = V::splat(simd, V::Elem::ZERO);
        row[last] = V::select(padding::<V>(simd, width), zero, row[last]);
    }
}

/// The lanes beyond the `width` numbers of a row, in its last group.
#[inline(always)]
pub(crate) fn padding<V: Lanes>(simd: V::Simd, width: usize) -> V::Mask {
    let used = &[V::Elem::ONE; MOST_LANES][..(width - 1) % V::LEN + 1];
    let zero = V::splat(simd, V::Elem::ZERO);
    V::load_partial(simd, used, V::Elem::ZERO).eq(zero)
}

/// G groups of a product by weights, starting at group `group`, for J steps at once.
#[inline(always)]
fn multiply_block<V: Lanes, const J: usize, const G: usize>(
    simd: V::Simd,
    (a, top): (Rows<'_, V>, usize),
    (weight, start): (Weight<'_, V::Elem>, Start<'_, V::Elem>),
    group: usize,
    out: &mut RowsMut<'_, V>,
) {
    let own = ByUnit::groups(a.columns.width, V::LEN);
    let mut sums = [Vector([V::splat(simd, V::Elem::ZERO); G]); J];
    match start {
        Start::Zero => {}
        Start::Bias(bias) => sums = [load_each(simd, &bias[group * V::LEN..]); J],
        Start::Present => {
            for t in 0..J {
                sums[t] = Vector(*part(out.groups, (top + t) * out.stride + out.first + group));
            }
        }
    }
    let mut rows = weight.rows[group * V::LEN..].chunks(weight.stride);
    for p in 0..a.columns.parts {
        let mut steps: [&[V::Elem]; J] = [&[]; J];
        for t in 0..J {
            let first = (top + t) * a.stride + a.first + p * own;
            steps[t] = &numbers(&a.groups[first..first + own])[..a.columns.width];
        }
        for k in 0..a.columns.width {
            let row: Vector<G, V> = load_each(simd, rows.next().expect("a row"));
            for t in 0..J {
                sums[t].add_scaled(V::splat(simd, steps[t][k]), &row);
            }
        }
    }
    for t in 0..J {
        out.groups[(top + t) * out.stride + out.first + group..][..G].copy_from_slice(&sums[t].0);
    }
}

/// R rows of one group of a product over steps, starting at number `from` of the rows of `a`.
#[inline(always)]
fn add_outer_block<V: Lanes, const R: usize>(
    simd: V::Simd,
    (a, from): (Rows<'_, V>, usize),
    (b, group): (Rows<'_, V>, usize),
    row: usize,
    products: &mut Products<'_, V::Elem>,
) {
    let mut sums = Vector([V::splat(simd, V::Elem::ZERO); R]);
    let mut b_rows = b.each();
    for a_row in a.each() {
        let b_row = b_rows.next().expect("as many rows");
        sums.add_scaled(b_row[b.first + group], &splat_each(simd, part(numbers(a_row), from)));
    }
    // Summed from zero and then added, to lose fewer digits in long sums.
    for r in 0..R {
        let own = &mut products.numbers[(row + r) * products.stride + group * V::LEN..][..V::LEN];
        (V::load(simd, own) + sums.0[r]).store(own);
    }
}
