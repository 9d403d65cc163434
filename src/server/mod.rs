//! The accepting side.
