//! A configuration: read, changed, and what stands in it then is what was meant.
//!
//! Input: the name of a setting, and a value for it, in lines of their own; then the file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loopsy::base::Code;
use loopsy::home::config_file::{Document, parse, resolve, typed};
use loopsy_fuzz::words;
use serde_yaml::Value;

fuzz_target!(|bytes: &[u8]| {
    let (name, rest) = words(bytes);
    let (value, rest) = words(rest);
    let Ok(file) = std::str::from_utf8(rest) else { return };
    if let Err(error) = parse(file) {
        assert_eq!(error.code, Code::Config, "{error}");
    }
    let Ok(mut document) = Document::parse(file) else { return };
    let Ok(path) = resolve(&name) else { return };
    let (value, path) = (typed(&path, &value), path.iter().map(String::as_str).collect::<Vec<_>>());
    if document.set(&path, &value).is_ok() {
        assert_eq!(document.get(&path), Some(&value));
        assert_eq!(Document::parse(document.text()).unwrap().get(&path), Some(&value), "{}", document.text());
        // Tagged keys can be read, and not written.
        let Ok(was_there) = document.remove(&path) else { return };
        assert!(was_there);
        let after = Document::parse(document.text()).unwrap();
        assert!(after.get(&path).is_none_or(|left| *left == Value::Mapping(Default::default())), "{}", document.text());
    }
});
