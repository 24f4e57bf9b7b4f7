//! Several slots under one key.
//!
//! They are kept apart by what look-ups have found out about their connections, so that no
//! slot is in the way of those that are looked for (I10):
//!
//! - `shown` has the live ones, and those of which nothing is known yet;
//! - `set_aside` has those that a look-up has found in set-up. Before such a connection goes
//!   live, it [brings its slot back](Crowd::bring_back);
//! - `closed` has those that were found closed, until they settle.
//!
//! A connection changes its state without the lock, so the two latter are filled by whatever
//! looks at a slot. Each slot is put there at most once, for a connection sets RETURNING
//! before it brings a slot back.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use super::portion::{Portion, Unfinished};
use super::slot::Slot;
use crate::lifecycle::{Exit, Standing};

/// So many slots in set-up may stay in the way of look-ups: to set one aside costs its
/// connection a lock when it goes live.
const FEW: usize = if cfg!(hangup_loom) { 1 } else { 8 };

/// At most so many slots are looked at for the reason of a refusal.
const PROBES: usize = 8;

pub(super) struct Crowd<K, V, R> {
    shown: Slots<K, V, R>,
    set_aside: Slots<K, V, R>,
    closed: Slots<K, V, R>,
    /// The take-overs that wait for their predecessors, with the order of their slot.
    newest_claim: Option<(u64, Departed)>,
    older_claims: BTreeMap<u64, Departed>,
    /// Where the latest refusal stopped to look for closed slots.
    probed: u64,
}

/// By [`Slot::order`].
type Slots<K, V, R> = BTreeMap<u64, Arc<Slot<K, V, R>>>;

/// The newest slot of some kind, unless the portion was used up before it was found.
pub(super) type Newest<'a, K, V, R> = Result<Option<&'a Arc<Slot<K, V, R>>>, Unfinished<()>>;

/// The predecessors of a take-over that have settled while it waited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Departed {
    pub(crate) all: usize,
    /// Those with an undo that was abandoned or panicked.
    pub(crate) unclean: usize,
}

impl<K, V, R> Default for Crowd<K, V, R> {
    fn default() -> Self {
        Self {
            shown: BTreeMap::new(),
            set_aside: BTreeMap::new(),
            closed: BTreeMap::new(),
            newest_claim: None,
            older_claims: BTreeMap::new(),
            probed: 0,
        }
    }
}

impl<K, V, R> Crowd<K, V, R> {
    pub(super) fn len(&self) -> usize {
        self.shown.len() + self.set_aside.len() + self.closed.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0 && self.newest_claim.is_none()
    }

    fn each(&self) -> [&Slots<K, V, R>; 3] {
        [&self.shown, &self.set_aside, &self.closed]
    }

    pub(super) fn any(&self) -> Option<&Arc<Slot<K, V, R>>> {
        self.each()
            .into_iter()
            .find_map(|slots| slots.values().next())
    }

    pub(super) fn slot(&self, order: u64) -> Option<&Arc<Slot<K, V, R>>> {
        self.each().into_iter().find_map(|slots| slots.get(&order))
    }

    /// The newest slot that is older than `order`.
    pub(super) fn before(&self, order: u64) -> Option<&Arc<Slot<K, V, R>>> {
        let newest = self
            .each()
            .into_iter()
            .filter_map(|slots| slots.range(..order).next_back());
        newest
            .max_by_key(|(order, _)| **order)
            .map(|(_, slot)| slot)
    }

    pub(super) fn insert(&mut self, slot: Arc<Slot<K, V, R>>) {
        self.shown.insert(slot.order, slot);
    }

    pub(super) fn remove(&mut self, order: u64) -> Option<Arc<Slot<K, V, R>>> {
        let slots = [&mut self.shown, &mut self.closed, &mut self.set_aside];
        slots.into_iter().find_map(|slots| slots.remove(&order))
    }

    /// Takes the slot out that is the only one.
    pub(super) fn take_sole(&mut self) -> Option<Arc<Slot<K, V, R>>> {
        if self.len() != 1 {
            return None;
        }
        let slots = [&mut self.shown, &mut self.closed, &mut self.set_aside];
        slots
            .into_iter()
            .find_map(|slots| slots.pop_first())
            .map(|(_, slot)| slot)
    }

    /// For the connection, before it goes live.
    pub(super) fn bring_back(&mut self, order: u64) {
        let slot = self.set_aside.remove(&order);
        self.shown.extend(slot.map(|slot| (order, slot)));
    }

    pub(super) fn begin_claim(&mut self, order: u64) {
        let older = self.newest_claim.replace((order, Departed::default()));
        self.older_claims.extend(older);
    }

    pub(super) fn end_claim(&mut self, order: u64) -> Option<Departed> {
        if let Some((_, told)) = self.newest_claim.take_if(|(newest, _)| *newest == order) {
            self.newest_claim = self.older_claims.pop_last();
            return Some(told);
        }
        self.older_claims.remove(&order)
    }

    /// Tells the take-over that comes next after a slot how that slot has left, and hands on
    /// what a take-over that has not succeeded was told.
    pub(super) fn departed(&mut self, order: u64, exit: Exit) {
        let told = self.end_claim(order).unwrap_or_default();
        let older = self.older_claims.range_mut((Excluded(order), Unbounded));
        let newest = self.newest_claim.as_mut().filter(|it| it.0 > order);
        let next = older.map(|(_, next)| next).next();
        if let Some(next) = next.or_else(|| newest.map(|(_, next)| next)) {
            let (all, unclean) = match exit {
                Exit::Settling { clean } => (1, usize::from(!clean)),
                Exit::Withdrawn => (0, 0),
            };
            next.all += told.all + all;
            next.unclean += told.unclean + unclean;
        }
    }

    /// The newest slot that is live. Whatever it meets before that is in set-up or closed,
    /// and is met once.
    ///
    /// It begins with the newest in each portion: a newcomer may have gone live since the
    /// last one and have closed its predecessors (I3).
    pub(super) fn newest_live(&mut self, portion: &mut Portion) -> Newest<'_, K, V, R> {
        let mut below = u64::MAX;
        let found = loop {
            let Some((&order, slot)) = self.shown.range(..below).next_back() else {
                return Ok(None);
            };
            if !portion.take() {
                return Err(Unfinished(()));
            }
            if slot.is_live() {
                break order;
            }
            below = order;
            self.sort(order);
        };
        Ok(self.shown.get(&found))
    }

    /// Visits the slots that are live and newer than `after`, in the order of their
    /// reservation.
    pub(super) fn live_after(
        &mut self,
        after: u64,
        portion: &mut Portion,
        mut visit: impl FnMut(&Arc<Slot<K, V, R>>),
    ) -> Result<(), Unfinished<u64>> {
        let mut last = after;
        let mut to_sort = Vec::new();
        let mut finished = Ok(());
        for (&order, slot) in self.shown.range((Excluded(after), Unbounded)) {
            if !portion.take() {
                finished = Err(Unfinished(last));
                break;
            }
            last = order;
            if slot.is_live() {
                visit(slot);
            } else {
                to_sort.push(order);
            }
        }
        for order in to_sort {
            self.sort(order);
        }
        finished
    }

    /// Visits the slots that are open and between `after` and `before`, in the order of
    /// their reservation.
    pub(super) fn open_between(
        &mut self,
        after: u64,
        before: u64,
        portion: &mut Portion,
        mut visit: impl FnMut(&Arc<Slot<K, V, R>>),
    ) -> Result<(), Unfinished<u64>> {
        let range = (Excluded(after), Excluded(before));
        if after >= before {
            return Ok(());
        }
        let mut last = after;
        let mut closed = Vec::new();
        let mut finished = Ok(());
        for slot in merged(self.shown.range(range), self.set_aside.range(range)) {
            if !portion.take() {
                finished = Err(Unfinished(last));
                break;
            }
            last = slot.order;
            if slot.is_open() {
                visit(slot);
            } else {
                closed.push(slot.order);
            }
        }
        for order in closed {
            self.close(order);
        }
        finished
    }

    /// The newest slot that is open, of those that a portion reaches: each closed one that
    /// is newer is met once.
    pub(super) fn newest_open(&mut self, portion: &mut Portion) -> Newest<'_, K, V, R> {
        let found = loop {
            let newest = [&self.shown, &self.set_aside].map(|slots| slots.last_key_value());
            let newest = newest
                .into_iter()
                .flatten()
                .max_by_key(|(order, _)| **order);
            let Some((&order, slot)) = newest else {
                return Ok(None);
            };
            if !portion.take() {
                return Err(Unfinished(()));
            }
            if slot.is_open() {
                break order;
            }
            self.close(order);
        };
        Ok(self.slot(found))
    }

    /// The newest slot that is known to be closed.
    pub(super) fn newest_closed(&self) -> Option<&Arc<Slot<K, V, R>>> {
        self.closed.values().next_back()
    }

    /// Whether at least so many slots are closed, as far as it is known. Looks at a few
    /// slots of which it is not, at others than the last time.
    pub(super) fn has_closed(&mut self, many: usize) -> bool {
        for _ in 0..PROBES {
            if self.closed.len() >= many {
                return true;
            }
            let rest = (Excluded(self.probed), Unbounded);
            let next = merged(self.shown.range(rest), self.set_aside.range(rest)).next();
            match next {
                None => self.probed = 0,
                Some(slot) => {
                    let (order, is_open) = (slot.order, slot.is_open());
                    self.probed = order;
                    if !is_open {
                        self.close(order);
                    }
                }
            }
        }
        self.closed.len() >= many
    }

    /// Moves a shown slot, which was not live, to where it is in no look-up's way.
    fn sort(&mut self, order: u64) {
        let Some(slot) = self.shown.get(&order) else {
            return;
        };
        if !slot.is_open() {
            self.close(order);
        } else if self.shown.len() > FEW && slot.set_aside() == Standing::InSetUp {
            let slot = self.shown.remove(&order);
            self.set_aside.extend(slot.map(|slot| (order, slot)));
        }
    }

    fn close(&mut self, order: u64) {
        let slots = [&mut self.shown, &mut self.set_aside];
        let slot = slots.into_iter().find_map(|slots| slots.remove(&order));
        self.closed.extend(slot.map(|slot| (order, slot)));
    }
}

/// Two parts of a crowd, in the order of their reservation.
fn merged<'a, K: 'a, V: 'a, R: 'a>(
    one: impl Iterator<Item = (&'a u64, &'a Arc<Slot<K, V, R>>)>,
    other: impl Iterator<Item = (&'a u64, &'a Arc<Slot<K, V, R>>)>,
) -> impl Iterator<Item = &'a Arc<Slot<K, V, R>>> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    std::iter::from_fn(move || {
        let next = match (one.peek(), other.peek()) {
            (Some((first, _)), Some((second, _))) if first < second => one.next(),
            (Some(_), None) => one.next(),
            (_, _) => other.next(),
        };
        next.map(|(_, slot)| slot)
    })
}

#[cfg(all(test, not(hangup_loom)))]
mod tests {
    use crate::connection::{Live, Registering};
    use crate::registry::portion::largest;
    use crate::registry::{Conflict, Registry};
    use crate::scope::Scope;
    use crate::state::CloseReason;

    const MANY: usize = 2000;

    type Members = Registry<u32, ()>;

    fn joined(scope: &Scope, members: &Members, key: u32) -> Registering {
        let mut setup = scope.open().unwrap().register().unwrap();
        setup.join(members, key, ()).unwrap();
        setup
    }

    /// What is looked at: under one lock at most, and in all.
    fn cost<T>(look: impl FnOnce() -> T) -> (usize, usize, T) {
        largest::take();
        let found = look();
        let (largest, all) = largest::take();
        (largest, all, found)
    }

    #[test]
    fn what_is_not_live_is_walked_once_by_look_ups() {
        let (scope, members) = (Scope::new(), Members::new(Conflict::share_unbounded()));
        let oldest = joined(&scope, &members, 1).go_live().unwrap();
        let setups: Vec<_> = (0..MANY).map(|_| joined(&scope, &members, 1)).collect();
        let closed: Vec<_> = (0..MANY).map(|_| joined(&scope, &members, 1)).collect();
        for setup in &closed {
            setup.handle().close(CloseReason::Idle).unwrap();
        }
        let get = || members.get(&1).unwrap().handle().id();
        let (largest, all, found) = cost(get);
        assert_eq!(found, oldest.id());
        assert!(largest <= 256, "{largest}");
        assert!((2 * MANY..2 * MANY + 100).contains(&all), "{all}");
        let (_, all, found) = cost(get);
        assert_eq!(found, oldest.id());
        assert!(all < 20, "{all}");
        drop((setups, closed));
    }

    #[test]
    fn a_join_and_a_refusal_look_at_few() {
        let (scope, members) = (Scope::new(), Members::new(Conflict::share(MANY)));
        let mut setups: Vec<_> = (0..MANY).map(|_| joined(&scope, &members, 1)).collect();
        let last = setups.pop();
        setups[0].handle().close(CloseReason::Idle).unwrap();
        drop(last);
        let (_, all, setup) = cost(|| joined(&scope, &members, 1));
        assert_eq!(all, 0);
        let mut refused = scope.open().unwrap().register().unwrap();
        let (_, all, joined) = cost(|| refused.join(&members, 1, ()));
        assert!(joined.is_err());
        assert_eq!(all, 0);
        drop(setup);
    }

    #[test]
    fn whatever_looks_at_all_does_so_in_portions() {
        for (conflict, under) in [(Conflict::share_unbounded(), 1), (Conflict::Replace, MANY)] {
            let (scope, members) = (Scope::new(), Members::new(conflict));
            let key = |number: usize| u32::try_from(number % under).unwrap();
            let lives: Vec<Live> = (0..MANY)
                .map(|number| joined(&scope, &members, key(number)).go_live().unwrap())
                .collect();
            // Beside them as many in set-up and closed.
            let beside: Vec<_> = (0..2 * MANY)
                .map(|number| joined(&scope, &members, key(number)))
                .collect();
            for setup in beside.iter().step_by(2) {
                setup.handle().close(CloseReason::Idle).unwrap();
            }
            let visible = |count: usize| move |found: usize| assert_eq!(found, count);
            let all = visible(MANY);
            let looks: [(&str, &dyn Fn()); 7] = [
                ("len", &|| all(members.len())),
                ("iter", &|| all(members.iter().count())),
                ("keys", &|| visible(under)(members.keys().count())),
                ("is_empty", &|| assert!(!members.is_empty())),
                ("count", &|| visible(MANY / under)(members.count(&0))),
                ("members", &|| {
                    visible(MANY / under)(members.members(&0).len());
                }),
                ("close_where", &|| {
                    visible(0)(members.close_where(|_, ()| false, CloseReason::Idle));
                }),
            ];
            for (name, look) in looks {
                let (largest, _, ()) = cost(look);
                assert!((1..=256).contains(&largest), "{name} {largest}");
            }
            let (largest, _, closed) =
                cost(|| members.close_where(|_, ()| true, CloseReason::Idle));
            assert!((1..=256).contains(&largest), "{largest}");
            assert_eq!(closed, 2 * MANY);
            drop((lives, beside));
            assert!(members.is_empty());
        }
    }

    #[test]
    fn a_close_of_a_key_goes_in_portions() {
        let (scope, members) = (Scope::new(), Members::new(Conflict::share_unbounded()));
        let setups: Vec<_> = (0..MANY).map(|_| joined(&scope, &members, 1)).collect();
        assert!(members.get(&1).is_none());
        let (largest, _, closed) = cost(|| members.close(&1, CloseReason::Idle));
        assert!((1..=256).contains(&largest), "{largest}");
        assert_eq!(closed, MANY);
        drop(setups);
    }

    /// One that joins, goes live and replaces a crowd.
    #[test]
    fn a_replacement_goes_in_portions() {
        let (scope, members) = (Scope::new(), Members::new(Conflict::Replace));
        let setups: Vec<_> = (0..MANY).map(|_| joined(&scope, &members, 1)).collect();
        let newcomer = joined(&scope, &members, 1);
        let (largest, _, live) = cost(|| newcomer.go_live().unwrap());
        assert!((1..=256).contains(&largest), "{largest}");
        let open = setups
            .iter()
            .filter(|setup| !setup.handle().state().is_closed());
        assert_eq!(open.count(), 0);
        assert_eq!(members.get(&1).unwrap().handle().id(), live.id());
    }
}
