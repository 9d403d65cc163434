//! A deterministic network for tests: a virtual clock, and links that lose, delay, reorder, repeat and corrupt.
