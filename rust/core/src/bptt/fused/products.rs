//! Products of one sequence, for rows of G groups.

use crate::lanes::Real;
use crate::lanes::blocks::{by_width, load_each, part};
use crate::lanes::matrix::{Matrix, Vector};
use crate::lanes::simd::{Lanes, Simd, halves_of, numbers, numbers_mut};
use crate::packing::LOOKED_UP;

/// The most steps whose inputs are multiplied at once, each with sums of its own.
const MOST_STEPS: usize = 6;

/// Rows of numbers, one per step; categories may follow the numbers of a row.
#[derive(Clone, Copy)]
pub(super) struct Table<'a, T> {
    pub(super) numbers: &'a [T],
    pub(super) stride: usize,
    pub(super) columns: usize,
}

impl<'a, T> Table<'a, T> {
    /// What follows the numbers of each step.
    #[inline(always)]
    fn categories(self) -> impl Iterator<Item = &'a [T]> {
        self.numbers.chunks_exact(self.stride).map(move |row| &row[self.columns..])
    }
}

/// `out[t] += Σ_c W[code_c of t]`
#[inline(always)]
pub(super) fn add_lookups<const G: usize, V: Lanes>(
    simd: V::Simd,
    x: Table<'_, V::Elem>,
    rows: &[V::Elem],
    out: &mut [[V; G]],
) {
    if x.stride == x.columns {
        return;
    }
    for (codes, out) in x.categories().zip(out) {
        for codes in codes.chunks(LOOKED_UP) {
            let row = |code: V::Elem| -> Vector<G, V> {
                load_each(simd, &rows[code.to_index() * G * V::LEN..])
            };
            let mut sums = row(codes[0]);
            for &code in &codes[1..] {
                let row = row(code);
                for g in 0..G {
                    sums.0[g] = sums.0[g] + row.0[g];
                }
            }
            for g in 0..G {
                out[g] = out[g] + sums.0[g];
            }
        }
    }
}

/// `products[code_c of t] += b[t]`.
#[inline(always)]
pub(super) fn add_at_lookups<const G: usize, V: Lanes>(
    x: Table<'_, V::Elem>,
    b: &[[V; G]],
    products: &mut [V],
) {
    if x.stride == x.columns {
        return;
    }
    let products = products.as_chunks_mut::<G>().0;
    for (codes, b) in x.categories().zip(b) {
        for &code in codes {
            let own = &mut products[code.to_index()];
            for g in 0..G {
                own[g] = own[g] + b[g];
            }
        }
    }
}

/// Whether the groups of a row are computed one at a time: if a group takes several registers, the sums
/// of a block for whole rows would leave none for the broadcast number.
const fn group_by_group<V: Lanes>() -> bool {
    halves_of::<V>() > 1
}

/// Rows whose sums stay in registers.
const fn most_rows<const G: usize, V: Lanes>() -> usize {
    <V::Simd as Simd>::ACCUMULATORS / if group_by_group::<V>() { 1 } else { G }
}

/// `out[t] = bias + W a[t]`
#[inline(always)]
pub(super) fn multiply<const G: usize, V: Lanes>(
    simd: V::Simd,
    a: Table<'_, V::Elem>,
    (rows, bias): (&[V::Elem], &[V::Elem]),
    out: &mut [[V; G]],
) {
    for (block, out) in out.chunks_mut(MOST_STEPS).enumerate() {
        let top = block * MOST_STEPS;
        let height = out.len();
        by_width!(height <= MOST_STEPS, J => {
            let out: &mut [[V; G]; J] = out.first_chunk_mut().expect("the block");
            // For a single step, all groups at once: additions to one sum would wait for one another.
            if group_by_group::<V>() && J > 1 {
                for first in 0..G {
                    multiply_block::<G, 1, J, V>(simd, (a, top), (rows, bias, first), out);
                }
            } else {
                multiply_block::<G, G, J, V>(simd, (a, top), (rows, bias, 0), out);
            }
        });
    }
}

/// [`multiply`] for J steps and K groups of a row, starting at `first`.
#[inline(always)]
fn multiply_block<const G: usize, const K: usize, const J: usize, V: Lanes>(
    simd: V::Simd,
    (a, top): (Table<'_, V::Elem>, usize),
    (rows, bias, first): (&[V::Elem], &[V::Elem], usize),
    out: &mut [[V; G]; J],
) {
    let mut steps: [&[V::Elem]; J] = [&[]; J];
    for t in 0..J {
        steps[t] = &a.numbers[(top + t) * a.stride..][..a.columns];
    }
    let mut sums = [load_each::<V, K>(simd, &bias[first * V::LEN..]); J];
    for k in 0..a.columns {
        let row = load_each(simd, &rows[(k * G + first) * V::LEN..]);
        for t in 0..J {
            sums[t].add_scaled(V::splat(simd, steps[t][k]), &row);
        }
    }
    for t in 0..J {
        out[t][first..first + K].copy_from_slice(&sums[t].0);
    }
}

/// `sums += W a`: one sum for the even numbers of `a`, one for the odd. They are read from memory:
/// extracted from a register at a variable index, each would take a shuffle of its own.
#[inline(always)]
pub(super) fn add_product<const G: usize, V: Lanes>(
    simd: V::Simd,
    a: &[V::Elem],
    rows: &[V::Elem],
    sums: &mut [V; G],
) {
    let (mut even, mut odd) = (Vector(*sums), Vector([V::splat(simd, V::Elem::ZERO); G]));
    let pairs = a.chunks_exact(2);
    let last = pairs.remainder().first();
    for (a, rows) in pairs.zip(rows.chunks_exact(2 * G * V::LEN)) {
        even.add_scaled(V::splat(simd, a[0]), &load_each(simd, &rows[..G * V::LEN]));
        odd.add_scaled(V::splat(simd, a[1]), &load_each(simd, &rows[G * V::LEN..]));
    }
    if let Some(&last) = last {
        let row = load_each(simd, &rows[(a.len() - 1) * G * V::LEN..]);
        even.add_scaled(V::splat(simd, last), &row);
    }
    for g in 0..G {
        sums[g] = even.0[g] + odd.0[g];
    }
}

/// `out[t][l] = bias[l] + W[l] · states[t]`, with the outputs of all steps contiguous.
#[inline(always)]
pub(super) fn read_out<const G: usize, V: Lanes>(
    simd: V::Simd,
    states: &[[V; G]],
    (rows, bias): (&[V::Elem], &[V::Elem]),
    out: &mut [V],
) {
    for (l, &b) in bias.iter().enumerate() {
        let row: Vector<G, V> = load_each(simd, &rows[l * G * V::LEN..]);
        for (number, states) in states.chunks(V::LEN).enumerate() {
            let mut block = V::splat(simd, V::Elem::ZERO).block();
            let sums = block.as_mut();
            // A loop over a fixed number of sums, so that these stay in registers.
            for i in 0..V::LEN {
                if i < states.len() {
                    for g in 0..G {
                        sums[i] = states[i][g].fma(row.0[g], sums[i]);
                    }
                }
            }
            let logits = V::reduce_add_each(block) + V::splat(simd, b);
            if bias.len() == 1 {
                out[number] = logits;
                continue;
            }
            let out = numbers_mut(out)[number * V::LEN * bias.len() + l..].iter_mut();
            for (own, &logit) in out.step_by(bias.len()).zip(&numbers(&[logits])[..states.len()]) {
                *own = logit;
            }
        }
    }
}

/// Transposes rows of weights into columns, one square block at a time.
#[inline(always)]
pub(super) fn transpose<const G: usize, V: Lanes>(
    simd: V::Simd,
    (rows, count): (&[V::Elem], usize),
    columns: &mut [V],
) {
    for top in 0..G {
        let rows = &rows[top * V::LEN * G * V::LEN..];
        for left in 0..G {
            let mut block = V::splat(simd, V::Elem::ZERO).block();
            for i in 0..V::LEN {
                if top * V::LEN + i < count {
                    block.as_mut()[i] = V::load(simd, &rows[(i * G + left) * V::LEN..][..V::LEN]);
                }
            }
            V::transpose(&mut block);
            let columns = &mut columns[left * V::LEN * G..][..V::LEN * G];
            for i in 0..V::LEN {
                columns[i * G + top] = block.as_ref()[i];
            }
        }
    }
}

/// `products[r] += Σ_t a[t][r] b[t]`, over the steps of `b`.
#[inline(always)]
pub(super) fn add_outer<const G: usize, V: Lanes>(
    simd: V::Simd,
    a: Table<'_, V::Elem>,
    b: &[[V; G]],
    products: &mut [V],
) {
    let products = &mut products.as_chunks_mut::<G>().0[..a.columns];
    for (block, products) in products.chunks_mut(most_rows::<G, V>()).enumerate() {
        let (top, height) = (block * most_rows::<G, V>(), products.len());
        by_width!(height <= most_rows::<G, V>(), R => {
            let products: &mut [[V; G]; R] = products.first_chunk_mut().expect("the block");
            if group_by_group::<V>() {
                for first in 0..G {
                    add_outer_block::<G, 1, R, V>(simd, (a, top), (b, first), products);
                }
            } else {
                add_outer_block::<G, G, R, V>(simd, (a, top), (b, 0), products);
            }
        });
    }
}

/// [`add_outer`] for R rows and K groups of each, starting at `first`.
#[inline(always)]
fn add_outer_block<const G: usize, const K: usize, const R: usize, V: Lanes>(
    simd: V::Simd,
    (a, top): (Table<'_, V::Elem>, usize),
    (b, first): (&[[V; G]], usize),
    products: &mut [[V; G]; R],
) {
    let mut sums: Matrix<R, K, V> = Matrix([[V::splat(simd, V::Elem::ZERO); K]; R]);
    let mut from = top;
    for b in b {
        let (row, b) = (&a.numbers[from..from + R], part::<V, K>(b, first));
        for r in 0..R {
            for k in 0..K {
                sums.0[r][k] = b[k].fma(V::splat(simd, row[r]), sums.0[r][k]);
            }
        }
        from += a.stride;
    }
    // Summed from zero and then added, to lose fewer digits in long sums.
    for r in 0..R {
        for (own, &sum) in products[r][first..first + K].iter_mut().zip(&sums.0[r]) {
            *own = *own + sum;
        }
    }
}
