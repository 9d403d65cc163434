//! One session with one remote end: control and data channel, and all their clocks.
