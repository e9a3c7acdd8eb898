//! Acting through the interface equals acting in Rust to the bit, and allocates nothing.

use crate::border::{act, load};
use crate::counting::{allocations_in, count_this_thread};
use crate::policies::{KINDS, file, inputs};
use fpo_c::FpoStatus;
use fpo_policy::Policy;

/// All in one test: only one may count allocations.
#[test]
fn actions_are_those_of_rust_and_nothing_is_allocated() {
    count_this_thread();
    for kind in KINDS {
        let bytes = file(kind);
        let policy = Policy::load(&bytes).unwrap();
        let rows = 20;
        let (observations, noise) = inputs(&policy, rows);
        let zeros = vec![0.0; noise.len()];
        let loaded = load(&bytes, rows).unwrap();
        for noise in [Some(&noise), None] {
            let mut expected = vec![0.0; rows * policy.action_dim()];
            let mut actor = policy.actor(rows);
            let given = noise.unwrap_or(&zeros);
            actor.act(&observations, given, &mut expected).unwrap();
            let mut out = vec![0.0; expected.len()];
            let mut status = FpoStatus::Internal;
            let count = allocations_in(|| {
                status = act(&loaded, &observations, noise.map(|x| &x[..]), &mut out);
            });
            assert_eq!(status, FpoStatus::Ok);
            assert_eq!(out, expected, "{kind:?}");
            assert_eq!(count, 0, "allocations of {kind:?}");
        }
        // Nor do failures allocate.
        let mut out = vec![0.0; policy.action_dim()];
        let broken = vec![f32::NAN; policy.observation_dim()];
        let mut statuses = [FpoStatus::Ok; 2];
        let count = allocations_in(|| {
            statuses = [
                act(&loaded, &broken, None, &mut out),
                act(&loaded, &broken[1..], None, &mut out),
            ];
        });
        assert_eq!(count, 0, "allocations of failures of {kind:?}");
        assert_eq!(statuses, [FpoStatus::NotFinite, FpoStatus::WrongLength]);
    }
}
