//! Requests for a membership, as files: made here, and read when they come from somebody else.

use ipc::messages::crypto::{Identity, MemberRole, ShowIdentity};
use serde_json::{Map, Value, json};

use super::{
    super::{
        args::{MayArg, RoleArg, Wanted},
        session::Session,
        sign_in::refuse_demo,
        words::{self, Failure, Outcome, line},
    },
    did_of, key_of, role_name,
};
use crate::exit;

/// What a file with a request says it is.
const REQUEST: &str = "LamosMembershipRequest";

/// Prints a request of this device.
pub(super) async fn request(session: &Session, wanted: &Wanted) -> Outcome {
    refuse_demo(session, "let into another's").await?;
    let Identity { device, .. } = session.client.call(&ShowIdentity).await?;
    let may: Vec<&str> = wanted.may.iter().copied().map(permission).collect();
    let mut asked = json!({ "type": REQUEST, "subject": did_of(&device), "role": standing(wanted.role), "permissions": may });
    if let Some(types) = &wanted.types {
        asked["allowedTypes"] = json!(types);
    }
    if let Some(most) = wanted.max_storage {
        asked["maxStorage"] = json!(most);
    }
    if wanted.depth > 0 {
        asked["maxDelegationDepth"] = json!(wanted.depth);
    }
    Ok(words::json(&asked)?)
}

fn standing(role: RoleArg) -> &'static str {
    role_name(match role {
        RoleArg::Guest => MemberRole::Guest,
        RoleArg::Member => MemberRole::Member,
        RoleArg::Admin => MemberRole::Admin,
    })
}

fn permission(may: MayArg) -> &'static str {
    match may {
        MayArg::Read => "read",
        MayArg::Write => "write",
        MayArg::Sync => "sync",
        MayArg::Delegate => "delegate",
    }
}

/// Reads a request. What it says beyond what is known is refused: it would be asked for and not given.
pub(super) fn read_request(value: &Value) -> Result<([u8; 32], Wanted), Failure> {
    let wrong = |what: &str| Failure::new(exit::GIVEN, format!("this request cannot be read: {what}"));
    let request = value.as_object().ok_or_else(|| wrong("it is not an object"))?;
    let known = ["type", "subject", "role", "permissions", "allowedTypes", "maxStorage", "maxDelegationDepth"];
    if let Some(other) = request.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(wrong(&format!("it says {}, which is not known here", line(other))));
    }
    if request.get("type").and_then(Value::as_str) != Some(REQUEST) {
        return Err(wrong(&format!("its type is not {REQUEST}")));
    }
    let subject = request.get("subject").and_then(Value::as_str).ok_or_else(|| wrong("it has no subject"))?;
    let role = match request.get("role").and_then(Value::as_str) {
        Some("guest") => RoleArg::Guest,
        Some("member") => RoleArg::Member,
        Some("admin") => RoleArg::Admin,
        _ => return Err(wrong("its role is not one that is known")),
    };
    let may = texts(request, "permissions")
        .and_then(|names| {
            let named = |name: &String| {
                Some(match name.as_str() {
                    "read" => MayArg::Read,
                    "write" => MayArg::Write,
                    "sync" => MayArg::Sync,
                    "delegate" => MayArg::Delegate,
                    _ => return None,
                })
            };
            names.iter().map(named).collect::<Option<Vec<MayArg>>>()
        })
        .ok_or_else(|| wrong("its permissions are not those that are known"))?;
    let types = match request.contains_key("allowedTypes") {
        true => Some(texts(request, "allowedTypes").ok_or_else(|| wrong("its allowedTypes are no names"))?),
        false => None,
    };
    let number = |name: &str| match request.get(name) {
        None => Ok(None),
        Some(number) => number.as_u64().map(Some).ok_or_else(|| wrong(&format!("its {name} is no number"))),
    };
    let depth =
        u8::try_from(number("maxDelegationDepth")?.unwrap_or(0)).map_err(|_| wrong("its maxDelegationDepth is too large"))?;
    Ok((key_of(subject)?, Wanted { role, may, types, max_storage: number("maxStorage")?, depth }))
}

fn texts(request: &Map<String, Value>, name: &str) -> Option<Vec<String>> {
    request.get(name)?.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_strictly() {
        let did = did_of(&[
            215, 90, 152, 1, 130, 177, 10, 183, 213, 75, 254, 211, 201, 100, 7, 58, 14, 225, 114, 243, 218, 166, 35, 37, 175, 2,
            26, 104, 247, 7, 81, 26,
        ]);
        let good = json!({ "type": REQUEST, "subject": did, "role": "member", "permissions": ["read", "sync"] });
        let (key, wanted) = read_request(&good).expect("a request");
        assert_eq!((did_of(&key), wanted.role, wanted.depth), (did, RoleArg::Member, 0));
        assert_eq!(wanted.may, [MayArg::Read, MayArg::Sync]);
        for (name, value) in [
            ("type", json!("other")),
            ("subject", json!("did:web:example.com")),
            ("role", json!("owner")),
            ("permissions", json!(["read", "root"])),
            ("permissions", json!("read")),
            ("allowedTypes", json!([1])),
            ("maxStorage", json!(-1)),
            ("maxDelegationDepth", json!(300)),
            ("more", json!(true)),
        ] {
            let mut wrong = good.clone();
            wrong[name] = value;
            assert!(read_request(&wrong).is_err(), "{name}");
        }
    }
}
