//! The allocator of the program.

/// Inspection allocates many small blocks and frees them soon. docs/performance.md has the figures.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Returns the memory that this thread has freed to the system.
///
/// mimalloc keeps freed pages for the thread's next allocations, and gives back a page only beside later work of the
/// same thread. A start frees the source of the rules on the main thread, which allocates almost nothing afterwards.
#[allow(unsafe_code, reason = "a foreign function without pointers, which the crate mimalloc does not offer")]
pub fn return_freed_memory() {
    // SAFETY: any thread may call it at any time; it only releases pages without blocks in use.
    unsafe { libmimalloc_sys::mi_collect(true) }
}
