//! When a collection gives memory back after a burst.

/// Up to this capacity a collection keeps its memory.
const SMALL: usize = 16;

/// The capacity to shrink to, if less than an eighth is used: twice the length. So half of
/// it is free, and as many elements must come or go before the memory moves again. While a
/// collection empties, at most one element is moved for six that are removed.
pub(crate) fn target(len: usize, capacity: usize) -> Option<usize> {
    (capacity > SMALL && len < capacity / 8).then_some(2 * len)
}

#[cfg(test)]
mod tests {
    use super::target;

    #[test]
    fn what_is_used_by_less_than_an_eighth_shrinks_to_twice_what_is_used() {
        assert_eq!(target(11, 100), Some(22));
        assert_eq!(target(12, 100), None);
        assert_eq!(target(100, 100), None);
        assert_eq!(target(0, 17), Some(0));
    }

    #[test]
    fn what_is_small_stays() {
        assert_eq!(target(0, 16), None);
        assert_eq!(target(0, 0), None);
    }
}
