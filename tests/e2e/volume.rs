//! Gigabytes: complete, in little memory, and not sent twice.

use std::io::{Read, Write};
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use futures_util::TryStreamExt;
use http_body_util::{BodyExt, Full};
use loopsy::base::hash::Sha256;
use loopsy::base::units::MIB;
use loopsy::client::connector::Pool;
use loopsy::net::Network;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio_util::io::StreamReader;

use crate::support::dice::Dice;
use crate::support::node::{Node, Pair, knowing};
use crate::support::process::{Process, heavy, until};
use crate::support::proxy::Proxy;
use crate::support::sim::OWNER;

/// Most memory that any process of ours may hold.
const MEMORY: u64 = 64 * MIB;
/// Bytes of the file.
const FILE: u64 = 1024 * MIB;
/// Bytes that may be sent twice for each break.
const TWICE: u64 = 8 * MIB;
const PATIENCE: Duration = Duration::from_secs(100);

fn at_most(what: &str, process: Process) {
    let peak = process.peak_memory().unwrap_or_else(|| panic!("{what} is gone"));
    assert!(peak < MEMORY, "{what} held {} MiB", peak / MIB);
}

/// Two daemons with a wire between them that counts.
async fn wired() -> (Pair, Proxy) {
    let wire = Proxy::start().await;
    let kai = Node::start("kai", knowing("kai", &[("leo", None)], json!({})));
    wire.lead_to(kai.ready.port);
    let leo = Node::start("leo", knowing("leo", &[("kai", Some(wire.port))], json!({})));
    (Pair { leo, kai }, wire)
}

/// A gibibyte in which no two mebibytes are the same; answers its checksum.
fn big_file(path: &Path) -> String {
    let mut block = super::content(MIB as usize);
    let (mut file, mut hash) = (std::fs::File::create(path).unwrap(), Sha256::default());
    for number in 0..FILE / MIB {
        block[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all(&block).unwrap();
        hash.update(&block);
    }
    hash.finish()
}

fn checksum(path: &Path) -> String {
    let (mut file, mut hash, mut block) = (std::fs::File::open(path).unwrap(), Sha256::default(), vec![0; MIB as usize]);
    loop {
        match file.read(&mut block).unwrap() {
            0 => return hash.finish(),
            length => hash.update(&block[..length]),
        }
    }
}

/// Waits for the end of a program that must succeed in little memory.
async fn ends_well(mut child: Child) {
    let process = Process::of(child.id()).unwrap();
    let (mut status, mut peak) = (None, 0);
    until("it is done", PATIENCE, || {
        peak = peak.max(process.peak_memory().unwrap_or(0));
        status = child.try_wait().unwrap();
        status.is_some()
    })
    .await;
    assert!(status.unwrap().success(), "{status:?}");
    assert!(peak > 0 && peak < MEMORY, "the program held {} MiB", peak / MIB);
}

#[tokio::test(flavor = "multi_thread")]
async fn heavy_a_gibibyte_travels_both_ways_in_little_memory() {
    if !heavy() {
        return;
    }
    let (pair, wire) = wired().await;
    let (source, back) = (pair.leo.program.folder().join("big"), pair.leo.program.folder().join("back"));
    let sum = big_file(&source);
    ends_well(pair.leo.program.command(&["send", "kai", source.to_str().unwrap(), "big"]).spawn().unwrap()).await;
    assert_eq!(checksum(&pair.kai.program.folder().join("big")), sum);
    ends_well(pair.leo.program.command(&["pull", "kai", "big", back.to_str().unwrap()]).spawn().unwrap()).await;
    assert_eq!(checksum(&back), sum);
    assert!(wire.up() < FILE + MIB && wire.down() < FILE + MIB, "{} up, {} down", wire.up(), wire.down());
    at_most("the sending daemon", pair.leo.process());
    at_most("the receiving daemon", pair.kai.process());
}

/// Runs a command that is broken off at random points, until it succeeds; answers how many breaks there were.
///
/// `passed` tells how much has crossed the wire. One of the breaks kills the far daemon, which comes back on another port.
async fn through_breaks(pair: &mut Pair, wire: &Proxy, args: &[&str], passed: impl Fn(&Proxy) -> u64) -> u64 {
    let mut dice = Dice::new();
    let mut points: Vec<u64> = (0..5).map(|_| dice.below(FILE * 9 / 10)).collect();
    points.sort_unstable();
    let daemons_turn = dice.below(5) as usize;
    let mut child = pair.leo.program.command(args).spawn().unwrap();
    for (turn, point) in points.iter().enumerate() {
        until("it goes on", PATIENCE, || passed(wire) >= *point).await;
        if turn == daemons_turn {
            pair.kai.kill();
            pair.kai.again();
            wire.lead_to(pair.kai.ready.port);
        } else {
            child.kill().unwrap();
            child.wait().unwrap();
            child = pair.leo.program.command(args).spawn().unwrap();
        }
    }
    ends_well(child).await;
    points.len() as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn heavy_an_upload_that_breaks_goes_on_where_it_was() {
    if !heavy() {
        return;
    }
    let (mut pair, wire) = wired().await;
    let source = pair.leo.program.folder().join("big");
    let sum = big_file(&source);
    let args = ["send", "kai", source.to_str().unwrap(), "big"];
    let breaks = through_breaks(&mut pair, &wire, &args, Proxy::up).await;
    assert_eq!(checksum(&pair.kai.program.folder().join("big")), sum);
    let twice = wire.up() - FILE;
    assert!(twice < breaks * TWICE, "{} MiB were sent twice in {breaks} breaks", twice / MIB);
    at_most("the sending daemon", pair.leo.process());
    at_most("the receiving daemon", pair.kai.process());
}
#[tokio::test(flavor = "multi_thread")]
async fn heavy_a_download_that_breaks_goes_on_where_it_was() {
    if !heavy() {
        return;
    }
    let (mut pair, wire) = wired().await;
    let sum = big_file(&pair.kai.program.folder().join("big"));
    let target = pair.leo.program.folder().join("big");
    let args = ["pull", "kai", "big", target.to_str().unwrap()];
    let breaks = through_breaks(&mut pair, &wire, &args, Proxy::down).await;
    assert_eq!(checksum(&target), sum);
    let twice = wire.down() - FILE;
    assert!(twice < breaks * TWICE, "{} MiB were sent twice in {breaks} breaks", twice / MIB);
    at_most("the receiving daemon", pair.leo.process());
    at_most("the sending daemon", pair.kai.process());
}

/// known fault 51
#[tokio::test(flavor = "multi_thread")]
async fn heavy_two_gibibytes_of_output_reach_a_slow_reader_in_little_memory() {
    const OUTPUT: u64 = 2048 * MIB;
    const LINE: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.";
    if !heavy() {
        return;
    }
    let pair = Pair::start();
    let command = json!({ "command": format!("yes {LINE} | head -c {OUTPUT}"), "shell": true });
    let request = http::Request::post(format!("http://{}/api/v1/execute/stream", pair.leo.address()))
        .header("authorization", format!("Bearer {OWNER}"))
        .header("x-loopsy-peer", "kai")
        .header("content-type", "application/json")
        .body(Full::new(command.to_string().into()).map_err(|never| match never {}).boxed_unsync())
        .unwrap();
    let body = Pool::loopback(&Network::Sockets).request(request).await.unwrap().into_body().into_data_stream();
    let mut lines = BufReader::with_capacity(MIB as usize, StreamReader::new(body.map_err(std::io::Error::other)));
    let (mut hash, mut size, mut exit) = (Sha256::default(), 0, None);
    let (mut line, mut pause_at) = (Vec::new(), 0);
    while exit.is_none() {
        if size >= pause_at {
            // The reader is slow: everything on the way fills up meanwhile.
            pause_at += OUTPUT / 8;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        line.clear();
        assert!(lines.read_until(b'\n', &mut line).await.unwrap() > 0, "the stream broke off");
        let Some(event) = line.strip_prefix(b"data: ") else { continue };
        let event: Value = serde_json::from_slice(event).unwrap();
        match event["type"].as_str().unwrap() {
            "stdout" => {
                let data = event["data"].as_str().unwrap().as_bytes();
                hash.update(data);
                size += data.len() as u64;
            }
            "exit" => exit = event["exitCode"].as_i64(),
            other => panic!("{other}: {event}"),
        }
    }
    let mut expected = Sha256::default();
    let block = format!("{LINE}\n").repeat((MIB / 64) as usize);
    (0..OUTPUT / MIB).for_each(|_| expected.update(block.as_bytes()));
    assert_eq!((exit, size, hash.finish()), (Some(0), OUTPUT, expected.finish()));
    at_most("the daemon of the job", pair.kai.process());
    at_most("the daemon between", pair.leo.process());
}
/// known fault 16
#[tokio::test(flavor = "multi_thread")]
async fn heavy_more_output_than_a_text_can_hold_is_cut_and_kills_nobody() {
    if !heavy() {
        return;
    }
    let node = Node::start("kai", json!({}));
    let command = json!({ "command": "yes 1234567 | head -c 700000000; echo end", "shell": true });
    let answer = node.raw().json(http::Method::POST, "/api/v1/execute", OWNER, &command).await.json();
    let stdout = answer["stdout"].as_str().unwrap();
    assert_eq!((&answer["exitCode"], &answer["truncated"]), (&json!(0), &json!(true)));
    assert!(stdout.starts_with("1234567\n") && stdout.ends_with("1234567\nend\n"));
    assert!(stdout.len() as u64 <= 10 * MIB + 200, "{}", stdout.len());
    node.answers().await;
    at_most("the daemon", node.process());
}
