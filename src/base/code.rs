//! The one table of failures: number on the wire, name, HTTP status and exit status.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! codes {
    ($($variant:ident = $number:literal $name:literal $status:literal $exit:ident, $meaning:literal;)*) => {
        /// What went wrong, as every face of Loopsy tells it.
        ///
        /// The numbers below 9900 are the wire contract; clients compare numbers, never messages.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $(#[doc = $meaning] $variant,)* }

        impl Code {
            /// Every code, in numeric order.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The number on the wire.
            pub const fn number(self) -> u16 { match self { $(Code::$variant => $number,)* } }
            /// The name in the specification, for documents and logs.
            pub const fn name(self) -> &'static str { match self { $(Code::$variant => $name,)* } }
            /// The HTTP status that goes with the code.
            pub const fn status(self) -> u16 { match self { $(Code::$variant => $status,)* } }
            /// The exit status of a command that failed with this code.
            pub const fn exit(self) -> Exit { match self { $(Code::$variant => Exit::$exit,)* } }
            /// One sentence for the documents.
            pub const fn meaning(self) -> &'static str { match self { $(Code::$variant => $meaning,)* } }
            /// The code with this number, if there is one.
            pub const fn from_number(number: u16) -> Option<Code> { match number { $($number => Some(Code::$variant),)* _ => None } }
        }
    };
}

/// Exit statuses of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The operation failed.
    Failed = 1,
    /// Wrong usage.
    Usage = 2,
    /// The daemon is not running.
    NotRunning = 3,
    /// The peer is unknown or cannot be reached.
    Peer = 4,
    /// Not allowed.
    Forbidden = 5,
}

codes! {
    AuthMissingKey = 1001 "AUTH_MISSING_KEY" 401 Forbidden, "The request carries no key.";
    AuthInvalidKey = 1002 "AUTH_INVALID_KEY" 403 Forbidden, "The key is not one that this daemon accepts.";
    AuthExpiredKey = 1003 "AUTH_EXPIRED_KEY" 403 Forbidden, "The key is no longer valid.";
    AuthTlsRequired = 1004 "AUTH_TLS_REQUIRED" 426 Forbidden, "This daemon wants TLS from other machines.";
    AuthForbidden = 1005 "AUTH_FORBIDDEN" 403 Forbidden, "The caller may not do this.";
    PeerNotFound = 2001 "PEER_NOT_FOUND" 404 Peer, "No peer of that name.";
    PeerOffline = 2002 "PEER_OFFLINE" 502 Peer, "The peer is known to be offline.";
    PeerUnreachable = 2003 "PEER_UNREACHABLE" 502 Peer, "The peer does not answer.";
    PeerHandshakeFailed = 2004 "PEER_HANDSHAKE_FAILED" 502 Peer, "The peer answered the handshake with something else.";
    PeerVersionMismatch = 2005 "PEER_VERSION_MISMATCH" 502 Peer, "The peer speaks another major version of the protocol.";
    PeerCertMismatch = 2006 "PEER_CERT_MISMATCH" 502 Peer, "The peer's certificate is not the pinned one.";
    ExecCommandDenied = 3001 "EXEC_COMMAND_DENIED" 403 Forbidden, "The command is on the deny list, or not on the allow list.";
    ExecTimeout = 3002 "EXEC_TIMEOUT" 504 Failed, "The command ran out of time.";
    ExecMaxConcurrent = 3003 "EXEC_MAX_CONCURRENT" 429 Failed, "Too many commands run already.";
    ExecFailed = 3004 "EXEC_FAILED" 400 Failed, "The command could not be started.";
    ExecCancelled = 3005 "EXEC_CANCELLED" 409 Failed, "The command was cancelled.";
    ExecJobNotFound = 3006 "EXEC_JOB_NOT_FOUND" 404 Failed, "No job with that id is running.";
    TransferPathDenied = 4001 "TRANSFER_PATH_DENIED" 403 Forbidden, "The path is outside of what may be transferred.";
    TransferFileNotFound = 4002 "TRANSFER_FILE_NOT_FOUND" 404 Failed, "No such file or directory.";
    TransferTooLarge = 4003 "TRANSFER_TOO_LARGE" 413 Failed, "The file is larger than allowed.";
    TransferChecksumMismatch = 4004 "TRANSFER_CHECKSUM_MISMATCH" 409 Failed, "What arrived is not what was sent.";
    TransferFailed = 4005 "TRANSFER_FAILED" 500 Failed, "The transfer failed.";
    TransferDiskFull = 4006 "TRANSFER_DISK_FULL" 507 Failed, "The disk is full.";
    ContextKeyNotFound = 5001 "CONTEXT_KEY_NOT_FOUND" 404 Failed, "No entry with that key.";
    ContextValueTooLarge = 5002 "CONTEXT_VALUE_TOO_LARGE" 413 Failed, "The value is larger than allowed.";
    ContextMaxEntries = 5003 "CONTEXT_MAX_ENTRIES" 507 Failed, "The store is full.";
    ContextConflict = 5004 "CONTEXT_CONFLICT" 409 Failed, "The entry is not what the precondition says.";
    AiTaskNotFound = 6001 "AI_TASK_NOT_FOUND" 404 Failed, "No task with that id.";
    AiTaskMaxConcurrent = 6002 "AI_TASK_MAX_CONCURRENT" 429 Failed, "Too many tasks run already.";
    AiTaskFailed = 6003 "AI_TASK_FAILED" 500 Failed, "The task failed.";
    AiTaskAlreadyCompleted = 6004 "AI_TASK_ALREADY_COMPLETED" 409 Failed, "The task has ended.";
    AiTaskNoPendingApproval = 6005 "AI_TASK_NO_PENDING_APPROVAL" 409 Failed, "Nothing waits for an answer.";
    AiTaskAgentNotFound = 6006 "AI_TASK_CLAUDE_NOT_FOUND" 400 Failed, "The agent is not installed.";
    PairActive = 7001 "PAIR_ALREADY_ACTIVE" 409 Failed, "A pairing is under way.";
    PairWrongCode = 7002 "PAIR_WRONG_CODE" 403 Forbidden, "Wrong code.";
    PairNoSession = 7003 "PAIR_NO_SESSION" 404 Failed, "No pairing is under way.";
    PairExpired = 7004 "PAIR_EXPIRED" 410 Failed, "The pairing expired or its code is void.";
    PairInvalid = 7005 "PAIR_INVALID" 400 Forbidden, "Commitment, key or certificate is invalid.";
    PairRejected = 7006 "PAIR_REJECTED" 409 Forbidden, "The other side's user said no.";
    SessionNotFound = 8001 "SESSION_NOT_FOUND" 404 Failed, "No session of that name.";
    Internal = 9001 "INTERNAL_ERROR" 500 Failed, "A fault of the daemon; its log says more.";
    RateLimited = 9002 "RATE_LIMITED" 429 Failed, "Too many requests in a minute.";
    InvalidRequest = 9003 "INVALID_REQUEST" 400 Usage, "The request does not make sense.";
    NotFound = 9004 "NOT_FOUND" 404 Failed, "No such route.";
    MethodNotAllowed = 9005 "METHOD_NOT_ALLOWED" 405 Failed, "The route exists, but not with this method.";
    PayloadTooLarge = 9006 "PAYLOAD_TOO_LARGE" 413 Failed, "The body is larger than this route takes.";
    UnsupportedMediaType = 9007 "UNSUPPORTED_MEDIA_TYPE" 415 Failed, "The body's content type is not the one this route takes.";
    ShuttingDown = 9008 "SHUTTING_DOWN" 503 Failed, "The daemon is shutting down.";
    RangeNotSatisfiable = 9009 "RANGE_NOT_SATISFIABLE" 416 Failed, "The range asked for is not in the file.";
    NotRunning = 9901 "NOT_RUNNING" 503 NotRunning, "The daemon is not running (said by clients only).";
    Config = 9902 "CONFIG_INVALID" 500 Failed, "The configuration file is wrong.";
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.number())
    }
}

impl<'de> Deserialize<'de> for Code {
    /// A number that this version does not know is read as [`Code::Internal`], so that a newer peer's failure stays a failure.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Code::from_number(u16::deserialize(deserializer)?).unwrap_or(Code::Internal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_ascending_and_round_trip() {
        for pair in Code::ALL.windows(2) {
            assert!(pair[0].number() < pair[1].number(), "{pair:?}");
        }
        for code in Code::ALL {
            assert_eq!(Code::from_number(code.number()), Some(*code));
            assert!((400..600).contains(&code.status()));
        }
    }
}
