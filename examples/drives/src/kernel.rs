//! What the kernel holds for the sockets of a server, as Linux tells it.

use std::net::SocketAddr;

/// How many bytes a server at `addr` has sent that are not acknowledged: to all its clients.
pub(crate) async fn unsent(addr: SocketAddr) -> u64 {
    let sockets = sockets().await;
    let of_server = sockets.iter().filter(|it| it.local == addr.port());
    of_server.map(|it| it.unsent).sum()
}

/// How many bytes a server at `addr` has not read yet of what `client` has sent. `None` if there
/// is no such connection.
pub(crate) async fn unread(addr: SocketAddr, client: SocketAddr) -> Option<u64> {
    let ports = (addr.port(), client.port());
    let sockets = sockets().await;
    let mut of_client = sockets.iter().filter(|it| (it.local, it.remote) == ports);
    of_client.next().map(|it| it.unread)
}

struct Socket {
    local: u16,
    remote: u16,
    unsent: u64,
    unread: u64,
}

async fn sockets() -> Vec<Socket> {
    let table = tokio::fs::read_to_string("/proc/net/tcp").await.unwrap();
    table.lines().filter_map(socket).collect()
}

/// `0: 0100007F:8F3D 0100007F:B2C4 01 00000000:00000010 ...`, all in hexadecimal.
fn socket(line: &str) -> Option<Socket> {
    let mut columns = line.split_ascii_whitespace().skip(1);
    let port = |address: &str| u16::from_str_radix(address.split_once(':')?.1, 16).ok();
    let (local, remote) = (port(columns.next()?)?, port(columns.next()?)?);
    let (unsent, unread) = columns.nth(1)?.split_once(':')?;
    let bytes = |text| u64::from_str_radix(text, 16).ok();
    Some(Socket {
        local,
        remote,
        unsent: bytes(unsent)?,
        unread: bytes(unread)?,
    })
}
