//! Which back end an environment uses, as data.

use std::str::FromStr;

/// Where Lamos runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// For a person.
    Production,
    /// For who works on it.
    Development,
    /// For a test.
    Test,
}

/// What kind of place values lie in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Near first, and a blob store that follows: [`Hybrid`](crate::Hybrid) over the local place and a remote.
    Blob,
    /// The local place alone.
    Local,
    /// Nothing lasts: [`Memory`](crate::Memory).
    Memory,
}

/// Name, profile and what it uses.
const PROFILES: &[(&str, Profile, Kind)] = &[
    ("production", Profile::Production, Kind::Blob),
    ("development", Profile::Development, Kind::Local),
    ("test", Profile::Test, Kind::Memory),
];

/// No profile has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("find this profile; there are production, development (or dev) and test")]
pub struct UnknownProfile;

impl Profile {
    /// What it uses.
    pub fn kind(self) -> Kind {
        PROFILES.iter().find(|row| row.1 == self).map_or(Kind::Memory, |row| row.2)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        PROFILES.iter().find(|row| row.1 == self).map_or("", |row| row.0)
    }
}

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Profile, UnknownProfile> {
        let name = if name == "dev" { "development" } else { name };
        PROFILES.iter().find(|row| row.0 == name).map(|row| row.1).ok_or(UnknownProfile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_has_a_row_of_its_own() {
        for (name, profile, kind) in PROFILES {
            assert_eq!((name.parse(), profile.kind(), profile.name()), (Ok(*profile), *kind, *name));
        }
        assert_eq!("dev".parse(), Ok(Profile::Development));
        assert_eq!("Production".parse::<Profile>(), Err(UnknownProfile));
    }
}
