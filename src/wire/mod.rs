//! Bytes and values: what OpenVPN puts on the wire. No state, no time, and never a panic.
