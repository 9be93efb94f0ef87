//! Trains a network whose sizes are types on `data/sample.csv`, by hand and to be read:
//!
//!     cargo run --release --example textbook
//!
//! A pump fails within the hour or does not; three sensors say how it is.

use rnn_rust::matrix::Vector;
use rnn_rust::textbook::Gru;
use rnn_rust::{Error, Init, Loss};

/// Sequences of (features, labels); lines of one name belong together.
type Sequences = Vec<(Vec<Vector<3, f64>>, Vec<Vector<1, f64>>)>;

fn main() -> Result<(), Error> {
    let sequences = read(include_str!("../../../data/sample.csv"));
    let (train, test) = sequences.split_at(12);
    let loss = Loss::BinaryCrossEntropy { pos_weight: 1.0 };
    let mut network =
        Gru::<3, 5, 1, f64>::new(Default::default(), Init::Pytorch, 0)?.with_loss(loss)?;
    for epoch in 1..=300 {
        let losses = train.iter().map(|(x, y)| network.train(x, y, 0.1));
        let mean = losses.sum::<f64>() / train.len() as f64;
        if epoch % 100 == 0 {
            println!("epoch {epoch}: loss {mean:.3}");
        }
    }
    let outputs = test.iter().flat_map(|(x, _)| network.predict(x));
    let labels = test.iter().flat_map(|(_, y)| y);
    let right = outputs.zip(labels).map(|(p, y)| (p.0[0] > 0.5) == (y.0[0] > 0.5));
    let right: Vec<bool> = right.collect();
    let count = right.iter().filter(|&&right| right).count();
    println!("{count} of {} held-out steps are classified rightly", right.len());
    Ok(())
}

/// Reads `name,t,x1,x2,x3,y1`, features scaled to about 1.
fn read(csv: &str) -> Sequences {
    let (mut sequences, mut last) = (Sequences::new(), "");
    for line in csv.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |column: usize| cells[column].parse::<f64>().expect("a number");
        if cells[0] != last {
            sequences.push((Vec::new(), Vec::new()));
            last = cells[0];
        }
        let (x, y) = sequences.last_mut().expect("a sequence has begun");
        x.push(Vector([number(2), number(3) / 50.0 - 1.0, number(4)]));
        y.push(Vector([number(5)]));
    }
    sequences
}
