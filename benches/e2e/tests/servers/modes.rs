//! All servers do the same.

use crate::server::Server;

const MODES: [&str; 6] = [
    "by-hand",
    "by-hand-broadcast",
    "hangup",
    "hangup-at-once",
    "hangup-broadcast",
    "topic",
];

#[test]
fn every_event_is_delivered_once_and_in_order() {
    for mode in MODES {
        let server = Server::start(mode);
        let mut streams = [0, 1, 2].map(|key| server.open(key));
        for _ in 0..5 {
            server.publish();
        }
        for stream in &mut streams {
            stream.read_until("@{\"number\": 5,");
        }
        // What is delivered twice comes before the end.
        server.terminate();
        for stream in &mut streams {
            stream.read_to_the_end();
            assert_eq!(stream.numbers(), [1, 2, 3, 4, 5], "{mode}");
        }
    }
}

#[test]
fn a_client_that_vanishes_is_undone() {
    for mode in MODES {
        let server = Server::start(mode);
        let streams = [0, 1, 2].map(|key| server.open(key));
        server.has(3);
        drop(streams);
        server.has(0);
    }
}

#[test]
fn a_stream_that_is_stopped_has_its_farewell_and_is_undone() {
    for mode in MODES {
        let server = Server::start(mode);
        let [mut stopped, mut other] = [0, 1].map(|key| server.open(key));
        assert_eq!(server.stop(0), "204", "{mode}");
        stopped.read_until("\r\n0\r\n\r\n");
        assert_eq!(stopped.farewells(), 1, "{mode}");
        server.has(1);
        assert_eq!(server.stop(0), "404", "{mode}");
        server.publish();
        other.read_until("@");
        assert_eq!(other.farewells(), 0, "{mode}");
    }
}

#[test]
fn a_newcomer_ends_its_predecessor_and_is_not_removed_with_it() {
    for mode in MODES {
        let server = Server::start(mode);
        let mut old = server.open(0);
        let mut new = server.open(0);
        old.read_until("\r\n0\r\n\r\n");
        server.has(1);
        server.publish();
        new.read_until("@");
        assert_eq!(server.stop(0), "204", "{mode}");
        new.read_until("\r\n0\r\n\r\n");
    }
}

#[test]
fn a_shutdown_says_goodbye_and_ends() {
    for mode in MODES {
        let mut server = Server::start(mode);
        let mut streams = [0, 1, 2].map(|key| server.open(key));
        server.terminate();
        for stream in &mut streams {
            stream.read_to_the_end();
            assert_eq!(stream.farewells(), 1, "{mode}");
            assert!(stream.read.ends_with("\r\n0\r\n\r\n"), "{mode}");
        }
        assert!(server.ended(), "{mode}");
    }
}
