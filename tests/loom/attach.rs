//! Two attach a value of one type, and the connection ends.

use std::sync::Arc;

use hangup::{CloseReason, Handle};
use loom::thread::spawn;

use crate::model::{Count, Fact, model, model_3, settled, setup};

struct Value {
    handle: Handle,
    dropped: Count,
    made_by: usize,
    seen: Fact,
}

impl Drop for Value {
    fn drop(&mut self) {
        // I8: it may use its connection.
        self.handle.forsake_undos();
        self.dropped.add();
    }
}

fn attach(handle: &Handle, dropped: &Count, made: &Count, made_by: usize) -> Arc<Value> {
    handle.attach(|| {
        made.add();
        let seen = Fact::new();
        seen.state();
        Value {
            handle: handle.clone(),
            dropped: dropped.clone(),
            made_by,
            seen,
        }
    })
}

/// One of the two stays, both get it, and it is seen; the other one is gone at once.
#[test]
fn attach_vs_attach() {
    model(|| {
        let setup = setup();
        let handle = setup.handle();
        let (dropped, made) = (Count::default(), Count::default());
        let other = spawn({
            let (handle, dropped, made) = (handle.clone(), dropped.clone(), made.clone());
            move || attach(&handle, &dropped, &made, 1)
        });
        let mine = attach(&handle, &dropped, &made, 0);
        assert!(mine.seen.is_seen());
        let others = other.join().unwrap();
        assert!(Arc::ptr_eq(&mine, &others));
        assert_eq!(dropped.get() + 1, made.get());
        assert_eq!(attach(&handle, &dropped, &made, 2).made_by, mine.made_by);
        drop((mine, others));
        assert_eq!(dropped.get() + 1, made.get(), "the connection keeps it");
        drop(setup);
        assert_eq!(dropped.get(), made.get());
    });
}

/// I7: it is let go of before the connection has settled, or was never kept.
#[test]
fn i7_attach_vs_unwinding() {
    model(|| {
        let setup = setup();
        let handle = setup.handle();
        let (dropped, made) = (Count::default(), Count::default());
        let closer = spawn({
            let handle = handle.clone();
            move || handle.close(CloseReason::Idle).unwrap()
        });
        let value = attach(&handle, &dropped, &made, 0);
        closer.join().unwrap();
        assert_eq!(settled(&handle).panics, Vec::<String>::new());
        assert_eq!(Arc::strong_count(&value), 1, "kept for ever");
        drop(value);
        assert_eq!((dropped.get(), made.get()), (1, 1));
        drop(attach(&handle, &dropped, &made, 1));
        assert_eq!(dropped.get(), 2, "nothing is kept after that");
    });
}

/// I7: the same with two who attach.
#[test]
fn i7_attach_vs_attach_vs_unwinding_3() {
    model_3(2, || {
        let setup = setup();
        let handle = setup.handle();
        let (dropped, made) = (Count::default(), Count::default());
        let other = spawn({
            let (handle, dropped, made) = (handle.clone(), dropped.clone(), made.clone());
            move || drop(attach(&handle, &dropped, &made, 1))
        });
        let closer = spawn(move || drop(setup));
        drop(attach(&handle, &dropped, &made, 0));
        other.join().unwrap();
        closer.join().unwrap();
        settled(&handle);
        assert_eq!(dropped.get(), made.get(), "kept for ever");
    });
}
