//! The shape of an operation: one request type, one [`Spec`], one shape of reply.

use std::marker::PhantomData;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;
use http::Method;
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use crate::base::{Error, Result};

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody, without a key.
    Open,
    /// Any authenticated peer, and the owner.
    Peers,
    /// Peers that have this permission, and the owner.
    Permitted(Permission),
    /// The owner alone.
    Owner,
}

/// What a peer can be allowed, as `auth.permissions` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// Run commands.
    Execute,
    /// Read and write files.
    Transfer,
    /// Use the context store.
    Context,
    /// Deliver messages.
    Messages,
    /// Put agents to work.
    AiTasks,
    /// Open terminals.
    Terminal,
}

impl Permission {
    /// All of them: what a peer has unless the configuration says otherwise.
    pub const ALL: [Permission; 6] =
        [Permission::Execute, Permission::Transfer, Permission::Context, Permission::Messages, Permission::AiTasks, Permission::Terminal];

    /// The permission of this name.
    ///
    /// # Errors
    /// `INVALID_REQUEST`, with the names that there are.
    pub fn named(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|permission| permission.name() == name).ok_or_else(|| {
            Error::invalid(format!("there is no permission {name:?}")).hint(format!("There are: {}.", Self::ALL.map(Self::name).join(", ")))
        })
    }
    /// The word in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Permission::Execute => "execute",
            Permission::Transfer => "transfer",
            Permission::Context => "context",
            Permission::Messages => "messages",
            Permission::AiTasks => "ai-tasks",
            Permission::Terminal => "terminal",
        }
    }
}

/// Which budget a request draws on (`rateLimits` in the configuration).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quota {
    /// None.
    Free,
    /// `rateLimits.execute`.
    Execute,
    /// `rateLimits.transfer`.
    Transfer,
    /// `rateLimits.context`.
    Context,
    /// `rateLimits.messages`.
    Messages,
}

/// How the body of a request travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// JSON (or nothing), read whole, at most this many bytes.
    Json(usize),
    /// Bytes that the handler reads as they come; it has its own limit.
    Raw,
    /// The connection is taken over as a WebSocket. The client's messages have at most this many bytes.
    WebSocket(usize),
}

/// Most bytes of an ordinary JSON body.
pub const JSON_LIMIT: usize = 2 * 1024 * 1024;

/// Everything about an operation but its types. The defaults are the safe ones: owner only, no budget, small JSON.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Dotted name: noun, then verb.
    pub name: &'static str,
    /// HTTP method.
    pub method: Method,
    /// Path template below [`BASE`], fields in braces.
    pub path: &'static str,
    /// Who may ask.
    pub access: Access,
    /// Which budget it draws on.
    pub quota: Quota,
    /// Where the first field of the path makes it another matter.
    pub exception: Option<Exception>,
    /// How the body travels.
    pub payload: Payload,
    /// Fields that travel as headers: (field, header).
    pub headers: &'static [(&'static str, &'static str)],
    /// The field for which the header `Last-Event-ID` stands, where a reader of the stream can go on where it was.
    pub resume: Option<&'static str>,
    /// Whether it makes something that has an id from then on: answered with 201.
    pub created: bool,
    /// Whether sessions refuse it, since it changes what they share with their main daemon.
    pub of_main: bool,
    /// Whether the Node version has this route too; `legacy` callers may use no others.
    pub compat: bool,
}

/// What an operation takes instead where the first field of its path begins with one of some words.
#[derive(Debug, Clone, Copy)]
pub struct Exception {
    /// The words.
    pub prefixes: &'static [&'static str],
    /// The permission.
    pub permission: Permission,
    /// The budget.
    pub quota: Quota,
}

/// The prefix of every path.
pub const BASE: &str = "/api/v1";

impl Spec {
    const fn new(method: Method, name: &'static str, path: &'static str) -> Self {
        Self {
            name,
            method,
            path,
            access: Access::Owner,
            quota: Quota::Free,
            exception: None,
            payload: Payload::Json(JSON_LIMIT),
            headers: &[],
            resume: None,
            created: false,
            of_main: false,
            compat: false,
        }
    }
    /// An operation that reads.
    pub const fn get(name: &'static str, path: &'static str) -> Self {
        Self::new(Method::GET, name, path)
    }
    /// An operation that tells about what [`Spec::get`] or [`Spec::put`] of the same path would do.
    pub const fn head(name: &'static str, path: &'static str) -> Self {
        Self::new(Method::HEAD, name, path)
    }
    /// An operation that can be repeated without harm.
    pub const fn put(name: &'static str, path: &'static str) -> Self {
        Self::new(Method::PUT, name, path)
    }
    /// An operation that does something each time.
    pub const fn post(name: &'static str, path: &'static str) -> Self {
        Self::new(Method::POST, name, path)
    }
    /// An operation that removes.
    pub const fn delete(name: &'static str, path: &'static str) -> Self {
        Self::new(Method::DELETE, name, path)
    }
    /// Anybody may ask.
    pub const fn open(mut self) -> Self {
        self.access = Access::Open;
        self
    }
    /// Every peer may ask.
    pub const fn peers(mut self) -> Self {
        self.access = Access::Peers;
        self
    }
    /// Peers with this permission may ask.
    pub const fn permit(mut self, permission: Permission) -> Self {
        self.access = Access::Permitted(permission);
        self
    }
    /// Each request draws on this budget.
    pub const fn quota(mut self, quota: Quota) -> Self {
        self.quota = quota;
        self
    }
    /// Where the first field of the path begins with one of these words, it takes this permission and this budget instead.
    pub const fn except(mut self, prefixes: &'static [&'static str], permission: Permission, quota: Quota) -> Self {
        self.exception = Some(Exception { prefixes, permission, quota });
        self
    }
    /// Who may ask for it, and which budget that draws on, where the first field of the path is this.
    pub fn terms(&self, first: Option<&str>) -> (Access, Quota) {
        let is_excepted = |exception: &Exception| first.is_some_and(|text| exception.prefixes.iter().any(|word| text.starts_with(word)));
        match self.exception.filter(is_excepted) {
            Some(exception) => (Access::Permitted(exception.permission), exception.quota),
            None => (self.access, self.quota),
        }
    }
    /// The body may be this large.
    pub const fn limit(mut self, bytes: usize) -> Self {
        self.payload = Payload::Json(bytes);
        self
    }
    /// The body is bytes, not JSON; the fields travel in the query.
    pub const fn raw(mut self) -> Self {
        self.payload = Payload::Raw;
        self
    }
    /// Most bytes of a message that a client sends over the operation's WebSocket.
    pub const fn longest_message(&self) -> usize {
        match self.payload {
            Payload::WebSocket(longest) => longest,
            _ => 0,
        }
    }
    /// The request becomes a WebSocket, whose client sends messages of at most so many bytes.
    pub const fn websocket(mut self, longest: usize) -> Self {
        self.payload = Payload::WebSocket(longest);
        self
    }
    /// These fields travel as headers.
    pub const fn headers(mut self, headers: &'static [(&'static str, &'static str)]) -> Self {
        self.headers = headers;
        self
    }
    /// The stream can be resumed after the number in this field, or in the header `Last-Event-ID`.
    pub const fn resume(mut self, field: &'static str) -> Self {
        self.resume = Some(field);
        self
    }
    /// It makes something: a good answer has the status 201.
    pub const fn created(mut self) -> Self {
        self.created = true;
        self
    }
    /// Only a main daemon does it: it changes what its sessions share with it.
    pub const fn of_main(mut self) -> Self {
        self.of_main = true;
        self
    }
    /// The Node version has this route too.
    pub const fn compat(mut self) -> Self {
        self.compat = true;
        self
    }
    /// Whether the fields that are not in the path or a header travel in a JSON body (else in the query).
    pub fn has_json_body(&self) -> bool {
        matches!(self.payload, Payload::Json(_)) && (self.method == Method::PUT || self.method == Method::POST)
    }
    /// The names in braces in the path.
    pub fn path_fields(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
    }
}

/// A request type that is an operation.
pub trait Operation: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// All about it but the types.
    const SPEC: Spec;
    /// What comes back.
    type Reply: Reply;
    /// A plausible request: shown in the documents, sent by the sweeps.
    fn example() -> Self;
    /// What it is about, for the audit log: a command, a path, a key of the store.
    fn target(&self) -> Option<&str> {
        None
    }
    /// What it says to somebody who asked, for the audit log.
    fn answer(&self) -> Option<&'static str> {
        None
    }
    /// Headers that go with a reply, such as an `ETag`.
    fn reply_headers(_reply: &Output<Self>) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

/// What comes back, as the caller holds it.
pub type Output<O> = <<O as Operation>::Reply as Reply>::Value;

/// A shape of reply.
pub trait Reply: 'static {
    /// What the server makes and the caller holds.
    type Value: Send;
    /// What is documented.
    type Item: JsonSchema;
    /// Content type of a good answer.
    const CONTENT_TYPE: &'static str;
    /// For a listing, the member that holds the items.
    const FIELD: Option<&'static str> = None;
}

/// What a reply or an event is made of.
pub trait Data: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {}
impl<T: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static> Data for T {}

/// One JSON value.
pub struct One<T>(PhantomData<fn() -> T>);
/// A stream of JSON events: SSE on the wire.
pub struct Many<T>(PhantomData<fn() -> T>);
/// One JSON object with one array, written while it is read from the store.
pub struct Listing<T>(PhantomData<fn() -> T>);
/// A file's bytes, with its metadata in headers and its checksum in a trailer.
pub struct File;
/// The handler answers by itself: a WebSocket.
pub struct Upgrade;

/// Items as they come.
pub type Events<T> = Pin<Box<dyn Stream<Item = Result<T>> + Send>>;

/// An event of a stream.
pub trait Event: Data {
    /// Its number, from which a reader can resume (the SSE `id`).
    fn id(&self) -> Option<u64> {
        None
    }
    /// Whether nothing follows.
    fn ends(&self) -> bool {
        false
    }
}

/// An item of a listing.
pub trait Listed: Data {
    /// The member that holds the items.
    const FIELD: &'static str;
}

impl<T: Data> Reply for One<T> {
    type Value = T;
    type Item = T;
    const CONTENT_TYPE: &'static str = "application/json";
}
impl<T: Event> Reply for Many<T> {
    type Value = Events<T>;
    type Item = T;
    const CONTENT_TYPE: &'static str = "text/event-stream";
}
impl<T: Listed> Reply for Listing<T> {
    type Value = Events<T>;
    type Item = T;
    const CONTENT_TYPE: &'static str = "application/json";
    const FIELD: Option<&'static str> = Some(T::FIELD);
}
impl Reply for File {
    type Value = Download;
    type Item = Vec<u8>;
    const CONTENT_TYPE: &'static str = "application/octet-stream";
}
impl Reply for Upgrade {
    type Value = ();
    type Item = ();
    const CONTENT_TYPE: &'static str = "";
}

/// A piece of a file on its way.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// Content.
    Data(Bytes),
    /// After the last content: SHA-256 of the whole file, in hexadecimal digits.
    Checksum(String),
}

/// Pieces as they come.
pub type Pieces = Events<Piece>;

/// A file that is being read, here or on a peer.
pub struct Download {
    /// Base name.
    pub name: String,
    /// Size of the whole, bytes; unknown for a tar stream.
    pub size: Option<u64>,
    /// First byte that is sent; above 0 when a range was asked for.
    pub offset: u64,
    /// Tells one state of the file from another.
    pub etag: Option<String>,
    /// Unix permission bits.
    pub mode: Option<u32>,
    /// Time of the last change, milliseconds since the epoch.
    pub modified: Option<i64>,
    /// The content from `offset` to the end.
    pub body: Pieces,
}
