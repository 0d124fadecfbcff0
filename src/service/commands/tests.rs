//! What is let through, and what is not.

use std::time::{Duration, Instant};

use super::*;

fn check_line(rules: &Execution, line: &str) -> Result<()> {
    super::check_line(rules, line, Language::Posix)
}

fn rules() -> Execution {
    Execution::default()
}

fn words(command: &str) -> (String, Vec<String>) {
    let mut words = command.split('·').map(String::from);
    (words.next().unwrap(), words.collect())
}

/// Arguments are separated by `·`.
fn runs(command: &str) -> bool {
    let (program, args) = words(command);
    check(&rules(), &program, &args).is_ok()
}

fn line_runs(line: &str) -> bool {
    check_line(&rules(), line).is_ok()
}

/// known fault 25
#[test]
fn denied_programs_are_denied_by_any_path_and_through_others() {
    let denied = [
        "rm·x",
        "/bin/rm·x",
        "../rm",
        "mkfs·/dev/x",
        "mkfs.ext4·/dev/x",
        "/sbin/mkfs.btrfs",
        "sh·-c·rm x",
        "bash·-lc·rm x",
        "bash·-e·-c·rm x",
        "bash·-c·-l·rm x",
        "bash·-o·pipefail·-c·rm x",
        "bash·--norc·-c·ls; rm x",
        "zsh·-ic·rm x",
        "fish·--command=rm x",
        "fish·-c·rm x",
        "dash·-c·(rm x)",
        "ksh·-c·x=1 rm x",
        "env·rm·x",
        "env·-i·A=1·B=2·rm·x",
        "env·-u·A·rm",
        "env·-S·rm x",
        "env·-Srm x",
        "env·--split-string=rm x",
        "sudo·rm·x",
        "sudo·-u·root·--·rm·x",
        "sudo·-nE·rm",
        "sudo·A=1·rm",
        "doas·rm",
        "nohup·rm·x",
        "xargs·rm",
        "xargs·-0·-n·1·rm·-f",
        "xargs·-I·{}·rm·{}",
        "timeout·5·rm·x",
        "timeout·-k·1·5·rm·x",
        "timeout·--signal=KILL·5·rm",
        "nice·rm",
        "nice·-n·5·rm",
        "nice·-5·rm",
        "ionice·-c·3·rm",
        "setsid·-w·rm",
        "stdbuf·-oL·rm",
        "stdbuf·-o·L·rm",
        "time·-p·rm",
        "busybox·rm·x",
        "busybox·sh·-c·rm x",
        "find·.·-name·x·-exec·rm·{}·;",
        "find·.·-exec·ls·{}·;·-execdir·rm·{}·+",
        "cmd·/c·rm x",
        "cmd·/C·dir & rm x",
        "powershell·-Command·rm x",
        "powershell·-NoProfile·-c·& { rm x }",
        "pwsh·rm·x",
        "sudo·env·A=1·nice·sh·-c·xargs rm",
        "sh·-c·sh -c 'sh -c \"rm x\"'",
        "su·-c·rm x·ann",
        "flock·/tmp/l·rm·x",
        "flock·/tmp/l·-c·rm x",
        "watch·-n·1·rm x",
        "chroot·/x·rm",
        "strace·-o·f·rm",
        "sh·-c·echo 'unclosed; rm x",
    ];
    for command in denied {
        assert!(!runs(command), "{command}");
    }
}

#[test]
fn what_only_mentions_them_runs() {
    let allowed = [
        "ls",
        "rmx",
        "format-code·rm",
        "grep·rm·x",
        "echo·rm",
        "sh·-c·echo rm",
        "sh·-c·echo 'rm x'",
        "bash·script.sh·rm",
        "sh·-c·echo \"$0\"·rm",
        "git·rm·x",
        "docker·run·--rm·x",
        "env·A=rm·ls",
        "env",
        "sudo",
        "timeout·5",
        "command·-v·rm",
        "find·.·-name·rm",
        "find·.·-exec·ls·{}·;·-name·rm",
        "xargs·-I·rm·ls",
        "sh·-c·ls # rm x",
        "sh·-c·for rm in a b; do ls $rm; done",
        "sh·-c·case rm in rm) ls;; esac",
        "sh·-c·[[ rm == rm && rm ]]",
        "sh·-c·x=rm",
        "sh·-c·x=(rm dd)",
        "sh·-c·cat <<E\nrm x\nE",
        "sh·-c·ls > rm",
        "sh·-c·echo $((rm + 1))",
        "sh·-c·((rm++))",
        "sh·-c·$(",
        "cmd·/c·dir rm",
        "format.sh",
        "dd.py",
        "sh·-c·ls 2>/dev/null",
    ];
    for command in allowed {
        assert!(runs(command), "{command}: {:?}", check(&rules(), &words(command).0, &words(command).1));
    }
}

/// known fault 25
#[test]
fn a_shell_line_is_read_as_a_shell_reads_it() {
    let denied = [
        "rm x",
        "r\\m x",
        "'rm' x",
        "r\"\"m x",
        "\"/bin/rm\" x",
        "$'\\x72m' x",
        "$'\\162m'",
        "$'\\u0072m'",
        "ls; rm x",
        "ls;rm x",
        "ls && rm x",
        "ls || rm x",
        "ls | xargs rm",
        "ls |& rm",
        "ls & rm x",
        "ls\nrm x",
        "(rm x)",
        "( ls; (rm x) )",
        "{ rm x; }",
        "! rm x",
        "time rm x",
        "time -p rm x",
        "time { rm x; }",
        "echo $(rm x)",
        "echo \"$(rm x)\"",
        "echo `rm x`",
        "echo \"`rm x`\"",
        "echo `echo \\`rm x\\``",
        "echo \"a $(echo \"$(rm x)\")\"",
        "x=$(rm x)",
        "x=$(rm x) ls",
        "a=(1 $(rm x))",
        "echo ${x:-$(rm x)}",
        "echo $(( $(rm x) + 1 ))",
        "cat <(rm x)",
        "ls > >(rm x)",
        "ls < <(rm x)",
        "if rm x; then ls; fi",
        "if ls; then rm x; else ls; fi",
        "if ls; then ls; else rm x; fi",
        "while rm x; do ls; done",
        "for i in a b; do rm $i; done",
        "for i in $(rm x); do ls; done",
        "for i\ndo rm x; done",
        "for ((i=0;i<3;i++)); do rm x; done",
        "until ls; do rm x; done",
        "case x in a) rm x;; esac",
        "case x in (a|b) ls;; *) rm x; esac",
        "case $(rm x) in a) ls;; esac",
        "case x in a) case y in b) ls;; esac; rm x;; esac",
        "f() { rm x; }; f",
        "f () ( rm x )",
        "function f { rm x; }",
        "function f() { rm x; }",
        "coproc rm x",
        "[[ -n $(rm x) ]]",
        "[[ a ]] && rm x",
        "((1)) && rm x",
        "A=1 B=2 rm x",
        "A+=1 rm",
        "a[0]=1 rm x",
        ">out rm x",
        "2>&1 rm x",
        "ls >out; rm x",
        "ls &>out; rm x",
        "&>out rm x",
        "exec rm x",
        "command rm x",
        "eval rm x",
        "eval 'rm x'",
        "eval \"rm\" x",
        "trap 'rm x' EXIT",
        "alias ll='rm x'",
        "sudo rm x",
        "$SUDO rm x",
        "$(which sudo) rm x",
        "{rm,-rf,x}",
        "r\\\nm x",
        "cat <<E\n$(rm x)\nE",
        "cat <<E\nx\nE\nrm x",
        "cat <<-E\n\tx\n\tE\nrm x",
        "bash <<E\nrm x\nE",
        "bash <<'E'\nrm x\nE",
        "bash <<< 'rm x'",
        "bash -s <<E\nrm x\nE",
        "sh -c \"rm $x\"",
        "sh -c 'r\\m x'",
        "$HOME/bin/rm x",
        "~/bin/rm x",
        "rm",
        "rm;",
        "rm&",
        "\trm",
        "ls # x\nrm x",
        "echo 'a'\\''b'; rm x",
        "# x\nrm",
        "select x in a; do rm x; done",
        "if [ -f x ]; then (cd y && rm z); fi",
    ];
    for line in denied {
        assert!(!line_runs(line), "{line}");
    }
    let allowed = [
        "",
        "# rm x",
        "echo rm; ls rm",
        "echo \"rm x\" 'rm y'",
        "cat <<'E'\n$(rm x)\nE",
        "x='rm'",
        "echo \\$\\(rm x\\)",
        "echo '$(rm x)'",
        "ls 2>/dev/null >&2 <x",
        "grep -r 'a|rm|b' .",
        "echo a#rm",
        "echo ${rm}",
        "echo ${x#rm}",
        "echo $rm",
        "echo $((1 + 2))",
        "awk '{ rm }' x",
        "case rm in rm | dd) ls ;; (format) ls ;; esac",
        "for rm in dd; do ls; done",
        "git commit -m 'x; rm y'",
        "f() { ls; }; f rm",
        "ls \\; rm",
        "cargo build 2>&1 | tail -n 3",
        "[ rm = rm ]",
        "find . -name '*.rs' -exec grep rm {} +",
        "a=(rm dd); ls",
        "echo {rm,dd}",
    ];
    for line in allowed {
        assert!(line_runs(line), "{line}: {:?}", check_line(&rules(), line));
    }
}

#[test]
fn the_answer_names_the_program_and_the_rule() {
    let error = check(&rules(), "sh", &["-c".into(), "sudo /bin/rm x".into()]).unwrap_err();
    assert_eq!(error.code, Code::ExecCommandDenied);
    assert!(error.message.starts_with("rm ") && error.message.contains("execution.denylist"), "{error}");
}

#[test]
fn with_an_allow_list_nothing_else_runs() {
    let rules = Execution { allowlist: vec!["git".into(), "/usr/bin/env".into(), "sh".into()], denylist: Vec::new(), ..rules() };
    let runs = |command: &str| check(&rules, &words(command).0, &words(command).1).is_ok();
    assert!(runs("git·status") && runs("/usr/bin/git") && runs("env·A=1·git") && runs("sh·-c·cd x && git status"));
    assert!(
        !runs("ls")
            && !runs("env·ls")
            && !runs("sh·-c·git x; ls")
            && !runs("sh·-c·$X status")
            && !runs("sh·-c·ls 'unclosed")
            && !runs("cd")
    );
    let line = |line: &str| check_line(&rules, line).is_ok();
    assert!(line("git status && echo done"));
    assert!(!line("git status | cat") && !line("f; ls") && !line("$(echo ls)"));
    // A function's name is no permission for the program of that name.
    for hidden in ["ls; ls() { git x; }", "if false; then ls() { git x; }; fi; ls", "(ls() { git x; }); ls", "ls() { git x; }; command ls"]
    {
        assert!(!line(hidden), "{hidden}");
    }
}

#[test]
fn a_denied_program_stays_denied_though_it_is_allowed() {
    let rules = Execution { allowlist: vec!["rm".into()], ..rules() };
    assert!(check(&rules, "rm", &[]).is_err());
}

/// known fault 25
#[test]
fn windows_names_have_no_case_and_no_ending() {
    let rules = rules();
    let runs = |command: &str| Checker::new(&rules, Names::Windows).command(&words(command).0, &words(command).1).is_ok();
    for command in [
        "RM",
        "rm.exe",
        "C:\\Tools\\Rm.EXE",
        "format.com·c:",
        "cmd.exe·/c·FORMAT c:",
        "CMD·/d·/c·\"C:\\x\\rm.exe\" y",
        "PowerShell.exe·-NoLogo·-COMMAND·Rm.exe x",
        "shutdown·/s",
        "cmd·/c·echo x&r^m y",
    ] {
        assert!(!runs(command), "{command}");
    }
    for command in ["rmx.exe", "cmd.exe·/c·dir", "C:\\rm\\ls.exe", "cmd·/c·echo rm"] {
        assert!(runs(command), "{command}");
    }
    assert!(Checker::new(&rules, Names::Exact).command("RM", &[]).is_ok());
}

#[test]
fn hostile_lines_cost_little_time_and_no_stack() {
    let began = Instant::now();
    for unit in ["(", "$("] {
        assert!(!line_runs(&format!("{}rm", unit.repeat(1024 * 1024))));
    }
    let size = 64 * 1024;
    for unit in [
        "(",
        "((",
        "$(",
        "$((",
        "`",
        "\\`",
        "\"$(",
        "${",
        "${x:-",
        "<(",
        "{ ",
        "if ",
        "case x in ",
        "case x in x) ",
        "[[ ",
        "f() ",
        "x=(",
        "'",
        "\"",
        "<<E ",
        "<<E\n",
        "<<E\nE\n",
        "a;",
        "a|",
        "sudo ",
        "env A=1 ",
        "$x ",
        "\\",
        "$'\\x",
        "{a,",
        "! ",
        "eval ",
        "sh -c '",
        "time -p ",
        "\n",
        ")",
        ";;",
        "for ",
        "function ",
        "((1)) ",
        "$(x) ",
        "a[",
        "2>",
        "find -exec ",
        "ä",
    ] {
        let line = unit.repeat(size / unit.len());
        let _ = check_line(&rules(), &line);
        let _ = check(&rules(), "sh", &["-c".into(), line.clone()]);
        let _ = check_line(&rules(), &format!("{line}{}", ")".repeat(20)));
        let args: Vec<String> = vec![unit.trim().into(); 20_000];
        let _ = check(&rules(), "sudo", &args);
    }
    assert!(began.elapsed() < Duration::from_secs(60), "the time must not grow faster than the line: {:?}", began.elapsed());
    assert!(!runs(&"sudo·".repeat(100)), "what is nested too deeply is denied");
}

proptest::proptest! {
    #[test]
    fn any_line_is_answered(line in "[ a-c;|&(){}<>$`'\"\\\\#\n=!\\[\\]0-9{}rm]{0,60}") {
        let _ = check_line(&rules(), &line);
        let allow = Execution { allowlist: vec!["a".into()], ..rules() };
        let _ = check_line(&allow, &line);
    }
}
