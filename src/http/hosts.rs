//! Which `Host` a keyless request may name: a page that rebinds its own name to this machine may not.

use std::net::IpAddr;

/// Whether `host` (with or without port) is an IP literal, `localhost`, one of `names` (with or without `.local` or a domain), or one of `allowed`.
pub fn is_ours(host: &str, names: &[String], allowed: &[String]) -> bool {
    let host = without_port(host).trim_end_matches('.').to_ascii_lowercase();
    if host.is_empty() {
        return false;
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if bare.parse::<IpAddr>().is_ok() || host == "localhost" {
        return true;
    }
    let same = |name: &str| {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let short = name.split('.').next().unwrap_or_default();
        host == name || host == short || host == format!("{short}.local")
    };
    names.iter().filter(|name| !name.is_empty()).any(|name| same(name))
        || allowed.iter().any(|name| name.trim_end_matches('.').eq_ignore_ascii_case(&host))
}

fn without_port(host: &str) -> &str {
    match host.rfind(':') {
        Some(at) if host[at + 1..].bytes().all(|b| b.is_ascii_digit()) && (host.starts_with('[') || !host[..at].contains(':')) => {
            &host[..at]
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// known fault 21: a rebound name is refused.
    #[test]
    fn own_names_pass_and_foreign_ones_do_not() {
        let names = ["Leo".to_owned(), "leo.home.example".to_owned()];
        let allowed = ["proxy.example".to_owned()];
        for host in [
            "127.0.0.1:19532",
            "[::1]:19532",
            "::1",
            "localhost",
            "LOCALHOST.:80",
            "leo",
            "leo.local:1",
            "leo.home.example.",
            "proxy.example",
        ] {
            assert!(is_ours(host, &names, &allowed), "{host}");
        }
        for host in ["", ":", "evil.example", "leo.evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "xleo", "leo:80:80"] {
            assert!(!is_ours(host, &names, &allowed), "{host}");
        }
    }
}
