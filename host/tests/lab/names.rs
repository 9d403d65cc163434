//! Names in a namespace: a DNS server that knows one address.

use core::net::{Ipv4Addr, SocketAddr};
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::fs;
use std::net::UdpSocket;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::network::Network;

/// A DNS server in a network's server namespace, which the client namespace asks. Every name is at one address. Gone
/// when dropped.
pub struct NameServer {
    asked: Arc<Mutex<Vec<String>>>,
    done: Arc<AtomicBool>,
    worker: Option<JoinHandle<()>>,
}

impl NameServer {
    /// Starts it; it answers with `address`.
    pub fn start(network: &Network, address: Ipv4Addr) -> Self {
        fs::write(network.client.etc().join("resolv.conf"), format!("nameserver {address}\n")).unwrap();
        let socket = network.server.inside(|| UdpSocket::bind((address, 53))).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let (asked, done) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicBool>::default());
        let worker = {
            let (asked, done) = (Arc::clone(&asked), Arc::clone(&done));
            thread::spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    if let Some(name) = answer_one(&socket, address) {
                        asked.lock().unwrap_or_else(PoisonError::into_inner).push(name);
                    }
                }
            })
        };
        Self { asked, done, worker: Some(worker) }
    }

    /// The names that were asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

/// Answers a query (RFC 1035) if one comes: with the address if that is what it asks for, otherwise with nothing.
fn answer_one(socket: &UdpSocket, address: Ipv4Addr) -> Option<String> {
    const HEADER: usize = 12;
    const TYPE_A: [u8; 2] = [0, 1];
    let mut query = [0; 512];
    let (length, from): (usize, SocketAddr) = socket.recv_from(&mut query).ok()?;
    let mut labels = Vec::new();
    let mut at = HEADER;
    while query[at] != 0 {
        let end = at + 1 + usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..end]).into_owned());
        at = end;
    }
    // Beyond the name: its type and class. What follows (EDNS) is not repeated.
    let question = &query[..at + 5];
    assert!(question.len() <= length);
    let known = question[at + 1..at + 3] == TYPE_A;
    let mut answer = question.to_vec();
    answer[2..HEADER].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(known), 0, 0, 0, 0]);
    if known {
        // The name by reference to the question; type A, class IN, valid for a minute, four bytes.
        answer.extend([0xC0, HEADER as u8, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend(address.octets());
    }
    socket.send_to(&answer, from).unwrap();
    Some(labels.join("."))
}
