//! What the author of a handler can do about a failure.

use crate::fault::Fault;
use crate::kind::Kind;
use crate::race::Race;

/// Returns one line of advice.
pub(crate) fn advice(fault: &Fault, race: Option<Race>) -> &'static str {
    match (race, fault) {
        (_, Fault::Panicked { .. }) => {
            "let no undo and no guard panic, and run each undo even if the one before it panicked"
        }
        (_, Fault::CutOff { .. }) => {
            "let a cleanup and a timer end only the connection that they belong to: compare its \
             identity, not its key"
        }
        (_, Fault::BothEnded) => {
            "decide under one lock which of the two connections has the key; let the other one end"
        }
        (
            _,
            Fault::Left {
                kind: Kind::Listener,
                ..
            },
        ) => "remove the listener in the same guard that releases the connection",
        (Some(Race::R1 | Race::R5), _) => {
            "look whether the connection has ended after the last `await`, and add under the same \
             lock; or add first, and register the removal with it"
        }
        (Some(Race::R2), _) => {
            "create the guard that releases it in the statement that acquires it, and move it into \
             the body"
        }
        (Some(Race::R3), _) => {
            "let the task end with the connection: abort it in a guard, or select on a signal that \
             every ending fires"
        }
        (Some(Race::R4), _) => {
            "look whether the signal has fired after the listener is registered: a signal that has \
             fired calls no new listener"
        }
        (Some(Race::R6 | Race::R24), _) => {
            "let the undo wait for the step that it undoes, and let no step take effect after it"
        }
        (Some(Race::R7), _) => "release by a guard that is taken out of an `Option`: once",
        (Some(Race::R8), _) => {
            "remove the entry only if it is still that of this connection: compare its identity, not \
             its key"
        }
        (Some(Race::R9), _) => {
            "let a successor wait for the undo of its predecessor before it sets up"
        }
        (Some(Race::R11), _) => {
            "subscribe and read the backlog under one lock, and number the items"
        }
        (Some(Race::R12), _) => "put the release into a `Drop`: a panic skips the code after it",
        (Some(Race::R13), _) => {
            "put the release into a guard that exists before the next `await`: a future that is \
             dropped does not go on"
        }
        (Some(Race::R14), _) => {
            "let a shutdown close the streams and wait for their undos, up to a deadline"
        }
        (Some(Race::R15), _) => {
            "check under the lock of the close-all whether the server shuts down, when the \
             connection goes live"
        }
        (Some(Race::R16), _) => {
            "let the close undo the connection at once, and let no wait for the client be without a \
             deadline"
        }
        (Some(Race::R20), _) => {
            "take the place before the `await`, with a guard that gives it back"
        }
        (Some(Race::R21), _) => "add to and remove from all indexes under one lock",
        (Some(Race::R22), _) => {
            "let the loop select on the close too: a quiet producer never wakes it"
        }
        (Some(Race::R23), _) => {
            "let a newcomer end a predecessor that is still being set up, and wait for its undo"
        }
        (Some(Race::R25), _) => "move the permit into the body",
        (Some(Race::R26), _) => {
            "register the undo before the step, under a lock that refuses it once the connection is \
             closed"
        }
        (_, Fault::VisibleNotLive { .. }) => {
            "make the connection visible last, and remove it first"
        }
        (_, Fault::Missing { .. } | Fault::Taken { .. }) => {
            "release only what this connection holds: compare identities"
        }
        _ => "release it in a guard that every way out of the handler drops",
    }
}
