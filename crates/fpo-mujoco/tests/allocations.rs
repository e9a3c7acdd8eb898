//! Stepping allocates nothing.

use fpo_rng::{Key, Philox, Stream};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands everything to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) };
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// The only test of this file: another one's allocations would be counted, too.
#[test]
fn a_step_allocates_nothing() {
    for task in fpo_mujoco::tasks() {
        let mut env = task.make().expect("its model compiles");
        let mut observation = vec![0.0; task.spec().observation_dim()];
        let mut action = vec![0.0; task.spec().action_dim()];
        let mut rng = Philox::new(Key::new(1, Stream::Test));
        env.reset(&mut rng, &mut observation);
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        for _ in 0..50 {
            action.fill_with(|| 2.0 * rng.unit() - 1.0);
            env.step(&action, &mut observation);
        }
        let count = ALLOCATIONS.load(Ordering::Relaxed) - before;
        assert_eq!(count, 0, "{}", task.spec().name);
    }
}
