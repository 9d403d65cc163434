//! End-to-end scenarios on the simulated network, one phenomenon a file.

mod decisions;
mod detach;
mod handshake;
mod hostile_link;
mod hostile_peer;
mod hostile_push;
mod leaving;
mod lifetime;
mod logins;
mod pushes;
mod remotes;
mod renegotiation;
mod revocation;
mod roaming;
mod routed;
mod sites;
mod stream;
mod tokens;
