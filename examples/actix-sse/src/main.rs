//! Server-sent events, broadcast to all, on actix-web.
//!
//! `cargo run -p actix-sse -- 3000`, then, each in a terminal of its own:
//!
//! ```sh
//! curl -N localhost:3000/events
//! curl -d hello localhost:3000/messages
//! curl localhost:3000/users
//! ```

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpResponse, HttpServer, Responder, get, post, rt};
use futures::future::join_all;
use futures::{Stream, StreamExt, stream};
use hangup::{Scope, runtime::shutdown_signal};
use tokio::sync::mpsc;

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let default = std::env::var("PORT").ok();
    let port = std::env::args().nth(1).or(default);
    let port = port.map_or(3000, |port| port.parse().expect("a port is a number"));
    let broadcaster = Data::from(Broadcaster::start());
    let scope = broadcaster.scope.clone();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::clone(&broadcaster))
            .service(events)
            .service(send_message)
            .service(users)
    })
    .workers(2)
    .disable_signals()
    .bind(("127.0.0.1", port))?;
    println!("listening on {}", server.addrs()[0]);
    // It ends by Ctrl-C and SIGTERM.
    let server = server.run();
    let (handle, drained) = (
        server.handle(),
        scope.drain_after(shutdown_signal()?, Duration::from_secs(2)),
    );
    rt::spawn(futures::FutureExt::then(drained, move |()| {
        handle.stop(true)
    }));
    scope.serve(server).await.unwrap_or(Ok(()))
}

#[derive(Default)]
struct Broadcaster {
    scope: Scope,
    clients: Mutex<Vec<mpsc::Sender<Bytes>>>,
}

impl Broadcaster {
    /// With a task that pings all clients every ten seconds, and removes those that have gone.
    fn start() -> Arc<Self> {
        let this = Arc::new(Self::default());
        let broadcaster = Arc::clone(&this);
        rt::spawn(async move {
            let mut interval = rt::time::interval(Duration::from_secs(10));
            loop {
                interval.tick().await;
                broadcaster.ping().await;
            }
        });
        this
    }

    async fn ping(&self) {
        let clients = self.clients.lock().unwrap().clone();
        let mut alive = Vec::new();
        for client in clients {
            if client.send(Bytes::from_static(b": ping\n\n")).await.is_ok() {
                alive.push(client);
            }
        }
        *self.clients.lock().unwrap() = alive;
    }

    fn add_client(&self) -> impl Stream<Item = Bytes> + use<> {
        let (sender, mut receiver) = mpsc::channel(10);
        self.clients.lock().unwrap().push(sender);
        stream::poll_fn(move |context| receiver.poll_recv(context))
    }

    async fn broadcast(&self, text: &str) {
        let clients = self.clients.lock().unwrap().clone();
        let event = Bytes::from(format!("data: {text}\n\n"));
        // A result says whether the client has gone: the next ping removes it.
        join_all(clients.iter().map(|client| client.send(event.clone()))).await;
    }
}

#[get("/events")]
async fn events(broadcaster: Data<Broadcaster>) -> HttpResponse {
    let Ok(live) = broadcaster.scope.live() else {
        let mut refused = HttpResponse::ServiceUnavailable();
        return refused.insert_header(("retry-after", "1")).finish();
    };
    let events = broadcaster.add_client().map(Ok::<_, Infallible>);
    let goodbye = |_| Some(Ok(Bytes::from_static(b"event: closed\ndata: bye\n\n")));
    let events = live.stream(events).farewell(goodbye);
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("cache-control", "no-cache"))
        .streaming(events)
}

#[post("/messages")]
async fn send_message(broadcaster: Data<Broadcaster>, text: String) -> impl Responder {
    broadcaster.broadcast(&text).await;
    HttpResponse::NoContent()
}

#[get("/users")]
async fn users(broadcaster: Data<Broadcaster>) -> impl Responder {
    let count = broadcaster.scope.stats().live;
    HttpResponse::Ok().json(count)
}
