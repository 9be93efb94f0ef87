//! Clipping.

use rnn_rust::rng::{Purpose, Rng};
use rnn_rust::simd::Level;
use rnn_rust::{Clip, Real};

fn gradient<T: Real>(len: usize) -> Vec<T> {
    let mut rng = Rng::new(1, Purpose::Weights, 0);
    (0..len).map(|_| T::from_f64(rng.normal())).collect()
}

fn norm<T: Real>(numbers: &[T]) -> f64 {
    numbers.iter().map(|g| g.to_f64() * g.to_f64()).sum::<f64>().sqrt()
}

fn scales_to_the_norm<T: Real>(tolerance: f64) {
    for level in Level::available() {
        let start = gradient::<T>(160);
        let clip = |norm, value| {
            let mut clipped = start.clone();
            let before = Clip { norm, value }.apply(level, &mut clipped);
            (clipped, before)
        };
        let whole = norm(&start);
        let (same, before) = clip(Some(1.1 * whole), None);
        assert!(same == start && (before - whole).abs() < 1e-12 * whole, "{level}");
        assert_eq!(clip(None, None), (start.clone(), before));
        let (scaled, before) = clip(Some(0.5), None);
        assert!((before - whole).abs() < 1e-12 * whole);
        for (got, g) in scaled.iter().zip(&start) {
            let expected = g.to_f64() * (0.5 / (whole + 1e-6));
            assert!((got.to_f64() - expected).abs() < tolerance, "{level}");
        }
        // Values first, then the norm of what is left.
        let (cut, before) = clip(None, Some(0.25));
        let expected = start.iter().map(|g| g.to_f64().clamp(-0.25, 0.25));
        assert!(cut.iter().map(|g| g.to_f64()).eq(expected), "{level}");
        assert_eq!(before, norm_of_eight(&cut), "{level}");
        let (both, same) = clip(Some(0.5), Some(0.25));
        assert!(same == before && (norm(&both) - 0.5).abs() < 1e-5, "{level}");
    }
}

/// As it is defined: eight sums, then theirs.
fn norm_of_eight<T: Real>(numbers: &[T]) -> f64 {
    let mut sums = [0.0; 8];
    for (i, number) in numbers.iter().enumerate() {
        sums[i % 8] += number.to_f64() * number.to_f64();
    }
    sums.iter().sum::<f64>().sqrt()
}

#[test]
fn gradients_are_cut_and_scaled_as_pytorch_does() {
    scales_to_the_norm::<f64>(1e-15);
    scales_to_the_norm::<f32>(1e-7);
}

#[test]
fn large_gradients_have_a_norm_and_broken_ones_stay_broken() {
    let clip = Clip { norm: Some(1.0), value: None };
    for level in Level::available() {
        let mut large = [0.0f32; 16];
        large[3] = 3e30;
        large[9] = -4e30;
        assert!((clip.apply(level, &mut large) / 5e30 - 1.0).abs() < 1e-6);
        assert!((large[3] - 0.6).abs() < 1e-6 && (large[9] + 0.8).abs() < 1e-6);
        for broken in [f64::NAN, f64::INFINITY] {
            let mut g = [1.0; 16];
            g[5] = broken;
            assert!(!clip.apply(level, &mut g).is_finite());
            assert!(!g[5].is_finite() && g[4] == 1.0, "{level}");
            Clip { norm: None, value: Some(2.0) }.apply(level, &mut g);
            assert_eq!(g[5].is_nan(), broken.is_nan(), "{level}");
        }
    }
}

#[test]
fn a_norm_whose_square_overflows_is_scaled_down() {
    for (size, norm) in [(1e155, 5e155), (4e307, f64::INFINITY)] {
        for level in Level::available() {
            let mut g = [0.0f64; 16];
            (g[3], g[9]) = (3.0 * size, -4.0 * size);
            let before = Clip { norm: Some(2.0), value: None }.apply(level, &mut g);
            assert!(before == norm || (before / norm - 1.0).abs() < 1e-15, "{level}: {before}");
            assert!((g[3] - 1.2).abs() < 1e-12 && (g[9] + 1.6).abs() < 1e-12, "{level}: {g:?}");
        }
    }
}

#[test]
#[should_panic(expected = "a whole number of groups")]
fn part_of_a_group_is_refused() {
    Clip { norm: Some(1.0), value: None }.apply(Level::available()[0], &mut [1.0f32; 17]);
}

#[test]
fn bounds_that_are_none_are_refused() {
    assert!(Clip::default().check().is_ok());
    assert!(Clip { norm: Some(1.0), value: Some(f64::INFINITY) }.check().is_ok());
    let error = Clip { norm: Some(0.0), value: None }.check().unwrap_err();
    assert_eq!(error.to_string(), "clip_norm must be a number greater than 0, got 0");
    let error = Clip { norm: Some(1.0), value: Some(f64::NAN) }.check().unwrap_err();
    assert_eq!(error.to_string(), "clip_value must be a number greater than 0, got NaN");
}
