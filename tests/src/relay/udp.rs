//! Datagrams: each by itself lost, late, twice, or out of its turn.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::{Fate, Line, Shared, Way, count};

/// More than this waits in no line: the rest is lost.
const QUEUE: Duration = Duration::from_millis(500);
/// The largest datagram.
const LARGEST: usize = 65_536;

/// The way of one client.
struct Flow {
    source: Ipv4Addr,
    up: Arc<UdpSocket>,
    back: JoinHandle<()>,
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.back.abort();
    }
}

pub(super) async fn serve(shared: Arc<Shared>, socket: UdpSocket) {
    let _ = socket.writable().await;
    let socket = Arc::new(socket);
    let mut flows: HashMap<SocketAddr, Flow> = HashMap::new();
    let mut vanished = HashSet::new();
    let mut fate = shared.fate.subscribe();
    let mut buffer = vec![0; LARGEST];
    loop {
        let (length, client) = tokio::select! {
            received = socket.recv_from(&mut buffer) => match received {
                Ok(received) => received,
                Err(_) => continue,
            },
            _ = fate.changed() => {
                if *fate.borrow_and_update() == Fate::Vanished {
                    vanished.extend(flows.keys().copied());
                }
                flows.clear();
                continue;
            }
        };
        let line = shared.line();
        if !line.udp || line.silent || vanished.contains(&client) {
            count(&shared.counters.lost, 1);
            continue;
        }
        if flows.get(&client).is_none_or(|flow| flow.source != line.source) {
            let Ok(flow) = begin(&shared, &socket, client, line.source).await else { continue };
            flows.insert(client, flow);
        }
        let Some(flow) = flows.get(&client) else { continue };
        let up = Arc::clone(&flow.up);
        pass(&shared, &line, Way::There, buffer.get(..length).unwrap_or_default(), move |bytes| {
            let _ = up.try_send(bytes);
        });
    }
}

async fn begin(
    shared: &Arc<Shared>,
    socket: &Arc<UdpSocket>,
    client: SocketAddr,
    source: Ipv4Addr,
) -> io::Result<Flow> {
    let up = UdpSocket::bind(SocketAddr::new(IpAddr::V4(source), 0)).await?;
    up.connect(shared.center).await?;
    // Until the first time that it is known to be writable, nothing can be sent without waiting.
    up.writable().await?;
    let up = Arc::new(up);
    let (from, to, shared) = (Arc::clone(&up), Arc::clone(socket), Arc::clone(shared));
    let back = tokio::spawn(async move {
        let mut buffer = vec![0; LARGEST];
        loop {
            // An error is a datagram that met nobody: the center is down.
            let Ok(length) = from.recv(&mut buffer).await else { continue };
            let line = shared.line();
            if !line.udp || line.silent {
                count(&shared.counters.lost, 1);
                continue;
            }
            let to = Arc::clone(&to);
            pass(&shared, &line, Way::Back, buffer.get(..length).unwrap_or_default(), move |bytes| {
                let _ = to.try_send_to(bytes, client);
            });
        }
    });
    Ok(Flow { source, up, back })
}

fn pass(
    shared: &Arc<Shared>,
    line: &Line,
    way: Way,
    datagram: &[u8],
    send: impl Fn(&[u8]) + Clone + Send + 'static,
) {
    let lost = || count(&shared.counters.lost, 1);
    if shared.percent(line.loss) {
        return lost();
    }
    let twice = shared.percent(line.duplicate);
    count(&shared.counters.doubled, u64::from(twice));
    for _ in 0..=usize::from(twice) {
        let sent = shared.sent_at(line, way, datagram.len());
        if sent > Instant::now() + QUEUE {
            lost();
            continue;
        }
        let at = sent + line.delay + shared.part_of(line.jitter);
        count(&shared.counters.datagrams, 1);
        shared.moved(datagram.len());
        if at <= Instant::now() {
            send(datagram);
            continue;
        }
        let (datagram, send) = (datagram.to_vec(), send.clone());
        tokio::spawn(async move {
            sleep_until(at).await;
            send(&datagram);
        });
    }
}
