//! Values of one's own beside a connection.

use hangup::CloseReason;

use crate::support::log::{Log, LogOnDrop};
use crate::support::registering;

struct Kept(#[expect(dead_code, reason = "dropped")] LogOnDrop);

#[test]
fn what_is_attached_goes_after_the_undo_and_before_the_connection_has_settled() {
    let log = Log::default();
    let mut setup = registering();
    let handle = setup.handle();
    setup.on_close(log.adds("undone"));
    handle.attach(|| Kept(log.on_drop("let go")));
    // One of each type, made once.
    handle.attach(|| -> Kept { panic!("there is one") });
    handle.attach(|| "another type");
    let watched = handle.clone();
    let unsettled = log.clone();
    handle.attach(move || {
        struct Looks(hangup::Handle, Log);
        impl Drop for Looks {
            fn drop(&mut self) {
                assert!(self.0.settlement().is_none());
                self.1.add("not settled");
            }
        }
        Looks(watched, unsettled)
    });
    handle.close(CloseReason::Idle).unwrap();
    assert_eq!(log.entries(), ["undone", "let go", "not settled"]);

    // Nothing is kept any more, and whoever asks gets one for itself.
    drop(handle.attach(|| Kept(log.on_drop("not kept"))));
    assert_eq!(log.entries().last().unwrap(), "not kept");
    assert!(handle.settlement().unwrap().panics.is_empty());
    drop(setup);
}

#[test]
fn what_somebody_still_holds_outlives_the_connection() {
    let log = Log::default();
    let setup = registering();
    let held = setup.handle().attach(|| Kept(log.on_drop("let go")));
    drop(setup);
    assert!(log.entries().is_empty());
    drop(held);
    assert_eq!(log.entries(), ["let go"]);
}
