//! The generator: xoshiro256++ (Blackman and Vigna, 2021), seeded through SplitMix64.
//!
//! It is portable and will not change: a seed gives the same weights and the same order of sequences on
//! every machine. Each purpose has its own stream, so drawing more numbers for one (another layer,
//! another epoch) changes nothing for the others.

/// A stream of pseudo-random numbers.
#[derive(Clone, Debug)]
pub struct Rng {
    state: [u64; 4],
}

/// One step of SplitMix64 (Steele, Lea and Flood, 2014).
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// One step of SplitMix64 from `number`: for draws that depend on their position alone.
pub(crate) fn mix(mut number: u64) -> u64 {
    split_mix(&mut number)
}

impl Rng {
    /// The generator for the `index`th use of `seed` for one `purpose`.
    pub fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        let mut state = seed;
        for word in [purpose as u64, index] {
            state = split_mix(&mut state) ^ word;
        }
        Self { state: std::array::from_fn(|_| split_mix(&mut state)) }
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let mut s = [a, b, c ^ a, d ^ b];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= b << 17;
        s[3] = s[3].rotate_left(45);
        self.state = s;
        result
    }

    /// Uniform in [0, 1), a multiple of 2⁻⁵³.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Standard normal, by the polar method of Marsaglia and Bray (1964).
    pub fn normal(&mut self) -> f64 {
        loop {
            let (u, v) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let s = u * u + v * v;
            if s > 0.0 && s < 1.0 {
                return u * (-2.0 * s.ln() / s).sqrt();
            }
        }
    }

    /// Puts `items` into random order (Fisher and Yates; indices by Lemire's multiplication,
    /// whose bias of at most 2⁻³² per index is far below what an order of sequences can show).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let bound = last as u64 + 1;
            let pick = (u128::from(self.next_u64()) * u128::from(bound)) >> 64;
            items.swap(last, pick as usize);
        }
    }
}

/// What a stream of random numbers is used for.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub enum Purpose {
    /// Initial weights; the index is the tensor's position.
    Weights = 1,
    /// The order of the sequences; the index is the epoch.
    Order = 2,
    /// Dropout; the index is the epoch.
    Dropout = 3,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_published_xoshiro_sequence() {
        // First outputs of xoshiro256++ from the state {1, 2, 3, 4}.
        let mut rng = Rng { state: [1, 2, 3, 4] };
        let first: Vec<u64> = (0..4).map(|_| rng.next_u64()).collect();
        assert_eq!(first, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
    }

    #[test]
    fn uniform_and_normal_have_their_moments() {
        let mut rng = Rng::new(7, Purpose::Weights, 0);
        let n = 200_000;
        let mean = (0..n).map(|_| rng.uniform()).sum::<f64>() / n as f64;
        assert!((mean - 0.5).abs() < 3e-3, "{mean}");
        let squares = (0..n).map(|_| rng.normal().powi(2)).sum::<f64>() / n as f64;
        assert!((squares - 1.0).abs() < 2e-2, "{squares}");
    }

    #[test]
    fn shuffles_are_permutations_and_differ_by_index() {
        let orders = [0, 1].map(|epoch| {
            let mut order: Vec<u32> = (0..100).collect();
            Rng::new(3, Purpose::Order, epoch).shuffle(&mut order);
            order
        });
        assert_ne!(orders[0], orders[1]);
        for mut order in orders {
            order.sort_unstable();
            assert!(order.iter().copied().eq(0..100));
        }
    }
}
