//! A line for the shell: whatever follows what is not allowed, it is not allowed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loopsy::home::config::Execution;
use loopsy::platform::host::Language;
use loopsy::service::commands::{check, check_line};

fuzz_target!(|bytes: &[u8]| {
    let line = &*String::from_utf8_lossy(bytes);
    let denying = Execution { denylist: vec!["evil".into()], ..Execution::default() };
    let allowing = Execution { denylist: Vec::new(), allowlist: vec!["echo".into()], ..Execution::default() };
    for rules in [&denying, &allowing] {
        for before in ["evil\n", "evil;", "evil x&&"] {
            assert!(check_line(rules, &format!("{before}{line}"), Language::Posix).is_err(), "{before}{line}");
        }
        assert!(check_line(rules, &format!("evil&{line}"), Language::Cmd).is_err(), "{line}");
        let _ = (check_line(rules, line, Language::Posix), check_line(rules, line, Language::Cmd));
        let mut words = line.split(' ').map(str::to_owned);
        let _ = check(rules, &words.next().unwrap_or_default(), &words.collect::<Vec<_>>());
    }
});
