//! [`Filter`]: who may send to a mapping from outside (RFC 4787 §5, RFC 5382 §4.3).
//!
//! What belongs to a flow is never asked about, so that where address *and* port must be known there is nothing to
//! keep. Where only the address must be, it is kept with the mapping that sent there, as long as a flow does.

use core::hash::{BuildHasher, Hasher};

use foldhash::quality::SeedableRandomState;
use hashbrown::HashTable;

use super::super::address::Address;
use super::MappingId;
use crate::config::Filtering;

/// The addresses that mappings have sent to.
pub(super) struct Filter<A> {
    permits: HashTable<Permit<A>>,
    room: usize,
    hasher: SeedableRandomState,
}

#[derive(Clone, Copy)]
struct Permit<A> {
    mapping: MappingId,
    address: A,
    flows: u16,
}

impl<A: Address> Filter<A> {
    pub(super) fn new(room: usize, seed: u64) -> Self {
        Self {
            permits: HashTable::with_capacity(room),
            room,
            hasher: SeedableRandomState::with_seed(!seed, foldhash::SharedSeed::global_fixed()),
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.permits.len()
    }

    /// Whether a stranger may send to a mapping.
    pub(super) fn lets_in(&self, filtering: Filtering, mapping: MappingId, sender: A) -> bool {
        match filtering {
            Filtering::EndpointIndependent => true,
            Filtering::AddressDependent => {
                let is_it = |permit: &Permit<A>| permit.mapping == mapping && permit.address == sender;
                self.permits.find(hash(&self.hasher, mapping, sender), is_it).is_some()
            }
            Filtering::AddressAndPortDependent => false,
        }
    }

    /// A flow from that mapping goes to that address.
    pub(super) fn permit(&mut self, mapping: MappingId, address: A) {
        if self.room == 0 {
            return;
        }
        let hash_of = hash(&self.hasher, mapping, address);
        let is_it = |permit: &Permit<A>| permit.mapping == mapping && permit.address == address;
        if let Some(permit) = self.permits.find_mut(hash_of, is_it) {
            permit.flows = permit.flows.saturating_add(1);
        } else if self.permits.len() < self.room {
            // There are never more of them than flows.
            let (permit, hasher) = (Permit { mapping, address, flows: 1 }, &self.hasher);
            self.permits.insert_unique(hash_of, permit, |it| hash(hasher, it.mapping, it.address));
        }
    }

    /// Such a flow has ended.
    pub(super) fn forbid(&mut self, mapping: MappingId, address: A) {
        let hash = hash(&self.hasher, mapping, address);
        let is_it = |permit: &Permit<A>| permit.mapping == mapping && permit.address == address;
        if let Ok(mut entry) = self.permits.find_entry(hash, is_it) {
            let permit = entry.get_mut();
            permit.flows = permit.flows.saturating_sub(1);
            if permit.flows == 0 {
                entry.remove();
            }
        }
    }
}

fn hash<A: Address>(hasher: &SeedableRandomState, mapping: MappingId, address: A) -> u64 {
    let mut state = hasher.build_hasher();
    state.write_u32(mapping.number());
    A::hash_pair(&mut state, address, A::UNSPECIFIED);
    state.finish()
}
