//! Firewalls that are known to be on, as far as anybody may see.

/// A firewall, and how a port is opened in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firewall {
    /// Its name.
    pub name: &'static str,
    /// What lets other machines through to a daemon on this port.
    pub open: String,
}

/// The firewall of this machine, if one is known to be on.
#[cfg(target_os = "linux")]
pub fn active(port: u16) -> Option<Firewall> {
    let ufw = std::fs::read_to_string("/etc/ufw/ufw.conf").is_ok_and(|text| is_enabled(&text));
    if ufw {
        return Some(Firewall { name: "ufw", open: format!("sudo ufw allow {port}/tcp && sudo ufw allow 5353/udp") });
    }
    std::path::Path::new("/run/firewalld").exists().then(|| Firewall {
        name: "firewalld",
        open: format!("sudo firewall-cmd --permanent --add-port={port}/tcp --add-service=mdns && sudo firewall-cmd --reload"),
    })
}

#[cfg(target_os = "linux")]
fn is_enabled(ufw_conf: &str) -> bool {
    ufw_conf.lines().any(|line| line.trim().eq_ignore_ascii_case("enabled=yes"))
}

/// The firewall of this machine, if one is known to be on; not told on this system.
#[cfg(not(target_os = "linux"))]
pub fn active(_port: u16) -> Option<Firewall> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn only_what_says_so_is_on() {
        assert!(super::is_enabled("# x\nENABLED=yes\nLOGLEVEL=low\n"));
        assert!(!super::is_enabled("# ENABLED=yes\nENABLED=no\n"));
    }
}
