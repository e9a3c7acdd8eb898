//! An allocator that counts, for tests that something allocates nothing. The tests of other crates
//! take this file by its path.
//!
//! Only threads that asked for it are counted: the test harness has threads of its own, which
//! allocate when they like.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

// SAFETY: hands everything to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTED.try_with(Cell::get).unwrap_or(false) {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
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

/// From now on what this thread asks for is counted.
pub fn count_this_thread() {
    COUNTED.set(true);
}

/// How often the threads that are counted asked for memory while `work` was done. A program may
/// have one test that calls it, on such a thread.
pub fn allocations_in(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    drop(std::hint::black_box(vec![0; 9]));
    let counted = ALLOCATIONS.load(Ordering::Relaxed);
    assert_eq!(counted - before, 1, "this thread is not counted");
    work();
    ALLOCATIONS.load(Ordering::Relaxed) - counted
}
