//! [`Stack`]: a host inside the tunnel, made of smoltcp. Its network device is the tunnel itself.
//!
//! Where another host would open a TUN device, this one needs no root: an IP stack of its own answers pings and speaks
//! TCP. Knows packets in [`Slots`], not where they come from.

use std::net::Ipv4Addr;
use std::time::Duration;

use adit::Instant;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::time::Instant as SmolInstant;
use smoltcp::wire::{HardwareAddress, IpCidr};

use crate::Result;
use crate::slots::Slots;

/// `tun-mtu`, in bytes.
const MTU: usize = 1500;
/// Each direction of a TCP connection, in bytes. What is in flight must fit the receive buffer of a UDP socket.
const BUFFER: usize = 65_535;
/// Connections of ours begin at this port.
const FIRST_PORT: u16 = 49_152;
/// A connection whose other end is silent for so long is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// An IP stack behind one end of the tunnel.
pub struct Stack {
    interface: Interface,
    sockets: SocketSet<'static>,
    next_port: u16,
}

impl Stack {
    /// A stack without an address. `seed` makes its sequence numbers hard to guess.
    pub fn new(seed: u64) -> Self {
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut tunnel = Tunnel { arrived: &mut Slots::new(), leaving: &mut Slots::new() };
        let interface = Interface::new(config, &mut tunnel, SmolInstant::ZERO);
        Self { interface, sockets: SocketSet::new(Vec::new()), next_port: FIRST_PORT }
    }

    /// Takes on an inner address, in place of any other.
    pub fn set_address(&mut self, address: Ipv4Addr, prefix: u8) {
        self.interface.update_ip_addrs(|addresses| {
            addresses.clear();
            // There is room for one: the list was cleared.
            let _ = addresses.push(IpCidr::new(address.into(), prefix));
        });
    }

    /// Takes in what the engine delivered and puts what it wants to send into `leaving`, until either is through.
    pub fn poll(&mut self, now: Instant, arrived: &mut Slots, leaving: &mut Slots) {
        self.interface.poll(smol(now), &mut Tunnel { arrived, leaving }, &mut self.sockets);
    }

    /// How long the stack can wait for its next timer.
    pub fn poll_delay(&mut self, now: Instant) -> Option<Duration> {
        self.interface.poll_delay(smol(now), &self.sockets).map(Into::into)
    }

    /// A TCP socket, closed.
    pub fn add_socket(&mut self) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.set_timeout(Some(PATIENCE.into()));
        self.sockets.add(socket)
    }

    /// The socket of that handle.
    pub fn socket(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// Connects a new socket.
    pub fn connect(&mut self, to: (Ipv4Addr, u16)) -> Result<SocketHandle> {
        let handle = self.add_socket();
        let port = self.next_port;
        self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
        socket
            .connect(self.interface.context(), to, port)
            .map_err(|error| format!("cannot connect to {}:{} inside the tunnel: {error}", to.0, to.1))?;
        Ok(handle)
    }
}

fn smol(now: Instant) -> SmolInstant {
    SmolInstant::from_micros((now.as_nanos() / 1000) as i64)
}

/// The network device of a stack: reads what the engine opened, and writes into the slots that it will seal.
struct Tunnel<'s> {
    arrived: &'s mut Slots,
    leaving: &'s mut Slots,
}

impl Device for Tunnel<'_> {
    type RxToken<'a>
        = Arrived<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Leaving<'a>
    where
        Self: 'a;

    fn receive(&mut self, _: SmolInstant) -> Option<(Arrived<'_>, Leaving<'_>)> {
        if self.leaving.is_full() {
            return None;
        }
        Some((Arrived(self.arrived.take_delivered()?), Leaving(self.leaving)))
    }

    fn transmit(&mut self, _: SmolInstant) -> Option<Leaving<'_>> {
        (!self.leaving.is_full()).then_some(Leaving(self.leaving))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        capabilities
    }
}

struct Arrived<'a>(&'a [u8]);

impl RxToken for Arrived<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

struct Leaving<'a>(&'a mut Slots);

impl TxToken for Leaving<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        write(self.0.add(len))
    }
}
