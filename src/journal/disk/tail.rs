//! The newest records, still in memory: a shipper that keeps up does not read files.
//!
//! In: what the journal's thread has just written. Out: the same bytes as chunks. What always
//! holds: only what may be read back is here; at most [`BYTES_MAX`] and one batch; buffers that
//! nobody holds any more are used again.

use super::queue::BUFFER_BYTES_KEPT;
use crate::journal::{Chunk, Sequence};
use crate::record::Batch;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// Bytes kept for the shipper; one that is further behind reads files, a megabyte at a time.
const BYTES_MAX: usize = 2 << 20;
/// Chunks kept: a batch may be a single record.
const CHUNKS_MAX: usize = 1024;
/// Buffers kept to be filled again.
const SPARE_BUFFERS: usize = 8;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Tail {
    chunks: VecDeque<Arc<Chunk>>,
    bytes: usize,
    spare: Vec<Vec<u8>>,
}

impl Tail {
    /// Takes the records of a batch that was written; gives an empty buffer in exchange.
    pub(super) fn push(
        &mut self,
        first: u64,
        records: u32,
        bytes: Vec<u8>,
        appended_at: Instant,
    ) -> Vec<u8> {
        self.bytes += bytes.len();
        let batch = Batch::from_parts(bytes, records);
        self.chunks.push_back(Arc::new(Chunk { first: Sequence(first), batch, appended_at }));
        while self.bytes > BYTES_MAX || self.chunks.len() > CHUNKS_MAX {
            let Some(old) = self.chunks.pop_front() else { break };
            self.bytes -= old.batch.bytes().len();
            if let Ok(old) = Arc::try_unwrap(old) {
                let mut buffer = old.batch.into_bytes();
                if self.spare.len() < SPARE_BUFFERS && buffer.capacity() <= BUFFER_BYTES_KEPT {
                    buffer.clear();
                    self.spare.push(buffer);
                }
            }
        }
        self.spare.pop().unwrap_or_default()
    }

    /// The chunk that holds a position.
    pub(super) fn at(&self, sequence: u64) -> Option<Arc<Chunk>> {
        let at = self.chunks.partition_point(|chunk| chunk.last().0 < sequence);
        self.chunks.get(at).filter(|chunk| chunk.first.0 <= sequence).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn the_newest_are_found_and_the_oldest_go_when_it_is_much() {
        let mut tail = Tail::default();
        let large = BYTES_MAX / 4;
        for first in [1, 11, 21, 31, 41] {
            tail.push(first, 10, vec![0; large], clock::now());
        }
        assert!(tail.at(10).is_none(), "a fifth one is too much");
        assert_eq!(tail.at(11).expect("there").first, Sequence(11));
        assert_eq!(tail.at(50).expect("there").first, Sequence(41));
        assert!(tail.at(51).is_none());
        assert!(tail.push(51, 10, vec![0; large], clock::now()).capacity() > 0, "used again");
    }
}
