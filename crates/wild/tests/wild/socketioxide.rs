//! A connect handler of socketioxide that is still at work when its socket disconnects.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engineioxide::service::NotFoundService;
use hangup_test::{Client, Fault, Report, Trial, abort_everywhere};
use hangup_wild::Row;
use socketioxide::SocketIo;
use socketioxide::extract::SocketRef;
use socketioxide::service::SocketIoService;
use tokio::time::sleep;

use crate::idle::all_idle;
use crate::polling::Polling;

const CHECKED: Row = Row::new(
    "socketioxide",
    "the same handler, with a check of `connected` before the add",
);
const LATE: Row = Row::known(
    6,
    "socketioxide",
    "a connect handler: `on_disconnect`, load, add to a set",
);

#[derive(Clone)]
struct App {
    service: SocketIoService<NotFoundService>,
    io: SocketIo,
    online: Arc<Mutex<BTreeSet<String>>>,
    /// Whether a socket was ever connected.
    connected: Arc<AtomicBool>,
}

impl App {
    /// `checks` is whether the handler looks at its socket after the load.
    fn new(checks: bool) -> Self {
        // A client that is gone is noticed within the patience of the kit.
        let (service, io) = SocketIo::builder()
            .ping_interval(Duration::from_secs(200))
            .ping_timeout(Duration::from_secs(50))
            .build_svc();
        let online = Arc::new(Mutex::new(BTreeSet::new()));
        let added = Arc::clone(&online);
        let connected = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&connected);
        io.ns("/", move |socket: SocketRef| async move {
            seen.store(true, SeqCst);
            let removed = Arc::clone(&added);
            socket.on_disconnect(move |socket: SocketRef| async move {
                removed.lock().unwrap().remove(socket.id.as_str());
            });
            // The load of the profile, from a database.
            sleep(Duration::from_secs(1)).await;
            if socket.connected() || !checks {
                added.lock().unwrap().insert(socket.id.to_string());
            }
        });
        Self {
            service,
            io,
            online,
            connected,
        }
    }

    async fn connect(&self) -> Polling<SocketIoService<NotFoundService>> {
        let session = Polling::open(self.service.clone(), "socket.io").await;
        session.say("40").await;
        session
    }

    fn online(&self) -> usize {
        self.online.lock().unwrap().len()
    }
}

fn explore(checks: bool) -> Report {
    let connect = |app: App, client: Client| async move {
        let session = app.connect().await;
        client.respond(session.packets()).await;
    };
    abort_everywhere(move |_: &Trial| App::new(checks), connect)
        .resource("online", App::online)
        .close(|app| async move {
            for socket in app.io.sockets() {
                socket.disconnect().unwrap();
            }
            // A client that has stopped reading is already gone: it answers no ping.
            app.connected.load(SeqCst)
        })
        .on_tokio()
        .explore()
        .unwrap()
}

#[test]
fn a_socket_is_not_added_if_the_handler_checks() {
    CHECKED.clean(&explore(true), 120);
}

#[test]
fn a_socket_is_added_after_its_disconnect() {
    LATE.found(&explore(false), |fault| matches!(fault, Fault::Left { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_socket_is_added_after_its_disconnect_without_the_kit() {
    let app = App::new(false);
    let session = app.connect().await;
    all_idle().await;
    assert_eq!(app.io.sockets().len(), 1);
    // The client disconnects before the profile is loaded.
    session.say("41").await;
    all_idle().await;
    assert_eq!(app.io.sockets().len(), 0);
    assert_eq!(app.online(), 0);
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(app.io.sockets().len(), 0);
    assert_eq!(app.online(), 1);
    LATE.confirmed();
}
