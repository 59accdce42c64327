//! The OpenAPI 3.1 document, made from the table of calls.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use crate::calls::{CALLS, Call, Method, Permission, Place};
use crate::problem::{Problem, title};

const ABOUT: &str = "Countersign decides what AI agents may do, before they do it. A deny is an answer (200), not a \
problem; `decision` is what policy said and never changes, `status` is what the caller needs. Problems are RFC 9457 \
documents with a stable `code`. Numbers in a body have to be exact in a double, because every reader has to see the same \
action; a number that is not is refused, so send it as a string.";

/// The document.
pub fn openapi() -> Value {
    let settings = || {
        SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
    };
    // What is taken and what is answered come from two generators: an optional field of an answer may be `null`, one of
    // a request is left out.
    let (mut taken, mut answered) = (settings().into_generator(), settings().into_generator());
    let problem = answered.subschema_for::<Problem>().to_value();
    let mut paths = Map::new();
    for call in CALLS.iter() {
        let operation = operation(call, &mut taken, &mut answered, &problem);
        let item = paths.entry(call.path).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(item) = item {
            item.insert(call.method.as_str().to_lowercase(), operation);
        }
    }
    let mut schemas = answered.take_definitions(true);
    for (name, mut schema) in taken.take_definitions(true) {
        leave_out_null(&mut schema);
        schemas.insert(name, schema);
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Countersign", "version": "1", "description": ABOUT, "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" } },
        "servers": [{ "url": "/" }],
        "tags": tags(),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "cs_…", "description": "An API key." },
            },
        },
    })
}

fn tags() -> Vec<Value> {
    let mut names: Vec<&str> = Vec::new();
    for call in CALLS.iter() {
        if !names.contains(&call.group()) {
            names.push(call.group());
        }
    }
    names.into_iter().map(|name| json!({ "name": name })).collect()
}

fn operation(call: &Call, taken: &mut SchemaGenerator, answered: &mut SchemaGenerator, problem: &Value) -> Value {
    let mut operation = json!({
        "operationId": call.id,
        "tags": [call.group()],
        "summary": call.summary,
        "description": format!("For {}.", call.permission),
        "security": match call.permission {
            Permission::Anyone | Permission::Slack | Permission::Link => json!([]),
            Permission::Holder | Permission::LocalOperator | Permission::Voter | Permission::Those { .. } => {
                json!([{ "bearer": [] }])
            }
        },
        "parameters": parameters(call),
        "responses": responses(call, answered, problem),
    });
    if let (Some(body), Value::Object(operation)) = (&call.body, &mut operation) {
        let schema = (body.schema)(taken).to_value();
        let example: Value = serde_json::from_str(body.example).unwrap_or_default();
        let content = json!({ body.content: { "schema": schema, "example": example } });
        operation.insert(
            "requestBody".to_owned(),
            json!({ "required": true, "content": content }),
        );
    }
    operation
}

fn parameters(call: &Call) -> Vec<Value> {
    let mut parameters: Vec<Value> = Vec::new();
    for param in call.params {
        let place = match param.place {
            Place::Path => "path",
            Place::Query => "query",
        };
        let schema = (param.schema)();
        parameters.push(json!({
            "name": param.name, "in": place, "description": param.about, "required": param.required, "schema": schema,
        }));
    }
    if call.method == Method::Post && call.idempotent {
        parameters.push(json!({
            "name": "Idempotency-Key",
            "in": "header",
            "description": "The same key and body within 24 hours give the same answer.",
            "required": false,
            "schema": { "type": "string", "pattern": "^[!-~]{1,255}$" },
        }));
    }
    parameters
}

fn responses(call: &Call, answered: &mut SchemaGenerator, problem: &Value) -> Value {
    let mut content = json!({});
    let media = match call.success.schema {
        Some(schema) => json!({ "schema": schema(answered).to_value() }),
        None if call.success.content.starts_with("application/json") => json!({ "schema": { "type": "object" } }),
        None => json!({ "schema": { "type": "string" } }),
    };
    content[call.success.content] = media;
    let mut headers = json!({ "x-request-id": { "schema": { "type": "string" } } });
    if call.idempotent {
        headers["Idempotent-Replayed"] =
            json!({ "description": "`true` when this repeats an earlier answer.", "schema": { "type": "string" } });
    }
    let mut responses = Map::new();
    let success = json!({ "description": call.summary, "headers": headers, "content": content });
    responses.insert(call.success.status.to_string(), success);
    for (status, codes) in call.all_problems() {
        let codes: Vec<String> = codes.iter().map(|code| format!("`{code}`")).collect();
        let mut response = json!({
            "description": format!("{}: {}", title(status), codes.join(", ")),
            "content": { "application/problem+json": { "schema": problem } },
        });
        if call.permission == Permission::Link {
            // Whoever follows a link reads what is wrong with it as a page.
            response["content"][call.success.content] = json!({ "schema": { "type": "string" } });
        }
        match status {
            401 => response["headers"] = json!({ "WWW-Authenticate": { "schema": { "type": "string" } } }),
            429 | 503 => response["headers"] = json!({ "Retry-After": { "schema": { "type": "integer" } } }),
            _ => {}
        }
        responses.insert(status.to_string(), response);
    }
    Value::Object(responses)
}

/// Takes `null` out of the members of an object that refuses unknown fields: what is optional is left out.
fn leave_out_null(schema: &mut Value) {
    let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    if let (true, Some(Value::Object(members))) = (closed, schema.get_mut("properties")) {
        for member in members.values_mut() {
            let mut single = None;
            if let Some(Value::Array(types)) = member.get_mut("type") {
                types.retain(|kind| kind != "null");
                single = (types.len() == 1).then(|| types.remove(0));
            }
            if let Some(kind) = single {
                member["type"] = kind;
            }
            let mut sole = None;
            if let Some(Value::Array(choices)) = member.get_mut("anyOf") {
                choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
                sole = (choices.len() == 1).then(|| choices.remove(0));
            }
            if let (Some(Value::Object(sole)), Value::Object(member)) = (sole, member) {
                member.remove("anyOf");
                member.extend(sole);
            }
        }
    }
}
