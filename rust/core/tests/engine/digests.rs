//! The same bits on machines of any kind: what training gives has a known digest, on every
//! instruction set with FMA.
//!
//! A change of the order in which the engine adds changes the digests; the test then prints the new ones.

use crate::cases::{Cases, Data};
use crate::same_bits::{fused, in_context};
use rnn_rust::simd::Level;
use rnn_rust::*;

const METHODS: [Method; 2] =
    [Method::SGD, Method::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01 }];

/// Of `f32` and of `f64`, case by case.
const DIGESTS: [(u64, u64); 16] = [
    (0xa5f8_a325_3c5b_704c, 0x6450_f3e2_a33e_62df),
    (0xf65d_6110_ad95_68b1, 0x44e6_90cc_9a97_bd0e),
    (0x49b0_aa67_2d35_95b3, 0x1a2c_f03c_2227_f830),
    (0x740f_29a2_6455_1c3b, 0xb2b8_a504_8e90_dc45),
    (0x2436_1f68_a76c_a02d, 0xfa59_a2ff_14c9_5178),
    (0x4708_2367_a29e_959d, 0x8211_63f8_b6fc_701e),
    (0xaf9b_4d0e_b6f7_d5a6, 0x84ea_6198_dfc4_1840),
    (0x3432_db93_b383_506e, 0xfd21_1629_8f3c_4146),
    (0x95dc_cfa9_116a_5a71, 0x64f7_aaf4_66f2_2423),
    (0xb5c7_1f52_ccc7_235a, 0x06ef_e81f_97f3_2102),
    (0xa094_532f_35ff_2827, 0x5f7b_36ef_0726_def2),
    (0x679b_976b_cc52_7049, 0x2be0_725b_df6c_ba13),
    (0x1ff4_5e62_f5ef_89ed, 0x5ae3_6b30_7b70_bab6),
    (0x9343_0612_d8d3_d2f9, 0xfbcb_0857_62c7_f5a0),
    (0x52b8_1517_aa2f_8a8d, 0xc309_f6bc_2975_4d83),
    (0xbea2_604c_b3f5_f9eb, 0x0c05_a3e5_ad10_12e4),
];

/// FNV-1a of the bits of numbers (Fowler, Noll and Vo).
fn digest<T: Compiled>(numbers: &[T]) -> u64 {
    let bytes = numbers.iter().flat_map(|x| x.to_f64().to_bits().to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Normal numbers go by a logarithm of the system's, whose last bit differs: a few bits are kept.
fn few_bits<T: Compiled>(numbers: &mut [T]) {
    for x in numbers {
        *x = T::from_f64((x.to_f64() * 64.0).round() / 64.0);
    }
}

/// The digest of the weights, the losses and the predictions of any network that is trained a little.
fn trained<T: Compiled>(level: Level, seed: u64) -> u64 {
    let mut cases = Cases::new(seed);
    let (config, loss) = (cases.any_config(40), cases.loss());
    let lengths: Vec<usize> = (0..70).map(|_| cases.size(1, 15)).collect();
    let mut network: Network<T> = cases.network(config);
    let mut data: Data<T> = cases.data_for(&config, loss, &lengths);
    few_bits(&mut data.features);
    few_bits(&mut data.labels);
    few_bits(&mut data.statics);
    let objective = Objective { loss, reduction: Reduction::Mean };
    let batch_size = [1, 20, 32, 70][seed as usize / 2 % 4];
    let run = EpochRun { batch_size, shuffle: true, epochs: 2, ..EpochRun::default() };
    let method = METHODS[seed as usize % 2];
    let mut descent = GradientDescent::new(method, network.layout().len()).unwrap();
    in_context(level, 1, |context| {
        let (data, mut records) = (data.view(), Vec::new());
        network.train(&data, objective, &run, &mut descent, &mut records, context).unwrap();
        let losses = records.iter().map(|record| T::from_f64(record.loss));
        let predictions = network.predict(&data, loss, context).unwrap();
        let all: Vec<T> =
            network.parameters().iter().copied().chain(losses).chain(predictions).collect();
        assert!(all.iter().all(|x| x.is_finite()), "case {seed}");
        digest(&all)
    })
}

#[test]
fn training_has_a_known_digest() {
    for level in fused() {
        let found: Vec<_> = (0..16)
            .map(|seed| (trained::<f32>(level, seed), trained::<f64>(level, seed)))
            .collect();
        assert!(found == DIGESTS, "{level}: {found:#018x?}");
    }
}
