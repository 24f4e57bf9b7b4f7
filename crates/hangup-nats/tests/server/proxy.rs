//! A server behind connections that can be cut.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) struct Proxy {
    addr: String,
    /// How often all connections were cut.
    cut: watch::Sender<u32>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let (cut, is_cut) = watch::channel(0);
        let server = server.to_owned();
        let accepting = tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let (server, mut is_cut) = (server.clone(), is_cut.clone());
                is_cut.mark_unchanged();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(server).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        _ = is_cut.changed() => {}
                    }
                });
            }
        });
        Self {
            addr,
            cut,
            accepting,
        }
    }

    pub(crate) fn addr(&self) -> &str {
        &self.addr
    }

    /// Cuts the connections. There may be others.
    pub(crate) fn cut(&mut self) {
        self.cut.send_modify(|count| *count += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
