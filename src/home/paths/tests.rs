//! What must hold when somebody asks for paths that are not theirs.
#![expect(clippy::disallowed_methods, reason = "tests put files of other programs in place")]

use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::home::config::Config;

struct House {
    _keep: tempfile::TempDir,
    root: PathBuf,
    settings: Settings,
    paths: Paths,
}

/// `<root>/ann` is home, `<root>/ann/.loopsy` the data directory.
fn house(change: impl FnOnce(&mut Config, &Path)) -> House {
    let keep = tempfile::tempdir().unwrap();
    let root = keep.path().canonicalize().unwrap();
    for folder in ["ann/work", "anna", "ann/.loopsy", "ann/.ssh", "ann/.config"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let mut config = Config::default();
    change(&mut config, &root);
    let settings = Settings::new(config);
    let paths = Paths::new(settings.clone(), root.join("ann"), vec![root.join("ann/.loopsy")]);
    House { _keep: keep, root, settings, paths }
}

impl House {
    fn at(&self, path: &str) -> String {
        self.root.join(path).display().to_string()
    }
    fn denies(&self, path: &str) -> bool {
        self.paths.resolve(path).is_err_and(|error| error.code == Code::TransferPathDenied)
    }
}

#[test]
fn relative_paths_and_tilde_start_at_home() {
    let house = house(|_, _| {});
    for given in ["work/x", "~/work/x", "./work/../work/x", "~//work/x"] {
        assert_eq!(house.paths.resolve(given).unwrap(), house.root.join("ann/work/x"), "{given}");
    }
    assert_eq!(house.paths.resolve("~").unwrap(), house.root.join("ann"));
    assert_eq!(house.paths.resolve("~ann").unwrap(), house.root.join("ann/~ann"));
}

/// known fault 26
#[test]
fn rules_hold_for_whole_components() {
    let house = house(|_, _| {});
    assert!(house.denies(&house.at("anna")) && house.denies(&house.at("anna/x")));
    assert!(house.denies("~/.ssh/id_ed25519"));
    assert!(!house.denies("~/.sshkeys"));
    assert!(!house.denies("~/.loopsyfoo"));
}

/// known fault 26
#[test]
fn links_are_judged_by_where_they_lead() {
    let house = house(|_, _| {});
    symlink("/etc", house.root.join("ann/etc")).unwrap();
    symlink(".ssh", house.root.join("ann/harmless")).unwrap();
    symlink(house.root.join("ann/work"), house.root.join("anna/in")).unwrap();
    assert!(house.denies("etc/passwd") && house.denies("etc/no-such-file"));
    assert!(house.denies("harmless/id_rsa") && house.denies("work/../harmless"));
    assert!(!house.denies(&house.at("anna/in/x")));
    assert!(house.denies("~/../anna/x") && house.denies("../../../../etc/passwd"));
}

/// known fault 26
#[test]
fn data_directories_and_what_gets_run_are_denied() {
    let house = house(|config, _| config.transfer.allowed_paths = Some(vec!["/".into()]));
    for path in [
        "~/.loopsy",
        "~/.loopsy/config.yaml",
        "~/.bashrc",
        "~/.config/autostart/x.desktop",
        "~/.config/systemd/user/x.service",
        "~/Library/LaunchAgents/x.plist",
        "~/.config/fish/config.fish",
        "/etc/cron.d/x",
        "/proc/self/environ",
        "~/.claude/settings.json",
    ] {
        assert!(house.denies(path), "{path}");
    }
    assert!(!house.denies("~/.config/app/settings"));
}

#[test]
fn only_the_default_denials_can_be_lifted_and_only_by_name() {
    let house = house(|config, _| {
        config.transfer.allowed_paths = Some(vec!["~".into(), "~/.config/nvim/lua".into(), "~/.loopsy/logs".into(), "~/secret/x".into()]);
        config.transfer.denied_paths = vec!["~/secret".into()];
    });
    assert!(!house.denies("~/.config/nvim/lua/init.lua"));
    assert!(house.denies("~/.config/nvim/init.lua"));
    assert!(house.denies("~/.loopsy/logs/x") && house.denies("~/secret/x"));
}

#[test]
fn a_rule_that_is_a_link_holds_for_both_its_ends() {
    let house = house(|config, root| {
        config.transfer.denied_paths = vec!["~/private".into(), root.join("alias/deep").display().to_string()];
    });
    fs::create_dir_all(house.root.join("ann/real")).unwrap();
    symlink("real", house.root.join("ann/private")).unwrap();
    symlink("ann/work", house.root.join("alias")).unwrap();
    assert!(house.denies("private/x") && house.denies("real/x"));
    assert!(house.denies("work/deep/x"));
    assert!(house.paths.rules().forbid(&house.root.join("ann/private")), "replacing the link itself");
}

#[test]
fn a_link_is_followed_behind_what_is_missing_too() {
    let house = house(|_, _| {});
    symlink(house.root.join("anna"), house.root.join("ann/out")).unwrap();
    for way in ["out", "missing/../out", "missing/deep/../../out", "missing/./../work/missing/../../out"] {
        assert!(house.denies(way) && house.denies(&format!("{way}/x")), "{way}");
    }
    assert_eq!(house.paths.resolve("missing/../work/x").unwrap(), house.root.join("ann/work/x"));
}

#[test]
fn a_denial_does_not_tell_what_is_there() {
    let house = house(|_, _| {});
    fs::write(house.root.join("anna/file"), "").unwrap();
    let told = |path: &str| {
        let error = house.paths.resolve(&house.at(path)).unwrap_err();
        (error.code, error.message.replace(path, "…"), error.hint)
    };
    assert_eq!(told("anna/file"), told("anna/none"));
    assert_eq!(told("anna/file"), told("anna/file/below"));
    assert_eq!(told("anna/file"), told(&format!("anna/{}", "n".repeat(300))));
}

#[test]
fn what_is_no_path_is_refused_in_words() {
    let house = house(|_, _| {});
    for (path, words) in [("", "empty"), ("a\0b", "zero byte"), (&*"n".repeat(5000), "too long"), (&*"n".repeat(300), "too long")] {
        let error = house.paths.resolve(path).unwrap_err();
        assert_eq!(error.code, Code::InvalidRequest);
        assert!(error.message.contains(words), "{error}");
    }
}

#[test]
fn case_makes_no_difference_where_the_system_makes_none() {
    let house = house(|_, _| {});
    let rules = Rules { fold: true, allowed: vec!["/users/ann".into()], denied: vec!["/users/ann/.ssh".into()], ..Rules::default() };
    assert!(rules.permit(Path::new("/Users/Ann/Work")));
    for path in ["/Users/Ann/.SSH/id", "/users/ann/.\u{17f}sh/id"] {
        assert!(!rules.permit(Path::new(path)), "{path}");
    }
    assert!(!house.denies("~/.SSH") || CASE_IS_IGNORED);
}

#[test]
fn rules_of_a_folder_decide_as_all_of_them() {
    let house = house(|config, _| config.transfer.denied_paths = vec!["~/work/no".into()]);
    let all = house.paths.rules();
    let near = all.within(&house.root.join("ann/work"));
    assert!(near.denied_by_default.is_empty());
    for (path, permitted) in [("ann/work/yes", true), ("ann/work/no/x", false), ("ann/work", true)] {
        assert_eq!(near.permit(&house.root.join(path)), permitted, "{path}");
        assert_eq!(all.permit(&house.root.join(path)), permitted, "{path}");
    }
    assert!(near.guards(&house.root.join("ann/work")) && !near.guards(&house.root.join("ann/work/yes")));
}

#[test]
fn a_change_of_the_configuration_counts_at_once() {
    let house = house(|_, _| {});
    let mut config = Config::default();
    config.transfer.denied_paths = vec!["work".into()];
    assert!(!house.denies("work/x"));
    house.settings.set(config);
    assert!(house.denies("work/x"));
}
