//! What Claude Code says and thinks, told once: as it streams, or whole where it did not stream.

use serde_json::Value;

use crate::service::tasks::agent::Step;

/// What has streamed of the reply that is being said.
#[derive(Default)]
pub(super) struct Words {
    /// The reply's id.
    reply: Option<String>,
    /// Whether the piece before was thinking, while a block is open.
    open: Option<bool>,
    /// Blocks of text, and of thinking, that have streamed and have not come whole yet.
    streamed: [u64; 2],
}

impl Words {
    /// Takes an event of the reply's stream.
    pub fn event(&mut self, event: &Value) -> Vec<Step> {
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => {
                let ended = self.end();
                self.reply = event["message"]["id"].as_str().map(str::to_owned);
                self.streamed = [0, 0];
                ended
            }
            "content_block_delta" => self.delta(&event["delta"]),
            "content_block_start" | "content_block_stop" | "message_stop" => self.end(),
            _ => Vec::new(),
        }
    }

    fn delta(&mut self, delta: &Value) -> Vec<Step> {
        let (thinking, piece) = match delta["type"].as_str() {
            Some("text_delta") => (false, &delta["text"]),
            Some("thinking_delta") => (true, &delta["thinking"]),
            _ => return Vec::new(),
        };
        let Some(piece) = piece.as_str().filter(|piece| !piece.is_empty()) else { return Vec::new() };
        let mut steps = Vec::new();
        if self.open != Some(thinking) {
            steps = self.end();
            self.open = Some(thinking);
            self.streamed[usize::from(thinking)] += 1;
        }
        steps.push(Step::Text { text: piece.to_owned(), thinking });
        steps
    }

    /// The block that streamed has ended.
    pub fn end(&mut self) -> Vec<Step> {
        if self.open.take().is_some() { vec![Step::Paragraph] } else { Vec::new() }
    }

    /// Takes a whole block of a reply.
    pub fn whole(&mut self, reply: &Value, text: &str, thinking: bool) -> Vec<Step> {
        let streamed = &mut self.streamed[usize::from(thinking)];
        let is_this_reply = self.reply.is_some() && self.reply.as_deref() == reply.as_str();
        if is_this_reply && *streamed > 0 {
            *streamed -= 1;
            return Vec::new();
        }
        let mut steps = self.end();
        if !text.is_empty() {
            steps.extend([Step::Text { text: text.to_owned(), thinking }, Step::Paragraph]);
        }
        steps
    }
}
