//! Daemons on machines of their own, joined by cables, find each other and notice when one is gone.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use loopsy::api::peers::{Peer, PeerState, Peers};

use crate::support::netns::{self, Lan, Space};
use crate::support::process::{Process, heavy, skipped, until};
use crate::support::program::Program;

/// How long is waited for what takes less than 2 s on a machine that is not busy: from the start of one daemon to its row on
/// another machine.
const FOUND: Duration = Duration::from_secs(10);
/// The same for less than 5 s: from a clean stop to the end of that row.
const GONE: Duration = Duration::from_secs(15);
/// The same without a goodbye.
const MISSED: Duration = Duration::from_secs(60);

/// Whether the scripts below can run; says so where not.
fn has_python() -> bool {
    let found = Command::new("python3").arg("--version").output().is_ok();
    if !found {
        skipped("no python3");
    }
    found
}

fn peers(program: &Program) -> Vec<Peer> {
    serde_json::from_str::<Peers>(&program.ok(&["peers", "--json"])).unwrap().peers
}

fn row(program: &Program, name: &str) -> Option<Peer> {
    peers(program).into_iter().find(|peer| peer.name.as_deref().unwrap_or(&peer.hostname) == name)
}

#[expect(clippy::print_stdout, reason = "what a test prints is kept in its record")]
async fn within(what: &str, limit: Duration, holds: impl FnMut() -> bool) {
    let began = Instant::now();
    until(what, limit, holds).await;
    println!("{what}: {} ms", began.elapsed().as_millis());
}

/// known fault 37: who announces himself is found, and neither trusted nor asked nor remembered.
#[tokio::test]
async fn a_machine_is_found_by_its_reachable_address_and_gone_with_its_goodbye() {
    if !netns::possible() {
        return;
    }
    let lan = Lan::of(3);
    let [one, two, three] = lan.hosts.as_slice() else { unreachable!() };
    // Networks that lead nowhere from outside: one that both have, and one of the second alone.
    for (machine, device, address) in [(one, "docker0", "172.17.0.1/16"), (two, "docker0", "172.17.0.1/16"), (two, "virbr0", "10.1.0.1/24")]
    {
        machine.inside_network(device, address);
    }
    let (leo, kai, shy) = (Program::on(one, "leo"), Program::on(two, "kai"), Program::on(three, "shy"));
    shy.ok(&["config", "set", "server.host", "127.0.0.1"]);
    for program in [&leo, &shy, &kai] {
        program.ok(&["start"]);
    }
    within("leo finds kai", FOUND, || row(&leo, "kai").is_some()).await;
    within("kai finds leo", FOUND, || row(&kai, "leo").is_some()).await;
    let found = row(&leo, "kai").unwrap();
    assert_eq!((found.address.as_str(), found.port), (Lan::v4(1).as_str(), 19532));
    assert!(!found.trusted && !found.manually_added && found.name.is_none());
    assert_eq!(row(&kai, "leo").unwrap().address, Lan::v4(0));
    // Who listens on loopback alone is not announced.
    assert!(row(&leo, "shy").is_none() && peers(&shy).is_empty());
    let said = leo.run(&["peers"]);
    assert!(said.out.contains("found") && said.out.contains("not paired") && said.err.contains("loopsy pair kai"), "{said:?}");
    for reference in ["kai", &format!("loopsy-{}", &found.node_id[..8]), &found.node_id[..8], &Lan::v4(1)] {
        assert!(leo.ok(&["api", "peer.find", &format!("{{\"nodeId\":\"{reference}\"}}")]).contains(&found.node_id), "{reference}");
    }
    assert!(leo.fails(&["peers", "ping", "kia"], 4).contains("Did you mean kai?"));
    assert!(!leo.home().peers().exists() || !std::fs::read_to_string(leo.home().peers()).unwrap().contains(&found.node_id));
    let asked = std::fs::read_to_string(kai.home().keyless_log()).unwrap_or_default();
    assert!(!asked.contains(&Lan::v4(0)), "leo asked a stranger: {asked}");

    kai.ok(&["config", "set", "discovery.enabled", "false"]);
    within("leo misses who is announced no more", GONE, || row(&leo, "kai").is_none()).await;
    assert!(peers(&kai).is_empty());
    kai.ok(&["config", "set", "discovery.enabled", "true"]);
    within("leo finds who is announced again", FOUND, || row(&leo, "kai").is_some()).await;
    kai.ok(&["stop"]);
    within("leo notices the goodbye", GONE, || row(&leo, "kai").is_none()).await;
}

/// A cable that is pulled says no goodbye.
#[tokio::test]
async fn heavy_a_machine_that_is_cut_off_is_noticed_within_a_minute_and_found_again() {
    if !heavy() || !netns::possible() {
        return;
    }
    let lan = Lan::of(2);
    let (leo, kai) = (Program::on(&lan.hosts[0], "leo"), Program::on(&lan.hosts[1], "kai"));
    leo.ok(&["start"]);
    kai.ok(&["start"]);
    within("leo finds kai", FOUND, || row(&leo, "kai").is_some()).await;
    lan.unplug(1);
    within("leo notices the cut", MISSED, || row(&leo, "kai").is_none()).await;
    lan.plug_in(1);
    within("leo finds kai again", MISSED + FOUND, || row(&leo, "kai").is_some()).await;
}

/// Without a network the daemon works, says that it finds nobody, and begins to as soon as there is one.
#[tokio::test]
async fn heavy_without_a_network_the_daemon_works_and_finds_others_once_there_is_one() {
    if !heavy() || !netns::possible() {
        return;
    }
    let lan = Lan::of(1);
    let kai = Program::on(&lan.hosts[0], "kai");
    kai.ok(&["start"]);
    let alone = Space::new();
    let leo = Program::on(&alone, "leo");
    leo.ok(&["start"]);
    leo.ok(&["context", "set", "k", "v"]);
    let warns = || leo.ok(&["status", "--json"]).contains("discovery: ");
    within("leo says that it finds nobody", Duration::from_secs(10), warns).await;
    alone.cable("eth0", &lan.hosts[0], "eth1");
    alone.address("eth0", "10.98.0.1/24");
    lan.hosts[0].address("eth1", "10.98.0.2/24");
    let there = || row(&leo, "kai").is_some_and(|peer| peer.address == "10.98.0.2");
    within("leo finds kai at the new interface", Duration::from_secs(15), there).await;
    assert!(!warns());
    assert_eq!(std::fs::read_to_string(leo.home().logs().join("daemon.log")).unwrap().matches("does not hear itself").count(), 1);
}

/// Announces as many daemons as it is told to, or one with the node id and host name that it is told.
const ANNOUNCE: &str = r#"
import socket, struct, sys, time
def name(text):
    return b"".join(bytes([len(part)]) + part.encode() for part in text.split(".")) + b"\0"
def record(owner, kind, unique, data):
    return name(owner) + struct.pack(">HHIH", kind, 0x8001 if unique else 1, 120, len(data)) + data
SERVICE = "_loopsy._tcp.local"
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
out.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
out.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
out.bind(("", 5353))
out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.99.0.2"))
for at in range(int(sys.argv[1])):
    node, hostname = sys.argv[2:] or ("%08x-0000-4000-8000-000000000000" % at, "fake%d" % at)
    instance, host = "loopsy-%s.%s" % (node[:8], SERVICE), "h-%s.local" % node
    words = [b"nodeId=" + node.encode(), b"hostname=" + hostname.encode()]
    answers = [
        record(SERVICE, 12, False, name(instance)),
        record(instance, 33, True, struct.pack(">HHH", 0, 0, 19532) + name(host)),
        record(instance, 16, True, b"".join(bytes([len(word)]) + word for word in words)),
        record(host, 1, True, socket.inet_aton("10.99.0.2")),
    ]
    out.sendto(struct.pack(">HHHHHH", 0, 0x8400, 0, len(answers), 0, 0) + b"".join(answers), ("224.0.0.251", 5353))
    if at % 50 == 0:
        time.sleep(0.01)
"#;

/// Thousands of machines that are none fill neither the list nor the memory, and real ones are found afterwards.
#[tokio::test]
async fn heavy_a_flood_of_announcements_is_bounded_and_passes() {
    if !heavy() || !netns::possible() || !has_python() {
        return;
    }
    let lan = Lan::of(2);
    let (leo, kai) = (Program::on(&lan.hosts[0], "leo"), Program::on(&lan.hosts[1], "kai"));
    leo.ok(&["start"]);
    assert!(lan.hosts[1].command("python3").args(["-c", ANNOUNCE, "20000"]).status().unwrap().success());
    assert!(peers(&leo).len() <= 256);
    let daemon = Process::of(leo.running().unwrap().pid).unwrap();
    assert!(daemon.peak_memory().unwrap() < 96 << 20, "{:?}", daemon.peak_memory());
    within("leo lists nobody who is not there", MISSED, || peers(&leo).is_empty()).await;
    kai.ok(&["start"]);
    within("leo finds kai", Duration::from_secs(10), || row(&leo, "kai").is_some()).await;
}

/// Makes two machines peers, as far as keys go.
fn introduce(one: &Program, other_name: &str, other_address: &str) {
    const KEY: &str = "a-key-that-the-two-share-0123456789";
    one.ok(&["config", "set", "tls.allowPlaintext", &format!("[{other_name}]")]);
    one.ok(&["peers", "add", other_address, "--name", other_name, "--key", KEY]);
}

/// known faults 10, 58: a peer that is stopped is offline at once, and online as soon as it is back; however it is found, it
/// is one row.
#[tokio::test]
async fn a_peer_s_going_and_coming_is_noticed_at_once() {
    if !netns::possible() {
        return;
    }
    let lan = Lan::of(2);
    let (leo, kai) = (Program::on(&lan.hosts[0], "leo"), Program::on(&lan.hosts[1], "kai"));
    leo.ok(&["start"]);
    kai.ok(&["start"]);
    introduce(&kai, "leo", &Lan::v4(0));
    introduce(&leo, "kai", &Lan::v4(1));
    let is =
        |state| move |peers: Vec<Peer>| matches!(peers.as_slice(), [peer] if peer.status == state && peer.name.as_deref() == Some("kai"));
    within("leo sees kai online", FOUND, || is(PeerState::Online)(peers(&leo))).await;
    kai.ok(&["stop"]);
    within("leo sees kai offline", GONE, || is(PeerState::Offline)(peers(&leo))).await;
    kai.ok(&["start"]);
    within("leo sees kai online again", FOUND, || is(PeerState::Online)(peers(&leo))).await;
}

/// known faults 23, 37: whoever announces himself as a peer, by node id or by name, gets neither its row nor its key.
#[tokio::test]
async fn an_impostor_gets_neither_row_nor_key() {
    if !netns::possible() || !has_python() {
        return;
    }
    let lan = Lan::of(3);
    let (leo, kai) = (Program::on(&lan.hosts[0], "leo"), Program::on(&lan.hosts[2], "kai"));
    leo.ok(&["start"]);
    kai.ok(&["start"]);
    introduce(&kai, "leo", &Lan::v4(0));
    introduce(&leo, "kai", &Lan::v4(2));
    leo.ok(&["config", "set", "auth.allowedKeys.zoe", "zoe-is-a-peer-that-never-called-yet"]);
    leo.ok(&["config", "set", "tls.allowPlaintext", "[kai, zoe]"]);
    let before = row(&leo, "kai").unwrap();
    let announce = |node_id: &str, hostname: &str| {
        let said = lan.hosts[1].command("python3").args(["-c", ANNOUNCE, "1", node_id, hostname]).status().unwrap();
        assert!(said.success());
    };
    announce(&before.node_id, "eve");
    announce("2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d", "Kai");
    announce("3c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d", "zoe");
    within("leo lists the strangers", FOUND, || peers(&leo).len() == 3).await;
    let after = row(&leo, "kai").unwrap();
    assert_eq!((after.node_id, after.address, after.name), (before.node_id.clone(), Lan::v4(2), Some("kai".into())));
    let stranger = row(&leo, "zoe").unwrap();
    assert!(!stranger.trusted && stranger.name.is_none(), "{stranger:?}");
    assert!(leo.ok(&["api", "peer.find", r#"{"nodeId":"KAI"}"#]).contains(&before.node_id));
    // Nobody listens there: a try to call would be told as one.
    assert!(leo.fails(&["exec", "zoe", "true"], 5).contains("no key for zoe"));
    assert!(leo.fails(&["peers", "rename", "zoe", "friend"], 4).contains("only announced"));
}

/// Sends packets to the multicast address of mDNS.
fn flood(machine: &Space, packets: &str) {
    let script = format!("for i in 1 2 3; do printf '{packets}' > /dev/udp/224.0.0.251/5353; done");
    machine.ip(&["route", "replace", "224.0.0.0/4", "dev", "eth0"]);
    assert!(machine.command("bash").args(["-c", &script]).status().unwrap().success());
}

#[tokio::test]
async fn garbage_on_the_network_harms_nobody() {
    if !netns::possible() {
        return;
    }
    let lan = Lan::of(2);
    let (leo, kai) = (Program::on(&lan.hosts[0], "leo"), Program::on(&lan.hosts[1], "kai"));
    leo.ok(&["start"]);
    for packet in [
        "",
        "\\000",
        "\\377\\377\\377\\377\\377\\377\\377\\377\\377\\377\\377\\377\\377\\377",
        // A question whose name points to itself.
        "\\000\\000\\000\\000\\000\\001\\000\\000\\000\\000\\000\\000\\300\\014\\000\\014\\000\\001",
        // An answer that claims 65535 bytes and has none.
        "\\000\\000\\204\\000\\000\\000\\377\\377\\000\\000\\000\\000\\300\\014\\000\\020\\000\\001\\000\\000\\000\\170\\377\\377",
    ] {
        flood(&lan.hosts[1], packet);
    }
    kai.ok(&["start"]);
    within("leo finds kai", FOUND, || row(&leo, "kai").is_some()).await;
}

/// A program that announces a daemon as the Node version does, tells what others announce, and leaves with a goodbye.
const FOREIGN: &str = r#"
import json, socket, sys, time
from zeroconf import IPVersion, ServiceBrowser, ServiceInfo, ServiceListener, Zeroconf
SERVICE = "_loopsy._tcp.local."
def tell(**what):
    print(json.dumps(what), flush=True)
class Listener(ServiceListener):
    def add_service(self, zc, kind, name):
        info = ServiceInfo(kind, name)
        while not info.parsed_addresses(IPVersion.V4Only):
            info.request(zc, 1000)
            time.sleep(0.01)
        words = {key.decode(): value.decode() for key, value in info.properties.items()}
        tell(seen=name, words=words, port=info.port, addresses=info.parsed_addresses())
    def update_service(self, zc, kind, name):
        pass
    def remove_service(self, zc, kind, name):
        tell(gone=name)
zc = Zeroconf()
node = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
info = ServiceInfo(SERVICE, "loopsy-1b4e28ba." + SERVICE, port=19532, server="node-mac.local.",
    addresses=[socket.inet_aton(address) for address in ("172.17.0.1", "127.0.0.1", "10.99.0.2")],
    properties={"nodeId": node, "version": "1.0.0", "platform": "darwin", "capabilities": "execute,transfer"})
zc.register_service(info)
browser = ServiceBrowser(zc, SERVICE, Listener())
tell(ready=True)
sys.stdin.readline()
zc.close()
"#;

/// A process that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_foreign_mdns_sees_us_and_is_seen() {
    let Some(python) = std::env::var_os("LOOPSY_ZEROCONF") else { return skipped("no zeroconf: LOOPSY_ZEROCONF is not set") };
    if !netns::possible() {
        return;
    }
    let lan = Lan::of(2);
    let leo = Program::on(&lan.hosts[0], "leo");
    leo.ok(&["start"]);
    let piped = || Stdio::piped();
    let mut foreign = Ended(lan.hosts[1].command(python).args(["-c", FOREIGN]).stdin(piped()).stdout(piped()).spawn().unwrap());
    let mut lines = BufReader::new(foreign.0.stdout.take().unwrap())
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap());
    let seen = lines.find(|line| line["words"]["hostname"] == "leo").expect("the foreign mDNS does not see us");
    let words = seen["words"].as_object().unwrap();
    let node_id = words["nodeId"].as_str().unwrap();
    assert_eq!(seen["seen"], format!("loopsy-{}._loopsy._tcp.local.", &node_id[..8]));
    assert_eq!((seen["port"].as_u64(), words["version"].as_str(), words["platform"].as_str()), (Some(19532), Some("1.0.0"), Some("linux")));
    assert!(words["capabilities"].as_str().unwrap().starts_with("execute,transfer,context,ai-tasks"), "{words:?}");
    assert!(seen["addresses"].as_array().unwrap().iter().any(|address| address == &Lan::v4(0)), "{seen}");
    assert!(!seen.to_string().contains("127.0.0.1"), "{seen}");

    within("leo finds the foreign daemon", FOUND, || row(&leo, "node-mac").is_some()).await;
    let row_of_it = row(&leo, "node-mac").unwrap();
    assert_eq!((row_of_it.address.as_str(), row_of_it.platform.as_str(), row_of_it.tls), (Lan::v4(1).as_str(), "darwin", Some(false)));
    leo.ok(&["stop"]);
    assert!(lines.any(|line| line["gone"] == seen["seen"]), "the foreign mDNS hears no goodbye");
    leo.ok(&["start"]);
    within("leo finds the foreign daemon again", FOUND, || row(&leo, "node-mac").is_some()).await;
    drop(foreign.0.stdin.take());
    within("leo notices its goodbye", GONE, || row(&leo, "node-mac").is_none()).await;
}
