//! The environment of a program on Windows, where case makes no other name.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use super::Launch;

/// The variables for what is to be started, sorted as the system wants them.
pub(super) fn of(own: impl Iterator<Item = (OsString, OsString)>, launch: &Launch) -> Vec<(OsString, OsString)> {
    let mut variables: BTreeMap<String, _> = own.map(|(name, value)| (key(&name), (name, value))).collect();
    for name in &launch.unset {
        variables.remove(&key(name));
    }
    variables.extend(launch.env.iter().map(|(name, value)| (key(name), (name.clone(), value.clone()))));
    variables.into_values().collect()
}

fn key(name: &OsStr) -> String {
    name.to_string_lossy().to_uppercase()
}

/// Under which names a program may be kept, in order, by the variable `PATHEXT`. Of its endings only those count that can
/// be started without another program.
pub(super) fn file_names(program: &OsStr, pathext: &str) -> Vec<OsString> {
    const RUNNABLE: [&str; 4] = [".COM", ".EXE", ".BAT", ".CMD"];
    let listed: Vec<String> = pathext.split(';').map(str::to_uppercase).filter(|ending| RUNNABLE.contains(&ending.as_str())).collect();
    let endings = if listed.is_empty() { RUNNABLE.map(str::to_owned).to_vec() } else { listed };
    let name = program.to_string_lossy().to_uppercase();
    let with = endings.iter().map(|ending| {
        let mut name = program.to_owned();
        name.push(ending.to_lowercase());
        name
    });
    if RUNNABLE.iter().any(|ending| name.ends_with(ending)) {
        return std::iter::once(program.to_owned()).chain(with).collect();
    }
    // Last as it is: found there, it is known to be no program.
    with.chain([program.to_owned()]).collect()
}

/// Whether a file has the ending of a program.
pub(super) fn is_runnable(file: &OsStr) -> bool {
    file_names(file, "").first().is_some_and(|first| first == file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_makes_no_second_variable() {
        let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| (name.into(), value.into())).collect::<Vec<_>>();
        let launch = Launch {
            program: "x".into(),
            args: Vec::new(),
            cwd: "/".into(),
            env: pairs(&[("PATH", "new"), ("a", "1"), ("A", "2")]),
            unset: vec!["secret".into()],
            open_stdin: false,
        };
        let own = pairs(&[("Path", "old"), ("SECRET", "x"), ("=C:", "C:\\"), ("Temp", "t")]);
        assert_eq!(of(own.into_iter(), &launch), pairs(&[("=C:", "C:\\"), ("A", "2"), ("PATH", "new"), ("Temp", "t")]));
    }
    #[test]
    fn endings_are_tried_in_the_order_of_the_variable() {
        let names = |program: &str, pathext: &str| file_names(program.as_ref(), pathext);
        assert_eq!(names("npm", ".EXE;.JS;.Cmd"), ["npm.exe", "npm.cmd", "npm"]);
        assert_eq!(names("npm.CMD", ".EXE"), ["npm.CMD", "npm.CMD.exe"]);
        assert_eq!(names("a.b", ""), ["a.b.com", "a.b.exe", "a.b.bat", "a.b.cmd", "a.b"]);
        assert!(is_runnable("C:\\x.Exe".as_ref()) && !is_runnable("x.txt".as_ref()) && !is_runnable("exe".as_ref()));
    }
}
