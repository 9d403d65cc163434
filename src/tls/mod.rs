//! TLS behind a trait: records in, records out, the exporter, and what OpenVPN demands of certificates.
