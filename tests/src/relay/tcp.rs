//! Streams: the order stays, everything comes, if late.

use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::{Fate, Shared, Way, count};

/// How much later a lost piece comes.
const AGAIN: Duration = Duration::from_millis(200);
/// Read at a time.
const PIECE: usize = 16 * 1024;
/// Pieces under way in one direction of one connection.
const UNDER_WAY: usize = 64;

pub(super) async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        count(&shared.counters.connections, 1);
        connections.spawn(connection(Arc::clone(&shared), client));
    }
}

async fn connection(shared: Arc<Shared>, mut client: TcpStream) {
    let mut fate = shared.fate.subscribe();
    let upstream = tokio::select! {
        upstream = connect(&shared) => upstream,
        _ = fate.changed() => None,
    };
    let Some(mut upstream) = upstream else {
        // Nobody answers there: refused, as by the center itself.
        return reset(&client);
    };
    let _ = client.set_nodelay(true);
    let ended = {
        let ((from_client, to_client), (from_center, to_center)) = (client.split(), upstream.split());
        let there = half(&shared, Way::There, from_client, to_center);
        let back = half(&shared, Way::Back, from_center, to_client);
        tokio::select! {
            _ = async { tokio::join!(there, back) } => None,
            _ = fate.changed() => Some(*fate.borrow_and_update()),
        }
    };
    match ended {
        // Held open, so that both sides believe in it.
        Some(Fate::Vanished) => pending().await,
        Some(Fate::Cut) => {
            reset(&client);
            reset(&upstream);
        }
        Some(Fate::Stays) | None => {}
    }
}

/// Dropped next, it ends with RST instead of FIN.
fn reset(stream: &TcpStream) {
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

async fn connect(shared: &Shared) -> Option<TcpStream> {
    shared.passes().await;
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind(SocketAddr::new(IpAddr::V4(shared.line().source), 0)).ok()?;
    let stream = socket.connect(shared.center).await.ok()?;
    let _ = stream.set_nodelay(true);
    Some(stream)
}

async fn half(shared: &Shared, way: Way, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) {
    let (pieces, mut coming) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY);
    let reading = async move {
        let mut buffer = vec![0; PIECE];
        loop {
            shared.passes().await;
            let read = match from.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(read) => read,
            };
            let line = shared.line();
            let late = if shared.percent(line.loss) { AGAIN } else { Duration::ZERO };
            let at = shared.sent_at(&line, way, read) + line.delay + shared.part_of(line.jitter) + late;
            let piece = buffer.get(..read).unwrap_or_default().to_vec();
            if pieces.send((at, piece)).await.is_err() {
                return;
            }
        }
    };
    let writing = async move {
        while let Some((at, piece)) = coming.recv().await {
            sleep_until(at).await;
            shared.passes().await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
            shared.moved(piece.len());
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(reading, writing);
}
