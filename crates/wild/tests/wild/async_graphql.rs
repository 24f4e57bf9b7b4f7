//! A subscription of async-graphql over a WebSocket.

use std::pin::Pin;

use async_graphql::http::{WebSocket, WebSocketProtocols, WsMessage};
use async_graphql::{Context, EmptyMutation, Object, Schema, Subscription};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use hangup_test::{Client, abort_everywhere};
use hangup_wild::Row;

use crate::feed::Feed;

const SUBSCRIPTION: Row = Row::new("async-graphql", "a subscription over `http::WebSocket`");

struct Query;

#[Object]
impl Query {
    async fn up(&self) -> bool {
        true
    }
}

struct News;

#[Subscription]
impl News {
    async fn numbers(&self, context: &Context<'_>) -> impl Stream<Item = u64> + use<> {
        context.data_unchecked::<Feed>().subscribe().await
    }
}

#[test]
fn a_subscription_is_clean() {
    let connect = |feed: Feed, client: Client| async move {
        let schema = Schema::build(Query, EmptyMutation, News)
            .data(feed)
            .finish();
        let messages: [&[u8]; 2] = [
            br#"{"type":"connection_init"}"#,
            br#"{"type":"subscribe","id":"1","payload":{"query":"subscription{numbers}"}}"#,
        ];
        // The client says nothing more, and stays.
        let incoming: Pin<Box<dyn Stream<Item = Bytes> + Send>> =
            Box::pin(stream::iter(messages.map(Bytes::from_static)).chain(stream::pending()));
        let socket = WebSocket::new(schema, incoming, WebSocketProtocols::GraphQLWS);
        let seen = client.clone();
        let socket = socket.take_while(|message| {
            let complete = matches!(message, WsMessage::Text(text) if text.contains("complete"));
            std::future::ready(!complete)
        });
        let socket = socket.inspect(move |message| {
            let WsMessage::Text(text) = message else {
                return;
            };
            if let Some((_, number)) = text.split_once(r#""numbers":"#) {
                let number = number.trim_end_matches('}');
                seen.delivered(number.parse().unwrap());
            }
        });
        client.respond(socket).await;
    };
    let report = abort_everywhere(Feed::of, connect)
        .resource("subscribers", Feed::subscribers)
        .event("a number", |feed| async move { feed.publish() })
        .close(|feed| async move {
            // Also that of a client that has stopped reading and is no subscriber yet.
            feed.close();
            true
        })
        .on_tokio()
        .explore()
        .unwrap();
    SUBSCRIPTION.clean(&report, 100);
}
