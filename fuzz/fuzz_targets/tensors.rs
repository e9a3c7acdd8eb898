//! The tensors of a network: accepted numbers are finite and written unchanged.
#![no_main]

use fpo_fuzz::{container, network};
use libfuzzer_sys::fuzz_target;
use safetensors::SafeTensors;

fuzz_target!(|input: &[u8]| {
    let network = network();
    for file in [input, &container(input)] {
        let Ok(tensors) = SafeTensors::deserialize(file) else {
            continue;
        };
        let Ok(flat) = network.load("policy.", &tensors) else {
            continue;
        };
        assert!(flat.iter().all(|x| x.is_finite()));
        for record in network.store("policy.", &flat) {
            assert_eq!(tensors.tensor(&record.name).unwrap().data(), record.bytes);
        }
    }
});
