//! Input of wrong shapes, over every operation.

use loopsy::api::openapi;
use loopsy::api::operation::Payload;
use loopsy::api::wire::Encoded;
use loopsy::daemon::routes::routes;
use serde_json::{Value, json};

use crate::support::sim::{OWNER, Sim};

fn owner() -> String {
    format!("Bearer {OWNER}")
}

/// known fault 53: bad input is 400 with the envelope and the field's name, never 500.
#[tokio::test]
async fn a_wrong_type_in_any_field_is_400_and_names_it() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    let mut tried = 0;
    let document = openapi::document(&routes().descriptions());
    for route in routes().list().iter().filter(|route| route.spec().has_json_body()) {
        let spec = route.spec();
        let Encoded { target, headers, body } = (route.example)().unwrap();
        let example: Value = serde_json::from_slice(&body.unwrap()).unwrap();
        let path = &document["paths"][format!("/api/v1{}", spec.path)][spec.method.as_str().to_lowercase()];
        let fields = path["requestBody"]["content"]["application/json"]["schema"]["properties"].as_object().cloned().unwrap_or_default();
        for (field, schema) in fields {
            let mut wrong = example.clone();
            wrong[&field] = json!({ "surprise": [1, {}] });
            if schema["type"].to_string().contains("object") {
                wrong[&field] = json!([1]);
            }
            let (auth, mut all) = (owner(), vec![("content-type", "application/json")]);
            all.push(("authorization", &auth));
            all.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
            let answer = a.raw().send(spec.method.clone(), &target, &all, wrong.to_string()).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (400, 9003), "{} {field}: {answer:?}", spec.name);
            let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
            assert!(message.contains(&field), "{} {field}: {message}", spec.name);
            tried += 1;
        }
    }
    assert!(tried > 15, "{tried}");
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    for route in routes().list().iter().filter(|route| route.spec().has_json_body()) {
        let spec = route.spec();
        let target = (route.example)().unwrap().target;
        for (body, kind, status) in [
            ("[]", "application/json", 400),
            ("{", "application/json", 400),
            ("\"\"", "application/json; charset=utf-8", 400),
            ("{}", "text/plain", 415),
            ("a=b", "application/x-www-form-urlencoded", 415),
        ] {
            let answer = a.raw().send(spec.method.clone(), &target, &[("authorization", &owner()), ("content-type", kind)], body).await;
            assert_eq!(answer.status, status, "{} {body} {kind}: {answer:?}", spec.name);
            answer.code();
        }
    }
}

#[tokio::test]
async fn a_body_over_its_limit_is_413() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    for route in routes().list() {
        let spec = route.spec();
        let Payload::Json(limit) = spec.payload else { continue };
        if !spec.has_json_body() {
            continue;
        }
        let target = (route.example)().unwrap().target;
        let body = vec![b' '; limit + 1];
        let answer =
            a.raw().send(spec.method.clone(), &target, &[("authorization", &owner()), ("content-type", "application/json")], body).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (413, 9006), "{}", spec.name);
    }
}

/// known fault 4: a DELETE with a content type and no body is a DELETE.
#[tokio::test]
async fn a_delete_needs_no_body_whatever_its_content_type_says() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    for key in ["a", "b"] {
        let set = a.raw().json(http::Method::PUT, &format!("/api/v1/context/{key}"), OWNER, &json!({ "value": "x" })).await;
        assert_eq!(set.status, 200);
    }
    for (key, body) in [("a", ""), ("b", "{}")] {
        let headers = [("authorization", owner()), ("content-type", "application/json".to_owned())];
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = a.raw().send(http::Method::DELETE, &format!("/api/v1/context/{key}"), &headers, body).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({ "success": true, "key": key })));
    }
}

#[tokio::test]
async fn a_sane_request_id_is_echoed_and_another_replaced() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    for (given, echoed) in [("req-1.a_B", true), ("", false), ("a b", false), (&"x".repeat(65), false), ("<script>", false)] {
        let answer = a.raw().send(http::Method::GET, "/api/v1/health", &[("x-request-id", given)], "").await;
        let got = answer.header("x-request-id").unwrap();
        assert_eq!(got == given, echoed, "{given:?} {got:?}");
        assert!(!got.is_empty());
    }
}
