//! Lookups of rows of weights if the lanes of a group are sequences: each lane has a row of its own.

use super::lookup::LOOKED_UP;
use super::{Columns, Lookups, MOST_LANES, Products, Rows, RowsMut, Weight};
use crate::lanes::Real;
use crate::lanes::blocks::{blocks, by_width, load_each};
use crate::lanes::simd::Lanes;

/// Where the row of each lane's category starts. The layout ensures that 32 bits are enough.
type Starts = [u32; MOST_LANES];

/// The starts for some columns, with `stride` numbers from one row to the next.
#[inline(always)]
fn set_starts<V: Lanes>(starts: &mut [Starts], codes: &[V], stride: usize) {
    for (starts, code) in starts.iter_mut().zip(codes) {
        code.store_offsets(stride as u32, &mut starts[..V::LEN]);
    }
}

/// Block by block, all steps for each, so that the looked-up part of wide rows stays in a near cache.
#[inline(always)]
pub(super) fn add_lookups<V: Lanes>(
    simd: V::Simd,
    lookups: Lookups<'_, V>,
    weight: Weight<'_, V::Elem>,
    out: RowsMut<'_, V>,
) {
    let mut out = out;
    for (first, count) in blocks(weight.columns.padded_groups(V::LEN), MOST_BLOCKS) {
        by_width!(count <= MOST_BLOCKS, G => {
            add_block_of_rows::<V, G>(simd, lookups, (weight, first), &mut out);
        });
    }
}

/// Group by group: the products stay in a near cache, and what is added for all columns of a step stays
/// in registers.
#[inline(always)]
pub(super) fn add_at_lookups<V: Lanes>(
    simd: V::Simd,
    lookups: Lookups<'_, V>,
    b: Rows<'_, V>,
    products: Products<'_, V::Elem>,
) {
    let mut starts = [[0; MOST_LANES]; LOOKED_UP];
    for group in 0..b.columns.padded_groups(V::LEN) {
        let (from, width) = b.columns.block(group, V::LEN);
        let sums = &mut products.numbers[group * V::LEN..];
        for (row, b_row) in lookups.rows.each().zip(b.each()) {
            let mut by_lane = block_of(simd, &b_row[b.first + from..], width);
            V::transpose(&mut by_lane);
            for codes in lookups.of(row).chunks(LOOKED_UP) {
                // All starts first: extracting them one by one would take up store slots.
                set_starts(&mut starts, codes, products.stride);
                for starts in &starts[..codes.len()] {
                    add_at::<V>(simd, by_lane.as_ref(), starts, sums);
                }
            }
        }
    }
}

/// Groups of a row looked up at once.
const MOST_BLOCKS: usize = 2;

/// For each lane, G groups of a row starting at the same column.
type LaneRows<V, const G: usize> = [[V; G]; MOST_LANES];

/// `Packing::add_lookups` for G groups of a padded row, starting at `first`: transposes one row per
/// sequence into columns.
#[inline(always)]
fn add_block_of_rows<V: Lanes, const G: usize>(
    simd: V::Simd,
    lookups: Lookups<'_, V>,
    (weight, first): (Weight<'_, V::Elem>, usize),
    out: &mut RowsMut<'_, V>,
) {
    let mut starts = [[0; MOST_LANES]; LOOKED_UP];
    for (row, out_row) in lookups.rows.each().zip(out.groups.chunks_mut(out.stride)) {
        for codes in lookups.of(row).chunks(LOOKED_UP) {
            set_starts(&mut starts, codes, weight.stride);
            let starts = &starts[..codes.len()];
            let sums = sums_of_rows::<V, G>(simd, weight.rows, starts, first * V::LEN);
            add_columns::<V, G>(simd, &sums, (weight.columns, first), &mut out_row[out.first..]);
        }
    }
}

/// The sum of the rows that start at `starts`, by column and lane.
#[inline(always)]
fn sums_of_rows<V: Lanes, const G: usize>(
    simd: V::Simd,
    rows: &[V::Elem],
    starts: &[Starts],
    from: usize,
) -> LaneRows<V, G> {
    let rows = &rows[from..];
    let mut sums = [[V::splat(simd, V::Elem::ZERO); G]; MOST_LANES];
    for lane in 0..V::LEN {
        let mut own = row_part::<V, G>(simd, rows, starts[0][lane]);
        for starts in &starts[1..] {
            let more = row_part::<V, G>(simd, rows, starts[lane]);
            for g in 0..G {
                own[g] = own[g] + more[g];
            }
        }
        sums[lane] = own;
    }
    sums
}

/// G groups starting at number `start`.
#[inline(always)]
fn row_part<V: Lanes, const G: usize>(simd: V::Simd, rows: &[V::Elem], start: u32) -> [V; G] {
    let start = start as usize;
    load_each::<V, G>(simd, &rows[start..start + G * V::LEN]).0
}

/// Transposes rows into columns and adds these, starting at block `first` of a padded row.
#[inline(always)]
fn add_columns<V: Lanes, const G: usize>(
    simd: V::Simd,
    rows: &LaneRows<V, G>,
    (columns, first): (Columns, usize),
    out: &mut [V],
) {
    for g in 0..G {
        let mut block = V::splat(simd, V::Elem::ZERO).block();
        for lane in 0..V::LEN {
            block.as_mut()[lane] = rows[lane][g];
        }
        V::transpose(&mut block);
        let (to, width) = columns.block(first + g, V::LEN);
        for (own, &sum) in out[to..to + width].iter_mut().zip(block.as_ref()) {
            *own = *own + sum;
        }
    }
}

/// Adds each lane's group to the row at that lane's start.
#[inline(always)]
fn add_at<V: Lanes>(simd: V::Simd, by_lane: &[V], starts: &Starts, rows: &mut [V::Elem]) {
    for lane in 0..V::LEN {
        let start = starts[lane] as usize;
        let own = &mut rows[start..start + V::LEN];
        (V::load(simd, own) + by_lane[lane]).store(own);
    }
}

/// A block of groups: the first `width` are from `row`, the others 0.
#[inline(always)]
fn block_of<V: Lanes>(simd: V::Simd, row: &[V], width: usize) -> V::Block {
    let mut block = V::splat(simd, V::Elem::ZERO).block();
    for i in 0..V::LEN {
        if i < width {
            block.as_mut()[i] = row[i];
        }
    }
    block
}
