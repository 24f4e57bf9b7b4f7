//! When to give memory back after a burst.

/// Below this capacity nothing is given back.
const SMALL: usize = 16;

/// The capacity to shrink to, if less than an eighth is used. Half of it is free then, so
/// that as many have to come or go before the memory moves again; and while all go, no
/// more than one in six is moved.
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
