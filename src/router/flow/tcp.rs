//! What is seen of a TCP connection (RFC 7857 §2, after RFC 6146 §3.5.2): whether it is being set up, established, or
//! on its way out. No segment is held up for its state: the ends know better.

use super::super::address::Address;
use super::super::packet::tcp_flags::{ACK, FIN, RST, SYN};
use super::record::{Direction, Flow, FlowState};

/// Where the options begin.
const OPTIONS: usize = 20;
/// The largest shift of a window (RFC 7323 §2.3).
const MOST_SHIFT: u8 = 14;

/// How much an end is ready to receive, rounded up: the shift of its window in the high four bits, in the low ones the
/// exponent, less one, of the power of two that holds the window before it is shifted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window(u8);

impl Window {
    fn new(shift: u8, window: u16) -> Self {
        let exponent = 32 - u32::from(window).leading_zeros();
        Self(shift.min(MOST_SHIFT) << 4 | (exponent.max(1) - 1) as u8)
    }

    fn shift(self) -> u8 {
        self.0 >> 4
    }

    /// In bytes.
    fn size(self) -> u32 {
        1 << (u32::from(self.0 & 0xF) + 1 + u32::from(self.shift()))
    }
}

impl<A: Address> Flow<A> {
    /// The first segment was one in the middle of a connection, from before this router: it may be established soon.
    pub(crate) fn met_in_the_middle(&mut self) {
        self.state.set(FlowState::OPENED);
        self.windows = [Window::new(MOST_SHIFT, u16::MAX); 2];
    }

    /// A segment goes by; `header` begins with its TCP header, all of whose fixed part is there.
    pub(super) fn see_segment(&mut self, direction: Direction, header: &[u8]) {
        let Some(fixed) = header.first_chunk::<OPTIONS>() else { return };
        let word = |at: usize| u32::from_be_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
        let (flags, window) = (fixed[13], u16::from_be_bytes([fixed[14], fixed[15]]));
        let (this, other) = (direction as usize, direction.other() as usize);
        if flags & RST != 0 {
            self.see_reset(word(4), other);
            return;
        }
        if flags & SYN != 0 {
            if flags & ACK == 0 && self.is_over() {
                // The same ends begin anew.
                self.state.clear(CONNECTION);
            }
            if direction == Direction::Back {
                self.state.set(FlowState::OPENED);
            }
            self.windows[this] = Window::new(window_shift(header), window);
        } else {
            self.windows[this] = Window::new(self.windows[this].shift(), window);
        }
        if flags & ACK != 0 && self.state.is(FlowState::OPENED) {
            let acknowledgement = word(8);
            // Backwards only if it is nonsense, or far behind.
            let ahead = acknowledgement.wrapping_sub(self.acknowledged[this]) as i32;
            if !self.state.is(ACKS[this]) || ahead > 0 {
                self.acknowledged[this] = acknowledgement;
            }
            self.state.set(ACKS[this]);
            if self.state.is(ACKS[other]) {
                self.state.clear(FlowState::RESET);
            }
        }
        if flags & FIN != 0 {
            self.state.set(FINS[this]);
        }
    }

    /// A reset towards the end `other`. If its number lies in that end's window the connection is probably over; a
    /// blind guess does no harm, as long as both ends go on (RFC 7857 §2.2).
    fn see_reset(&mut self, sequence: u32, other: usize) {
        let expected = self.acknowledged[other];
        if self.state.is(ACKS[other]) && sequence.wrapping_sub(expected) <= self.windows[other].size() {
            self.state.clear(FlowState::ACK_FORTH | FlowState::ACK_BACK);
            self.state.set(FlowState::RESET);
        }
    }

    /// Both ends have heard each other, and have not both said their last.
    #[inline]
    pub(crate) fn is_established(&self) -> bool {
        self.state.is(FlowState::ACK_FORTH | FlowState::ACK_BACK)
            && !self.state.is(FlowState::FIN_FORTH | FlowState::FIN_BACK)
    }

    fn is_over(&self) -> bool {
        self.state.is(FlowState::RESET) || self.state.is(FlowState::FIN_FORTH | FlowState::FIN_BACK)
    }
}

const ACKS: [u16; 2] = [FlowState::ACK_FORTH, FlowState::ACK_BACK];
const FINS: [u16; 2] = [FlowState::FIN_FORTH, FlowState::FIN_BACK];
const CONNECTION: u16 = FlowState::OPENED
    | FlowState::ACK_FORTH
    | FlowState::ACK_BACK
    | FlowState::FIN_FORTH
    | FlowState::FIN_BACK
    | FlowState::RESET;

/// The shift that a SYN offers; none is 0.
fn window_shift(header: &[u8]) -> u8 {
    const END: u8 = 0;
    const NOTHING: u8 = 1;
    const WINDOW_SCALE: u8 = 3;

    let len = usize::from(header.get(12).map_or(0, |byte| byte >> 4)) * 4;
    let mut options = header.get(OPTIONS..len).unwrap_or(&[]);
    while let [kind, rest @ ..] = options {
        match *kind {
            END => break,
            NOTHING => options = rest,
            kind => {
                let Some(len) = rest.first().map(|len| usize::from(*len)).filter(|len| *len >= 2) else {
                    break;
                };
                if kind == WINDOW_SCALE && len == 3 {
                    return rest.get(1).copied().unwrap_or(0);
                }
                options = options.get(len..).unwrap_or(&[]);
            }
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_never_taken_for_smaller_than_it_is() {
        for shift in 0..=14 {
            for window in [0_u16, 1, 2, 1000, 1024, 32767, 32768, 65535] {
                let size = Window::new(shift, window).size();
                assert!(size >= u32::from(window) << shift, "{window} << {shift}: {size}");
                assert!(size <= (u32::from(window).max(1) << shift) * 2, "{window} << {shift}: {size}");
            }
        }
    }

    #[test]
    fn the_window_scale_is_found_among_options_and_garbage_ends_the_search() {
        let with = |options: &[u8]| {
            let mut header = alloc::vec![0; 20];
            header[12] = (((20 + options.len()) / 4) << 4) as u8;
            header.extend(options);
            window_shift(&header)
        };
        assert_eq!(with(&[2, 4, 5, 0xB4, 1, 3, 3, 7]), 7);
        assert_eq!(with(&[0, 0, 0, 0, 1, 3, 3, 7]), 0);
        assert_eq!(with(&[9, 0, 3, 3, 7, 0, 0, 0]), 0);
        assert_eq!(with(&[9, 1, 3, 3]), 0);
        assert_eq!(with(&[1, 1, 1, 3]), 0);
    }
}
