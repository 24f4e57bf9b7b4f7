//! Telling someone when a key comes into use and when it goes out of use.
//!
//! Whether a call is due is read from the group under its lock: is there a seat, and
//! which hook was called last? So the calls for one key alternate whatever the
//! interleaving is. They are made with no lock held (I8), by one thread at a time;
//! who comes meanwhile leaves them to it.

use std::sync::Arc;

use super::Shared;
use super::seat::Seat;

pub(super) struct Hooks<K> {
    pub(super) on_first: Option<Hook<K>>,
    pub(super) on_last: Option<Hook<K>>,
}

pub(super) type Hook<K> = Box<dyn Fn(&K) + Send + Sync>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    First,
    Last,
}

impl<K> Hooks<K> {
    fn call(&self, call: Call, key: &K) {
        let hook = match call {
            Call::First => &self.on_first,
            Call::Last => &self.on_last,
        };
        if let Some(hook) = hook {
            hook(key);
        }
    }
}

impl<K, V> Shared<K, V> {
    /// Calls what is due, for a seat for which the calls have begun.
    pub(super) fn call_hooks(&self, hooks: &Hooks<K>, hash: u64, seat: &Arc<Seat<K, V>>) {
        loop {
            let mut table = self.table(hash);
            let Some(mut entry) = table.find(hash, |group| group.calls_for(seat)) else {
                return;
            };
            match entry.get_mut().next_call() {
                Ok(call) => {
                    drop(table);
                    let lifecycle = seat.handle.lifecycle();
                    lifecycle.contain(|| hooks.call(call, &seat.key));
                }
                Err(caller) => {
                    if entry.get().is_vacant() {
                        entry.remove();
                        table.shrink();
                    }
                    drop(table);
                    drop(caller);
                    return;
                }
            }
        }
    }
}
