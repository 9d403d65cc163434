//! Hands the memory map to the linker.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=virt.x");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        println!("cargo::rustc-link-arg-bins=-T{}/virt.x", env::var("CARGO_MANIFEST_DIR").unwrap());
    } else {
        println!("cargo::rustc-link-arg-bins=-lc");
        println!("cargo::rustc-link-arg-bins=-lgcc_s");
    }
}
