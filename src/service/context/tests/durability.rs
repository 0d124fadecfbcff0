//! Acknowledged is durable: a real process is killed at random moments.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::*;

const STORE: &str = "LOOPSY_TEST_STORE";
const THIS: &str = "service::context::tests::durability::the_process_that_is_killed";

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
            .args(["--exact", THIS, "--nocapture"])
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
