//! What a session over one of several remotes has of its own (`<connection>`).

use alloc::sync::Arc;

use super::Shared;
use crate::config::{Connection, Proxy, Remote, SessionConfig};
use crate::error::Error;
use crate::path::Transport;
use crate::wrap::WrapKeys;

impl Shared {
    /// The same for sessions with such a remote; certificates and keys stay shared.
    pub(crate) fn for_remote(self: &Arc<Self>, remote: &Remote) -> Result<Arc<Self>, Error> {
        let Connection { explicit_exit_notify, tun_mtu, mssfix, max_packet_size, wrap, proxy, .. } =
            &remote.connection;
        let relayed = remote.transport == Transport::Udp && matches!(proxy, Some(Proxy::Socks(_)));
        let own = &self.config;
        let same_wrap = wrap.as_ref().is_none_or(|wrap| *wrap == own.wrap);
        if same_wrap
            && relayed == own.relayed
            && explicit_exit_notify.is_none_or(|notify| Some(notify) == own.explicit_exit_notify)
            && tun_mtu.is_none_or(|mtu| mtu == own.tun_mtu)
            && mssfix.is_none_or(|mssfix| mssfix == own.mssfix)
            && max_packet_size.is_none_or(|size| size == own.max_packet_size)
        {
            return Ok(Arc::clone(self));
        }
        let config = SessionConfig {
            explicit_exit_notify: explicit_exit_notify.or(own.explicit_exit_notify),
            tun_mtu: tun_mtu.unwrap_or(own.tun_mtu),
            mssfix: mssfix.unwrap_or(own.mssfix),
            relayed,
            max_packet_size: max_packet_size.unwrap_or(own.max_packet_size),
            wrap: wrap.clone().unwrap_or_else(|| own.wrap.clone()),
            ..own.clone()
        };
        let wrap =
            if same_wrap { self.wrap.clone() } else { WrapKeys::new(self.role, &config.wrap, config.auth)? };
        Ok(Arc::new(Self { role: self.role, config, tls: Arc::clone(&self.tls), wrap, limits: self.limits }))
    }
}
