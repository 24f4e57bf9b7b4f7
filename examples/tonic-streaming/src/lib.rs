//! The protocol: service `chat.Chat`, as `build.rs` describes it, and its messages.

/// A request to watch.
#[derive(Clone, PartialEq, prost::Message)]
pub struct WatchRequest {
    /// The name of the watcher.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// What is published, and what each watcher gets.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Message {
    /// The text.
    #[prost(string, tag = "1")]
    pub text: String,
}

/// The reply to a `Message` that is published.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Published {}

/// A request for the number of watchers.
#[derive(Clone, PartialEq, prost::Message)]
pub struct WatchersRequest {}

/// The number of watchers.
#[derive(Clone, PartialEq, prost::Message)]
pub struct WatchersReply {
    /// The number of streams that are open.
    #[prost(uint64, tag = "1")]
    pub count: u64,
}

#[expect(
    clippy::allow_attributes,
    unreachable_pub,
    unused_qualifications,
    reason = "the code is generated"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/chat.Chat.rs"));
}

pub use generated::chat_client::ChatClient;
pub use generated::chat_server::{Chat, ChatServer};
