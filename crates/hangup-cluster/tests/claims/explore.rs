//! Every sequence of choices of a run, one after the other.

/// The choices of one run, and those that are left.
#[derive(Debug, Default)]
pub(crate) struct Choices {
    /// What was chosen, of how many.
    taken: Vec<(usize, usize)>,
    at: usize,
}

impl Choices {
    /// One of so many.
    pub(crate) fn choose(&mut self, options: usize) -> usize {
        assert!(options > 0);
        if self.at == self.taken.len() {
            self.taken.push((0, options));
        }
        let (chosen, before) = self.taken[self.at];
        assert_eq!(before, options, "a run is not repeated by the same choices");
        self.at += 1;
        chosen
    }

    /// The next sequence, in the order of a depth-first search.
    fn advance(&mut self) -> bool {
        self.taken.truncate(self.at);
        self.at = 0;
        while let Some((chosen, options)) = self.taken.pop() {
            if chosen + 1 < options {
                self.taken.push((chosen + 1, options));
                return true;
            }
        }
        false
    }
}

/// Runs `run` once for each sequence of choices. Returns how many there were.
pub(crate) fn every(mut run: impl FnMut(&mut Choices)) -> usize {
    let mut choices = Choices::default();
    let mut count = 0;
    loop {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&mut choices)));
        if let Err(panic) = outcome {
            let chosen: Vec<_> = choices.taken.iter().map(|(chosen, _)| chosen).collect();
            eprintln!("run {count} fails, with the choices {chosen:?}");
            std::panic::resume_unwind(panic);
        }
        count += 1;
        assert!(count < 5_000_000, "too many sequences");
        if !choices.advance() {
            return count;
        }
    }
}
