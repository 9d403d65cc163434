//! The data channel: packets sealed and opened in place.
