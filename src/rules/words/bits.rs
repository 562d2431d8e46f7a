//! Sets of small numbers, as bits.
//!
//! In: numbers below the size the set was made for. Out: whether they are in it. What always holds: a
//! number beyond the set is not in it.

const BITS: usize = u64::BITS as usize;

/// How many machine words hold so many bits.
pub(super) const fn words(bits: usize) -> usize {
    bits.div_ceil(BITS)
}

/// An empty set for numbers below `bits`.
pub(super) fn none(bits: usize) -> Box<[u64]> {
    vec![0; words(bits)].into()
}

#[inline]
pub(super) fn has(set: &[u64], bit: usize) -> bool {
    set.get(bit / BITS).is_some_and(|word| word >> (bit % BITS) & 1 == 1)
}

#[inline]
pub(super) fn set(set: &mut [u64], bit: usize) {
    set[bit / BITS] |= 1 << (bit % BITS);
}

pub(super) fn clear(set: &mut [u64], bit: usize) {
    set[bit / BITS] &= !(1 << (bit % BITS));
}

/// Number of bits in the set.
pub(super) fn count(set: &[u64]) -> usize {
    set.iter().map(|word| usize::try_from(word.count_ones()).expect("at most 64")).sum()
}
