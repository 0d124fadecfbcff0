//! THE LIST of what agents get.

use super::actions::context::{Broadcast, Delete, Get, List, Set};
use super::actions::execute::Run;
use super::actions::messages::{Ack, Check, CheckAck, Send};
use super::actions::peers::{Peers, Status};
use super::actions::tasks;
use super::actions::transfer::{ListFiles, Transfer};
use super::arguments::Reach::{Any, Own, Peer};
use super::tool::Effect::{Adds, Destroys, Puts, Reads, Removes};
use super::tool::Tool;

/// The tool that begins a task.
pub const DISPATCH: &str = "loopsy_dispatch_task";

/// Every tool, in the order in which they are listed.
pub const TOOLS: &[Tool] = &[
    Tool::of::<Peers>(
        "loopsy_list_peers",
        "List machines",
        Own,
        Reads,
        "List the machines you can use, with status, platform and abilities. Start here: the names it gives are `peer` in other tools.",
    ),
    Tool::of::<Status>(
        "loopsy_peer_status",
        "Status of a machine",
        Any,
        Reads,
        "See how a machine is: running jobs, its peers, version, warnings.",
    ),
    Tool::of::<Run>(
        "loopsy_execute",
        "Run a command",
        Peer,
        Destroys,
        "Run a command on another machine and wait for its end. Gives exit code, stdout and stderr; the middle of long output is left out. \
         No shell is involved unless shell is true.",
    )
    .open(),
    Tool::of::<Transfer>(
        "loopsy_transfer_file",
        "Copy files",
        Peer,
        Removes,
        "Copy a file or folder between this machine and another: checked, resumed after a break, whole or not at all. Replaces what is \
         there.",
    ),
    Tool::of::<ListFiles>("loopsy_list_remote_files", "List files", Peer, Reads, "List a folder on another machine."),
    Tool::of::<Set>(
        "loopsy_context_set",
        "Store a value",
        Any,
        Removes,
        "Store a text under a key on this machine or on peer, to share it with other agents. Replaces what is there; with ifVersion or \
         ifAbsent only if nobody else was faster (compare-and-set). Gives the new version.",
    ),
    Tool::of::<Get>("loopsy_context_get", "Read a value", Any, Reads, "Read the value under a key, with its version."),
    Tool::of::<Delete>("loopsy_context_delete", "Delete a value", Any, Removes, "Delete the value under a key."),
    Tool::of::<List>(
        "loopsy_context_list",
        "List values",
        Any,
        Reads,
        "List keys and values in the order of keys. Long values are cut; loopsy_context_get has them.",
    ),
    Tool::of::<Broadcast>(
        "loopsy_broadcast_context",
        "Store a value everywhere",
        Own,
        Removes,
        "Store a value here and on every peer that is online. Tells for each machine whether it was stored.",
    ),
    Tool::of::<Send>(
        "loopsy_send_message",
        "Send a message",
        Peer,
        Adds,
        "Send a message to the agents on another machine; peer * sends to all. It is kept until it is delivered, also if the machine is \
         off now. Gives its id, to ask about with loopsy_check_ack.",
    ),
    Tool::of::<Check>(
        "loopsy_check_inbox",
        "Read messages",
        Own,
        Reads,
        "Read the messages sent to this machine; with waitSeconds wait for one instead of asking again and again. sender says who wrote \
         it. Reading changes nothing: acknowledge each with loopsy_ack_message when you are done with it.",
    ),
    Tool::of::<Ack>(
        "loopsy_ack_message",
        "Acknowledge a message",
        Own,
        Puts,
        "Acknowledge a message that you have dealt with: it leaves the inbox and its sender is told.",
    ),
    Tool::of::<CheckAck>(
        "loopsy_check_ack",
        "See acknowledgements",
        Peer,
        Reads,
        "See which of your messages a machine has acknowledged, and the state of one; with waitSeconds wait for it.",
    )
    .ours(),
    Tool::of::<tasks::Dispatch>(
        DISPATCH,
        "Put an agent to work",
        Any,
        Destroys,
        "Put a coding agent to work on this machine or on peer. Gives the task's id at once; with waitSeconds its result, or what it \
         asks a person. The task goes on if this call is cancelled: loopsy_task_cancel stops it.",
    )
    .open()
    .ours(),
    Tool::of::<tasks::Status>(
        "loopsy_task_status",
        "See tasks",
        Any,
        Reads,
        "See how a task is, what its agent did, asks and answered; with waitSeconds wait for news of it. Without taskId: all tasks.",
    )
    .ours(),
    Tool::of::<tasks::Approve>(
        "loopsy_task_approve",
        "Answer an agent",
        Any,
        Destroys,
        "Answer what the agent of a task asks. Denying is always possible; approving only where the owner lets agents do it, else a \
         person has to.",
    )
    .open()
    .ours(),
    Tool::of::<tasks::Cancel>("loopsy_task_cancel", "Stop a task", Any, Removes, "Stop a task and its agent. What it did stays.").ours(),
];
