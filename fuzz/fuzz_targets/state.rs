//! The training state of a bandit: a restored state can be trained from, or an error says why not.
#![no_main]

use fpo_fuzz::{config, container, task};
use fpo_learn::trainer::Trainer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let config = config();
    for file in [input, &container(input)] {
        let Ok(mut trainer) = Trainer::restore(&config, task(), 1, file) else {
            continue;
        };
        if trainer.iterate().is_ok() {
            let state = trainer.state().unwrap();
            assert!(Trainer::restore(&config, task(), 1, &state).is_ok());
        }
    }
});
