"""The Rust project RNN-Rust, whose successor this package is: built from a checkout of it.

A copy gets a ``main.rs`` of ours, which trains for as many epochs as it is asked to, and is built
as that project builds itself. The checkout stays as it is.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from rivals.job import LEARNING_RATE, Job, Variant, data

ACTIVATIONS = {"tanh": "Tanh", "relu": "ReLU", "sigmoid": "Sigmoid"}

# It evaluates after the first and the last epoch. We read the clock after the first evaluation and
# before the last one: only training is in between.
MAIN = """
mod data;
mod model;
mod utils;

use std::{cell::RefCell, ffi::c_long, io::stdin};

use data::Dataset;
use model::evaluator::{EvaluationResult, Evaluator};
use model::optimizer::{Optimizer, SGD};
use model::{RNN, activation::ActivationFunction, loss::LossFunction};

unsafe extern "C" {
    fn clock() -> c_long;
}

fn processor_seconds() -> f64 {
    unsafe { clock() as f64 / 1e6 }
}

struct Stopwatch<'a>(&'a RefCell<Vec<f64>>);

impl Evaluator for Stopwatch<'_> {
    fn evaluate<const I: usize, const O: usize, const H: usize>(
        &self,
        _: &RNN<I, H, O>,
        _: &Dataset<I, O>,
    ) -> EvaluationResult {
        self.0.borrow_mut().push(processor_seconds());
        EvaluationResult { primary_metric: 0.0, details: String::new() }
    }
}

fn main() {
    let path = std::env::args().nth(1).unwrap();
    let mut dataset: Dataset<INPUTS, 1> = Dataset::from_csv(path.into()).unwrap();
    dataset.normalize();
    let activation = ActivationFunction::ACTIVATION;
    let optimizer = SGD::new(LEARNING_RATE).boxed();
    let mut model = RNN::<INPUTS, HIDDEN, 1>::new(activation, LossFunction::MSE, optimizer);
    println!("{}", dataset.sequences.iter().map(|s| s.len()).sum::<usize>());
    for line in stdin().lines() {
        let epochs: usize = line.unwrap().parse().unwrap();
        let looks = RefCell::new(Vec::new());
        model.train(&dataset, epochs + 1, 1.0, usize::MAX, Stopwatch(&looks));
        let looks = looks.into_inner();
        println!("{}", looks[2] - looks[1]);
    }
}
"""


def variants(job: Job) -> Iterator[Variant]:
    """Yield training, which it only supports for single sequences in float64."""
    if (job.kind, job.batch, job.dtype) == ("train", 1, "float64"):
        yield train(job)


def build(job: Job, folder: Path) -> Path:
    """Return the program for a job's sizes."""
    source = os.environ.get("RNN_RUST_ORIGINAL")
    if source is None:
        raise LookupError("no checkout: --original PATH")
    ignored = shutil.ignore_patterns(".git", "target")
    shutil.copytree(source, folder, ignore=ignored, dirs_exist_ok=True)
    main = MAIN.replace("LEARNING_RATE", str(LEARNING_RATE)).replace("INPUTS", str(job.inputs))
    main = main.replace("HIDDEN", str(job.hidden))
    main = main.replace("ACTIVATION", ACTIVATIONS[job.activation])
    (folder / "src" / "main.rs").write_text(main)
    # All jobs of a run share its build, except the few lines above.
    target = folder.parent / "target"
    command = ["cargo", "build", "--release", "--quiet", "--target-dir", str(target)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LookupError(f"does not build: {done.stderr.strip().splitlines()[-1]}")
    name = f"program-{job.inputs}-{job.hidden}-{job.activation}"
    program = shutil.copy(target / "release" / "rnn-rust", folder / name)
    return Path(program)


def write_csv(job: Job, path: Path) -> None:
    """Write a job's data in the project's format."""
    features, labels = data(job)
    columns = {f"x{i + 1}": features[:, :, i].ravel() for i in range(job.inputs)}
    name = np.repeat(np.arange(job.sequences), job.steps)
    t = np.tile(np.arange(job.steps), job.sequences)
    pl.DataFrame({"name": name, "t": t, **columns, "y1": labels.ravel()}).write_csv(path)


_folder = tempfile.TemporaryDirectory(prefix="rnn-rust-original-")


def train(job: Job) -> Variant:
    """Return training by the project's own loop."""
    folder = Path(_folder.name)
    program = build(job, folder / "checkout")
    path = Path(job.csv) if job.csv else folder / "data.csv"
    if job.csv is None:
        write_csv(job, path)
    process = subprocess.Popen(
        [program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    ask, answers = process.stdin, process.stdout
    assert ask
    assert answers
    steps = int(answers.readline())

    def seconds(epochs: int) -> float:
        print(epochs, file=ask, flush=True)
        return float(answers.readline())

    return Variant("its own train", steps, seconds)
