//! Which of these races do I have?
//!
//! What operators see, and the races that are behind it. The names are those that `hangup-test`
//! reports, and those of this crate's own tests.
//!
//! | what you see | it is probably | what ends it |
//! |---|---|---|
//! | the count of connections grows from day to day, and only a restart helps | R1, R2, R10, R13: the client left in the middle of the set-up, or the backlog could not be written, and nothing removed what was added | a step and its undo in one call: [`Registering::run`](crate::Registering::run) |
//! | the count goes below zero, or a worker is paused twice | R7: two triggers ran the cleanup | every undo runs once (I2) |
//! | timers or tasks that write to streams that are gone | R3, R4: the heartbeat had no signal, or the signal had fired before | heartbeats live in the stream |
//! | a user reconnects, and some seconds later is offline though the stream is open | R8: the cleanup of the old connection removed the new entry, by its key | identity, not keys: [`Registry`](crate::Registry) |
//! | a worker that is connected gets no jobs | R6, R9, R24, R26: `pause` of the old connection, or of an abandoned step, came after `resume` of the new one | [`take_over`](crate::Registering::take_over) waits until the predecessor is undone |
//! | clients miss an event, or see one twice, around a reconnect | R11: a backlog and a subscription are two things | a [`Topic`](crate::topic::Topic) is one log |
//! | the last message before a close was acknowledged and never arrived | R27 | [`flush`](crate::LiveStream::flush), [`Topic::close`](crate::topic::Topic::close) |
//! | a deploy takes until the orchestrator kills the process | R14, R16, R28: a stream that is open, or a client that does not read, keeps the server | [`Scope::drain_after`](crate::Scope::drain_after), [`Scope::serve`](crate::Scope::serve) |
//! | a stream opens while the server shuts down, and is cut | R15 | the gate and the cap are one step (I6) |
//! | more streams than the limit, or a limit that is reached with no client there | R20, R25, R29: the check is not the add, or the place is given back at the head of the response or before the undo | [`max_connections`](crate::ScopeBuilder::max_connections) counts until a connection has settled |
//! | memory grows with a client that has stopped reading | R16 | [`Deadlines::stall`](crate::Deadlines::stall) |
//! | a client sees half an event, or a false one | R18: a heartbeat or a goodbye inside an event | they come between events only |
//! | memory grows with the age of a token or a signal | R19: listeners that closed normally stay on it | a listener goes with its connection (I7) |
//! | the server stands still, and only a debugger shows why | R17: a waker or an undo re-entered the map under its lock | no user code under a lock (I8) |
//! | a lookup finds a connection that another one does not | R21: two maps | all registries show it at once (I3) |
//! | a kicked user stays until the next event | R22: the close waits for the source | a close wakes the task |
//! | cleanup after a panic is half done | R12 | a panic in one undo stops no other |
//! | after a pause of the machine all clients come back at once | R30: the server took its own standstill for theirs | deadlines do not count the standstill |
