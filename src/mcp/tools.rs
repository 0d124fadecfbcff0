//! THE LIST of what agents get.

use super::actions::context::{Broadcast, Delete, Get, List, Set};
use super::actions::execute::Run;
use super::actions::peers::{Peers, Status};
use super::arguments::Reach::{Any, Own, Peer};
use super::tool::Effect::{Destroys, Reads, Removes};
use super::tool::Tool;

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
];
