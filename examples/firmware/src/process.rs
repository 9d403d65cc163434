//! A Linux process without Rust's standard library, in place of a board: it links what a board would link.

use core::ffi::c_void;

unsafe extern "C" {
    fn write(file: i32, bytes: *const c_void, length: usize) -> isize;
    #[link_name = "exit"]
    fn libc_exit(status: i32) -> !;
}

#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    crate::main()
}

/// Nothing unwinds here, but the ready-made `alloc` names this symbol.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// Prints a line to standard output.
pub fn print(line: &str) {
    for part in [line, "\n"] {
        // SAFETY: the pointer and the length are those of a live slice.
        unsafe { write(1, part.as_ptr().cast(), part.len()) };
    }
}

/// Ends the process.
pub fn exit(status: i32) -> ! {
    // SAFETY: the function has no conditions.
    unsafe { libc_exit(status) }
}
