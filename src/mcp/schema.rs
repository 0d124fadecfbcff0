//! JSON Schemas of tools, derived from the types that travel and made small: an agent reads all of them at its start.

use schemars::JsonSchema;
use schemars::generate::{Contract, SchemaSettings};
use serde_json::{Map, Value, json};

/// A JSON object.
pub type Object = Map<String, Value>;

/// The schema of a tool's arguments.
pub fn input<T: JsonSchema>() -> Object {
    let mut schema = derived::<T>(Contract::Deserialize);
    tidy(&mut schema, Words::Kept);
    object(schema)
}

/// The schema of a tool's result: which fields there are, and of what type. It has no words, neither those that describe nor those that
/// a field may have: the values explain themselves, and the model reads them, not this.
pub fn output<T: JsonSchema>() -> Object {
    let mut schema = derived::<T>(Contract::Serialize);
    tidy(&mut schema, Words::Dropped);
    object(schema)
}

#[derive(Clone, Copy, PartialEq)]
enum Words {
    Kept,
    Dropped,
}

fn derived<T: JsonSchema>(contract: Contract) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
        settings.contract = contract;
    });
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

fn object(schema: Value) -> Object {
    let Value::Object(mut schema) = schema else { return Object::new() };
    schema.remove("description");
    schema.entry("properties").or_insert_with(|| json!({}));
    schema
}

fn tidy(schema: &mut Value, words: Words) {
    let Value::Object(map) = schema else { return };
    // Names of formats that only Rust knows make validators complain, and of names nobody has any use.
    for needless in ["format", "title"] {
        map.remove(needless);
    }
    if map.get("minimum").is_some_and(|least| least == 0) {
        map.remove("minimum");
    }
    if map.get("default").is_some_and(Value::is_null) || words == Words::Dropped {
        map.remove("default");
    }
    match words {
        Words::Dropped => _ = map.remove("description"),
        Words::Kept => {
            if let Some(Value::String(text)) = map.get_mut("description") {
                *text = text.replace('\n', " ").replace(" (ours)", "");
            }
        }
    }
    if let Some(names) = constants(map) {
        map.remove("oneOf");
        map.insert("type".into(), "string".into());
        map.insert("enum".into(), names);
    }
    let required: Vec<Value> = map.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        for (name, property) in properties {
            tidy(property, words);
            if words == Words::Dropped {
                no_deeper(property);
            }
            // What may be left out is never null.
            if !required.iter().any(|known| known == name) {
                never_null(property);
            }
        }
    }
    if words == Words::Dropped {
        for needless in ["required", "enum", "maximum"] {
            map.remove(needless);
        }
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = map.get_mut(inner) {
            tidy(inner, words);
        }
    }
    for list in ["anyOf", "oneOf", "allOf"] {
        if let Some(Value::Array(list)) = map.get_mut(list) {
            list.iter_mut().for_each(|schema| tidy(schema, words));
        }
    }
}

/// The words of an enumeration that is written as a choice of described constants.
fn constants(map: &Object) -> Option<Value> {
    map.get("oneOf")?.as_array()?.iter().map(|choice| choice.get("const").cloned()).collect::<Option<Vec<_>>>().map(Value::Array)
}

/// Of an object in an object it is enough that it is one.
fn no_deeper(property: &mut Value) {
    if let Value::Object(map) = property {
        map.remove("properties");
    }
}

fn never_null(property: &mut Value) {
    let Value::Object(map) = property else { return };
    if let Some(Value::Array(types)) = map.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            map.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(choices)) = map.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            map.remove("anyOf");
            for (name, value) in only {
                map.entry(name).or_insert(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Words of the type.
    #[derive(serde::Serialize, serde::Deserialize, JsonSchema)]
    #[serde(rename_all = "camelCase")]
    struct Sample {
        /// How many.
        count_of: u64,
        /// Why (ours).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// What kind.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<crate::api::messages::MessageType>,
        code: Option<i32>,
        #[serde(default)]
        env: Option<BTreeMap<String, String>>,
    }

    #[test]
    fn arguments_keep_their_words_and_are_never_null() {
        let schema = Value::Object(input::<Sample>());
        assert_eq!(schema["properties"]["countOf"], json!({ "type": "integer", "description": "How many." }));
        assert_eq!(schema["properties"]["reason"], json!({ "type": "string", "description": "Why." }));
        let kind = &schema["properties"]["kind"];
        assert_eq!(kind["enum"], json!(["chat", "request", "response", "ack", "broadcast"]), "{kind}");
        assert_eq!(kind["description"], "What kind.");
        assert_eq!(schema["required"], json!(["countOf"]));
        assert_eq!(schema.get("$schema"), None);
    }
    #[test]
    fn results_have_no_words_and_say_what_may_be_null() {
        let schema = Value::Object(output::<Sample>());
        assert_eq!(schema["properties"]["code"], json!({ "type": ["integer", "null"] }));
        assert_eq!(schema["properties"]["reason"], json!({ "type": "string" }));
        assert_eq!(schema["properties"]["kind"], json!({ "type": "string" }));
        for needless in ["description", "required"] {
            assert!(!schema.to_string().contains(needless), "{schema}");
        }
        assert_eq!(schema["type"], "object");
    }
}
