//! [`PacketBuf`]: a window over a packet's slot that headers are stripped from and put before.

use core::ops::Range;

use crate::reason::DropReason;

/// Valid bytes inside a slot of the caller's memory, with room before and behind.
#[derive(Debug)]
pub struct PacketBuf<'a> {
    memory: &'a mut [u8],
    start: usize,
    end: usize,
}

impl<'a> PacketBuf<'a> {
    /// `None` if `window` does not lie in `memory`.
    #[inline]
    pub fn new(memory: &'a mut [u8], window: Range<usize>) -> Option<Self> {
        (window.start <= window.end && window.end <= memory.len()).then_some(Self {
            memory,
            start: window.start,
            end: window.end,
        })
    }

    /// The valid bytes.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }

    /// The valid bytes.
    #[inline]
    pub fn payload_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.end]
    }

    /// How many bytes are valid.
    #[inline]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether none is.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Where the valid bytes lie in the slot.
    #[inline]
    pub fn window(&self) -> Range<usize> {
        self.start..self.end
    }

    /// Takes `count` bytes off the front; there must be as many.
    #[inline]
    pub fn strip_front(&mut self, count: usize) {
        debug_assert!(count <= self.len());
        self.start = (self.start + count).min(self.end);
    }

    /// Shortens to `len` bytes.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        self.end = self.end.min(self.start + len);
    }

    /// Puts `N` uninitialised bytes before the valid ones.
    #[inline]
    pub fn grow_front<const N: usize>(&mut self) -> Result<&mut [u8; N], DropReason> {
        let start = self.start.checked_sub(N).ok_or(DropReason::NoRoom)?;
        let head = self.memory[start..].first_chunk_mut().ok_or(DropReason::NoRoom)?;
        self.start = start;
        Ok(head)
    }

    /// Puts `count` bytes behind the valid ones, whatever stood there before.
    #[inline]
    pub fn grow_back(&mut self, count: usize) -> Result<&mut [u8], DropReason> {
        let end = self.end.checked_add(count).ok_or(DropReason::NoRoom)?;
        let tail = self.memory.get_mut(self.end..end).ok_or(DropReason::NoRoom)?;
        self.end = end;
        Ok(tail)
    }

    /// Replaces everything: the payload becomes `bytes`, placed with headroom where it fits.
    pub fn fill(&mut self, bytes: &[u8]) -> Result<(), DropReason> {
        let start = crate::packet::HEADROOM.min(self.memory.len().saturating_sub(bytes.len()));
        let room = self.memory.get_mut(start..start + bytes.len()).ok_or(DropReason::NoRoom)?;
        room.copy_from_slice(bytes);
        (self.start, self.end) = (start, start + bytes.len());
        Ok(())
    }
}
