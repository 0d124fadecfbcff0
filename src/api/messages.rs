//! Messages between machines: written here, kept until the other side has them, acknowledged one by one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation::{One, Operation, Spec};

/// Most bytes of a whole envelope.
pub const ENVELOPE_BYTES: usize = 1024 * 1024;
/// Longest wait for a message or an acknowledgement, seconds.
pub const LONGEST_WAIT: u64 = 300;
/// Most messages of one answer.
pub const MOST: u64 = 1000;
/// Messages of one answer unless asked otherwise.
pub const USUAL: u64 = 100;
/// The recipient that means every paired peer.
pub const EVERYBODY: &str = "*";
/// Longest body of a request to send: an envelope of control characters grows six-fold in JSON.
const SEND_LIMIT: usize = super::context::SET_LIMIT;

/// What kind of message it is; nothing in Loopsy depends on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MessageType {
    /// A remark.
    #[default]
    Chat,
    /// Something is asked for.
    Request,
    /// An answer to a request.
    Response,
    /// A receipt in words; acknowledging needs none.
    Ack,
    /// To everybody.
    Broadcast,
}

impl MessageType {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Chat, Self::Request, Self::Response, Self::Ack, Self::Broadcast];

    /// The word in an envelope.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Request => "request",
            Self::Response => "response",
            Self::Ack => "ack",
            Self::Broadcast => "broadcast",
        }
    }
}

/// What is delivered, stored as JSON text in the value of an entry. Readers ignore what they don't know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// Who wrote it, by its own claim.
    pub from: String,
    /// Whom it is for.
    pub to: String,
    /// When it was written, milliseconds since the epoch.
    pub ts: u64,
    /// Its id, `<ms>-<sender>-<4 hexadecimal digits>`.
    pub id: String,
    /// What kind of message it is: one of [`MessageType`]'s words, or another that the sender knows.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it says.
    pub body: String,
    /// Id of the message that this one answers (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// What it is about (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

/// Where a message is on its way to one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MessageState {
    /// Kept here until the recipient can be reached.
    Queued,
    /// In the recipient's inbox.
    Delivered,
    /// The recipient acknowledged it.
    Acked,
    /// Its time ended before it was acknowledged.
    Expired,
    /// It can't be delivered; the reason is told.
    Failed,
}

impl MessageState {
    /// The word on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Delivered => "delivered",
            Self::Acked => "acked",
            Self::Expired => "expired",
            Self::Failed => "failed",
        }
    }
}

/// A message on its way to one peer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recipient {
    /// The peer's name.
    pub peer: String,
    /// Where the message is.
    pub state: MessageState,
    /// Key of the entry on the peer's machine.
    pub inbox_key: String,
    /// Why it is still queued, or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the state became what it is, milliseconds since the epoch.
    pub since: u64,
}

/// Send a message to a peer, or to every paired one. It is kept until it is delivered or its time ends, over restarts of
/// either machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageSend {
    /// Name, hostname, node id (or the beginning of one) or address of a peer; `*` for every paired peer.
    pub to: String,
    /// What kind of message it is: `chat` unless given, `broadcast` to everybody.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<MessageType>,
    /// What it says; with all else at most 1 MiB.
    pub body: String,
    /// Id of the message that this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// What it is about, at most 1024 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Seconds it is kept, at the sender and unread at the recipient; `messages.ttl` (7 days) unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<f64>,
}
impl Operation for MessageSend {
    const SPEC: Spec = Spec::post("message.send", "/messages").limit(SEND_LIMIT);
    type Reply = One<MessageSent>;
    fn example() -> Self {
        Self { to: "kai".into(), body: "The build is green.".into(), subject: Some("build".into()), ..Self::default() }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.to)
    }
}

/// A message was taken: it is on this machine's disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessageSent {
    /// Its id.
    pub id: String,
    /// Where it is on its way to each recipient.
    pub to: Vec<Recipient>,
}

/// Read the inbox, in order of receipt; with `wait`, as soon as there is something. Looking changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageInbox {
    /// Seconds to wait for a message if there is none, at most 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<u64>,
    /// Only what came after this cursor of an earlier answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// At most this many messages, 1 to 1000; 100 unless given. Fewer come where they are large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}
impl Operation for MessageInbox {
    const SPEC: Spec = Spec::get("message.inbox", "/messages/inbox");
    type Reply = One<Inbox>;
    fn example() -> Self {
        Self { wait: None, since: Some(0), limit: Some(10) }
    }
}

/// What is in the inbox.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Inbox {
    /// Messages in order of receipt.
    pub messages: Vec<Received>,
    /// Give it as `since` to read on after the last of them.
    pub cursor: u64,
    /// Whether there are more after the last of them.
    #[serde(default)]
    pub more: bool,
}

/// A message in the inbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Received {
    /// The envelope; where it can't be read, what is known of it, with the raw value as its body.
    #[serde(flatten)]
    pub envelope: Envelope,
    /// Key of the entry that holds it.
    pub key: String,
    /// When it came, milliseconds since the epoch.
    pub received_at: u64,
    /// Name under which the machine that delivered it proved itself: this, not `from`, says who sent it. What is behind a
    /// slash is that machine's claim.
    pub sender: String,
    /// When it ends unread, milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// Why the envelope can't be read, where it can't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub malformed: Option<String>,
}

/// Acknowledge a message: it leaves the inbox, never comes back, and its sender is told. Doing it again changes nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessageAck {
    /// Id of the message.
    pub id: String,
}
impl Operation for MessageAck {
    const SPEC: Spec = Spec::post("message.ack", "/messages/{id}/ack");
    type Reply = One<Acknowledged>;
    fn example() -> Self {
        Self { id: "1760000000000-kai-0a1b".into() }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.id)
    }
}

/// A message is acknowledged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Acknowledged {
    /// Always true.
    pub success: bool,
    /// Id of the message.
    pub id: String,
    /// Whether it had been acknowledged before.
    pub already: bool,
}

/// List the messages that this machine sent, newest first, and where each is on its way.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessageOutbox {
    /// At most this many, 1 to 1000; 100 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Only messages older than this one: the last id of an earlier answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}
impl Operation for MessageOutbox {
    const SPEC: Spec = Spec::get("message.outbox", "/messages/outbox");
    type Reply = One<Outbox>;
    fn example() -> Self {
        Self { limit: Some(10), before: None }
    }
}

/// What was sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outbox {
    /// Messages, newest first.
    pub messages: Vec<Sent>,
    /// Whether there are older ones.
    #[serde(default)]
    pub more: bool,
}

/// A message that was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    /// Its id.
    pub id: String,
    /// When it was written, milliseconds since the epoch.
    pub ts: u64,
    /// What kind of message it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Id of the message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Its beginning, at most 200 characters.
    pub preview: String,
    /// When it ends, milliseconds since the epoch.
    pub expires_at: u64,
    /// Where it is on its way to each recipient.
    pub to: Vec<Recipient>,
}

/// Tell which of this machine's messages a peer has acknowledged; with `id` and `wait`, as soon as it has that one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessageAcks {
    /// Name, hostname, node id (or the beginning of one) or address of a peer.
    pub peer: String,
    /// The message that is asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Seconds to wait for that message's acknowledgement, at most 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<u64>,
}
impl Operation for MessageAcks {
    const SPEC: Spec = Spec::get("message.acks", "/messages/acks/{peer}");
    type Reply = One<Acks>;
    fn example() -> Self {
        Self { peer: "kai".into(), ..Self::default() }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.peer)
    }
}

/// What a peer has acknowledged.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Acks {
    /// The peer's name.
    pub peer: String,
    /// Ids of the acknowledged messages that this machine still remembers, newest first.
    pub acked: Vec<String>,
    /// The newest of all: also what a Node peer left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
    /// State of the message that was asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<MessageState>,
}
