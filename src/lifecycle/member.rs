//! A connection as a member of its scope, and of the scopes above.

use super::Lifecycle;
use super::group::Member;
use crate::id::ConnectionId;
use crate::state::State;

impl Member for Lifecycle {
    fn id(&self) -> ConnectionId {
        self.id()
    }

    fn state(&self) -> State {
        self.state()
    }

    fn mark_settled(&self) -> bool {
        self.word().settle()
    }

    fn index(&self, depth: usize) -> usize {
        self.indices.get(depth)
    }

    fn set_index(&self, depth: usize, index: usize) {
        self.indices.set(depth, index);
    }
}
