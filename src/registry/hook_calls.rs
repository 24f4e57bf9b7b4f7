//! Calling the hooks of a registry, in turns.
//!
//! Whether a call is due is read from the bucket under its lock: has it a slot, and which
//! hook was called last? So the calls for one key alternate, whatever the interleaving is.
//! They are made with no lock held (I8), by one thread at a time: the holder of the
//! bucket's [baton](crate::sync::baton).

use std::sync::Arc;

use super::hooks::Hooks;
use super::shared::{Shared, Slot};

impl<K, V> Shared<K, V> {
    /// Makes the calls that are due. The caller has [begun](super::bucket::Bucket::begin_calls)
    /// them for `slot`.
    pub(super) fn call_hooks(&self, hooks: &Hooks<K>, hash: u64, slot: &Arc<Slot<K, V>>) {
        loop {
            let mut table = self.table(hash);
            let Some(mut entry) = table.find(hash, |bucket| bucket.calls_for(slot)) else {
                return;
            };
            match entry.get_mut().next_call() {
                Ok(call) => {
                    drop(table);
                    let lifecycle = slot.handle.lifecycle();
                    lifecycle.catch_panic(|| hooks.call(call, &slot.key));
                }
                Err(caller) => {
                    if entry.get().is_vacant() {
                        entry.remove();
                        table.shrink_if_empty();
                    }
                    drop(table);
                    drop(caller);
                    return;
                }
            }
        }
    }
}
