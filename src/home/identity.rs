//! The node id that survives restarts.

use serde::{Deserialize, Deserializer, Serialize, de};
use uuid::Uuid;

use super::{Home, json_file};
use crate::base::{Result, id};

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    #[serde(deserialize_with = "uuid_text")]
    node_id: String,
}

/// A node id goes into file names, paths and headers: nothing but a UUID is taken.
fn uuid_text<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    Uuid::parse_str(&text).map(|id| id.to_string()).map_err(de::Error::custom)
}

/// This home's node id, made at the first call. Broken content is set aside, with a warning, and a new id made.
pub fn load_or_create(home: &Home) -> Result<(String, Option<String>)> {
    let stored = json_file::read::<Identity>(&home.identity(), VERSION)?;
    if let Some(identity) = stored.content {
        return Ok((identity.node_id, None));
    }
    let identity = Identity { node_id: id::node() };
    json_file::write(&home.identity(), VERSION, &identity)?;
    Ok((identity.node_id, stored.warning))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::files;

    /// known fault 58
    #[test]
    fn the_node_id_survives_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        let (first, _) = load_or_create(&home).unwrap();
        assert!(Uuid::parse_str(&first).is_ok_and(|id| !id.is_nil()));
        assert_eq!(load_or_create(&home).unwrap(), (first.clone(), None));

        files::write_private(&home.identity(), b"{\"version\":1,\"nodeId\":\"../../x\"}").unwrap();
        let (second, warning) = load_or_create(&home).unwrap();
        assert!(second != first && warning.is_some());
    }
}
