//! What every request, event and file goes through, each alone: `cargo bench --bench hot`.
#![allow(missing_docs, clippy::expect_used, reason = "a benchmark that can't go on fails")]

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue};
use loopsy::api::context::{ContextChange, ContextChangeType, ContextEntry, ContextSet, ContextWatch};
use loopsy::api::execute::Execute;
use loopsy::api::{Operation, sse, wire};
use loopsy::base::hash::Sha256;
use loopsy::base::replay::{Replay, Step};
use loopsy::home::config::Config;
use loopsy::home::paths::Paths;
use loopsy::home::settings::Settings;

/// Requests as they come out of the HTTP parser.
fn wire_decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wire decode");
    let mut headers = HeaderMap::new();
    headers.insert("if-match", HeaderValue::from_static("\"42\""));
    let value = wire::encode(&ContextSet { value: "x".repeat(100), ..ContextSet::example() }).expect("it can be written");
    let body = value.body.expect("it has one");
    let params = [("key", "build%2Fstatus")];
    group.bench_function("context.set, 100 bytes", |bencher| {
        bencher.iter(|| wire::decode::<ContextSet>(black_box(&params), "", black_box(&headers), black_box(&body)).expect("it is one"));
    });
    group.bench_function("context.watch, from the query", |bencher| {
        bencher
            .iter(|| wire::decode::<ContextWatch>(&[], black_box("prefix=build%2F&since=42"), &HeaderMap::new(), &[]).expect("it is one"));
    });
    let body = wire::encode(&Execute::example()).expect("it can be written").body.expect("it has one");
    group.bench_function("execute", |bencher| {
        bencher.iter(|| wire::decode::<Execute>(&[], "", &HeaderMap::new(), black_box(&body)).expect("it is one"));
    });
}

fn change(version: u64) -> ContextChange {
    let entry = ContextEntry { value: Some("x".repeat(100)), ..ContextEntry::default() };
    ContextChange { kind: ContextChangeType::Set, entry: Some(entry), version }
}

/// An event as each of its readers gets it.
fn sse_encode(criterion: &mut Criterion) {
    let event = change(42);
    criterion
        .bench_function("SSE encode of a change", |bencher| bencher.iter(|| sse::write(black_box(&event)).expect("it can be written")));
    let text = sse::write(&event).expect("it can be written").repeat(100);
    let mut group = criterion.benchmark_group("SSE read");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("100 changes", |bencher| bencher.iter(|| sse::Reader::default().feed(black_box(&text)).expect("they are events")));
}

/// A reader who comes back and gets what he missed.
fn replay(criterion: &mut Criterion) {
    const MISSED: u64 = 1000;
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("there is a runtime");
    let log = Arc::new(Replay::new(0, 10_000, usize::MAX));
    (1..=MISSED).for_each(|number| log.push(number, change(number), 1));
    let mut group = criterion.benchmark_group("replay");
    group.throughput(Throughput::Elements(MISSED));
    group.bench_function("1,000 events to one reader", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                let mut follower = log.follow(0);
                while !matches!(follower.next().await, Step::Event(MISSED, _)) {}
            });
        });
    });
    group.bench_function("1,000 events written", |bencher| {
        bencher.iter(|| {
            let log = Replay::new(0, 100, usize::MAX);
            (1..=MISSED).for_each(|number| log.push(number, number, 1));
        });
    });
}

/// The rules about paths, for a file of a transfer.
fn path_policy(criterion: &mut Criterion) {
    let home = std::env::temp_dir().canonicalize().expect("there is one");
    let paths = Paths::new(Settings::new(Config::default()), home.clone(), vec![home.join(".loopsy")]);
    let rules = paths.rules();
    let (allowed, denied): (PathBuf, PathBuf) = (home.join("project/src/main.rs"), home.join(".ssh/id_ed25519"));
    let mut group = criterion.benchmark_group("path policy");
    group.bench_function("rules of a configuration", |bencher| bencher.iter(|| black_box(&paths).rules()));
    group.bench_function("a path that is allowed", |bencher| bencher.iter(|| assert!(rules.permit(black_box(&allowed)))));
    group.bench_function("a path that is denied", |bencher| bencher.iter(|| assert!(!rules.permit(black_box(&denied)))));
    let given = home.display().to_string();
    group.bench_function("a path that is looked up", |bencher| bencher.iter(|| paths.resolve(black_box(&given)).expect("it is there")));
}

/// What both ends of every transfer do to every byte.
fn hash(criterion: &mut Criterion) {
    let piece = vec![7_u8; 1 << 20];
    let mut group = criterion.benchmark_group("hash");
    group.throughput(Throughput::Bytes(piece.len() as u64));
    group.bench_function("SHA-256 of 1 MiB", |bencher| {
        bencher.iter(|| {
            let mut hash = Sha256::default();
            hash.update(black_box(&piece));
            hash.finish()
        });
    });
}

criterion_group!(hot, wire_decode, sse_encode, replay, path_policy, hash);
criterion_main!(hot);
