//! QEMU's riscv32 `virt` machine: how it starts, prints and stops.

use core::arch::global_asm;

global_asm!(
    ".section .text._start,\"ax\"",
    ".globl _start",
    "_start:",
    "la sp, __stack_top",
    "la t0, __bss_start",
    "la t1, __bss_end",
    "1: bgeu t0, t1, 2f",
    "sw zero, 0(t0)",
    "addi t0, t0, 4",
    "j 1b",
    "2: call board_main",
);

#[unsafe(no_mangle)]
extern "C" fn board_main() -> ! {
    exit(crate::main())
}

/// Prints a line by semihosting.
pub fn print(line: &str) {
    semihosting::println!("{line}");
}

/// Ends the emulator.
pub fn exit(status: i32) -> ! {
    semihosting::process::exit(status)
}
