//! To look inside connections: labels, values, times, keys and undos.

use std::fmt;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use hangup::report::{ConnectionId, Settled, Transition, WaitsFor};
use hangup::{
    CloseReason, Conflict, Deadlines, Handle, Observer, OpenError, Registry, Scope, State,
};

use crate::support::spawn_with::OnCloseSpawn;
use crate::support::tasks::Tasks;

/// A clock that the test moves.
#[derive(Clone)]
struct Clock(Arc<Mutex<Instant>>);

impl Clock {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn pass(&self, seconds: u64) {
        *self.0.lock().unwrap() += Duration::from_secs(seconds);
    }

    fn read(&self) -> impl Fn() -> Instant + use<> {
        let clock = self.clone();
        move || *clock.0.lock().unwrap()
    }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_label_is_readable_as_long_as_a_handle_is_there() {
    let mut pending = Scope::new().open().unwrap();
    let handle = pending.handle();
    assert_eq!(handle.label(), None);
    pending.label("ada");
    let mut setup = pending.register().unwrap();
    assert_eq!(handle.label().as_deref(), Some("ada"));
    // The latest counts.
    setup.label(String::from("ada of room 7"));
    let mut live = setup.go_live().unwrap();
    assert_eq!(handle.label().as_deref(), Some("ada of room 7"));
    live.label("gone");
    drop(live);
    assert!(handle.try_settled().is_some());
    assert_eq!(handle.label().as_deref(), Some("gone"));
}

#[test]
fn a_value_is_found_by_its_type_and_never_invented() {
    let mut pending = Scope::new().open().unwrap();
    let handle = pending.handle();
    assert_eq!(handle.get::<u8>(), None);
    pending.insert(7_u8).insert("seven").insert(8_u8);
    assert_eq!(handle.get::<u8>().as_deref(), Some(&8));
    assert_eq!(handle.get::<&str>().as_deref(), Some(&"seven"));
    assert_eq!(handle.get::<String>(), None);
    drop(pending);
    assert_eq!(handle.get::<u8>().as_deref(), Some(&8));
}

#[test]
fn i8_a_value_may_use_its_connection_when_it_is_dropped() {
    struct Reads(Handle, Arc<AtomicUsize>);
    impl Drop for Reads {
        fn drop(&mut self) {
            self.1.fetch_add(1, SeqCst);
            let _: Option<Arc<str>> = self.0.label();
        }
    }

    let (mut one, other) = (Scope::new().open().unwrap(), Scope::new().open().unwrap());
    let drops = Arc::new(AtomicUsize::new(0));
    one.insert(Reads(one.handle(), Arc::clone(&drops)));
    one.insert(Reads(other.handle(), Arc::clone(&drops)));
    // The first one has been replaced.
    assert_eq!(drops.load(SeqCst), 1);
    let handle = one.handle();
    drop(one);
    assert_eq!(drops.load(SeqCst), 1);
    drop(handle);
    assert_eq!(drops.load(SeqCst), 2);
}

#[test]
fn the_observer_the_farewell_and_a_look_up_read_labels_and_values() {
    #[derive(Default)]
    struct Log(Mutex<Vec<String>>);
    impl Log {
        fn add(&self, what: impl fmt::Debug, connection: &Handle) {
            let label = connection.label();
            self.0.lock().unwrap().push(format!("{what:?} {label:?}"));
        }
    }
    impl Observer for Log {
        fn on_transition(&self, connection: &Handle, transition: &Transition) {
            self.add(transition.to.phase(), connection);
        }

        fn on_settled(&self, connection: &Handle, settled: &Settled) {
            self.add(settled.undos_run, connection);
        }
    }

    let log = Arc::new(Log::default());
    let scope = Scope::builder().observer(Arc::clone(&log)).build();
    let workers = Registry::new(Conflict::Replace);
    let mut pending = scope.open().unwrap();
    pending.label("ada").insert(7_u8);
    let mut setup = pending.register().unwrap();
    setup.join(&workers, "ada", ()).unwrap();
    let live = setup.go_live().unwrap();

    let found = workers.members("ada").pop().unwrap();
    assert_eq!(found.handle().get::<u8>().as_deref(), Some(&7));
    let of_farewell = live.handle();
    let stream = live.stream(futures::stream::pending());
    let stream = stream.farewell(move |_| of_farewell.label());
    found.handle().close(CloseReason::Idle).unwrap();
    let said: Vec<_> = futures::executor::block_on_stream(stream).collect();
    assert_eq!(said, [Arc::from("ada")]);
    let expected = [
        "Some(Registering) Some(\"ada\")",
        "Some(Live) Some(\"ada\")",
        "None Some(\"ada\")",
        "0 Some(\"ada\")",
    ];
    assert_eq!(*log.0.lock().unwrap(), expected);
}

#[test]
fn the_words_of_a_close_and_a_label_do_not_disturb_each_other() {
    let mut pending = Scope::new().open().unwrap();
    let handle = pending.handle();
    pending.label("ada");
    handle
        .close_with(CloseReason::App(7), "the room is gone")
        .unwrap();
    pending.label("still ada");
    let snapshot = handle.snapshot();
    assert_eq!(
        snapshot.end.unwrap().to_string(),
        "app(7): the room is gone"
    );
    assert_eq!(snapshot.label.as_deref(), Some("still ada"));
}

#[test]
fn ages_are_those_of_the_clock_also_without_an_observer() {
    let clock = Clock::new();
    let scope = Scope::builder().clock(clock.read()).build();
    let setup = scope.open().unwrap().register().unwrap();
    let handle = setup.handle();
    clock.pass(10);
    let live = setup.go_live().unwrap();
    clock.pass(5);
    let times = |handle: &Handle| {
        let snapshot = handle.snapshot();
        assert_eq!(handle.age(), snapshot.age);
        (snapshot.age, snapshot.in_state)
    };
    assert_eq!(times(&handle), (Some(seconds(15)), Some(seconds(5))));
    drop(live);
    clock.pass(2);
    assert_eq!(times(&handle), (Some(seconds(17)), Some(seconds(2))));

    let unknown = Scope::new().open().unwrap().handle();
    assert_eq!(times(&unknown), (None, None));
    assert_eq!(unknown.opened_at(), None);
}

#[test]
fn a_connection_stays_opened_at_the_instant_that_the_clock_told() {
    let clock = Clock::new();
    let scope = Scope::builder().clock(clock.read()).build();
    let begun = clock.read()();
    clock.pass(10);
    let pending = scope.open().unwrap();
    let handle = pending.handle();
    assert_eq!(handle.opened_at(), Some(begun + seconds(10)));
    clock.pass(5);
    drop(pending);
    assert_eq!(handle.opened_at(), Some(begun + seconds(10)));
    // A clock that panics tells nothing.
    let scope = Scope::builder().clock(|| panic!("no time")).build();
    assert_eq!(scope.open().unwrap().handle().opened_at(), None);
}

#[test]
fn a_child_with_a_clock_of_its_own_keeps_the_observer_above() {
    let told = Arc::new(AtomicUsize::new(0));
    let tells = Arc::clone(&told);
    let observer = move |_: &Handle, _: &Transition| _ = tells.fetch_add(1, SeqCst);
    let server = Scope::builder().observer(observer).build();
    let clock = Clock::new();
    let child = server.child().clock(clock.read()).build();
    let pending = child.open().unwrap();
    clock.pass(3);
    assert_eq!(pending.handle().age(), Some(seconds(3)));
    drop(pending);
    assert_eq!(told.load(SeqCst), 1);
}

#[test]
fn idle_for_is_the_time_since_the_last_touch_whichever_deadline_there_is() {
    let (now, minute) = (Instant::now(), seconds(60));
    let deadlines = Deadlines::new();
    for deadlines in [
        deadlines.idle(10 * minute),
        deadlines.max_age(10 * minute),
        deadlines.stall(10 * minute),
        deadlines,
    ] {
        let scope = Scope::builder()
            .deadlines(deadlines)
            .unsettled_after(minute)
            .swept_by_hand()
            .build();
        let live = scope.live().unwrap();
        let handle = live.handle();
        for sweep in 0..5 {
            scope.sweep(now + sweep * minute);
        }
        // Two sweeps date a touch.
        assert_eq!(handle.idle_for(), Some(3 * minute), "{deadlines:?}");
        handle.touch();
        assert_eq!(handle.idle_for(), Some(Duration::ZERO));
    }
    assert_eq!(Scope::new().open().unwrap().handle().idle_for(), None);
}

#[test]
fn keys_are_told_under_the_names_of_registries() {
    let workers = Registry::builder(Conflict::Replace).name("workers").build();
    let rooms = Registry::builder(Conflict::share(9)).name("rooms").build();
    let nameless = Registry::new(Conflict::Replace);
    let mut setup = Scope::new().open().unwrap().register().unwrap();
    let handle = setup.handle();
    setup.join(&workers, "ada", ()).unwrap();
    setup.join(&nameless, 1, ()).unwrap();
    setup.join(&rooms, 7_u32, ()).unwrap();
    setup.join(&rooms, 8_u32, ()).unwrap();
    let keys = || {
        let keys = handle.keys();
        let keys = keys.iter().map(|it| format!("{}={}", it.registry, it.key));
        keys.collect::<Vec<_>>()
    };
    // In the set-up too.
    assert_eq!(keys(), ["rooms=8", "rooms=7", "workers=\"ada\""]);
    let live = setup.go_live().unwrap();
    assert_eq!(keys().len(), 3);
    drop(live);
    assert!(keys().is_empty());
}

#[test]
fn i8_the_debug_of_a_key_may_use_its_registry() {
    #[derive(PartialEq, Eq, Hash)]
    struct Key;
    static KEYS: OnceLock<Registry<Key, ()>> = OnceLock::new();
    impl fmt::Debug for Key {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{}", KEYS.get().unwrap().contains(&Self))
        }
    }
    let keys = KEYS.get_or_init(|| Registry::builder(Conflict::Replace).name("keys").build());
    let mut setup = Scope::new().open().unwrap().register().unwrap();
    setup.join(keys, Key, ()).unwrap();
    let live = setup.go_live().unwrap();
    assert_eq!(live.handle().keys()[0].key, "true");
}

#[cfg(feature = "tokio")]
#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn undos_that_have_not_begun_and_what_is_waited_for_are_told() {
    let mut setup = Scope::new().open().unwrap().register().unwrap();
    let handle = setup.handle();
    setup.on_close_async("pause", || async {}).unwrap();
    setup.on_close(|| ()).unwrap();
    setup.on_close_async("leave", pending::<()>).unwrap();
    let undos = |handle: &Handle| {
        let snapshot = handle.snapshot();
        let names: Vec<_> = snapshot.undos.iter().map(ToString::to_string).collect();
        (names, snapshot.waits_for.is_some(), snapshot.settled)
    };
    let both = vec!["leave".to_owned(), "pause".to_owned()];
    assert_eq!(undos(&handle), (both, false, false));
    drop(setup);
    // The newest one has begun, and does not end.
    assert_eq!(undos(&handle), (vec!["pause".to_owned()], true, false));
    handle.abandon_undos();
    handle.settled().await;
    assert_eq!(undos(&handle), (Vec::new(), false, true));
}

#[test]
fn i10_of_many_undos_the_newest_are_told() {
    let mut setup = Scope::new().open().unwrap().register().unwrap();
    let tasks = Tasks::default();
    for number in 0..1_000 {
        let name = number.to_string();
        setup
            .on_close_spawn(name, tasks.spawn(), || async {})
            .unwrap();
    }
    let undos = setup.handle().snapshot().undos;
    assert_eq!((undos.len(), &*undos[0]), (64, "999"));
    drop(setup);
    // A task that is dropped abandons its undo, and the next one begins.
    while let Some(task) = tasks.take() {
        drop(task);
    }
}

#[test]
fn a_connection_is_found_by_its_id_until_it_has_settled() {
    let scope = Scope::builder().max_connections(1_000).build();
    assert_eq!(scope.max_connections(), Some(1_000));
    assert_eq!(Scope::new().max_connections(), None);
    let all: Vec<_> = (0..1_000).map(|_| scope.open().unwrap()).collect();
    assert_eq!(scope.open().unwrap_err(), OpenError::Full);
    for pending in &all {
        let id: ConnectionId = pending.id().to_string().parse().unwrap();
        assert_eq!(scope.connection(id), Some(pending.handle()));
        assert_eq!(Scope::new().connection(id), None);
    }
    let gone = all[500].id();
    let all: Vec<_> = all.into_iter().filter(|it| it.id() != gone).collect();
    assert_eq!(scope.connection(gone), None);
    assert!(all.iter().all(|it| scope.connection(it.id()).is_some()));
}

#[test]
fn an_id_is_read_as_it_is_written_and_nothing_else_is() {
    let id = Scope::new().open().unwrap().id();
    assert_eq!(id.to_string().parse(), Ok(id));
    for text in [
        "",
        "+1",
        "-1",
        "0x1",
        " 1",
        "1 ",
        "1.0",
        "18446744073709551616",
        "ada",
    ] {
        let error = text.parse::<ConnectionId>().unwrap_err();
        assert_eq!(error.to_string(), "no id of a connection", "{text}");
    }
}

#[test]
fn a_snapshot_belongs_together_while_connections_end() {
    let scope = Scope::builder().clock(Instant::now).build();
    std::thread::scope(|threads| {
        for _ in 0..200 {
            let mut pending = scope.open().unwrap();
            pending.label("ada");
            let handle = pending.handle();
            threads.spawn(move || {
                let closed = handle.close_with(CloseReason::App(1), "words");
                assert!(closed.is_ok());
            });
            let handle = pending.handle();
            loop {
                let snapshot = handle.snapshot();
                assert_eq!(snapshot.label.as_deref(), Some("ada"));
                let end = snapshot.end.as_ref();
                assert_eq!(end.is_some(), matches!(snapshot.state, State::Closed(_)));
                assert!(snapshot.in_state <= snapshot.age);
                if let Some(end) = end {
                    assert_eq!(end.words.as_deref(), Some("words"));
                    break;
                }
            }
        }
    });
}

#[test]
fn a_connection_that_does_not_settle_is_told_once_and_never_after_it_has() {
    #[derive(Default)]
    struct Log(Mutex<Vec<String>>);
    impl Observer for Log {
        fn on_transition(&self, _: &Handle, _: &Transition) {}

        fn on_settled(&self, connection: &Handle, _: &Settled) {
            self.0
                .lock()
                .unwrap()
                .push(format!("settled {}", connection.id()));
        }

        fn on_unsettled(&self, connection: &Handle, waits_for: Option<&WaitsFor>) {
            let waits = matches!(waits_for, Some(WaitsFor::Task { .. }));
            self.0
                .lock()
                .unwrap()
                .push(format!("unsettled {} {waits}", connection.id()));
        }
    }

    let log = Arc::new(Log::default());
    let now = Instant::now();
    let scope = Scope::builder()
        .observer(Arc::clone(&log))
        .unsettled_after(seconds(30))
        .swept_by_hand()
        .build();
    let (stuck, quick) = (scope.live().unwrap(), scope.live().unwrap());
    let id = stuck.id();
    let task = stuck.track(pending::<()>());
    let quick_id = quick.id();
    stuck.close(CloseReason::Idle).unwrap();
    let told = || std::mem::take(&mut *log.0.lock().unwrap());
    drop(quick);
    assert_eq!(told(), [format!("settled {quick_id}")]);
    for sweep in 0..5 {
        scope.sweep(now + seconds(10 * sweep));
        // Two sweeps date the close, so it is 30 seconds old at the fifth.
        let expected = if sweep < 4 {
            Vec::new()
        } else {
            vec![format!("unsettled {id} true")]
        };
        assert_eq!(told(), expected, "{sweep}");
    }
    for sweep in 5..9 {
        scope.sweep(now + seconds(10 * sweep));
    }
    drop(task);
    scope.sweep(now + seconds(100));
    assert_eq!(told(), [format!("settled {id}")]);
    // A child has the time of the scope above, and connections with deadlines of their own too.
    let child = scope.child().build();
    let own = child.open_with(|_| Deadlines::new()).unwrap();
    let setup = own.register().unwrap();
    setup.handle().close(CloseReason::Idle).unwrap();
    for sweep in 11..20 {
        scope.sweep(now + seconds(10 * sweep));
    }
    assert_eq!(told(), [format!("unsettled {} false", setup.id())]);
}

#[test]
fn items_are_counted_by_those_who_ask_for_it() {
    let mut live = Scope::new().live().unwrap();
    let handle = live.handle();
    assert_eq!((handle.items(), handle.snapshot().items), (None, None));
    let (one, other) = (live.count_items(), live.count_items());
    one.add(2);
    other.clone().add(3);
    assert_eq!(
        (handle.items(), handle.snapshot().items),
        (Some(5), Some(5))
    );
    drop(live);
    assert_eq!(handle.items(), Some(5));
}
