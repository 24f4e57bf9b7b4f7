//! A signal that fires once, for instance when a request is cancelled.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::ledger::{Held, Ledger};
use crate::panic::drop_each;

/// A signal that fires once.
///
/// Code can await it, query it, or register a listener. A listener that is registered
/// after the signal has fired is never called, as with event targets.
///
/// Cloning is cheap; all clones are the same signal.
///
/// # Examples
///
/// ```
/// use hangup_test::Signal;
///
/// let signal = Signal::new();
/// signal.listen(|| println!("aborted"));
/// signal.fire();
/// assert!(signal.has_fired());
/// signal.listen(|| unreachable!("it fires once, and that was before"));
/// ```
#[derive(Clone, Default)]
pub struct Signal {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    ledger: Ledger,
    /// The name in the ledger. `None` if the signal does not outlive its listeners.
    name: Option<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    has_fired: bool,
    next: u64,
    listeners: BTreeMap<u64, Listener>,
}

struct Listener {
    reaction: Reaction,
    _held: Option<Held>,
}

enum Reaction {
    Wake(Waker),
    Call(Box<dyn FnOnce() + Send>),
}

/// Identifies a listener for [`Signal::unlisten`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ListenerId(u64);

impl Signal {
    /// Creates a signal that has not fired. A listener that remains on it is no fault.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn in_ledger(ledger: Ledger, name: Option<String>) -> Self {
        Self {
            shared: Arc::new(Shared {
                ledger,
                name,
                state: Mutex::default(),
            }),
        }
    }

    /// Drops all listeners. They may own the signal.
    pub(crate) fn forget_listeners(&self) {
        let listeners = std::mem::take(&mut self.state().listeners);
        drop_each(listeners.into_values());
    }

    /// Fires the signal: calls and wakes all listeners in the order of their
    /// registration.
    ///
    /// # Panics
    ///
    /// Panics if a listener panics, after all listeners have been called.
    pub fn fire(&self) {
        let mut state = self.state();
        state.has_fired = true;
        let listeners = std::mem::take(&mut state.listeners);
        drop(state);
        let mut panicked = None;
        for listener in listeners.into_values() {
            let react = || match listener.reaction {
                Reaction::Wake(waker) => waker.wake(),
                Reaction::Call(call) => call(),
            };
            if let Err(payload) = catch_unwind(AssertUnwindSafe(react)) {
                panicked.get_or_insert(payload);
            }
        }
        if let Some(payload) = panicked {
            resume_unwind(payload);
        }
    }

    /// Returns `true` if the signal has fired.
    #[must_use]
    pub fn has_fired(&self) -> bool {
        let has_fired = self.state().has_fired;
        if !has_fired {
            let mut state = self.shared.ledger.state();
            let actor = state.actor;
            state.looked.insert(actor);
        }
        has_fired
    }

    /// Calls `f` when the signal fires. If it has fired already, `f` is never called.
    pub fn listen<F>(&self, f: F) -> ListenerId
    where
        F: FnOnce() + Send + 'static,
    {
        let mut number = None;
        self.add(&mut number, Reaction::Call(Box::new(f)));
        ListenerId(number.expect("it was given one"))
    }

    /// Removes a listener, which is then not called.
    pub fn unlisten(&self, listener: ListenerId) {
        self.remove(listener.0);
    }

    /// Resolves when the signal has fired.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future removes its listener.
    pub fn fired(&self) -> Fired {
        Fired {
            signal: self.clone(),
            number: None,
        }
    }

    fn add(&self, number: &mut Option<u64>, reaction: Reaction) {
        let mut state = self.state();
        let known = number.and_then(|number| state.listeners.get_mut(&number));
        if let Some(listener) = known {
            let replaced = std::mem::replace(&mut listener.reaction, reaction);
            drop(state);
            drop(replaced);
            return;
        }
        let number = *number.get_or_insert_with(|| {
            state.next += 1;
            state.next
        });
        if state.has_fired {
            drop(state);
            drop(reaction);
            return;
        }
        let name = self.shared.name.as_ref();
        let listener = Listener {
            reaction,
            _held: name.map(|name| self.shared.ledger.listener(name.clone())),
        };
        state.listeners.insert(number, listener);
    }

    fn remove(&self, number: u64) {
        let removed = self.state().listeners.remove(&number);
        drop(removed);
    }

    /// Only code of this crate runs under this lock.
    fn state(&self) -> MutexGuard<'_, State> {
        let state = self.shared.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Signal")
            .field("has_fired", &state.has_fired)
            .field("listeners", &state.listeners.len())
            .finish()
    }
}

/// Future of [`Signal::fired`].
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct Fired {
    signal: Signal,
    number: Option<u64>,
}

impl Future for Fired {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.signal.state().has_fired {
            return Poll::Ready(());
        }
        let waker = Reaction::Wake(cx.waker().clone());
        this.signal.add(&mut this.number, waker);
        // A concurrent `fire` either takes the waker or is seen here.
        if this.signal.state().has_fired {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Drop for Fired {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.signal.remove(number);
        }
    }
}
