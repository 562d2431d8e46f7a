//! The bytes of a segment: its header and its frames.
//!
//! In: records with their positions and times. Out: sealed bytes, and back. What always holds: a
//! frame's header is valid only in the segment it was written for (its checksum is seeded with the
//! journal's uuid and the segment's first position), so bytes of a recycled or foreign file are
//! never taken for ours; nothing here panics on bytes from outside. The layout stands at the head
//! of [`crate::journal`].

use crc32c::{crc32c, crc32c_append};

/// Length of a segment's header; the first frame stands behind it.
pub(super) const SEGMENT_HEADER_BYTES: usize = 64;
/// Length of a frame's header; the record stands behind it.
pub(super) const FRAME_HEADER_BYTES: usize = 24;
/// Frames begin at multiples of this.
pub(super) const ALIGNMENT: usize = 8;

const MAGIC: &[u8; 8] = b"imbr-seg";
const VERSION: u32 = 1;

/// The first bytes of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) uuid: [u8; 16],
    /// Position of its first frame.
    pub(super) first: u64,
    /// Unix milliseconds; the times of the frames count from here.
    pub(super) created_ms: i64,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.uuid);
        bytes[32..40].copy_from_slice(&self.first.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.created_ms.to_le_bytes());
        let crc = crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Whether it is the header of that segment of that journal.
    pub(super) fn is_of(&self, uuid: &[u8; 16], first: u64) -> bool {
        self.uuid == *uuid && self.first == first
    }

    /// `None` for bytes that are no header of this version.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..SEGMENT_HEADER_BYTES)?;
        let sealed = crc32c(&bytes[..60]) == u32_at(bytes, 60);
        if !sealed || &bytes[..8] != MAGIC || u32_at(bytes, 8) != VERSION {
            return None;
        }
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&bytes[16..32]);
        let created_ms = u64_at(bytes, 40).cast_signed();
        Some(Self { uuid, first: u64_at(bytes, 32), created_ms })
    }
}

/// The first bytes of a frame, valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    /// Length of the record in bytes, at least 1.
    pub(super) length: u32,
    payload_crc: u32,
    pub(super) sequence: u64,
    /// Milliseconds between the segment's creation and the append.
    pub(super) ms: u32,
}

impl FrameHeader {
    /// Bytes from the frame's beginning to the next one's.
    pub(super) const fn framed(&self) -> u64 {
        framed(self.length as usize)
    }

    /// Whether this is the record that was sealed.
    pub(super) fn holds(&self, record: &[u8]) -> bool {
        crc32c(record) == self.payload_crc
    }
}

/// Bytes that a record of `length` bytes takes in a segment.
pub(super) const fn framed(length: usize) -> u64 {
    ((FRAME_HEADER_BYTES + length).next_multiple_of(ALIGNMENT)) as u64
}

/// Seals and checks the frames of one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seal {
    seed: u32,
}

impl Seal {
    pub(super) fn new(uuid: &[u8; 16], first: u64) -> Self {
        Self { seed: crc32c_append(crc32c(uuid), &first.to_le_bytes()) }
    }

    /// Appends a frame to `into`, whose length must be a multiple of [`ALIGNMENT`].
    pub(super) fn push(self, into: &mut Vec<u8>, sequence: u64, ms: u32, record: &[u8]) {
        let length = u32::try_from(record.len()).expect("a record's own length field is a u32");
        let mut header = [0; FRAME_HEADER_BYTES];
        header[..4].copy_from_slice(&length.to_le_bytes());
        header[4..8].copy_from_slice(&crc32c(record).to_le_bytes());
        header[8..16].copy_from_slice(&sequence.to_le_bytes());
        header[16..20].copy_from_slice(&ms.to_le_bytes());
        let crc = crc32c_append(self.seed, &header[..20]);
        header[20..].copy_from_slice(&crc.to_le_bytes());
        into.extend_from_slice(&header);
        into.extend_from_slice(record);
        into.resize(into.len().next_multiple_of(ALIGNMENT), 0);
    }

    /// The header at the beginning of `bytes`; `None` when there is none of this segment.
    pub(super) fn header(self, bytes: &[u8]) -> Option<FrameHeader> {
        let bytes = bytes.get(..FRAME_HEADER_BYTES)?;
        let length = u32_at(bytes, 0);
        if length == 0 || crc32c_append(self.seed, &bytes[..20]) != u32_at(bytes, 20) {
            return None;
        }
        let (payload_crc, sequence) = (u32_at(bytes, 4), u64_at(bytes, 8));
        Some(FrameHeader { length, payload_crc, sequence, ms: u32_at(bytes, 16) })
    }
}

/// Little-endian; `bytes` must reach that far.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// Little-endian; `bytes` must reach that far.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UUID: [u8; 16] = [7; 16];

    #[test]
    fn a_header_of_a_segment_is_read_back_and_no_flipped_bit_is_taken() {
        let header = SegmentHeader { uuid: UUID, first: 42, created_ms: -5 };
        let bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Some(header));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn a_frame_is_valid_in_its_own_segment_only() {
        let mut bytes = Vec::new();
        Seal::new(&UUID, 1).push(&mut bytes, 1, 0, b"record");
        assert!(Seal::new(&UUID, 1).header(&bytes).is_some());
        assert!(Seal::new(&UUID, 2).header(&bytes).is_none(), "another first position");
        assert!(Seal::new(&[8; 16], 1).header(&bytes).is_none(), "another journal");
    }

    #[test]
    fn zeroes_are_no_frame() {
        assert_eq!(Seal::new(&UUID, 1).header(&[0; 64]), None);
    }

    proptest! {
        #[test]
        fn frames_are_read_back(
            records in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 1..5),
            first in 1..u64::MAX / 2, ms in any::<u32>(),
        ) {
            let seal = Seal::new(&UUID, first);
            let mut bytes = Vec::new();
            for (sequence, record) in (first..).zip(&records) {
                seal.push(&mut bytes, sequence, ms, record);
            }
            let mut rest = bytes.as_slice();
            for (sequence, record) in (first..).zip(&records) {
                let header = seal.header(rest).expect("it was sealed");
                let read = &rest[FRAME_HEADER_BYTES..][..header.length as usize];
                prop_assert_eq!((header.sequence, header.ms, read), (sequence, ms, record.as_slice()));
                prop_assert!(header.holds(read));
                rest = &rest[usize::try_from(header.framed()).expect("small")..];
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn bytes_that_nobody_sealed_never_panic(bytes in any::<Vec<u8>>()) {
            prop_assert_eq!(Seal::new(&UUID, 1).header(&bytes), None);
            prop_assert_eq!(SegmentHeader::decode(&bytes), None);
        }
    }
}
