//! Rows against those computed one by one, and moments against the textbook.

use super::*;
use crate::rng::{Purpose, Rng};

const COLUMNS: usize = 3;

/// Numbers, and sequences of them in another order, one of them twice as long as the others.
fn table(rows: usize) -> (Vec<f64>, Vec<i64>, Vec<i64>) {
    let mut rng = Rng::new(1, Purpose::Weights, 0);
    let values = (0..rows * COLUMNS).map(|_| 100.0 + rng.uniform()).collect();
    let starts = vec![rows as i64 - 5, 0, 5, 20];
    (values, starts, vec![0, 5, 10, 20, rows as i64 - 10])
}

#[test]
fn rows_are_taken_scaled_and_converted_as_one_by_one() {
    let (values, starts, offsets) = table(5000);
    let rows = TableRows::new(&values, COLUMNS, &starts, &offsets).unwrap();
    let (shift, scale) = ([1.0, 2.0, 3.0], [0.3, 0.7, 9.0]);
    let scaling = Scaling { shift: &shift, scale: &scale };
    let mut expected = Vec::new();
    for (s, &start) in starts.iter().enumerate() {
        for row in start..start + offsets[s + 1] - offsets[s] {
            for c in 0..COLUMNS {
                let x = values[row as usize * COLUMNS + c];
                expected.push(((x - shift[c]) / scale[c]) as f32);
            }
        }
    }
    for threads in [1, 2, 7] {
        let mut out = vec![0.0f32; expected.len()];
        assert!(rows.prepare(Some(scaling), &mut out, threads).unwrap());
        assert_eq!(out, expected);
    }
    let mut out = vec![0.0f32; expected.len()];
    let tiny = [1e-300; COLUMNS];
    let overflows = Scaling { shift: &shift, scale: &tiny };
    assert!(!rows.prepare(Some(overflows), &mut out, 2).unwrap());
}

#[test]
fn bounds_and_moments_are_those_of_the_textbook() {
    let (mut values, starts, offsets) = table(5000);
    values[COLUMNS * 7] = f64::NAN;
    let rows = TableRows::new(&values, COLUMNS, &starts, &offsets).unwrap();
    let mut copied = vec![0.0f64; rows.len() * COLUMNS];
    rows.prepare(None, &mut copied, 1).unwrap();
    let scaling = Scaling { shift: &[100.0; COLUMNS], scale: &[1.0; COLUMNS] };
    let (bounds, moments) = (rows.bounds(2), rows.moments(scaling, 1).unwrap());
    assert_eq!(moments, rows.moments(scaling, 3).unwrap());
    for c in 0..COLUMNS {
        let column = copied.iter().skip(c).step_by(COLUMNS).copied();
        let column: Vec<f64> = column.filter(|x| !x.is_nan()).collect();
        let count = column.len() as f64;
        let mean = column.iter().map(|x| x - 100.0).sum::<f64>() / count;
        let squares: f64 = column.iter().map(|x| (x - 100.0 - mean).powi(2)).sum();
        assert_eq!(bounds[c].0, column.iter().copied().fold(f64::INFINITY, f64::min));
        assert_eq!(bounds[c].1, column.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        assert!((moments[c].0 - mean).abs() < 1e-13);
        assert!((moments[c].1 - (squares / count).sqrt()).abs() < 1e-13);
    }
}

#[test]
fn a_scaling_of_other_columns_is_refused() {
    let rows = TableRows::new(&[0.0f64; 6], 2, &[0], &[0, 3]).unwrap();
    for (what, shift, scale) in [("shift", 1, 2), ("scale", 2, 3)] {
        let (shift, scale) = (&vec![0.0; shift][..], &vec![1.0; scale][..]);
        let scaling = Scaling { shift, scale };
        let prepared = rows.prepare(Some(scaling), &mut [0.0f32; 6], 1).unwrap_err();
        assert!(prepared.to_string().starts_with(what));
        assert_eq!(rows.moments(scaling, 1).unwrap_err(), prepared);
    }
}

#[test]
fn rows_beyond_the_table_are_refused() {
    let values = [0.0f64; 6];
    let refused = |starts: &[i64], offsets: &[i64]| {
        TableRows::new(&values, 2, starts, offsets).unwrap_err().to_string()
    };
    assert!(refused(&[2], &[0, 2]).starts_with("starts"));
    assert!(refused(&[-1], &[0, 2]).starts_with("starts"));
    assert!(refused(&[0, 1], &[0, 2, 1]).starts_with("starts"));
    assert!(refused(&[0], &[0, 1, 2]).starts_with("offsets"));
}
