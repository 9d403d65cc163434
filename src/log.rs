//! One place where log lines go: `tracing`, `log`, `defmt`, or nothing, as the features say.
//!
//! Lines are for whoever debugs the engine; facts that a host acts on travel as [`Event`](crate::Event)s. Per-packet
//! lines are `trace!`; addresses and names never stand above `debug!`; secrets nowhere.

macro_rules! debug {
    ($($arg:tt)*) => { $crate::log::emit!(debug, $($arg)*) };
}

macro_rules! trace {
    ($($arg:tt)*) => { $crate::log::emit!(trace, $($arg)*) };
}

#[cfg(feature = "tracing")]
macro_rules! emit {
    ($level:ident, $($arg:tt)*) => { ::tracing::$level!($($arg)*) };
}

#[cfg(all(feature = "log", not(feature = "tracing")))]
macro_rules! emit {
    ($level:ident, $($arg:tt)*) => { ::log::$level!($($arg)*) };
}

// defmt formats on the other side of the wire and knows only its own `Format`: values go as their `Debug` text.
#[cfg(all(feature = "defmt", not(any(feature = "log", feature = "tracing"))))]
macro_rules! emit {
    ($level:ident, $($arg:tt)*) => { ::defmt::$level!("{}", ::defmt::Display2Format(&::core::format_args!($($arg)*))) };
}

#[cfg(not(any(feature = "log", feature = "tracing", feature = "defmt")))]
macro_rules! emit {
    ($level:ident, $($arg:tt)*) => {{ let _ = ::core::format_args!($($arg)*); }};
}

pub(crate) use {debug, emit, trace};
