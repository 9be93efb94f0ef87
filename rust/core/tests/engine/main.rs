//! The engine against its oracle, and the behaviour of training.

mod cases;
mod categories;
mod oracle;
mod same_bits;
mod scorer;
mod textbook;
mod training;
