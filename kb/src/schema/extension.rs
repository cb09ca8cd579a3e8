//! `Extension`: another space whose trials tell of this one.

use serde::{Deserialize, Serialize};

use super::{Architecture, Name, Param, SchemaError, SearchSpace};

/// Another space, as a rule an earlier version, whose architectures are some of this one's: trials of it count here too.
///
/// In JSON `{"space":"net/1","with":{"dropout":0.0}}`: this space has a parameter `dropout` more, which was 0 there. Values of parameters that
/// the other space has and this one has not say which of its architectures are meant: `{"with":{"optimizer":"adam"}}`, where only one
/// optimizer is left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct Extension {
    /// The other space's id.
    pub space: Name,
    /// What its architectures do not say, or must say.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub with: Architecture,
}

impl Extension {
    /// Refuses values that the parameters of this space do not allow, and a space that extends itself.
    pub(super) fn check(&self, id: &Name, params: &[Param]) -> Result<(), SchemaError> {
        if self.space == *id {
            return Err(SchemaError::BadSpace { space: id.clone(), reason: "it extends itself".into() });
        }
        for (name, value) in &self.with.0 {
            let range = params.iter().find(|param| param.name == *name).map(|param| &param.range);
            if let Some(range) = range.filter(|range| range.normalise(value).is_none()) {
                let (param, value, allowed) = (name.clone(), value.clone(), range.describe());
                return Err(SchemaError::BadValue { param, value, allowed });
            }
        }
        Ok(())
    }

    /// An architecture of the other space as one of `space`; nothing for one that is none of it.
    #[must_use]
    pub fn translate(&self, space: &SearchSpace, architecture: &Architecture) -> Option<Architecture> {
        let mut here = architecture.clone();
        for (name, value) in &self.with.0 {
            if space.params().iter().any(|param| param.name == *name) {
                here.0.entry(name.clone()).or_insert_with(|| value.clone());
            } else if here.0.remove(name).is_some_and(|there| !there.same(value)) {
                return None;
            }
        }
        space.normalise(&here).ok()
    }
}

fn is_empty(architecture: &Architecture) -> bool {
    architecture.0.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMS: &str = r#"[{"name":"depth","range":{"kind":"int","lo":1,"hi":8}},
        {"name":"dropout","range":{"kind":"real","lo":0.0,"hi":0.9}}]"#;

    fn space(extends: &str) -> Result<SearchSpace, serde_json::Error> {
        serde_json::from_str(&format!(r#"{{"id":"net/2","params":{PARAMS},"extends":{extends}}}"#))
    }

    #[test]
    fn architectures_of_an_earlier_version_are_some_of_this_one() {
        let space = space(r#"[{"space":"net/1","with":{"dropout":0,"optimizer":"adam"}}]"#).unwrap();
        let translated = |architecture: &str| {
            let there: Architecture = serde_json::from_str(architecture).unwrap();
            let here = space.extends()[0].translate(&space, &there);
            here.map(|here| serde_json::to_string(&here).unwrap())
        };
        let here = |json: &str| Some(json.to_owned());
        assert_eq!(translated(r#"{"depth":3,"optimizer":"adam"}"#), here(r#"{"depth":3,"dropout":0.0}"#));
        assert_eq!(translated(r#"{"depth":3,"optimizer":"sgd"}"#), None, "another optimizer");
        assert_eq!(translated(r#"{"depth":3}"#), here(r#"{"depth":3,"dropout":0.0}"#), "it had none");
        assert_eq!(translated(r#"{"depth":3,"dropout":0.5}"#), here(r#"{"depth":3,"dropout":0.5}"#));
        assert_eq!(translated(r#"{"depth":9}"#), None, "beyond this space");
        assert_eq!(translated(r#"{"depth":3,"width":4}"#), None, "what this space does not have");
        let json = serde_json::to_string(&space).unwrap();
        assert_eq!(serde_json::from_str::<SearchSpace>(&json).unwrap(), space);
    }

    #[test]
    fn an_extension_that_does_not_hold_is_refused() {
        for (extends, why) in [
            (r#"[{"space":"net/2"}]"#, "it extends itself"),
            (r#"[{"space":"net/1","with":{"dropout":2}}]"#, "2 is not a real in 0..=0.9 of \"dropout\""),
            (r#"[{"space":"net/1","width":{}}]"#, "unknown field `width`"),
            (r#"{"space":"net/1"}"#, "expected a sequence"),
        ] {
            let error = space(extends).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        assert!(space("[]").unwrap().extends().is_empty());
    }
}
