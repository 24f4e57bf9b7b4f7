//! The hooks of a registry: calls when a key comes into use and when it goes out of use.

use super::bucket::Call;

pub(super) struct Hooks<K> {
    pub(super) on_first: Option<Hook<K>>,
    pub(super) on_last: Option<Hook<K>>,
}

pub(super) type Hook<K> = Box<dyn Fn(&K) + Send + Sync>;

impl<K> Hooks<K> {
    pub(super) fn call(&self, call: Call, key: &K) {
        let hook = match call {
            Call::First => &self.on_first,
            Call::Last => &self.on_last,
        };
        if let Some(hook) = hook {
            hook(key);
        }
    }
}
