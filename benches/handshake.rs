//! Whole handshakes in memory, from the client's reset to the pushed options: how many a second, and what they take
//! of the heap. P-256 certificates on both sides, TLS 1.3, tls-crypt.
//!
//! `cargo bench --bench handshake`. Rates are for comparison within one run only; the heap's figures are steady.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads a clock")]

use core::alloc::{GlobalAlloc, Layout};
use core::net::{Ipv4Addr, SocketAddr};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::alloc::System;
use std::time::Instant as Clock;

use adit::{Client, Server};
use support::{NOW, Pki};

#[path = "../tests/support/mod.rs"]
mod support;

/// The system's allocator, which counts the bytes that are in use.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes on to the system's allocator with the arguments that it came with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = IN_USE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(now, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ROUNDS: usize = 200;

fn main() {
    let pki = Pki::new();
    let mut server = Server::new(pki.server_config(), support::host(), NOW).expect("a server");
    let connect = |server: &mut Server, number: usize| -> Client {
        let address = SocketAddr::from((Ipv4Addr::from(0x0a00_0001 + number as u32), 4000));
        support::connect(server, pki.client_config(), address)
    };

    // The first one warms up, and the second shows what one session holds and what it takes for a while.
    connect(&mut server, 0);
    let before = IN_USE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let client = connect(&mut server, 1);
    let both = IN_USE.load(Relaxed) - before;
    let peak = PEAK.load(Relaxed) - before;
    drop(client);
    let at_server = IN_USE.load(Relaxed) - before;
    println!("heap of a connected session, bytes: server {at_server}, client {}", both - at_server);
    println!("heap at the height of a handshake, both ends together: {peak}");

    let start = Clock::now();
    for number in 0..ROUNDS {
        connect(&mut server, 2 + number);
    }
    let each = start.elapsed() / ROUNDS as u32;
    println!(
        "handshake: {:.2} ms for both ends together, {:.0} a second",
        each.as_secs_f64() * 1e3,
        1.0 / each.as_secs_f64()
    );
}
