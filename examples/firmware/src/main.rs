//! The smallest firmware with a tunnel in it: a heap, an entropy source, and [`tunnel`], which a board with sockets
//! would run over them. What a board must bring is in `virt.rs`.

#![no_std]
#![no_main]

extern crate alloc;

mod entropy;
mod tunnel;

// Where no bare-metal target can be built, a process without the standard library takes the board's place.
#[cfg_attr(target_os = "none", path = "virt.rs")]
#[cfg_attr(not(target_os = "none"), path = "process.rs")]
mod board;

use core::mem::MaybeUninit;
use core::panic::PanicInfo;

use alloc::format;
use embedded_alloc::LlffHeap;

const HEAP_SIZE: usize = 512 * 1024;

#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();

/// Called by the board once memory is as Rust wants it. Answers the exit status.
fn main() -> i32 {
    static mut ARENA: [MaybeUninit<u8>; HEAP_SIZE] = [MaybeUninit::uninit(); HEAP_SIZE];
    // SAFETY: called once, before anything allocates, and nothing else touches the arena.
    unsafe { HEAP.init(&raw mut ARENA as usize, HEAP_SIZE) }
    match tunnel::run() {
        Ok(()) => {
            board::print("passed");
            0
        }
        Err(what) => {
            board::print(&format!("FAILED: {what}"));
            1
        }
    }
}

/// Bytes of heap in use.
fn heap_used() -> usize {
    HEAP.used()
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    board::print(&format!("{info}"));
    board::exit(101)
}

/// One core, and no interrupts: nothing can interfere.
struct SingleCore;
critical_section::set_impl!(SingleCore);

// SAFETY: see `SingleCore`.
unsafe impl critical_section::Impl for SingleCore {
    unsafe fn acquire() {}
    unsafe fn release((): ()) {}
}
