//! Commands, at once and as a stream of events.

use serde_json::{Value, json};

use super::{ask, same, written};
use crate::support::line::Line;
use crate::support::sim::{Machine, OWNER, Sim, pair_key};

#[tokio::test]
async fn a_command_is_run_and_answered_whole() {
    let sim = Sim::default();
    let a = sim.machine("a", &["b"], "").await;
    let body = r#"{"command":"sh","args":["-c","printf 'é\\n'; echo err >&2; echo \"$GREETING $PWD\"; exit 3"],"cwd":"/","env":{"GREETING":"hi"},"timeout":10000,"stream":false,"unknown":1}"#;
    let answer = ask(&a, &pair_key("a", "b"), "POST /api/v1/execute", body).await;
    assert_eq!((answer.status(), answer.header("content-type")), (200, Some("application/json")));
    let expected = json!({
        "jobId": "<uuid>", "exitCode": 3, "stdout": "é\nhi /\n", "stderr": "err\n", "duration": "<count>",
        "killed": false, "timedOut": false, "truncated": false,
    });
    same(&answer.json(), &expected);
}

/// known faults 13 and 52: a signal and a time-out are never an exit with 0.
#[tokio::test]
async fn what_was_ended_has_no_exit_code() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    let expected = |killed: bool, signal: &str, timed_out: bool| {
        json!({
            "jobId": "<uuid>", "exitCode": null, "stdout": "", "stderr": "", "duration": "<count>",
            "killed": killed, "timedOut": timed_out, "truncated": false, "signal": signal,
        })
    };
    let timed = ask(&a, OWNER, "POST /api/v1/execute", r#"{"command":"sleep","args":["60"],"timeout":50}"#).await;
    same(&timed.json(), &expected(true, "SIGTERM", true));
    let killed = ask(&a, OWNER, "POST /api/v1/execute", r#"{"command":"sh","args":["-c","kill -9 $$"]}"#).await;
    same(&killed.json(), &expected(false, "SIGKILL", false));
}

/// The events of a command, each as one `data:` line.
async fn events(machine: &Machine, body: &str) -> Vec<Value> {
    let mut line = Line::to(machine).await;
    line.write(written("POST /api/v1/execute/stream", OWNER, "", body)).await;
    let head = line.head().await.unwrap();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    assert_eq!(head.header("cache-control"), Some("no-store"));
    let mut events = Vec::new();
    while let Some(event) = line.event().await {
        let data = event.strip_prefix("data: ").unwrap_or_else(|| panic!("not one data line: {event}"));
        assert!(!data.contains('\n'), "{data}");
        events.push(serde_json::from_str(data).unwrap());
    }
    events
}

#[tokio::test]
async fn a_stream_is_data_lines_that_end_with_exit() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    let events_of = events(&a, r#"{"command":"sh","args":["-c","echo 'a\nb'; echo err >&2; exit 7"],"stream":true}"#).await;
    let (exit, output) = events_of.split_last().unwrap();
    same(exit, &json!({ "type": "exit", "data": "7", "jobId": "<uuid>", "timestamp": "<time>", "exitCode": 7, "timedOut": false }));
    let of = |kind: &str| -> String {
        output.iter().filter(|event| event["type"] == kind).map(|event| event["data"].as_str().unwrap()).collect()
    };
    assert_eq!((of("stdout").as_str(), of("stderr").as_str()), ("a\nb\n", "err\n"));
    for event in output {
        same(event, &json!({ "type": event["type"], "data": "<text>", "jobId": exit["jobId"], "timestamp": "<time>" }));
    }
}

/// known fault 52: the end by a signal carries no code, least of all "0".
#[tokio::test]
async fn a_stream_that_was_ended_says_so() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    for (body, signal, timed_out) in [
        (r#"{"command":"sleep","args":["60"],"timeout":50}"#, "SIGTERM", true),
        (r#"{"command":"sh","args":["-c","kill -9 $$"]}"#, "SIGKILL", false),
    ] {
        let all = events(&a, body).await;
        let expected = json!({
            "type": "exit", "data": "", "jobId": "<uuid>", "timestamp": "<time>", "signal": signal, "timedOut": timed_out,
        });
        same(all.last().unwrap(), &expected);
    }
}

#[tokio::test]
async fn jobs_are_listed_and_cancelled() {
    let sim = Sim::default();
    let a = sim.machine("a", &["b", "c"], "").await;
    let (b, c) = (pair_key("a", "b"), pair_key("a", "c"));
    same(&ask(&a, OWNER, "GET /api/v1/execute/jobs", "").await.json(), &json!({ "jobs": [] }));
    let mut line = Line::to(&a).await;
    line.write(written("POST /api/v1/execute/stream", &b, "", r#"{"command":"sh","args":["-c","echo on; exec sleep 60"]}"#)).await;
    assert_eq!(line.head().await.unwrap().status, 200);
    let first: Value = serde_json::from_str(line.event().await.unwrap().strip_prefix("data: ").unwrap()).unwrap();
    let job = first["jobId"].as_str().unwrap();

    let listed = json!({
        "jobId": job, "command": "sh", "args": ["-c", "echo on; exec sleep 60"], "startedAt": "<time>", "fromNodeId": super::CALLER, "pid": "<count>",
    });
    for key in [OWNER, &b] {
        same(&ask(&a, key, "GET /api/v1/execute/jobs", "").await.json(), &json!({ "jobs": [listed] }));
    }
    // Another peer neither sees it nor ends it.
    same(&ask(&a, &c, "GET /api/v1/execute/jobs", "").await.json(), &json!({ "jobs": [] }));
    assert_eq!(ask(&a, &c, &format!("DELETE /api/v1/execute/{job}"), "").await.failure(), (404, 3006));

    let cancelled = ask(&a, &b, &format!("DELETE /api/v1/execute/{job}"), "").await;
    same(&cancelled.json(), &json!({ "success": true, "jobId": job }));
    let last: Value = serde_json::from_str(line.event().await.unwrap().strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!((last["type"].as_str(), last["signal"].as_str()), (Some("exit"), Some("SIGTERM")));
    assert_eq!(line.event().await, None);
    assert_eq!(ask(&a, &b, &format!("DELETE /api/v1/execute/{job}"), "").await.failure(), (404, 3006));
}

/// known faults 14, 25 and 53: what can't be run is refused before anything is answered, the same on both routes.
#[tokio::test]
async fn what_can_not_run_is_refused_on_both_routes() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "execution:\n  denylist: [rm]\n  maxConcurrent: 1\n").await;
    let cases = [
        ("", 400, 9003),
        ("{}", 400, 9003),
        (r#"{"command":""}"#, 400, 9003),
        (r#"{"command":7}"#, 400, 9003),
        (r#"{"command":"echo","args":"x"}"#, 400, 9003),
        (r#"{"command":"echo","args":["a\u0000b"]}"#, 400, 9003),
        (r#"{"command":"echo","env":{"A=B":"x"}}"#, 400, 9003),
        (r#"{"command":"echo","timeout":1.5}"#, 400, 9003),
        (r#"{"command":"echo","timeout":-1}"#, 400, 9003),
        (r#"{"command":"echo","cwd":"/etc/passwd"}"#, 400, 3004),
        (r#"{"command":"echo","cwd":"/no/such/folder"}"#, 400, 3004),
        (r#"{"command":"no-such-program"}"#, 400, 3004),
        (r#"{"command":"rm","args":["-rf","x"]}"#, 403, 3001),
        (r#"{"command":"/bin/rm","args":["x"]}"#, 403, 3001),
        (r#"{"command":"sh","args":["-c","true && rm x"]}"#, 403, 3001),
        (r#"{"command":"env","args":["A=1","rm","x"]}"#, 403, 3001),
        (r#"{"command":"echo; rm x","shell":true}"#, 403, 3001),
    ];
    for (body, status, code) in cases {
        for route in ["POST /api/v1/execute", "POST /api/v1/execute/stream"] {
            let answer = ask(&a, OWNER, route, body).await;
            assert_eq!(answer.failure(), (status, code), "{route} {body}: {}", answer.text());
        }
    }
    let mut line = Line::to(&a).await;
    line.write(written("POST /api/v1/execute/stream", OWNER, "", r#"{"command":"sh","args":["-c","echo on; exec sleep 60"]}"#)).await;
    line.head().await.unwrap();
    line.event().await.unwrap();
    for route in ["POST /api/v1/execute", "POST /api/v1/execute/stream"] {
        assert_eq!(ask(&a, OWNER, route, r#"{"command":"true"}"#).await.failure(), (429, 3003));
    }
}

/// Ours: input, limits of output, shell lines.
#[tokio::test]
async fn our_additions_are_served() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    let answer = ask(&a, OWNER, "POST /api/v1/execute", r#"{"command":"cat","stdin":"in\n"}"#).await.json();
    assert_eq!((answer["stdout"].as_str(), answer["exitCode"].as_i64()), (Some("in\n"), Some(0)));
    let answer = ask(&a, OWNER, "POST /api/v1/execute", r#"{"command":"printf 'a\nb\n' | wc -l","shell":true}"#).await.json();
    assert_eq!(answer["stdout"].as_str().map(str::trim), Some("2"));
    let answer = ask(&a, OWNER, "POST /api/v1/execute", r#"{"command":"seq","args":["100000"],"maxOutputBytes":1000}"#).await.json();
    assert_eq!(answer["truncated"], true);
    let kept = answer["stdout"].as_str().unwrap();
    assert!(kept.starts_with("1\n2\n") && kept.ends_with("99999\n100000\n") && kept.len() < 1300, "{}", kept.len());
}
