//! What to answer.
//!
//! A set-up fails with [`Error`](crate::Error), which is one over all of them, for `?`. Its table
//! says for each of them the HTTP status, `Retry-After`, the code of gRPC, the close code of a
//! WebSocket, and what an `EventSource` does then. [`http_status`](crate::Error::http_status),
//! [`retry_after`](crate::Error::retry_after), [`grpc_code`](crate::Error::grpc_code) and
//! [`close_code`](crate::Error::close_code) read it. With the features `axum` and `tonic` it is a
//! response, or a status.
//!
//! A stream that is live has a status already. What it says at its end is its farewell:
//!
//! | protocol | at a shutdown | superseded | who sends it |
//! |---|---|---|---|
//! | server-sent events | an event of your own, with a `retry:` | an event that tells the page not to come back | [`LiveStream::farewell`](crate::LiveStream::farewell), `layer::Admit::farewell` |
//! | WebSocket | Close 1001 | Close 1008 | [`Closing::farewell`](crate::Closing::farewell) |
//! | gRPC | trailers with 14 `UNAVAILABLE` | trailers with 10 `ABORTED` | the layer, or [`LiveBody::farewell_after_any_frame`](crate::LiveBody::farewell_after_any_frame) |
//! | MCP | the stream ends; the session is there until it is deleted or idle, or ends in the same drain if it is a connection | the same | nothing to send |
//!
//! An `EventSource` comes back by itself only after a stream with status 200 has ended. To end it
//! for good, send an event on which the page calls `close()`. To have it come back after a
//! refusal, answer 200 with a `retry:` field and nothing else, as the layer does for browsers.
