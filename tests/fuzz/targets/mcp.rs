//! What a client of MCP writes to its server: every refusal is one JSON-RPC error.
#![no_main]

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use libfuzzer_sys::fuzz_target;
use loopsy::mcp::transport::Lines;
use loopsy_fuzz::RUNTIME;
use rmcp::transport::Transport;
use serde_json::Value;
use tokio::io::AsyncWrite;
use tokio_util::sync::CancellationToken;

#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl AsyncWrite for Output {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fuzz_target!(|bytes: &[u8]| {
    let (output, ended) = (Output::default(), CancellationToken::new());
    let mut lines = Lines::new(io::Cursor::new(bytes.to_vec()), output.clone(), ended.clone());
    RUNTIME.block_on(async { while lines.receive().await.is_some() {} });
    assert!(ended.is_cancelled());
    let said = output.0.lock().unwrap();
    let refusals: Vec<_> = said.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    assert!(refusals.len() <= bytes.iter().filter(|byte| **byte == b'\n').count());
    for refusal in refusals {
        let refusal: Value = serde_json::from_slice(refusal).unwrap();
        assert!(refusal["jsonrpc"] == "2.0" && refusal["error"]["code"].is_i64() && refusal["error"]["message"].is_string(), "{refusal}");
    }
});
