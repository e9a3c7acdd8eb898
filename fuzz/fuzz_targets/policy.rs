//! A policy file: an accepted policy acts or reports that it overflows, and is the same after
//! writing and reading it.
#![no_main]

use fpo_fuzz::container;
use fpo_policy::Policy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    for file in [input, &container(input)] {
        let Ok(policy) = Policy::load(file) else { continue };
        let observations = vec![0.5; policy.observation_dim()];
        let noise = vec![0.5; policy.noise_dim()];
        let mut action = vec![0.0; policy.action_dim()];
        if policy.actor(1).act(&observations, &noise, &mut action).is_ok() {
            assert!(action.iter().all(|a| a.is_finite()));
        }
        let saved = policy.save().unwrap();
        assert_eq!(Policy::load(&saved).unwrap().save().unwrap(), saved);
    }
});
