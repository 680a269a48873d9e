//! How busy the store is, as numbers for whoever watches the service.

/// Upper bounds of the sizes of batches, ascending: a power of two each, the last one the largest that there is.
pub const BATCH_BOUNDS: [u16; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/// How busy the store is now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreLoad {
    /// Connections for reading that somebody uses.
    pub connections_in_use: usize,
    /// Connections for reading that wait for somebody.
    pub connections_idle: usize,
    /// Questions of jumps that wait to be read.
    pub reads_waiting: usize,
    /// Works that wait to be written.
    pub writes_waiting: usize,
    /// How many works shared a transaction, since the store was opened.
    pub batches: BatchSizes,
}

/// How many works shared a transaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BatchSizes {
    /// Batches within each bound of [`BATCH_BOUNDS`] and beyond the one before.
    pub counts: [u64; BATCH_BOUNDS.len()],
    /// All works together.
    pub works: u64,
}
