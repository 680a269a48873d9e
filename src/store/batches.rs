//! How many works shared a transaction, counted by the writers of either engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::load::{BATCH_BOUNDS, BatchSizes};

/// The sizes of all batches so far. A clone is the same count.
#[derive(Debug, Clone, Default)]
pub(super) struct BatchCount(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    counts: [AtomicU64; BATCH_BOUNDS.len()],
    works: AtomicU64,
}

impl BatchCount {
    /// Counts a batch of so many works, at least one. One that is larger than the largest bound counts as that.
    pub(super) fn note(&self, works: usize) {
        let bucket = BATCH_BOUNDS.partition_point(|bound| usize::from(*bound) < works).min(BATCH_BOUNDS.len() - 1);
        if let Some(count) = self.0.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.0.works.fetch_add(u64::try_from(works).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What was counted so far.
    pub(super) fn read(&self) -> BatchSizes {
        let counts = self.0.counts.each_ref().map(|count| count.load(Ordering::Relaxed));
        BatchSizes { counts, works: self.0.works.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_counts_within_the_first_bound_that_it_does_not_exceed() {
        let count = BatchCount::default();
        for works in [1, 2, 3, 4, 512, 513] {
            count.note(works);
        }
        let BatchSizes { counts, works } = count.read();
        assert_eq!((counts, works), ([1, 1, 2, 0, 0, 0, 0, 0, 0, 2], 1_035));
    }
}
