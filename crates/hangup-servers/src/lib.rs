//! Whole servers on `hangup`, and clients that vanish, stall and hang up on them: the tests of
//! this package, over sockets on loopback.
