//! What a machine answers that is asked: nothing that it says harms who asked, and nothing is written where nothing may be.
//!
//! Input: a byte for what is asked; the answers, one a connection, with a line `====` between them.
#![no_main]

use std::sync::{Arc, LazyLock};

use futures_util::StreamExt;
use libfuzzer_sys::fuzz_target;
use loopsy::api::context::{ContextList, ContextWatch};
use loopsy::api::events::EventWatch;
use loopsy::api::node::{IdentityGet, StatusGet};
use loopsy::api::peers::PeerList;
use loopsy::api::tasks::TaskList;
use loopsy::api::transfer::{TransferList, TransferManifest};
use loopsy::api::{Event, Events};
use loopsy::base::Result;
use loopsy::client::Link;
use loopsy::client::files::Files;
use loopsy::net::memory::Memory;
use loopsy::net::{Address, Listener, Network};
use loopsy_fuzz::RUNTIME;
use loopsy_fuzz::scene::Scene;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const BETWEEN: &[u8] = b"\n====\n";

static NETWORK: LazyLock<Network> = LazyLock::new(|| Network::Memory(Memory::default().host("kai")));

/// Answers each connection by the next of the answers, and the rest by closing them.
async fn answer(mut listener: Listener, mut answers: &[u8]) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { return };
        let (mut asked, mut chunk) = (Vec::new(), [0; 4096]);
        while !asked.windows(4).any(|window| window == b"\r\n\r\n") {
            match stream.read(&mut chunk).await {
                Ok(count @ 1..) => asked.extend_from_slice(&chunk[..count]),
                _ => break,
            }
        }
        let end = answers.windows(BETWEEN.len()).position(|window| window == BETWEEN).unwrap_or(answers.len());
        let _ = stream.write_all(&answers[..end]).await;
        answers = answers.get(end + BETWEEN.len()..).unwrap_or_default();
    }
}

async fn all<T: Event>(events: Result<Events<T>>) {
    if let Ok(mut events) = events {
        while events.next().await.is_some() {}
    }
}

async fn ask(which: u8, link: Link, scene: &Scene) {
    let files = Files::new(link.clone(), &["transfer-v2".to_owned(), "transfer-tree".to_owned()], Arc::new(|_| {}));
    let files = files.within(scene.paths().rules());
    let target = scene.inside().join("sub");
    match which % 10 {
        0 => drop(link.call(&IdentityGet {}).await),
        1 => drop(link.call(&StatusGet {}).await),
        2 => drop(link.call(&PeerList {}).await),
        3 => drop(link.call(&TransferList { path: "x".into() }).await),
        4 => drop(link.call(&TransferManifest { path: "x".into(), checksums: true }).await),
        5 => drop(link.call(&ContextList::default()).await),
        6 => all(link.call(&ContextWatch::default()).await).await,
        7 => all(link.call(&EventWatch::default()).await).await,
        8 => drop(files.pull_tree("x", &target).await),
        _ => {
            let _ = (link.call(&TaskList::default()).await, files.pull("x", &target.join("new")).await);
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((which, answers)) = bytes.split_first() else { return };
    let scene = Scene::default();
    RUNTIME.block_on(async {
        let listener = NETWORK.listen("127.0.0.1", 19532).await.unwrap();
        let link = Link::new(&NETWORK, Address::new("127.0.0.1", 19532).unwrap());
        tokio::select! {
            () = ask(*which, link, &scene) => {}
            () = answer(listener, answers) => {}
        }
    });
    scene.assert_untouched();
});
