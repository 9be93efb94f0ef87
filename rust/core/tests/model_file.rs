//! Networks whose sizes are types take the weights of a model file of the Python package, and give
//! the outputs that it gives, and exported C: those of `tests/golden/device`.
//!
//! A model file is safetensors: the length of a JSON header in 8 bytes, the header, and the tensors.
//! What describes the model is JSON again, among the header's metadata.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use rnn_rust::matrix::Vector;
use rnn_rust::textbook::{Elman, Equations, GruUnit, LstmUnit, State, Textbook};
use rnn_rust::{Activation, Init, Loss};
use serde_json::Value;

/// What a file says of a model.
struct ModelFile {
    tensors: BTreeMap<String, Vec<f32>>,
    description: Value,
}

impl ModelFile {
    fn read(name: &str) -> Self {
        let bytes = fs::read(path(&format!("{name}.safetensors"))).unwrap();
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let (header, data) = bytes[8..].split_at(length);
        let header: BTreeMap<String, Value> = serde_json::from_slice(header).unwrap();
        let stored = header["__metadata__"]["rnn_rust"].as_str().unwrap();
        let mut stored: Value = serde_json::from_str(stored).unwrap();
        let tensors = header.iter().filter(|(name, _)| *name != "__metadata__");
        let tensors = tensors.map(|(name, tensor)| {
            assert_eq!(tensor["dtype"], "F32");
            let at = |end: usize| tensor["data_offsets"][end].as_u64().unwrap() as usize;
            let numbers = data[at(0)..at(1)].chunks_exact(4);
            let numbers = numbers.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
            (name.clone(), numbers.collect())
        });
        Self { tensors: tensors.collect(), description: stored["model"].take() }
    }

    fn architecture(&self, name: &str) -> &str {
        self.description["architecture"][name].as_str().unwrap()
    }

    /// Shift and scale of each column: of `"feature"` or `"label"`.
    fn scaling(&self, part: &str) -> Vec<(f64, f64)> {
        let scaler = &self.description["scaler"];
        let values = |kind: &str| {
            let values = scaler[format!("{part}_{kind}")].as_array().unwrap();
            values.iter().map(|value| value.as_f64().unwrap()).collect::<Vec<_>>()
        };
        values("shift").into_iter().zip(values("scale")).collect()
    }

    /// Whether outputs are scaled labels.
    fn scales_labels(&self) -> bool {
        self.description["scaler"]["labels"].as_bool().unwrap()
    }
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/device").join(name)
}

/// Rows of 1 for the first event of a sequence or 0, features, and outputs.
fn events(name: &str) -> Vec<Vec<f64>> {
    let text = fs::read_to_string(path(&format!("{name}.csv"))).unwrap();
    let numbers = |line: &str| line.split(',').map(|cell| cell.parse().unwrap()).collect();
    text.lines().skip(1).map(numbers).collect()
}

/// Checks the outputs of a network of the file's sizes for all events.
fn check<C: Equations<G>, const G: usize, const H: usize, const L: usize>(
    name: &str,
    cell: C,
    loss: Loss,
) {
    let file = ModelFile::read(name);
    let mut network = Textbook::<C, G, 3, H, L, f32>::new(cell, Init::Pytorch, 0).unwrap();
    network = network.with_loss(loss).unwrap();
    let activation = file.architecture("output_activation");
    network.output_activation = Activation::from_name("output_activation", activation).unwrap();
    network.load_state_dict(&file.tensors).unwrap();

    let (features, labels) = (file.scaling("feature"), file.scaling("label"));
    let (rows, mut state) = (events(name), State::default());
    assert!(rows.len() >= 40 && rows.iter().filter(|row| row[0] == 1.0).count() > 3);
    for row in rows {
        if row[0] == 1.0 {
            state = State::default();
        }
        let x = std::array::from_fn(|i| ((row[1 + i] - features[i].0) / features[i].1) as f32);
        let outputs = network.step(&mut state, &Vector(x));
        for (l, output) in outputs.as_slice().iter().enumerate() {
            let (shift, scale) = if file.scales_labels() { labels[l] } else { (0.0, 1.0) };
            let (got, expected) = (f64::from(*output) * scale + shift, row[4 + l]);
            let allowed = 1e-5 * scale.max(expected.abs());
            assert!((got - expected).abs() <= allowed, "{name}, {row:?}: {got} for {expected}");
        }
    }
}

#[test]
fn an_elman_network_gives_the_outputs_of_its_file() {
    let activation = ModelFile::read("rnn").architecture("activation").to_owned();
    let activation = Activation::from_name("activation", &activation).unwrap();
    check::<_, 1, 6, 2>("rnn", Elman(activation), Loss::Mse);
}

#[test]
fn a_gru_gives_the_outputs_of_its_file() {
    let loss = Loss::from_name(&loss_of("gru"), &[]).unwrap();
    check::<_, 3, 5, 1>("gru", GruUnit::default(), loss);
}

#[test]
fn an_lstm_gives_the_outputs_of_its_file() {
    let loss = Loss::from_name(&loss_of("lstm"), &[]).unwrap();
    check::<_, 4, 4, 2>("lstm", LstmUnit, loss);
}

fn loss_of(name: &str) -> String {
    ModelFile::read(name).architecture("loss").to_owned()
}
