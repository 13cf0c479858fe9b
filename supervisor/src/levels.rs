//! How much is logged, by role: as a person writes it, as the tree keeps it, and as `tail` sifts by it.

use std::{fmt, str::FromStr};

use ipc::{Role, messages::start::LogLevel};

/// Every level, from what is written least often.
pub const ALL: [LogLevel; 4] = [LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];

/// A level for all, and others for some. Written `info,llm=trace,storage=debug`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// Of every role that is not named; `None` if nothing was said about them.
    rest: Option<LogLevel>,
    roles: Vec<(Role, LogLevel)>,
}

impl Levels {
    /// The level of a role.
    pub fn of(&self, role: Role) -> LogLevel {
        let own = self.roles.iter().find(|(known, _)| *known == role);
        own.map(|(_, level)| *level).or(self.rest).unwrap_or_default()
    }

    /// Changes what the other one names. One that says something of all says it of those that were named before too.
    pub fn apply(&mut self, change: &Levels) {
        if change.rest.is_some() {
            *self = change.clone();
            return;
        }
        for &(role, level) in &change.roles {
            self.name(role, level);
        }
    }

    /// This level for all.
    pub fn all(level: LogLevel) -> Levels {
        Levels { rest: Some(level), roles: Vec::new() }
    }

    /// The roles that were named.
    pub fn named(&self) -> impl Iterator<Item = Role> + '_ {
        self.roles.iter().map(|(role, _)| *role)
    }

    /// Names a role.
    pub fn name(&mut self, role: Role, level: LogLevel) {
        self.roles.retain(|(known, _)| *known != role);
        self.roles.push((role, level));
    }
}

impl fmt::Display for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = self.rest.map(|level| name(level).to_owned());
        let roles = self.roles.iter().map(|(role, level)| format!("{role}={}", name(*level)));
        f.write_str(&rest.into_iter().chain(roles).collect::<Vec<_>>().join(","))
    }
}

impl FromStr for Levels {
    type Err = String;

    fn from_str(text: &str) -> Result<Levels, String> {
        let mut levels = Levels::default();
        for part in text.split(',') {
            match part.split_once('=') {
                Some((role, level)) => {
                    let role: Role = role.parse().map_err(|error| format!("failed to {error}"))?;
                    if levels.named().any(|known| known == role) {
                        return Err(format!("{role} is named twice"));
                    }
                    levels.roles.push((role, parse(level)?));
                }
                None if levels.rest.is_none() => levels.rest = Some(parse(part)?),
                None => return Err("only one level is for all".to_owned()),
            }
        }
        Ok(levels)
    }
}

/// What people call a level.
pub fn name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    }
}

/// The level of this name.
pub fn parse(text: &str) -> Result<LogLevel, String> {
    let found = ALL.into_iter().find(|level| name(*level) == text);
    found.ok_or_else(|| format!("there is no level {text:?}; it is one of warn, info, debug and trace, or ROLE=LEVEL"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_for_all_and_others_for_some() {
        let mut levels: Levels = "info,llm=trace,storage=warn".parse().expect("levels");
        assert_eq!(levels.of(Role::Llm), LogLevel::Trace);
        assert_eq!(levels.of(Role::Storage), LogLevel::Warn);
        assert_eq!(levels.of(Role::Crypto), LogLevel::Info);
        assert_eq!(levels.to_string(), "info,llm=trace,storage=warn");
        assert_eq!(levels.to_string().parse(), Ok(levels.clone()));
        levels.apply(&"llm=debug".parse().expect("a change"));
        assert_eq!((levels.of(Role::Llm), levels.of(Role::Crypto)), (LogLevel::Debug, LogLevel::Info));
        levels.apply(&"warn".parse().expect("a change"));
        assert_eq!(levels.to_string(), "warn");
        let some: Levels = "llm=debug".parse().expect("a change");
        assert_eq!(some.to_string(), "llm=debug");
        assert_eq!(Levels::default().of(Role::Code), LogLevel::Warn);
    }

    #[test]
    fn what_is_no_level_is_refused_with_a_reason() {
        for wrong in ["", "loud", "llm", "llm=", "info,debug", "llm=info,llm=warn", "llm=info,", "Info", "nobody=info"] {
            assert!(wrong.parse::<Levels>().is_err(), "{wrong:?}");
        }
    }
}
