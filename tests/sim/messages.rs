//! Messages: kept, delivered once, acknowledged; whoever writes what into whose inbox.

use std::time::Duration;

use http::Method;
use loopsy::api::context::{ContextDelete, ContextGet, ContextSet};
use loopsy::api::messages::{
    Inbox, MessageAck, MessageAcks, MessageInbox, MessageOutbox, MessageSend, MessageState, MessageType, Recipient,
};
use loopsy::api::peers::{PeerRemove, PeerRename};
use loopsy::base::{Code, clock};
use serde_json::json;

use crate::support::sim::{Machine, OWNER, Sim, pair_key};

const ID: &str = "1760000000000-b-0a1b";

fn to(peer: &str, body: &str) -> MessageSend {
    MessageSend { to: peer.into(), body: body.into(), ..MessageSend::default() }
}

/// What is in an inbox, after waiting for something if there is nothing.
async fn inbox(machine: &Machine) -> Inbox {
    machine.link().call(&MessageInbox { wait: Some(60), ..MessageInbox::default() }).await.unwrap()
}

async fn bodies(machine: &Machine) -> Vec<String> {
    let found = machine.link().call(&MessageInbox { limit: Some(1000), ..MessageInbox::default() }).await.unwrap();
    found.messages.into_iter().map(|message| message.envelope.body).collect()
}

async fn state(machine: &Machine, id: &str) -> Vec<Recipient> {
    let outbox = machine.link().call(&MessageOutbox::default()).await.unwrap();
    outbox.messages.into_iter().find(|sent| sent.id == id).unwrap().to
}

/// Lets time pass until a message is in a state.
async fn until(machine: &Machine, id: &str, wanted: MessageState) {
    while state(machine, id).await.iter().any(|recipient| recipient.state != wanted) {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn pair(sim: &Sim) -> (Machine, Machine) {
    clock::follow_runtime();
    (sim.machine("a", &["b"], "").await, sim.machine("b", &["a"], "").await)
}

/// known fault 4: acknowledging takes the message out of the inbox, and its sender hears of it.
#[tokio::test(start_paused = true)]
async fn a_message_is_delivered_read_and_acknowledged() {
    let sim = Sim::default();
    let (a, b) = pair(&sim).await;
    let waiting = b.link();
    let wait = MessageInbox { wait: Some(60), ..MessageInbox::default() };
    let send = MessageSend { subject: Some("film".into()), kind: Some(MessageType::Request), ..to("b", "Is it good?\n\0\u{1f600}") };
    let link = a.link();
    let (found, sent) = tokio::join!(waiting.call(&wait), link.call(&send));
    let (found, sent) = (found.unwrap(), sent.unwrap());
    let letter = &found.messages[0];
    assert_eq!((letter.envelope.id.as_str(), letter.envelope.body.as_str()), (sent.id.as_str(), send.body.as_str()));
    assert_eq!((letter.envelope.from.as_str(), letter.envelope.to.as_str(), letter.sender.as_str()), ("a", "b", "a"));
    assert_eq!((letter.envelope.kind.as_str(), letter.envelope.subject.as_deref()), ("request", Some("film")));
    assert_eq!((letter.key.clone(), letter.malformed.clone()), (format!("inbox:b:{}", sent.id), None));
    until(&a, &sent.id, MessageState::Delivered).await;
    assert_eq!(inbox(&b).await.messages.len(), 1, "looking changes nothing");

    let ack = MessageAck { id: sent.id.clone() };
    let asking = MessageAcks { peer: "b".into(), id: Some(sent.id.clone()), wait: Some(60) };
    let (acks, acked) = tokio::join!(link.call(&asking), waiting.call(&ack));
    assert!(!acked.unwrap().already);
    let acks = acks.unwrap();
    assert_eq!(
        (acks.state, acks.acked.as_slice(), acks.newest.as_ref()),
        (Some(MessageState::Acked), [sent.id.clone()].as_slice(), Some(&sent.id))
    );
    assert!(waiting.call(&ack).await.unwrap().already);
    assert!(bodies(&b).await.is_empty());
    // The Node version's sign is there as well.
    assert_eq!(link.call(&ContextGet { key: "ack:b".into() }).await.unwrap().value.as_ref(), Some(&sent.id));
}

/// A reply finds its way, a reader goes on where it was, and nothing is told twice.
#[tokio::test(start_paused = true)]
async fn a_cursor_reads_on_and_replies_name_what_they_answer() {
    let sim = Sim::default();
    let (a, b) = pair(&sim).await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(a.link().call(&to("b", &n.to_string())).await.unwrap().id);
    }
    for id in &ids {
        until(&a, id, MessageState::Delivered).await;
    }
    let (mut since, mut read) = (None, Vec::new());
    loop {
        let page = b.link().call(&MessageInbox { since, limit: Some(2), wait: None }).await.unwrap();
        read.extend(page.messages.iter().map(|message| message.envelope.id.clone()));
        since = Some(page.cursor);
        assert_eq!(page.more, read.len() < 5);
        if !page.more {
            break;
        }
    }
    assert_eq!(read, ids);
    let page = MessageOutbox { limit: Some(2), before: Some(ids[3].clone()) };
    let older: Vec<_> = a.link().call(&page).await.unwrap().messages.into_iter().map(|sent| sent.id).collect();
    assert_eq!(older, [ids[2].clone(), ids[1].clone()]);
    let reply = MessageSend { reply_to: Some(ids[0].clone()), ..to("a", "yes") };
    b.link().call(&reply).await.unwrap();
    assert_eq!(inbox(&a).await.messages[0].envelope.reply_to.as_ref(), Some(&ids[0]));
    let began = tokio::time::Instant::now();
    let none = b.link().call(&MessageInbox { wait: Some(7), since, limit: None }).await.unwrap();
    assert!(none.messages.is_empty() && Some(none.cursor) == since && began.elapsed() >= Duration::from_secs(7));
}

/// Nobody is there, the sender restarts, then the recipient comes: the message was never lost.
#[tokio::test(start_paused = true)]
async fn a_message_waits_for_its_recipient_over_restarts_of_its_sender() {
    let sim = Sim::default();
    let (mut a, mut b) = pair(&sim).await;
    b.stop().await;
    let ids = [a.link().call(&to("b", "one")).await.unwrap(), a.link().call(&to("b", "two")).await.unwrap()].map(|sent| sent.id);
    tokio::time::sleep(Duration::from_secs(20)).await;
    let waits = state(&a, &ids[0]).await;
    assert_eq!(waits[0].state, MessageState::Queued);
    assert!(waits[0].reason.as_ref().unwrap().contains("does not answer"), "{waits:?}");
    a.stop().await;
    a.start().await;
    tokio::time::sleep(Duration::from_secs(2 * 3600)).await;
    b.start().await;
    for id in &ids {
        until(&a, id, MessageState::Delivered).await;
    }
    assert_eq!(bodies(&b).await, ["one", "two"]);
    // The acknowledgement waits for its sender just so.
    a.stop().await;
    b.link().call(&MessageAck { id: ids[0].clone() }).await.unwrap();
    b.stop().await;
    b.start().await;
    a.start().await;
    until(&a, &ids[0], MessageState::Acked).await;
    assert_eq!(bodies(&b).await, ["two"]);
}

/// The same letter brought twice, and after it was acknowledged, is there once, or never again.
#[tokio::test(start_paused = true)]
async fn what_is_brought_again_is_not_there_again() {
    let sim = Sim::default();
    let (mut a, mut b) = pair(&sim).await;
    let raw = b.raw();
    let bring = async |value: &str| {
        let headers = [("authorization", format!("Bearer {}", pair_key("a", "b"))), ("content-type", "application/json".into())];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let body = json!({ "value": value, "ttl": 600 }).to_string();
        let answer = raw.send(Method::PUT, &format!("/api/v1/context/inbox%3Ab%3A{ID}"), &headers, body).await;
        (answer.status.as_u16(), if answer.status.is_success() { 0 } else { answer.code() })
    };
    let envelope = json!({"from":"a","to":"b","ts":1,"id":ID,"type":"chat","body":"hi"}).to_string();
    for _ in 0..3 {
        assert_eq!(bring(&envelope).await, (200, 0));
        assert_eq!(bodies(&b).await, ["hi"]);
    }
    // Another text under the same id is refused, and changes nothing.
    assert_eq!(bring(&envelope.replace("hi", "ho")).await, (409, 5004));
    b.link().call(&MessageAck { id: ID.into() }).await.unwrap();
    assert_eq!(bring(&envelope).await, (200, 0));
    assert_eq!(bring(&envelope.replace("hi", "ho")).await, (409, 5004));
    assert!(bodies(&b).await.is_empty());
    // What its owner deletes is gone as well.
    let second = envelope.replace("0a1b", "0a1c");
    let key = format!("inbox:b:{ID}").replace("0a1b", "0a1c");
    b.link().call(&ContextSet { key: key.clone(), value: second, ttl: None, if_match: None, if_none_match: None }).await.unwrap();
    b.link().call(&ContextDelete { key, if_match: None }).await.unwrap();
    assert!(bodies(&b).await.is_empty());
    a.stop().await;
    b.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_time_ends_is_expired_and_told_so() {
    let sim = Sim::default();
    let (mut a, mut b) = pair(&sim).await;
    let soon = |body: &str| MessageSend { ttl: Some(600.0), ..to("b", body) };
    let read = a.link().call(&soon("unread")).await.unwrap().id;
    until(&a, &read, MessageState::Delivered).await;
    b.stop().await;
    let queued = a.link().call(&soon("queued")).await.unwrap().id;
    for id in [&read, &queued] {
        until(&a, id, MessageState::Expired).await;
    }
    b.start().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(bodies(&b).await.is_empty());
    assert_eq!(b.link().call(&MessageAck { id: read.clone() }).await.unwrap_err().code, Code::ContextKeyNotFound);
    // A message that is forgotten is in no list any more.
    a.stop().await;
    b.stop().await;
    tokio::time::sleep(Duration::from_secs(8 * 24 * 3600)).await;
    a.start().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(a.link().call(&MessageOutbox::default()).await.unwrap().messages.is_empty());
}

/// known fault 9: everybody means every paired machine, each for itself, and who is away gets it later.
#[tokio::test(start_paused = true)]
async fn a_broadcast_reaches_everybody_each_for_itself() {
    clock::follow_runtime();
    let sim = Sim::default();
    let a = sim.machine("a", &["b", "c"], "").await;
    let b = sim.machine("b", &["a"], "").await;
    let mut c = sim.machine("c", &["a"], "").await;
    c.stop().await;
    let sent = a.link().call(&to("*", "to all")).await.unwrap();
    assert_eq!(sent.to.iter().map(|to| to.peer.as_str()).collect::<Vec<_>>(), ["b", "c"]);
    let letter = inbox(&b).await.messages.remove(0);
    assert_eq!((letter.envelope.kind.as_str(), letter.envelope.to.as_str()), ("broadcast", "*"));
    tokio::time::sleep(Duration::from_secs(5)).await;
    let states: Vec<_> = state(&a, &sent.id).await.into_iter().map(|to| to.state).collect();
    assert_eq!(states, [MessageState::Delivered, MessageState::Queued]);
    c.start().await;
    assert_eq!(inbox(&c).await.messages[0].envelope.body, "to all");
    c.link().call(&MessageAck { id: sent.id.clone() }).await.unwrap();
    b.link().call(&MessageAck { id: sent.id.clone() }).await.unwrap();
    until(&a, &sent.id, MessageState::Acked).await;
    let alone = sim.machine("d", &[], "").await;
    assert_eq!(alone.link().call(&to("*", "hello?")).await.unwrap_err().code, Code::PeerNotFound);
}

/// The machine that the message was for is gone, or has another name: it fails with the reason, or arrives.
#[tokio::test(start_paused = true)]
async fn a_message_follows_its_recipient_over_a_new_name_and_goes_to_nobody_else() {
    let sim = Sim::default();
    let (a, mut b) = pair(&sim).await;
    inbox_is_reached(&a, &b).await;
    b.stop().await;
    let sent = a.link().call(&to("b", "later")).await.unwrap();
    a.link().call(&PeerRename { node_id: "b".into(), name: "bob".into() }).await.unwrap();
    b.start().await;
    until(&a, &sent.id, MessageState::Delivered).await;
    assert_eq!(bodies(&b).await.last().unwrap(), "later");
    b.stop().await;
    let lost = a.link().call(&to("bob", "never")).await.unwrap();
    let peer = a.link().call(&loopsy::api::peers::PeerFind { node_id: "bob".into() }).await.unwrap();
    a.link().call(&PeerRemove { node_id: peer.node_id }).await.unwrap();
    until(&a, &lost.id, MessageState::Failed).await;
    assert_eq!(state(&a, &lost.id).await[0].reason.as_deref(), Some("bob is not a paired peer any more"));
}

/// Sends one message that arrives, so that the two know each other.
async fn inbox_is_reached(a: &Machine, b: &Machine) {
    let id = a.link().call(&to("b", "first")).await.unwrap().id;
    until(a, &id, MessageState::Delivered).await;
    assert_eq!(bodies(b).await, ["first"]);
}

/// What a peer may write is a letter to this machine and an acknowledgement of its own, with that permission.
#[tokio::test(start_paused = true)]
async fn a_peer_writes_letters_and_acknowledgements_and_nothing_else() {
    clock::follow_runtime();
    let sim = Sim::default();
    let keys = "  allowedKeys:\n    kai: key-of-kai-0123456789\n    eve: key-of-eve-0123456789\n    mute: key-of-mute-0123456789\n    post: key-of-post-0123456789\n  permissions:\n    mute: [execute, transfer, context, ai-tasks, terminal]\n    post: [messages]\n";
    let known = "discovery:\n  manualPeers:\n    - {address: 10.0.0.9, port: 1, hostname: eve}\n";
    let config = format!("server:\n  hostname: leo\nauth:\n  apiKey: {OWNER}\n{keys}{known}");
    let leo = sim.configured("leo", &config).await;
    let put = async |who: &str, key: &str, value: &str| {
        let bearer = format!("Bearer key-of-{who}-0123456789");
        let target = format!("/api/v1/context/{}", key.replace('/', "%2F"));
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let answer = leo.raw().send(Method::PUT, &target, &headers, json!({ "value": value }).to_string()).await;
        (answer.status.as_u16(), if answer.status.is_success() { 0 } else { answer.code() })
    };
    let letter =
        |n: u16, from: &str| json!({"from":from,"to":"leo","ts":1,"id":format!("1-kai-{n:04x}"),"type":"chat","body":"x"}).to_string();
    assert_eq!(put("post", "inbox:leo:1-kai-0001", &letter(1, "kai")).await, (200, 0));
    assert_eq!(put("kai", "inbox:LEO:1-kai-0002", &letter(2, "the owner")).await, (200, 0));
    assert_eq!(put("kai", "inbox:leo:1-kai-0003", "no envelope").await, (200, 0));
    assert_eq!(put("post", "ack:post", "1-leo-0001").await, (200, 0));
    assert_eq!(put("kai", "ack:kai-worker-1", "1-leo-0001").await, (200, 0));
    for (who, key) in [
        ("mute", "inbox:leo:1-kai-0009"),
        ("mute", "ack:mute"),
        ("post", "plain"),
        ("kai", "inbox:zoe:1-kai-0009"),
        ("kai", "outbox:1-kai-0009"),
        ("kai", "ack:eve"),
        ("kai", "ack:leo"),
        ("kai", "ack:"),
    ] {
        assert_eq!(put(who, key, "x").await, (403, 1005), "{who} {key}");
    }
    for key in [
        "inbox:leo",
        "inbox:",
        "inbox:leo:",
        "inbox:leo:../../etc",
        "inbox:leo:1-../x-0a1b",
        "inbox:leo:1-a/b-0a1b",
        "inbox:leo:1-kai-0A1B",
    ] {
        assert_eq!(put("kai", key, "x").await, (400, 9003), "{key}");
    }
    let found = leo.link().call(&MessageInbox::default()).await.unwrap().messages;
    let seen: Vec<_> = found.iter().map(|m| (m.sender.as_str(), m.envelope.from.as_str(), m.malformed.is_some())).collect();
    assert_eq!(seen, [("post", "kai", false), ("kai", "the owner", false), ("kai", "kai", true)]);
    // A whole envelope of 1 MiB is taken, one byte more is not.
    let full = "x".repeat(1024 * 1024);
    assert_eq!(put("kai", "inbox:leo:1-kai-0004", &full).await, (200, 0));
    assert_eq!(put("kai", "inbox:leo:1-kai-0005", &(full.clone() + "x")).await, (413, 5002));
    let large = leo.link().call(&to("eve", &full)).await.unwrap_err();
    assert_eq!((large.code, large.hint.unwrap().contains("loopsy send")), (Code::ContextValueTooLarge, true));
    // Nobody acknowledges for another: what was not his to acknowledge stays as it is.
    let sent = leo.link().call(&to("eve", "for eve")).await.unwrap().id;
    assert_eq!(put("kai", "ack:kai", &sent).await, (200, 0));
    assert_eq!(state(&leo, &sent).await[0].state, MessageState::Queued);
    assert_eq!(put("eve", "ack:eve", &sent).await, (200, 0));
    assert_eq!(state(&leo, &sent).await[0].state, MessageState::Acked);
}

/// Letters draw on a budget of their own, however their key is written, and other keys on the store's.
#[tokio::test(start_paused = true)]
async fn letters_have_a_budget_of_their_own() {
    let sim = Sim::default();
    let limits = "rateLimits:\n  context: 1\n  messages: 2\n";
    let leo = sim.machine("leo", &["kai"], limits).await;
    let put = async |key: &str| {
        let bearer = format!("Bearer {}", pair_key("leo", "kai"));
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let body = json!({ "value": "x", "key": "plain" }).to_string();
        leo.raw().send(Method::PUT, &format!("/api/v1/context/{key}"), &headers, body).await.status.as_u16()
    };
    assert_eq!(put("inbox:leo:1-kai-0001").await, 200);
    assert_eq!(put("%69nbox%3Aleo%3A1-kai-0002").await, 200);
    assert_eq!(put("%61ck:kai").await, 429);
    assert_eq!(put("plain").await, 200);
    assert_eq!(put("plain").await, 429);
    assert_eq!(bodies(&leo).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_refused_with_the_field() {
    let sim = Sim::default();
    let (a, _b) = pair(&sim).await;
    let many = "x".repeat(1025);
    let bad = [
        MessageSend { ttl: Some(-1.0), ..to("b", "x") },
        MessageSend { ttl: Some(f64::MAX), ..to("b", "x") },
        MessageSend { reply_to: Some("../../x".into()), ..to("b", "x") },
        MessageSend { subject: Some(many), ..to("b", "x") },
    ];
    for message in bad {
        assert_eq!(a.link().call(&message).await.unwrap_err().code, Code::InvalidRequest, "{message:?}");
    }
    assert_eq!(a.link().call(&to("zoe", "x")).await.unwrap_err().code, Code::PeerNotFound);
    for id in ["..%2F..%2Fx", "x", "1-a-0a1b%00"] {
        let owner = format!("Bearer {OWNER}");
        let answer = a.raw().send(Method::POST, &format!("/api/v1/messages/{id}/ack"), &[("authorization", &owner)], "").await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, 9003), "{id}");
    }
    let far = [
        MessageInbox { limit: Some(0), ..Default::default() },
        MessageInbox { limit: Some(1001), ..Default::default() },
        MessageInbox { wait: Some(301), ..Default::default() },
    ];
    for op in far {
        assert_eq!(a.link().call(&op).await.unwrap_err().code, Code::InvalidRequest, "{op:?}");
    }
    let unknown = MessageAcks { peer: "b".into(), id: Some("1-a-0a1b".into()), wait: None };
    assert_eq!(a.link().call(&unknown).await.unwrap_err().code, Code::ContextKeyNotFound);
    assert_eq!(a.link().call(&MessageAcks { wait: Some(1), peer: "b".into(), id: None }).await.unwrap_err().code, Code::InvalidRequest);
    assert!(a.link().call(&MessageOutbox::default()).await.unwrap().messages.is_empty(), "what is refused is not kept");
}

/// An inbox of ten thousand letters is read page by page, and each can be acknowledged.
#[tokio::test]
async fn ten_thousand_letters_are_read_page_by_page() {
    let sim = Sim::default();
    let b = sim.machine("b", &["a"], "").await;
    let link = b.link();
    let bring = (0..10_000u32).map(|n| {
        let id = format!("{}-a-{:04x}", 1_760_000_000_000u64 + u64::from(n / 1000), n % 1000);
        let value = json!({"from":"a","to":"b","ts":1,"id":id,"type":"chat","body":n.to_string()}).to_string();
        let set = ContextSet { key: format!("inbox:b:{id}"), value, ttl: None, if_match: None, if_none_match: None };
        let link = link.clone();
        async move { link.call(&set).await.map(|_| ()) }
    });
    let mut bringing = futures_util::stream::iter(bring);
    use futures_util::StreamExt;
    let brought = bringing.by_ref().buffer_unordered(64).filter(|done| std::future::ready(done.is_ok())).count().await;
    assert_eq!(brought, 10_000);
    let (mut since, mut read) = (None, 0);
    loop {
        let page = link.call(&MessageInbox { since, limit: Some(1000), wait: None }).await.unwrap();
        read += page.messages.len();
        since = Some(page.cursor);
        if !page.more {
            break;
        }
    }
    assert_eq!(read, 10_000);
    link.call(&MessageAck { id: "1760000000009-a-03e7".into() }).await.unwrap();
    assert_eq!(link.call(&loopsy::api::node::StatusGet {}).await.unwrap().messages.unwrap().unread, 9999);
}
