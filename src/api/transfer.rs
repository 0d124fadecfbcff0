//! Files and folders of this machine.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation::{Event, File, Many, One, Operation, Permission, Quota, Spec};

/// Header and trailer with the SHA-256 of the whole content.
pub const CHECKSUM: &str = "x-loopsy-checksum";
/// Header with the permission bits, octal.
pub const MODE: &str = "x-loopsy-mode";
/// Header with the time of the last change, milliseconds since the epoch.
pub const MTIME: &str = "x-loopsy-mtime";
/// Header with the size of a whole file (the Node version's name).
pub const FILE_SIZE: &str = "x-loopsy-file-size";
/// Header with how many bytes of an unfinished upload are there.
pub const OFFSET: &str = "x-loopsy-offset";

/// Receive a file as a multipart form: a text field `destPath`, then the file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TransferPush {}
impl Operation for TransferPush {
    const SPEC: Spec = Spec::post("transfer.push", "/transfer/push").permit(Permission::Transfer).quota(Quota::Transfer).raw().compat();
    type Reply = One<Received>;
    fn example() -> Self {
        Self {}
    }
}

/// A file that was received, and is on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Received {
    /// Where it is now.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256, 64 hexadecimal digits.
    pub checksum: String,
    /// Milliseconds it took.
    pub duration: u64,
}

/// Receive a file as a raw body, resuming an unfinished upload where there is one.
///
/// An upload is known by caller, path, source size and source mtime. `Content-Range: bytes <first>-<last>/<size>`
/// continues at `<first>`, which must be what `HEAD` answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TransferPut {
    /// Where it goes. A folder that exists means "into it", under `name`.
    pub path: String,
    /// Name of the source, for a folder as target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Size of the source in bytes; lets a break be resumed. A body that is shorter or longer is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// SHA-256 of the whole; may come as a trailer instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// Permission bits, octal; those of a new file unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Time of the source's last change, milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtime: Option<i64>,
    /// Which part the body is; all of it unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
}
impl Operation for TransferPut {
    const SPEC: Spec = Spec::put("transfer.put", "/transfer/file").permit(Permission::Transfer).quota(Quota::Transfer).raw().headers(&[
        ("checksum", CHECKSUM),
        ("mode", MODE),
        ("mtime", MTIME),
        ("range", "content-range"),
    ]);
    type Reply = One<Received>;
    fn example() -> Self {
        Self {
            path: "loopsy-example.txt".into(),
            name: None,
            size: Some(0),
            checksum: None,
            mode: Some("644".into()),
            mtime: None,
            range: None,
        }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.path)
    }
}

/// Tell how much of an unfinished upload is there, in the header `X-Loopsy-Offset`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TransferPutState {
    /// Where it goes, as in the upload.
    pub path: String,
    /// Name of the source, as in the upload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Size of the source.
    pub size: u64,
    /// Time of the source's last change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtime: Option<i64>,
}
impl Operation for TransferPutState {
    const SPEC: Spec = Spec::head("transfer.putState", "/transfer/file").permit(Permission::Transfer).headers(&[("mtime", MTIME)]);
    type Reply = One<UploadState>;
    fn example() -> Self {
        Self { path: "loopsy-example.txt".into(), name: None, size: 1, mtime: None }
    }
    fn reply_headers(state: &UploadState) -> Vec<(&'static str, String)> {
        vec![(OFFSET, state.offset.to_string())]
    }
    fn target(&self) -> Option<&str> {
        Some(&self.path)
    }
}

/// How much of an upload is there; travels as a header, because the answer to HEAD has no body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UploadState {
    /// Bytes that need not be sent again.
    pub offset: u64,
}

/// Tell which transfers are under way: those of this machine's files, and those that its owner has with other machines.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TransferRunning {}
impl Operation for TransferRunning {
    const SPEC: Spec = Spec::get("transfer.running", "/transfers");
    type Reply = One<RunningTransfers>;
    fn example() -> Self {
        Self {}
    }
}

/// Follow the transfers that are under way: all of them now, and anew whenever one begins, ends or goes on, at most four times
/// a second.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TransferWatch {}
impl Operation for TransferWatch {
    const SPEC: Spec = Spec::get("transfer.watch", "/transfers-watch");
    type Reply = Many<RunningTransfers>;
    fn example() -> Self {
        Self {}
    }
}

/// Transfers that are under way.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunningTransfers {
    /// Oldest first.
    pub transfers: Vec<RunningTransfer>,
}
impl Event for RunningTransfers {}

/// Where the content goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// To this machine.
    In,
    /// From this machine.
    Out,
}

/// A transfer that is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunningTransfer {
    /// Its number, of this daemon.
    pub transfer_id: u64,
    /// Where the content goes.
    pub direction: Direction,
    /// The file or folder, as far as it is known.
    pub path: String,
    /// The peer at the other end; absent where that is the owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// Bytes that are there; of a folder, of its stream.
    pub bytes: u64,
    /// Bytes of the whole, where that is known before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Bytes a second, of the last seconds.
    pub rate: u64,
    /// When it began, milliseconds since the epoch.
    pub started_at: u64,
}

/// Send a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransferPull {
    /// The file.
    pub source_path: String,
    /// `bytes=<first>-`: only the part from there (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
    /// The part is wanted only if the file still has this `ETag` (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_range: Option<String>,
}
impl Operation for TransferPull {
    const SPEC: Spec = Spec::post("transfer.pull", "/transfer/pull")
        .permit(Permission::Transfer)
        .quota(Quota::Transfer)
        .headers(&[("range", "range"), ("ifRange", "if-range")])
        .compat();
    type Reply = File;
    fn example() -> Self {
        Self { source_path: "loopsy-example.txt".into(), range: None, if_range: None }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.source_path)
    }
}

/// List a directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TransferList {
    /// The directory.
    pub path: String,
}
impl Operation for TransferList {
    const SPEC: Spec = Spec::post("transfer.list", "/transfer/list").permit(Permission::Transfer).compat();
    type Reply = One<Files>;
    fn example() -> Self {
        Self { path: "loopsy-example".into() }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.path)
    }
}

/// What is in a directory.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Files {
    /// By name.
    pub files: Vec<FileEntry>,
}

/// What a name in a directory stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileType {
    /// A file (or a device or pipe, which can't be transferred).
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
}

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FileEntry {
    /// Its name.
    pub name: String,
    /// Its full path.
    pub path: String,
    /// What it stands for.
    #[serde(rename = "type")]
    pub kind: FileType,
    /// Bytes.
    pub size: u64,
    /// Time of the last change, milliseconds since the epoch.
    pub modified: i64,
}

/// Tell what is in a folder and below it, so that only what differs need travel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TransferManifest {
    /// The folder, or one file.
    pub path: String,
    /// With the SHA-256 of every file.
    #[serde(default)]
    pub checksums: bool,
}
impl Operation for TransferManifest {
    const SPEC: Spec = Spec::post("transfer.manifest", "/transfer/manifest").permit(Permission::Transfer);
    type Reply = One<Manifest>;
    fn example() -> Self {
        Self { path: "loopsy-example".into(), checksums: false }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.path)
    }
}

/// What is in a folder and below it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Manifest {
    /// What the path itself is; absent when there is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<FileType>,
    /// Parents before what is in them.
    pub entries: Vec<ManifestEntry>,
}

/// One file, folder or link below a folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestEntry {
    /// Path relative to the folder, with `/`.
    pub path: String,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: FileType,
    /// Bytes; 0 for what is not a file.
    pub size: u64,
    /// Time of the last change, milliseconds since the epoch.
    pub modified: i64,
    /// Permission bits.
    pub mode: u32,
    /// SHA-256, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// Where a link points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// Send files of a folder as one tar stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TreePull {
    /// The folder.
    pub path: String,
    /// Which of its manifest's paths; all unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<String>>,
}
impl Operation for TreePull {
    const SPEC: Spec =
        Spec::post("transfer.treePull", "/transfer/tree/pull").permit(Permission::Transfer).quota(Quota::Transfer).limit(64 * 1024 * 1024);
    type Reply = File;
    fn example() -> Self {
        Self { path: "loopsy-example".into(), only: Some(Vec::new()) }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.path)
    }
}

/// Receive files of a folder as one tar stream; each is renamed into its place whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TreePut {
    /// The folder, made if it is not there.
    pub path: String,
    /// SHA-256 of the stream; may come as a trailer instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
}
impl Operation for TreePut {
    const SPEC: Spec = Spec::put("transfer.treePut", "/transfer/tree")
        .permit(Permission::Transfer)
        .quota(Quota::Transfer)
        .raw()
        .headers(&[("checksum", CHECKSUM)]);
    type Reply = One<TreeReceived>;
    fn example() -> Self {
        Self { path: "loopsy-example".into(), checksum: None }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.path)
    }
}

/// A folder's files were received, and are on disk.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TreeReceived {
    /// The folder.
    pub path: String,
    /// Files written.
    pub files: u64,
    /// Folders made.
    pub directories: u64,
    /// Links made.
    pub links: u64,
    /// Bytes of content.
    pub size: u64,
    /// SHA-256 of the stream.
    pub checksum: String,
    /// Milliseconds it took.
    pub duration: u64,
}
