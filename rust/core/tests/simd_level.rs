//! The environment variable that chooses the level. It is read once per process, so every case is a
//! process of its own: this test, started again.

use std::process::Command;

use rnn_rust::simd::{Level, VARIABLE, level};

/// Tells the started process that it is one, and what it should find.
const EXPECTED: &str = "RNN_RUST_SIMD_TEST_EXPECTS";

fn passes_with(value: Option<&str>, expected: &str) -> bool {
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args(["--exact", "the_variable_chooses_the_level"]).env(EXPECTED, expected);
    match value {
        Some(value) => test.env(VARIABLE, value),
        None => test.env_remove(VARIABLE),
    };
    test.output().unwrap().status.success()
}

#[test]
fn the_variable_chooses_the_level() {
    if let Ok(expected) = std::env::var(EXPECTED) {
        let found = level().map_or_else(|error| error.to_string(), |level| level.to_string());
        assert!(found.contains(&expected), "found {found:?}, not {expected:?}");
        return;
    }
    assert!(passes_with(None, Level::available()[0].name()));
    for level in Level::available() {
        assert!(passes_with(Some(level.name()), level.name()), "{level}");
    }
    let foreign = if cfg!(target_arch = "aarch64") { "avx2" } else { "neon" };
    assert!(passes_with(Some(foreign), "not available on this machine"));
    assert!(passes_with(Some("fast"), "\"fast\" is no instruction set known here"));
}
