//! The configuration that `loopsy init` writes.

use std::path::Path;

use super::super::config::Config;
use crate::base::secret::Secret;

/// A commented configuration with this key, this machine's name, and the user's folder as what may be transferred.
pub fn init_text(api_key: &Secret, hostname: &str, user_home: &Path) -> String {
    let defaults = Config::default();
    let quote = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let folder = |name: &str| quote(&user_home.join(name).to_string_lossy());
    let denied: Vec<_> = [".ssh", ".gnupg"].map(folder).into();
    format!(
        "\
# Configuration of Loopsy. Check it with: loopsy config check
# A change is taken up at once, but for 'server' and 'logging', which need: loopsy restart

server:
  port: {port}
  host: {host}                # every address of this machine; 127.0.0.1 for this machine alone
  hostname: {hostname}        # the name of this machine among its peers

auth:
  apiKey: {key}  # for this machine's own programs; renew it with: loopsy key generate
  allowedKeys: {{}}              # peer name: key shared with that peer

tls:
  enabled: true                # plaintext from other machines is refused
  pinnedCerts: {{}}              # peer name: SHA-256 of its certificate

execution:
  denylist: [{denylist}]  # a guard rail against accidents, no sandbox
  maxConcurrent: {max_concurrent}
  defaultTimeout: {timeout}      # milliseconds

transfer:
  allowedPaths: [{home}]
  deniedPaths: [{denied}]
  maxFileSize: {max_file}      # bytes

rateLimits:                    # requests a minute, of each peer
  execute: {execute}
  transfer: {transfer}
  context: {context}

discovery:
  enabled: true                # announce this machine on the local network, and look for others
  manualPeers: []              # - address: 192.168.1.75

logging:
  level: {level}                  # error, warn, info, debug or trace
",
        port = defaults.server.port,
        host = defaults.server.host,
        hostname = quote(hostname),
        key = quote(api_key.expose()),
        denylist = defaults.execution.denylist.join(", "),
        max_concurrent = defaults.execution.max_concurrent,
        timeout = defaults.execution.default_timeout,
        home = quote(&user_home.to_string_lossy()),
        denied = denied.join(", "),
        max_file = defaults.transfer.max_file_size,
        execute = defaults.rate_limits.execute,
        transfer = defaults.rate_limits.transfer,
        context = defaults.rate_limits.context,
        level = defaults.logging.level,
    )
}
