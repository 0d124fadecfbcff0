//! Files and folders: received whole or not at all, sent with their checksum.
