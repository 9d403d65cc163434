//! End-to-end scenarios on the simulated network, one phenomenon a file.

mod detach;
mod handshake;
mod hostile_link;
mod hostile_peer;
mod hostile_push;
mod leaving;
mod lifetime;
mod logins;
mod remotes;
mod renegotiation;
mod roaming;
mod stream;
