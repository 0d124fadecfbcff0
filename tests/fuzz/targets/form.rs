//! A file that arrives as a multipart form: it lands where files may, or nowhere.
//!
//! Input: the content type in a line of its own; the form. `$` stands for the folder that may be touched.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loopsy_fuzz::daemon::MACHINE;
use loopsy_fuzz::words;

fuzz_target!(|bytes: &[u8]| {
    let (kind, form) = words(bytes);
    if !kind.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return;
    }
    let inside = MACHINE.scene.inside().display().to_string();
    let mut body = Vec::with_capacity(form.len());
    for byte in form {
        match byte {
            b'$' => body.extend_from_slice(inside.as_bytes()),
            byte => body.push(*byte),
        }
    }
    MACHINE.ask("POST /api/v1/transfer/push", &format!("Content-Type: {kind}\r\n"), &body);
    MACHINE.scene.assert_untouched();
});
