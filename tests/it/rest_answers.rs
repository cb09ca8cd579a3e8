//! Answers are what `/openapi.json` says of them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::rest::{call, get, post, server};

/// Holds an answer against a schema: it has what is required and nothing else, at every depth.
fn agree(api: &Value, schema: &Value, answer: &Value, place: &str) {
    let schema = match schema["$ref"].as_str() {
        Some(name) => &api["components"]["schemas"][name.rsplit('/').next().unwrap()],
        None => schema,
    };
    // What may be null is one of several.
    if let Some(one_of) = schema["oneOf"].as_array() {
        if !answer.is_null() {
            agree(api, one_of.last().unwrap(), answer, place);
        }
        return;
    }
    if let Some(list) = answer.as_array() {
        list.iter().for_each(|one| agree(api, &schema["items"], one, place));
        return;
    }
    let (Some(properties), Some(fields)) = (schema["properties"].as_object(), answer.as_object()) else {
        return;
    };
    let required: BTreeSet<&str> =
        schema["required"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap()).collect();
    for name in required {
        assert!(fields.contains_key(name), "{place} lacks {name}: {answer}");
    }
    for (name, value) in fields {
        let known = properties.get(name);
        agree(
            api,
            known.unwrap_or_else(|| panic!("{place}.{name} is not described")),
            value,
            &format!("{place}.{name}"),
        );
    }
}

fn described<'a>(api: &'a Value, path: &str, method: &str, code: &str) -> &'a Value {
    let schema = &api["paths"][path][method]["responses"][code]["content"]["application/json"]["schema"];
    assert!(schema["$ref"].is_string() || schema["items"]["$ref"].is_string(), "{method} {path}: {schema}");
    schema
}

#[tokio::test]
async fn answers_have_the_fields_that_are_described() {
    let (app, _) = server().await;
    let (_, api) = get(&app, "/openapi.json").await;
    let path = "/v1/recommendations";
    for more in [json!({}), json!({"pareto": ["params"]}), json!({"constraints": {"params": {"max": 1e4}}})] {
        for task in ["new", "a"] {
            let mut body = json!({"task": task, "space": "toy/1", "k": 3});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let (status, answer) = post(&app, path, body).await;
            assert_eq!(status, 200, "{answer}");
            agree(&api, described(&api, path, "post", "200"), &answer, "recommendation");
        }
    }
    let setup = json!({"task": "new", "space": "toy/1", "scheduler": {"kind": "asha", "max_epochs": 9}});
    let id = post(&app, "/v1/studies", setup).await.1["id"].as_str().unwrap().to_owned();
    let (_, asked) = post(&app, &format!("/v1/studies/{id}/ask"), json!({"n": 2})).await;
    agree(&api, described(&api, "/v1/studies/{id}/ask", "post", "200"), &asked, "proposals");
    let trial = json!({"architecture": asked[0]["architecture"], "split": "validation", "metric": "accuracy", "score": 0.5});
    post(&app, &format!("/v1/studies/{id}/tell"), json!({"trials": [trial]})).await;
    let (_, study) = get(&app, &format!("/v1/studies/{id}")).await;
    assert_eq!(
        (study["curve"].as_array().unwrap().len(), study["under_way"].as_array().unwrap().len()),
        (1, 1)
    );
    agree(&api, described(&api, "/v1/studies/{id}", "get", "200"), &study, "study");
    let (_, all) = get(&app, "/v1/studies").await;
    assert_eq!(all, json!([{"id": id, "task": "new", "space": "toy/1", "trials": 1}]));
    agree(&api, described(&api, "/v1/studies", "get", "200"), &all, "studies");
}

#[tokio::test]
async fn names_are_those_that_are_described() {
    let (app, _) = server().await;
    let (_, api) = get(&app, "/openapi.json").await;
    let fields = [
        (json!({"strategy": "x"}), "StrategyName"),
        (json!({"scheduler": {"kind": "x", "max_epochs": 9}}), "SchedulerName"),
        (json!({"acquisition": {"kind": "x"}}), "AcquisitionName"),
    ];
    for (field, schema) in fields {
        let mut body = json!({"task": "new", "space": "toy/1"});
        body.as_object_mut().unwrap().extend(field.as_object().unwrap().clone());
        let (status, refused) = post(&app, "/v1/studies", body).await;
        assert_eq!(status, 422, "{refused}");
        // "unknown variant `x`, expected one of `a`, `b`, `c`"
        let message = refused["message"].as_str().unwrap();
        let taken: BTreeSet<&str> = message.split('`').skip(3).step_by(2).collect();
        let names = api["components"]["schemas"][schema]["enum"].as_array().unwrap().iter();
        assert_eq!(names.map(|name| name.as_str().unwrap()).collect::<BTreeSet<_>>(), taken, "{message}");
    }
}

/// Programs write `null` for what is not given, and what is described as nullable may be.
#[tokio::test]
async fn null_is_as_good_as_nothing_and_a_list_is_no_object() {
    let (app, _) = server().await;
    let (_, api) = get(&app, "/openapi.json").await;
    for (path, schema) in [("/v1/studies", "StudyBody"), ("/v1/recommendations", "RecommendationBody")] {
        let mut body = json!({"task": "new", "space": "toy/1"});
        for (name, field) in api["components"]["schemas"][schema]["properties"].as_object().unwrap() {
            let is_nullable = field["type"].as_array().is_some_and(|kinds| kinds.contains(&"null".into()))
                || field["oneOf"].as_array().is_some_and(|kinds| kinds.contains(&json!({"type": "null"})));
            if is_nullable && name != "task" {
                body[name] = Value::Null;
            }
        }
        assert!(body.as_object().unwrap().len() > 6, "{body}");
        let (status, answer) = post(&app, path, body).await;
        assert!(status.is_success(), "{path}: {answer}");
        let (status, answer) = call(&app, "POST", path, r#" ["new","toy/1"]"#).await;
        assert_eq!((status.as_u16(), &answer["code"]), (422, &"bad_json".into()), "{path}: {answer}");
    }
}

/// The base keeps more under a study's name than its set-up.
#[tokio::test]
async fn what_else_a_study_keeps_is_no_study() {
    let (app, _) = server().await;
    let id = post(&app, "/v1/studies", json!({"task": "new", "space": "toy/1"})).await.1["id"].clone();
    let id = id.as_str().unwrap();
    post(&app, &format!("/v1/studies/{id}/ask"), json!({})).await;
    let (status, answer) = get(&app, &format!("/v1/studies/{id}%20under%20way")).await;
    assert_eq!((status.as_u16(), &answer["code"]), (404, &"unknown_study".into()), "{answer}");
}

/// A request that takes long keeps none but those for the same study waiting, however many these are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_wait_for_a_study_take_no_thread() {
    let (app, _) = server().await;
    let id = post(&app, "/v1/studies", json!({"task": "new", "space": "toy/1"})).await.1["id"].clone();
    let path = format!("/v1/studies/{}", id.as_str().unwrap());
    let waiting: Vec<_> = (0..600)
        .map(|_| {
            let (app, path) = (app.clone(), format!("{path}/ask"));
            tokio::spawn(async move { post(&app, &path, json!({"n": 1})).await.0 })
        })
        .collect();
    // More than there are threads for what blocks.
    assert_eq!(get(&app, "/v1/tasks").await.0, 200);
    let done = waiting.iter().filter(|one| one.is_finished()).count();
    assert!(done < 80, "{done} were answered first");
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
    assert_eq!(get(&app, &path).await.0, 200);
}
