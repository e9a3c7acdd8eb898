//! A counting allocator, for tests that code does not allocate. Tests of other crates include this
//! file by its path.
//!
//! Only threads that request it are counted, because the test harness has threads of its own that
//! allocate at any time.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

// SAFETY: forwards everything to the system's allocator.
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

/// Counts allocations of this thread from now on.
pub fn count_this_thread() {
    COUNTED.set(true);
}

/// Allocations of the counted threads during `work`. Only one test per program may call it, on a
/// counted thread.
pub fn allocations_in(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    drop(std::hint::black_box(vec![0; 9]));
    let counted = ALLOCATIONS.load(Ordering::Relaxed);
    assert_eq!(counted - before, 1, "this thread is not counted");
    work();
    ALLOCATIONS.load(Ordering::Relaxed) - counted
}
