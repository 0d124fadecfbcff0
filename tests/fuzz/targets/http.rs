//! Whole requests of the owner's to a daemon: routes, queries, headers such as ranges, and bodies.
//!
//! Input: method and path below `/api/v1/`; headers, a line each, and an empty line; the body. `$` in the path stands for the
//! folder that may be touched.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loopsy_fuzz::daemon::MACHINE;
use loopsy_fuzz::words;

/// They start programs, or end this one, or wait.
const LEFT_OUT: [&str; 5] = ["stop", "execute", "sessions", "terminals", "ai-tasks"];

fuzz_target!(|bytes: &[u8]| {
    let (first, mut rest) = words(bytes);
    let Some((method, path)) = first.split_once(' ') else { return };
    let is_sound = !path.is_empty() && path.bytes().all(|byte| (0x21..0x7f).contains(&byte) && byte != b'#');
    if LEFT_OUT.iter().any(|word| path.starts_with(word)) || path.contains("wait") || !is_sound {
        return;
    }
    if method.is_empty() || method == "CONNECT" || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return;
    }
    let mut headers = String::new();
    loop {
        let (header, behind) = words(rest);
        rest = behind;
        if header.is_empty() {
            break;
        }
        // What says where the request ends is this harness's.
        let name = header.to_ascii_lowercase();
        if !["content-length", "transfer-encoding", "host", "connection", "upgrade", "expect", "authorization"]
            .iter()
            .any(|own| name.starts_with(own))
        {
            headers += &format!("{header}\r\n");
        }
    }
    let inside = MACHINE.scene.inside().display().to_string();
    let path = path.replace('$', &inside);
    let body = match std::str::from_utf8(rest) {
        Ok(body) => body.replace('$', &inside).into_bytes(),
        Err(_) => rest.to_vec(),
    };
    MACHINE.ask(&format!("{method} /api/v1/{path}"), &headers, &body);
    MACHINE.scene.assert_untouched();
});
