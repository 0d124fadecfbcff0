//! Programs that run other programs, and where in their arguments those are.

use super::shell::{Word, is_assignment};

/// What a program's arguments make it run.
#[derive(Debug, PartialEq)]
pub(super) enum Inner<'a> {
    /// A program and its arguments.
    Program(&'a [Word]),
    /// A line for a POSIX-like shell.
    Line(String),
    /// Commands that a shell reads from its standard input.
    Input,
    /// A line for `cmd` or PowerShell.
    Windows(String),
}

/// A program that runs the rest of its arguments.
struct Wrapper {
    names: &'static [&'static str],
    /// Short options that take a value.
    short: &'static str,
    /// Long options that take the next argument as value.
    long: &'static [&'static str],
    /// Arguments of its own after the options.
    operands: usize,
}

const fn wrapper(names: &'static [&'static str], short: &'static str, long: &'static [&'static str], operands: usize) -> Wrapper {
    Wrapper { names, short, long, operands }
}

const WRAPPERS: &[Wrapper] = &[
    wrapper(&["env"], "uC", &["--unset", "--chdir"], 0),
    wrapper(
        &["sudo", "doas", "run0"],
        "ugphCTRrtUD",
        &[
            "--user",
            "--group",
            "--prompt",
            "--host",
            "--close-from",
            "--command-timeout",
            "--chroot",
            "--role",
            "--type",
            "--other-user",
            "--chdir",
        ],
        0,
    ),
    wrapper(&["nohup", "setsid", "builtin", "busybox", "toybox", "unbuffer", "dbus-run-session", "winpty"], "", &[], 0),
    wrapper(&["nice"], "n", &["--adjustment"], 0),
    wrapper(&["ionice"], "cnpPu", &["--class", "--classdata"], 0),
    wrapper(&["timeout", "gtimeout"], "ks", &["--kill-after", "--signal"], 1),
    wrapper(&["stdbuf"], "ioe", &["--input", "--output", "--error"], 0),
    wrapper(&["time"], "fo", &["--format", "--output"], 0),
    wrapper(&["exec"], "a", &[], 0),
    wrapper(&["command"], "", &[], 0),
    wrapper(&["chrt"], "TPD", &[], 1),
    wrapper(&["taskset", "chroot"], "", &[], 1),
    wrapper(&["flock"], "wEc", &["--timeout", "--command"], 1),
    wrapper(&["watch"], "n", &["--interval"], 0),
    wrapper(&["strace", "ltrace"], "aeoOpPsSuUEbIX", &[], 0),
    wrapper(&["caffeinate"], "tw", &[], 0),
    wrapper(
        &["xargs", "parallel"],
        "IadELnPsj",
        &["--arg-file", "--delimiter", "--max-args", "--max-procs", "--max-chars", "--process-slot-var", "--jobs"],
        0,
    ),
    wrapper(&["systemd-run"], "pEHMtu", &["--unit", "--property", "--slice", "--description", "--setenv", "--uid", "--gid"], 0),
];

const SHELLS: &[&str] = &["sh", "bash", "zsh", "dash", "ksh", "mksh", "ash", "fish", "csh", "tcsh", "rbash"];

/// What the program of this base name runs besides itself.
pub(super) fn inner<'a>(program: &str, args: &'a [Word]) -> Vec<Inner<'a>> {
    match program {
        _ if SHELLS.contains(&program) => shell(args).into_iter().collect(),
        // Only asks whether there is such a program.
        "command" if args.first().is_some_and(|arg| matches!(arg.text.as_str(), "-v" | "-V" | "-pv" | "-pV")) => Vec::new(),
        "eval" => vec![Inner::Line(joined(args))],
        "trap" => args.iter().find(|arg| !arg.text.starts_with('-')).map(|arg| Inner::Line(arg.text.clone())).into_iter().collect(),
        "alias" => args.iter().filter_map(|arg| Some(Inner::Line(arg.text.split_once('=')?.1.into()))).collect(),
        "su" | "runuser" | "script" => option_line(args, &["-c", "--command", "--session-command"]),
        "find" | "fd" | "fdfind" => find(args),
        "cmd" => windows_line(args, |arg| arg.eq_ignore_ascii_case("/c") || arg.eq_ignore_ascii_case("/k")),
        "powershell" | "pwsh" => windows_line(args, is_command_option),
        _ => WRAPPERS.iter().find(|wrapper| wrapper.names.contains(&program)).map(|wrapper| wrapped(wrapper, args)).unwrap_or_default(),
    }
}

fn wrapped<'a>(wrapper: &Wrapper, args: &'a [Word]) -> Vec<Inner<'a>> {
    let mut rest = &args[after_options(args, wrapper.short, wrapper.long)..];
    while rest.first().is_some_and(|word| is_assignment(word.text.as_bytes())) {
        rest = &rest[1..];
    }
    let mut found = vec![Inner::Program(rest.get(wrapper.operands..).unwrap_or_default())];
    match wrapper.names[0] {
        "watch" => found.push(Inner::Line(joined(rest))),
        "flock" => found.extend(option_line(args, &["-c", "--command"])),
        "env" => found.extend(option_line(args, &["-S", "--split-string", "-vS", "-iS"])),
        _ => {}
    }
    found
}

/// Index of the first argument that is no option.
fn after_options(args: &[Word], short: &str, long: &[&str]) -> usize {
    let mut at = 0;
    while let Some(option) = args.get(at).map(|arg| arg.text.as_str()).filter(|text| text.len() > 1 && text.starts_with('-')) {
        at += 1;
        if option == "--" {
            break;
        }
        let takes_next = if option.starts_with("--") {
            long.contains(&option)
        } else {
            // A value may follow in the same argument.
            option.find(|c| short.contains(c)).is_some_and(|found| found + 1 == option.len())
        };
        at += usize::from(takes_next);
    }
    at.min(args.len())
}

fn shell(args: &[Word]) -> Option<Inner<'_>> {
    let mut at = 0;
    let mut takes_line = false;
    while let Some(option) = args.get(at).map(|arg| arg.text.as_str()).filter(|text| text.len() > 1 && text.starts_with(['-', '+'])) {
        at += 1;
        match option.strip_prefix("--") {
            Some("") => break,
            Some("command") => takes_line = true,
            Some("rcfile" | "init-file" | "init-command") => at += 1,
            Some(long) => {
                if let Some(line) = long.strip_prefix("command=") {
                    return Some(Inner::Line(line.into()));
                }
            }
            None => {
                takes_line |= option.starts_with('-') && option.contains('c');
                at += usize::from(option.ends_with(['o', 'O']));
            }
        }
    }
    match args.get(at) {
        Some(line) if takes_line => Some(Inner::Line(line.text.clone())),
        Some(script) if script.text != "-" => None,
        _ => Some(Inner::Input),
    }
}

/// The arguments of options that hold a line.
fn option_line<'a>(args: &'a [Word], options: &[&str]) -> Vec<Inner<'a>> {
    let following = args.windows(2).filter(|pair| options.contains(&pair[0].text.as_str())).map(|pair| pair[1].text.clone());
    let attached = args.iter().filter_map(|arg| {
        let value = options.iter().find_map(|option| arg.text.strip_prefix(option))?;
        Some(value.strip_prefix('=').unwrap_or(value).to_owned()).filter(|value| !value.is_empty())
    });
    following.chain(attached).map(Inner::Line).collect()
}

fn find(args: &[Word]) -> Vec<Inner<'_>> {
    const RUNS: [&str; 8] = ["-exec", "-execdir", "-ok", "-okdir", "-x", "-X", "--exec", "--exec-batch"];
    let mut found = Vec::new();
    let mut rest = args;
    while let Some(start) = rest.iter().position(|arg| RUNS.contains(&arg.text.as_str())) {
        let command = &rest[start + 1..];
        let end = command.iter().position(|word| word.text == ";" || word.text == "+").unwrap_or(command.len());
        found.push(Inner::Program(&command[..end]));
        rest = &command[end..];
    }
    found
}

fn windows_line(args: &[Word], starts: impl Fn(&str) -> bool) -> Vec<Inner<'_>> {
    let start = args.iter().position(|arg| starts(&arg.text)).map(|at| at + 1);
    // Without the option, PowerShell takes what follows its options for a command.
    let start = start.or_else(|| args.iter().position(|arg| !arg.text.starts_with(['-', '/'])));
    start.map(|start| Inner::Windows(joined(&args[start..]))).into_iter().collect()
}

/// `-Command` and whatever PowerShell takes for it.
fn is_command_option(arg: &str) -> bool {
    let lower = arg.to_ascii_lowercase();
    lower.len() > 1 && "-command".starts_with(&lower)
}

fn joined(words: &[Word]) -> String {
    words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}
