//! Standard input and output: one message a line, both ways.
//!
//! The SDK has such a transport too. This one answers every request that it can't make anything of under that request's own
//! id, so that no client waits for ever; lets nothing but a request be the first message, since the SDK ends the session
//! over anything else; gives the memory of a long line back; and tells when the input has ended.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use rmcp::RoleServer;
use rmcp::model::{ClientRequest, ErrorCode, ErrorData, JsonRpcMessage, NumberOrString, RequestId};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// Longest message that is read, bytes: a value of the store may grow six-fold in JSON.
const LONGEST: usize = 16 * 1024 * 1024;
/// Memory that is kept from one line to the next, bytes.
const KEPT: usize = 64 * 1024;

/// Messages in lines.
pub struct Lines<R, W> {
    input: BufReader<R>,
    line: Vec<u8>,
    /// The rest of a line that is too long is passed over.
    is_skipping: bool,
    has_begun: bool,
    output: Arc<Mutex<W>>,
    /// A refusal that is being written. It is finished before anything else is read, also if reading is given up meanwhile.
    refusing: Option<Pin<Box<dyn Future<Output = io::Result<()>> + Send>>>,
    ended: CancellationToken,
}

/// What a line turned out to be.
#[derive(Debug)]
enum Parsed {
    Message(Box<RxJsonRpcMessage<RoleServer>>),
    Refused(ErrorData, Option<RequestId>),
    /// To be passed over: no request, or no JSON, whose sender would not know what an answer is about.
    Nothing,
}

impl<R: AsyncRead + Unpin + Send, W: AsyncWrite + Unpin + Send + 'static> Lines<R, W> {
    /// `ended` is cancelled when the input ends.
    pub fn new(input: R, output: W, ended: CancellationToken) -> Self {
        let (input, output) = (BufReader::new(input), Arc::new(Mutex::new(output)));
        Self { input, line: Vec::new(), is_skipping: false, has_begun: false, output, refusing: None, ended }
    }

    fn refuse(&mut self, error: ErrorData, id: Option<RequestId>) {
        self.refusing = Some(Box::pin(self.send(TxJsonRpcMessage::<RoleServer>::error(error, id))));
    }

    /// Reads on until a line has come to its end, which is answered, or is too long. Nothing at the end of the input. What was
    /// read stays if this is given up.
    async fn read_line(&mut self) -> io::Result<Option<Parsed>> {
        loop {
            let available = self.input.fill_buf().await?;
            if available.is_empty() {
                return Ok(None);
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(available.len(), |end| end + 1);
            if !self.is_skipping {
                self.line.extend_from_slice(&available[..taken]);
            }
            self.input.consume(taken);
            let has_ended = end.is_some();
            if self.line.len() > LONGEST {
                self.line = Vec::new();
                self.is_skipping = !has_ended;
                return Ok(Some(Parsed::Refused(invalid(format!("the message has more than {LONGEST} bytes")), None)));
            }
            if has_ended && !std::mem::take(&mut self.is_skipping) {
                let parsed = parse(&self.line);
                self.line.clear();
                self.line.shrink_to(KEPT);
                return Ok(Some(parsed));
            }
        }
    }
}

impl<R: AsyncRead + Unpin + Send, W: AsyncWrite + Unpin + Send + 'static> Transport<RoleServer> for Lines<R, W> {
    type Error = io::Error;

    fn send(&mut self, item: TxJsonRpcMessage<RoleServer>) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let output = self.output.clone();
        async move {
            let mut line = serde_json::to_vec(&item)?;
            line.push(b'\n');
            let mut output = output.lock().await;
            output.write_all(&line).await?;
            output.flush().await
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            if let Some(refusing) = &mut self.refusing {
                // Whether anybody reads the output shows at the next answer.
                let _ = refusing.await;
                self.refusing = None;
            }
            match self.read_line().await {
                Ok(Some(Parsed::Message(message))) => {
                    if self.has_begun || matches!(*message, JsonRpcMessage::Request(_)) {
                        self.has_begun |= begins(&message);
                        return Some(*message);
                    }
                }
                Ok(Some(Parsed::Refused(error, id))) => self.refuse(error, id),
                Ok(Some(Parsed::Nothing)) => tracing::debug!("a line that is no message is passed over"),
                Ok(None) | Err(_) => {
                    self.ended.cancel();
                    return None;
                }
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a message is one after which the SDK takes notifications: a session is begun, or none is needed.
fn begins(message: &RxJsonRpcMessage<RoleServer>) -> bool {
    let JsonRpcMessage::Request(request) = message else { return false };
    !matches!(request.request, ClientRequest::PingRequest(_) | ClientRequest::DiscoverRequest(_))
}

fn invalid(what: String) -> ErrorData {
    ErrorData::new(ErrorCode::INVALID_REQUEST, what, None)
}

fn parse(line: &[u8]) -> Parsed {
    let cause = match serde_json::from_slice(line) {
        Ok(message) => return Parsed::Message(Box::new(message)),
        Err(cause) => cause,
    };
    if cause.is_syntax() || cause.is_eof() {
        return Parsed::Nothing;
    }
    let Ok(Value::Object(object)) = serde_json::from_slice(line) else {
        return Parsed::Refused(invalid("it is not one JSON-RPC message".into()), None);
    };
    let id = match object.get("id") {
        Some(Value::String(id)) => Some(NumberOrString::String(id.as_str().into())),
        Some(id) => id.as_i64().map(NumberOrString::Number),
        // Notifications are never answered.
        None if object.contains_key("method") => return Parsed::Nothing,
        None => None,
    };
    match object.get("method") {
        Some(Value::String(method)) if object.get("jsonrpc").is_some_and(|version| version == "2.0") && id.is_some() => {
            let words = format!("the parameters of {method} have the wrong shape");
            Parsed::Refused(ErrorData::new(ErrorCode::INVALID_PARAMS, words, None), id)
        }
        None if object.contains_key("result") || object.contains_key("error") => Parsed::Nothing,
        _ => Parsed::Refused(invalid("it is not a JSON-RPC request".into()), id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> (i32, Option<String>) {
        match parse(line.as_bytes()) {
            Parsed::Refused(error, id) => (error.code.0, id.map(|id| id.to_string())),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn what_is_no_message_is_refused_under_its_own_id() {
        assert_eq!(refused(r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":[1]}"#), (-32602, Some("a".into())));
        assert_eq!(refused(r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":7}"#), (-32602, Some("7".into())));
        assert_eq!(refused(r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#), (-32600, Some("7".into())));
        assert_eq!(refused(r#"{"jsonrpc":"2.0","id":7,"method":9}"#), (-32600, Some("7".into())));
        assert_eq!(refused(r#"{"jsonrpc":"2.0","id":7}"#), (-32600, Some("7".into())));
        for strange in [r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, "[]", "7", "null", "{}"] {
            assert_eq!(refused(strange), (-32600, None), "{strange}");
        }
        let deep = ["[".repeat(100_000), "]".repeat(100_000)].concat();
        for silent in ["", "garbage", r#"{"jsonrpc""#, &deep, r#"{"jsonrpc":"1.0","method":"notifications/x"}"#] {
            assert!(matches!(parse(silent.as_bytes()), Parsed::Nothing), "{silent:.50}");
        }
    }

    #[tokio::test]
    async fn long_lines_are_refused_and_what_follows_is_read() {
        let long = "x".repeat(LONGEST + 10);
        let input = format!(
            "{long}\r\n\n{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}}\n{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}}\r\nrest"
        );
        let ended = CancellationToken::new();
        let (mut output, ours) = tokio::io::duplex(1024);
        let mut lines = Lines::new(io::Cursor::new(input.into_bytes()), ours, ended.clone());
        assert!(matches!(lines.receive().await, Some(JsonRpcMessage::Request(_))));
        assert!(lines.receive().await.is_none() && ended.is_cancelled() && lines.line.capacity() <= KEPT);
        let mut said = [0; 64];
        tokio::io::AsyncReadExt::read_exact(&mut output, &mut said).await.unwrap();
        assert!(said.starts_with(b"{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600"));
    }
}
