//! What is written about every operation.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use loopsy::api::openapi;
use loopsy::daemon::routes::routes;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_operation_and_field_is_described_and_named_once() {
    let document = openapi::document(&routes().descriptions());
    let mut names = HashSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name} twice");
            assert!(operation["summary"].as_str().unwrap().ends_with('.'), "{method} {path}");
            for parameter in operation["parameters"].as_array().unwrap() {
                assert!(parameter["description"].is_string(), "{name}: {}", parameter["name"]);
            }
            let fields = &operation["requestBody"]["content"]["application/json"]["schema"]["properties"];
            for (field, schema) in fields.as_object().into_iter().flatten() {
                assert!(schema["description"].is_string(), "{name}: {field}");
            }
        }
    }
    assert_eq!(names.len(), routes().list().len());
}

/// The document that is checked in is the one that is served. `LOOPSY_UPDATE=1` writes it anew.
#[test]
fn the_openapi_document_is_checked_in() {
    let text = serde_json::to_string_pretty(&openapi::document(&routes().descriptions())).unwrap() + "\n";
    let path = root().join("docs/openapi.json");
    if std::env::var_os("LOOPSY_UPDATE").is_some() {
        loopsy::platform::files::write_private(&path, text.as_bytes()).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "docs/openapi.json is not what the types say; write it anew with LOOPSY_UPDATE=1");
}

/// The README's REST tables name every route that is served, and no other.
#[test]
fn the_readme_lists_every_route() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let written: HashSet<(String, String)> = readme
        .lines()
        .filter_map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let method = cells.get(1).filter(|method| ["GET", "PUT", "POST", "DELETE", "HEAD"].contains(method))?;
            Some(((*method).to_owned(), cells.get(2)?.trim_matches('`').to_owned()))
        })
        .collect();
    let served: HashSet<(String, String)> =
        routes().list().iter().map(|route| (route.spec().method.to_string(), route.spec().path.to_owned())).collect();
    let missing: Vec<_> = served.difference(&written).collect();
    let invented: Vec<_> = written.difference(&served).collect();
    assert!(missing.is_empty() && invented.is_empty(), "missing: {missing:?}, not served: {invented:?}");
}
