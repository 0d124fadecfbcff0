//! What launchd and the Task Scheduler are given, read by others than Loopsy: a parser of property lists, a schema.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use loopsy::platform::autostart::{Manager, Subject, System};
use serde_json::{Value, json};

use crate::support::process::skipped;

/// Reads a property list and tells it as JSON.
const PLIST: &str = "import json, plistlib, sys; json.dump(plistlib.loads(sys.stdin.buffer.read(), fmt=plistlib.FMT_XML), sys.stdout)";
/// Holds a task to the schema that is its argument, and tells its words as JSON.
const TASK: &str = "
import json, sys
from lxml import etree
document = etree.fromstring(sys.stdin.buffer.read())
etree.XMLSchema(etree.parse(sys.argv[1])).assertValid(document)
names = {etree.QName(each).localname: each.text for each in document.iter(etree.Element) if len(each) == 0}
json.dump(names, sys.stdout)
";

/// Ordinary ones and such as nobody should have.
const PATHS: [(&str, &str); 3] = [
    ("/usr/local/bin/loopsy", "/home/ann/.loopsy"),
    ("/opt/a & b <c>/]]>/loopsy", "/home/ä \"x\" 'y'/--/&amp;"),
    ("/opt/$HOME/50%/loopsy", "/srv/ {} -->  <!-- /\u{1f980}"),
];

fn subject(program: &str, data_dir: &str) -> Subject {
    Subject::new("loopsy-w1", Path::new(program), Path::new(data_dir), "/usr/bin:/a & <b>:/--".as_ref()).unwrap()
}

fn python(python: OsString, args: &[&str], input: &[u8]) -> Option<Value> {
    let mut command = Command::new(python);
    let mut child = command.arg("-c").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(input));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn a_property_list_says_what_launchd_is_to_do() {
    let manager = Manager { system: System::Launchd, folder: "/Users/ann/Library/LaunchAgents".into(), user: "501".into() };
    for (program, data_dir) in PATHS {
        let file = manager.describe(&subject(program, data_dir)).unwrap();
        assert_eq!(file.path, Path::new("/Users/ann/Library/LaunchAgents/dev.loopsy.loopsy-w1.plist"));
        let Some(read) = python("python3".into(), &[PLIST], &file.bytes()) else {
            skipped("there is no python3");
            return;
        };
        let wanted = json!({
            "Label": "dev.loopsy.loopsy-w1",
            "ProgramArguments": [program, "daemon", "--detached", "--data-dir", data_dir],
            "EnvironmentVariables": { "PATH": "/usr/bin:/a & <b>:/--" },
            "RunAtLoad": true,
            "KeepAlive": { "SuccessfulExit": false },
            "ProcessType": "Interactive",
            "ExitTimeOut": 10,
            "StandardErrorPath": format!("{data_dir}/logs/service.log"),
        });
        assert_eq!(read, wanted);
    }
}

#[test]
fn a_task_is_what_the_schema_allows_and_needs_no_elevation() {
    let Some(lxml) = std::env::var_os("LOOPSY_LXML") else {
        skipped("no xml-schema: LOOPSY_LXML is not set");
        return;
    };
    let manager = Manager { system: System::TaskScheduler, folder: "/data".into(), user: r"KAI\Ann & <Bo>".into() };
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/service/task.xsd");
    for (program, data_dir) in PATHS {
        let file = manager.describe(&subject(program, data_dir)).unwrap();
        let bytes = file.bytes();
        assert_eq!(bytes[..2], [0xff, 0xfe], "it says what it is encoded in");
        let read = python(lxml.clone(), &[TASK, schema.to_str().unwrap()], &bytes).unwrap();
        let arguments = format!("daemon --detached --data-dir \"{}\"", data_dir.replace('"', "\\\""));
        for (name, wanted) in [
            ("Command", program),
            ("Arguments", &arguments),
            ("UserId", r"KAI\Ann & <Bo>"),
            ("RunLevel", "LeastPrivilege"),
            ("LogonType", "InteractiveToken"),
            ("ExecutionTimeLimit", "PT0S"),
            ("MultipleInstancesPolicy", "IgnoreNew"),
            ("DisallowStartIfOnBatteries", "false"),
            ("StopIfGoingOnBatteries", "false"),
        ] {
            assert_eq!(read[name], wanted, "{name}");
        }
    }
}
