//! A connection as a member of its scope, and of the scopes above.

use super::Lifecycle;
use super::group::Member;
use super::indices::Index;
use crate::id::ConnectionId;
use crate::state::{Closed, State};

impl Member for Lifecycle {
    fn id(&self) -> ConnectionId {
        self.id()
    }

    fn state(&self) -> State {
        self.state()
    }

    fn how_it_closed(&self) -> Closed {
        self.word().load().how_it_closed()
    }

    fn mark_settled(&self) -> bool {
        self.word().settle()
    }

    fn index(&self, depth: usize) -> usize {
        self.index_at(depth).get()
    }

    fn set_index(&self, depth: usize, index: usize) {
        self.index_at(depth).set(index);
    }
}

impl Lifecycle {
    #[inline]
    fn index_at(&self, depth: usize) -> &Index {
        let above = self
            .rare
            .as_ref()
            .and_then(|rare| rare.indices_above.at(depth));
        above.unwrap_or(&self.index)
    }
}
