//! What a flow costs in memory: a million of them must fit, and be looked up in memory that is mostly not in the cache.

use core::mem::size_of;
use core::net::{Ipv4Addr, Ipv6Addr};

use crate::router::flow::Flow;
use crate::router::nat::Mapping;

#[test]
fn records_are_as_large_as_is_said() {
    assert!(size_of::<Flow<Ipv4Addr>>() <= 80, "{}", size_of::<Flow<Ipv4Addr>>());
    assert!(size_of::<Flow<Ipv6Addr>>() <= 128, "{}", size_of::<Flow<Ipv6Addr>>());
    assert!(size_of::<Mapping<Ipv4Addr>>() <= 32, "{}", size_of::<Mapping<Ipv4Addr>>());
    assert!(size_of::<Mapping<Ipv6Addr>>() <= 56, "{}", size_of::<Mapping<Ipv6Addr>>());
}
