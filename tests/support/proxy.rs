//! A wire between two daemons that counts what passes, and can be cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use loopsy::base::workers::Workers;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A port that leads to another one. Ends when it is dropped.
pub struct Proxy {
    pub port: u16,
    counts: Arc<Counts>,
    workers: Workers,
}

#[derive(Default)]
struct Counts {
    target: AtomicU16,
    up: AtomicU64,
    down: AtomicU64,
    cut: watch::Sender<bool>,
}

impl Proxy {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (counts, workers) = (Arc::new(Counts::default()), Workers::default());
        let (shared, connections) = (counts.clone(), workers.clone());
        workers.spawn_until_stop("proxy", async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let counts = shared.clone();
                let mut cut = counts.cut.subscribe();
                if *cut.borrow() {
                    continue;
                }
                connections.spawn_until_stop("proxied connection", async move {
                    let Ok(far) = TcpStream::connect(("127.0.0.1", counts.target.load(Ordering::Relaxed))).await else { return };
                    // It is to hold back no more than two daemons without it would.
                    for stream in [&near, &far] {
                        SockRef::from(stream).set_recv_buffer_size(64 * 1024).unwrap();
                        SockRef::from(stream).set_send_buffer_size(64 * 1024).unwrap();
                    }
                    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                    // One end that is gone takes the other with it.
                    tokio::select! {
                        () = copy(near_in, far_out, &counts.up) => {}
                        () = copy(far_in, near_out, &counts.down) => {}
                        _ = cut.wait_for(|cut| *cut) => {}
                    }
                });
            }
        });
        Self { port, counts, workers }
    }
    /// Where it leads from now on.
    pub fn lead_to(&self, port: u16) {
        self.counts.target.store(port, Ordering::Relaxed);
    }
    /// Breaks all connections and takes no new ones, until it is healed.
    pub fn cut(&self) {
        self.counts.cut.send_replace(true);
    }
    pub fn heal(&self) {
        self.counts.cut.send_replace(false);
    }
    /// Bytes that went to the target.
    pub fn up(&self) -> u64 {
        self.counts.up.load(Ordering::Relaxed)
    }
    /// Bytes that came from the target.
    pub fn down(&self) -> u64 {
        self.counts.down.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.workers.stopping().cancel();
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, count: &AtomicU64) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        count.fetch_add(length as u64, Ordering::Relaxed);
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
