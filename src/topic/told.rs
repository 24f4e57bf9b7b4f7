//! Which losses a reader needs no telling of.

/// What a reader has been told, or was lost before it came.
pub(super) enum Told {
    /// All that is lost up to this number.
    UpTo(u64),
    /// For each ring all of it that is lost up to a number; the last one is for the place behind
    /// which a reset begins. So what one lane kept when the reader came is missed if it is lost, also below
    /// what another lane had lost before.
    PerRing(Box<[u64]>),
}

impl Default for Told {
    fn default() -> Self {
        Self::UpTo(0)
    }
}

impl Told {
    /// The number for this ring, or, behind the last ring, for a reset.
    pub(super) fn of(&self, ring: usize) -> u64 {
        match self {
            Self::UpTo(number) => *number,
            Self::PerRing(numbers) => numbers[ring],
        }
    }

    /// The number up to which nothing needs telling.
    pub(super) fn all(&self) -> u64 {
        match self {
            Self::UpTo(number) => *number,
            Self::PerRing(numbers) => numbers.iter().copied().min().unwrap_or(0),
        }
    }

    /// A gap up to this number is told.
    pub(super) fn tell(&mut self, to: u64) {
        match self {
            Self::UpTo(number) => *number = to.max(*number),
            Self::PerRing(numbers) => {
                for number in numbers {
                    *number = to.max(*number);
                }
            }
        }
    }
}
