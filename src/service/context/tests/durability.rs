//! Acknowledged is durable: a real process is killed at random moments.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use futures_util::{FutureExt, StreamExt};

use super::*;

const STORE: &str = "LOOPSY_TEST_STORE";
const SMALL_STORE: &str = "LOOPSY_TEST_SMALL_STORE";
const KILLED: &str = "service::context::tests::durability::the_process_that_is_killed";
const FULL: &str = "service::context::tests::durability::the_process_whose_disk_is_full";

/// No test by itself: [`no_acknowledged_write_is_lost_by_a_kill`] starts it. Writes and says what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_that_is_killed() {
    let Ok(dir) = std::env::var(STORE) else { return };
    let context = Context::open(Path::new(&dir), Settings::new(Config::default()), Workers::default()).await.unwrap();
    let writers = (0..4).map(|writer| {
        let context = context.clone();
        async move {
            for n in 0.. {
                let key = format!("{}-{writer}-{n}", std::process::id());
                context.set(&owner(), set(&key, &"x".repeat(n * 37 % 3000))).await.unwrap();
                println!("\nset {key} .");
                if n % 3 == 0 {
                    println!("\ngoing {key} .");
                    context.delete(&owner(), ContextDelete { key: key.clone(), if_match: None }).await.unwrap();
                    println!("\ngone {key} .");
                }
            }
        }
    });
    futures_util::future::join_all(writers).await;
}

#[tokio::test]
async fn no_acknowledged_write_is_lost_by_a_kill() {
    let mut dir = tempfile::tempdir().unwrap();
    let mut said = HashMap::new();
    for round in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", KILLED, "--nocapture"])
            .env(STORE, dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(std::result::Result::ok);
        let acknowledged = lines.filter(|line| line.ends_with(" ."));
        for (count, line) in acknowledged.enumerate() {
            let mut words = line.split(' ').map(str::to_owned);
            let (what, key) = (words.next().unwrap(), words.next().unwrap());
            said.insert(key, what);
            // What it said before it died is in the pipe still, and is read to the end.
            if count == 20 + round * 61 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let home = Home::at(dir).await;
        assert!(home.context.warnings().is_empty(), "{:?}", home.context.warnings());
        for (key, what) in &said {
            match what.as_str() {
                "set" => assert_eq!(home.get(key).map(|entry| entry.key).as_ref(), Ok(key)),
                "gone" => assert!(home.get(key).is_err(), "{key} came back"),
                _ => {}
            }
        }
        dir = home.stop().await;
    }
    assert!(said.len() > 500, "{}", said.len());
}

/// No test by itself: [`a_full_disk_is_told_and_harms_nothing`] starts it where files can't grow beyond a megabyte.
#[tokio::test]
async fn the_process_whose_disk_is_full() {
    let Ok(dir) = std::env::var(SMALL_STORE) else { return };
    let (settings, workers) = (Settings::new(Config::default()), Workers::default());
    let context = Context::open(Path::new(&dir), settings, workers.clone()).await.unwrap();
    let mut watch = context.watch(&owner(), ContextWatch::default()).unwrap();
    let (value, mut kept) = ("x".repeat(10_000), 0);
    let failure = loop {
        match context.set(&owner(), set(&format!("{kept:03}"), &value)).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((failure.code, failure.message.as_str()), (Code::ContextMaxEntries, "the disk is full"));
    assert!(kept > 20, "{kept}");
    for n in 0..kept {
        assert!(context.get(&owner(), &ContextGet { key: format!("{n:03}") }).is_ok());
    }
    for n in 0..kept {
        assert_eq!(watch.next().await.unwrap().unwrap().entry.unwrap().key, format!("{n:03}"));
    }
    assert!(watch.next().now_or_never().is_none(), "what was not written is not told");
    assert_eq!(context.set(&owner(), set("large", &"x".repeat(1_000_000))).await.unwrap_err().code, Code::ContextMaxEntries);
    println!("\nkept {kept} .");
    workers.stop(std::time::Duration::from_secs(60)).await;
}

#[tokio::test]
async fn a_full_disk_is_told_and_harms_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // Signal 25 says that a file may not grow; ignored, the write fails as on a full disk. 2048 blocks are a megabyte.
    let script = format!("trap '' 25; ulimit -f 2048; exec \"$0\" --exact {FULL} --nocapture");
    let this = std::env::current_exe().unwrap();
    let child = Command::new("sh").arg("-c").arg(script).arg(this).env(SMALL_STORE, dir.path()).stderr(Stdio::inherit()).output();
    // No such shell on Windows.
    let Ok(output) = child else { return };
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    let kept: usize = said.lines().find_map(|line| line.strip_prefix("kept ")?.strip_suffix(" .")?.parse().ok()).unwrap();
    let home = Home::at(dir).await;
    assert!(home.context.warnings().is_empty());
    assert_eq!(home.context.count().unwrap(), kept as u64);
    home.set("more", &"x".repeat(1_000_000)).await.unwrap();
}
