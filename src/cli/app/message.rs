//! The grammar of `loopsy message`.

use clap::Subcommand;

use crate::api::messages::MessageType;

/// Messages between machines.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum Message {
    /// Send a message; it is kept until it is delivered, over restarts of either machine.
    Send {
        /// Peer, or `*` for every paired one.
        to: String,
        /// What it says; `-`, or nothing, reads it from standard input.
        #[arg(allow_hyphen_values = true)]
        body: Option<String>,
        /// Kind of message: chat, request, response, ack or broadcast.
        #[arg(long = "type", value_name = "TYPE", value_parser = kind)]
        kind: Option<MessageType>,
        /// What it is about.
        #[arg(long)]
        subject: Option<String>,
        /// Id of the message that it answers.
        #[arg(long, value_name = "ID")]
        reply_to: Option<String>,
        /// Give it up after this time: plain seconds, or 30s, 5m, 2h, 1d; 7 days unless configured otherwise.
        #[arg(long, value_name = "TIME")]
        ttl: Option<String>,
        /// Wait this long until it is acknowledged; fails if it is not.
        #[arg(long, value_name = "TIME")]
        wait: Option<String>,
    },
    /// Read the messages that came, in order of receipt; looking changes nothing.
    Inbox {
        /// Go on with new messages as they come.
        #[arg(long, short, conflicts_with = "limit")]
        follow: bool,
        /// Wait this long for a message where there is none.
        #[arg(long, value_name = "TIME", conflicts_with = "follow")]
        wait: Option<String>,
        /// How many at most.
        #[arg(long, short = 'n', value_name = "NUMBER")]
        limit: Option<u64>,
    },
    /// Acknowledge messages: they leave the inbox, and their senders are told.
    Ack {
        /// Ids of messages.
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// List the messages that were sent, newest first, and where each is on its way.
    Outbox {
        /// How many at most.
        #[arg(long, short = 'n', value_name = "NUMBER")]
        limit: Option<u64>,
    },
}

fn kind(text: &str) -> Result<MessageType, String> {
    let there_are = || format!("there are: {}", MessageType::ALL.map(MessageType::name).join(", "));
    MessageType::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(there_are)
}
