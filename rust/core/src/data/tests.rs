//! Where sequences are cut, and what is refused.

use super::*;

#[test]
fn sequences_are_cut_at_the_offsets() {
    let x: Vec<f32> = (0..10).map(|v| v as f32).collect();
    let y = [0.0f32, 1.0, 2.0, 3.0, 4.0];
    let data = Sequences::new(&x, &y, &[0, 2, 5], (2, 1)).unwrap();
    assert_eq!((data.len(), data.rows(), data.longest()), (2, 5, 3));
    assert_eq!(data.features(1), &x[4..]);
    assert_eq!(data.labels(0), &y[..2]);
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let x = [0.0f32; 6];
    let refused = |labels: &[f32], offsets: &[i64], input: usize| {
        Sequences::new(&x, labels, offsets, (input, 1)).unwrap_err().to_string()
    };
    assert!(refused(&[], &[0, 1], 4).starts_with("features"));
    assert!(refused(&[0.0; 2], &[0, 3], 2).starts_with("labels"));
    assert!(refused(&[], &[0, 2], 2).starts_with("offsets"));
    assert!(refused(&[], &[0, 2, 2, 3], 2).contains("position 1"));
    assert!(refused(&[], &[], 2).starts_with("offsets"));
    // Without the 4 GB of rows that it would have.
    let longest = i64::from(u32::MAX / 4);
    assert!(refused(&[], &[0, longest + 1], 2).contains("at most 1073741823 steps"));
    assert!(refused(&[], &[0, longest], 2).contains("the number of rows"));
    let data = Sequences::new(&x, &x, &[0, 6], (1, 1)).unwrap();
    for wrong in [f32::NAN, f32::INFINITY, -1.0] {
        let weights = [0.0, 1.0, wrong, 1.0, 1.0, 1.0];
        let refused = data.with_label_weights(&weights).unwrap_err().to_string();
        assert!(refused.starts_with("weights must be finite and at least 0, got "));
    }
}
