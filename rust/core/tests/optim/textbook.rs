//! One parameter moved by each method, as the papers and PyTorch's documentation write it.

use rnn_rust::Method;

/// A parameter and its moments under their names.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Textbook {
    pub(crate) w: f64,
    t: i32,
    momentum_buffer: f64,
    square_avg: f64,
    grad_avg: f64,
    sum: f64,
    exp_avg: f64,
    exp_avg_sq: f64,
}

impl Textbook {
    pub(crate) fn new(method: Method, w: f64) -> Self {
        let sum = match method {
            Method::Adagrad { initial_accumulator_value, .. } => initial_accumulator_value,
            _ => 0.0,
        };
        Self { w, sum, ..Self::default() }
    }

    pub(crate) fn moment(&self, name: &str) -> f64 {
        match name {
            "momentum_buffer" => self.momentum_buffer,
            "square_avg" => self.square_avg,
            "grad_avg" => self.grad_avg,
            "sum" => self.sum,
            "exp_avg" => self.exp_avg,
            "exp_avg_sq" => self.exp_avg_sq,
            other => panic!("no moment {other:?}"),
        }
    }

    pub(crate) fn step(&mut self, method: Method, rate: f64, gradient: f64) {
        self.t += 1;
        match method {
            Method::Sgd { momentum, nesterov, weight_decay } => {
                let mut g = gradient + weight_decay * self.w;
                if momentum != 0.0 {
                    let first = self.t == 1;
                    self.momentum_buffer =
                        if first { g } else { momentum * self.momentum_buffer + g };
                    let ahead = g + momentum * self.momentum_buffer;
                    g = if nesterov { ahead } else { self.momentum_buffer };
                }
                self.w -= rate * g;
            }
            Method::RmsProp { alpha, eps, weight_decay, momentum, centered } => {
                let g = gradient + weight_decay * self.w;
                self.square_avg = alpha * self.square_avg + (1.0 - alpha) * g * g;
                let mut square = self.square_avg;
                if centered {
                    self.grad_avg = alpha * self.grad_avg + (1.0 - alpha) * g;
                    square -= self.grad_avg * self.grad_avg;
                }
                let quotient = g / (square.sqrt() + eps);
                self.momentum_buffer = momentum * self.momentum_buffer + quotient;
                self.w -= rate * if momentum > 0.0 { self.momentum_buffer } else { quotient };
            }
            Method::Adagrad { lr_decay, weight_decay, eps, .. } => {
                let g = gradient + weight_decay * self.w;
                self.sum += g * g;
                let rate = rate / (1.0 + f64::from(self.t - 1) * lr_decay);
                self.w -= rate * g / (self.sum.sqrt() + eps);
            }
            Method::Adam { beta1, beta2, eps, weight_decay } => {
                let g = gradient + weight_decay * self.w;
                self.adam(rate, g, (beta1, beta2), eps);
            }
            Method::AdamW { beta1, beta2, eps, weight_decay } => {
                self.w -= rate * weight_decay * self.w;
                self.adam(rate, gradient, (beta1, beta2), eps);
            }
        }
    }

    fn adam(&mut self, rate: f64, g: f64, (beta1, beta2): (f64, f64), eps: f64) {
        self.exp_avg = beta1 * self.exp_avg + (1.0 - beta1) * g;
        self.exp_avg_sq = beta2 * self.exp_avg_sq + (1.0 - beta2) * g * g;
        let mean = self.exp_avg / (1.0 - beta1.powi(self.t));
        let square = self.exp_avg_sq / (1.0 - beta2.powi(self.t));
        self.w -= rate * mean / (square.sqrt() + eps);
    }
}
