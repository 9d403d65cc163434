//! End-to-end scenarios on the simulated network, one phenomenon a file.

mod detach;
mod handshake;
mod hostile_link;
mod hostile_peer;
mod leaving;
mod renegotiation;
mod roaming;
mod stream;
