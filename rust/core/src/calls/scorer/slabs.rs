//! [`Slabs`]: rows in blocks that never move.

use crate::error::Result;
use crate::lanes::aligned::Aligned;
use crate::memory::check_memory;

/// Approximate size of a block, in bytes.
const BLOCK: usize = 1 << 20;

/// Rows of equal length. They grow block by block, so nothing is copied, and little more is allocated
/// than needed.
#[derive(Clone)]
pub(in crate::calls) struct Slabs<E: Clone + Default> {
    blocks: Vec<Aligned<E>>,
    /// Items per row.
    width: usize,
    /// A block has 2 to the power of this many rows.
    shift: u32,
}

impl<E: Clone + Default> Slabs<E> {
    pub(super) fn new(width: usize) -> Self {
        let rows = BLOCK / (width * size_of::<E>()).clamp(1, BLOCK);
        Self { blocks: Vec::new(), width, shift: rows.ilog2() }
    }

    /// Makes room for `rows` rows in all. [`Error::Memory`](crate::Error::Memory) if memory does not
    /// suffice; existing rows are kept.
    pub(super) fn reserve(&mut self, rows: usize) -> Result<()> {
        let items = self.width << self.shift;
        while self.blocks.len() << self.shift < rows {
            check_memory::<E>(items)?;
            self.blocks.push(Aligned::zeros(items));
        }
        Ok(())
    }

    #[inline(always)]
    fn place(&self, row: u32) -> (usize, usize) {
        let within = row as usize & ((1 << self.shift) - 1);
        (row as usize >> self.shift, within * self.width)
    }

    #[inline(always)]
    pub(super) fn row(&self, row: u32) -> &[E] {
        let (block, first) = self.place(row);
        &self.blocks[block][first..first + self.width]
    }

    #[inline(always)]
    pub(super) fn row_mut(&mut self, row: u32) -> &mut [E] {
        let (block, first) = self.place(row);
        &mut self.blocks[block][first..first + self.width]
    }
}
