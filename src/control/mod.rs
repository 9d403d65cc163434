//! The control channel: the reliability layer under TLS.
