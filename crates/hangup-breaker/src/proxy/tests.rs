//! The proxy forwards, stalls, cuts and heals.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::Proxy;

const SOON: Duration = Duration::from_secs(20);
/// What does not happen is waited for as long as this.
const SILENCE: Duration = Duration::from_millis(200);

/// Sends back what it gets.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut from, mut to) = socket.split();
                tokio::io::copy(&mut from, &mut to).await.ok();
            });
        }
    });
    addr
}

async fn exchange(socket: &mut TcpStream, word: &[u8]) -> io::Result<()> {
    socket.write_all(word).await?;
    expect(socket, word).await
}

async fn expect(socket: &mut TcpStream, word: &[u8]) -> io::Result<()> {
    let mut answer = vec![0; word.len()];
    timeout(SOON, socket.read_exact(&mut answer)).await??;
    assert_eq!(answer, word);
    Ok(())
}

#[tokio::test]
async fn it_forwards() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut socket = TcpStream::connect(proxy.addr()).await.unwrap();
    for word in [&b"one"[..], b"two"] {
        exchange(&mut socket, word).await.unwrap();
    }
}

#[tokio::test]
async fn a_stall_withholds_everything_and_a_heal_delivers_it() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut old = TcpStream::connect(proxy.addr()).await.unwrap();
    exchange(&mut old, b"before").await.unwrap();
    proxy.stall();
    let mut new = TcpStream::connect(proxy.addr()).await.unwrap();
    for socket in [&mut old, &mut new] {
        socket.write_all(b"after").await.unwrap();
        let read = timeout(SILENCE, socket.read_u8()).await;
        assert!(read.is_err(), "it forwards: {read:?}");
    }
    proxy.heal();
    expect(&mut old, b"after").await.unwrap();
    expect(&mut new, b"after").await.unwrap();
}

#[tokio::test]
async fn a_cut_resets_all_connections_until_the_heal() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut old = TcpStream::connect(proxy.addr()).await.unwrap();
    exchange(&mut old, b"before").await.unwrap();
    proxy.cut();
    let read = timeout(SOON, old.read_u8()).await.unwrap();
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    if let Ok(mut new) = TcpStream::connect(proxy.addr()).await {
        assert!(exchange(&mut new, b"new").await.is_err());
    }
    proxy.heal();
    let mut new = TcpStream::connect(proxy.addr()).await.unwrap();
    exchange(&mut new, b"new").await.unwrap();
}

#[tokio::test]
async fn a_stalled_link_can_be_cut() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut socket = TcpStream::connect(proxy.addr()).await.unwrap();
    exchange(&mut socket, b"before").await.unwrap();
    proxy.stall();
    socket.write_all(b"after").await.unwrap();
    proxy.cut();
    let read = timeout(SOON, socket.read_u8()).await.unwrap();
    assert!(read.is_err());
}

#[tokio::test]
async fn a_request_arrives_and_its_answer_is_cut_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap()).await.unwrap();
    let mut client = TcpStream::connect(proxy.addr()).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    proxy.cut_after(2);
    for word in [b"one", b"two"] {
        client.write_all(word).await.unwrap();
        expect(&mut server, word).await.unwrap();
    }
    timeout(SOON, proxy.has_cut()).await.unwrap();
    assert!(timeout(SOON, client.read_u8()).await.unwrap().is_err());
}
