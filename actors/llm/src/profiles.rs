//! What is known about providers, as data: a difference between two servers that speak the same wire is a column here and
//! never a branch on a name elsewhere.
//!
//! No profile sends sampling parameters (`temperature`, `top_p`, `top_k`): the newest version of Anthropic's interface
//! refuses them even at their default values, as do OpenAI's reasoning models. There is no column for them.

use ipc::messages::llm::Wire;

use outbound::Origin;

/// One kind of server.
pub(crate) struct Profile {
    /// Its name, in sentences and logs.
    pub(crate) name: &'static str,
    /// What it speaks.
    pub(crate) wire: Wire,
    /// How it is known by its base URL. The first row that fits counts.
    pub(crate) known_by: KnownBy,
    /// The value of `anthropic-version`.
    pub(crate) version: Option<&'static str>,
    /// How a key is shown.
    pub(crate) key: KeyHeader,
    /// The field with the most tokens it may write.
    pub(crate) limit: Limit,
    /// The fields of a delta that hold thinking; the first that is there counts, since some servers send it twice.
    pub(crate) thinking: &'static [ThinkingField],
    /// What tells the parts of one call from those of another.
    pub(crate) calls: CallKey,
    /// It pads its deltas unless told not to, and knows the option that tells it.
    pub(crate) pads: bool,
}

/// How a server is known.
pub(crate) enum KnownBy {
    /// By its host, or a host below it.
    Host(&'static str),
    /// By the port it listens on, unless somebody chose another.
    Port(u16),
    /// Everything else.
    Nothing,
}

/// How a key is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyHeader {
    /// `authorization: Bearer …`.
    Bearer,
    /// `x-api-key: …`.
    XApiKey,
}

/// The field with the most tokens a model may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// `max_tokens`.
    MaxTokens,
    /// `max_completion_tokens`, where the older name is refused by some models.
    MaxCompletionTokens,
}

/// A field of a delta that holds thinking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ThinkingField {
    /// `reasoning_content`: DeepSeek, llama.cpp, vLLM up to 0.10.
    ReasoningContent,
    /// `reasoning`: Ollama, OpenRouter, newer vLLM.
    Reasoning,
}

/// What tells the parts of one call from those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallKey {
    /// Their `index`, as the interface says.
    Index,
    /// Their `index`, which may be missing, or 0 for all of several calls; a new id with a name then begins another call.
    IndexOrId,
}

const BOTH: &[ThinkingField] = &[ThinkingField::ReasoningContent, ThinkingField::Reasoning];

/// Every kind of server, the known ones first.
#[rustfmt::skip]
const PROFILES: &[Profile] = &[
    Profile { name: "OpenAI", wire: Wire::OpenAiChat, known_by: KnownBy::Host("api.openai.com"), version: None,
        key: KeyHeader::Bearer, limit: Limit::MaxCompletionTokens, thinking: &[], calls: CallKey::Index, pads: true },
    Profile { name: "OpenRouter", wire: Wire::OpenAiChat, known_by: KnownBy::Host("openrouter.ai"), version: None,
        key: KeyHeader::Bearer, limit: Limit::MaxTokens, thinking: BOTH, calls: CallKey::Index, pads: false },
    Profile { name: "Ollama", wire: Wire::OpenAiChat, known_by: KnownBy::Port(11434), version: None,
        key: KeyHeader::Bearer, limit: Limit::MaxTokens, thinking: BOTH, calls: CallKey::IndexOrId, pads: false },
    Profile { name: "OpenAI-compatible", wire: Wire::OpenAiChat, known_by: KnownBy::Nothing, version: None,
        key: KeyHeader::Bearer, limit: Limit::MaxTokens, thinking: BOTH, calls: CallKey::IndexOrId, pads: false },
    Profile { name: "Anthropic", wire: Wire::Anthropic, known_by: KnownBy::Host("api.anthropic.com"), version: Some("2026-10-21"),
        key: KeyHeader::XApiKey, limit: Limit::MaxTokens, thinking: &[], calls: CallKey::Index, pads: false },
    // Servers that imitate the interface know its first version.
    Profile { name: "Anthropic-compatible", wire: Wire::Anthropic, known_by: KnownBy::Nothing, version: Some("2023-06-01"),
        key: KeyHeader::XApiKey, limit: Limit::MaxTokens, thinking: &[], calls: CallKey::Index, pads: false },
];

/// The profile of the server at `origin`.
pub(crate) fn of(wire: Wire, origin: &Origin) -> Option<&'static Profile> {
    PROFILES.iter().find(|profile| {
        profile.wire == wire
            && match profile.known_by {
                KnownBy::Host(host) => {
                    origin.host().strip_suffix(host).is_some_and(|before| before.is_empty() || before.ends_with('.'))
                }
                KnownBy::Port(port) => origin.port() == port,
                KnownBy::Nothing => true,
            }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_known_by_where_they_are() {
        let rows = [
            ("https://api.openai.com/v1", Wire::OpenAiChat, "OpenAI"),
            ("https://eu.api.openai.com/v1", Wire::OpenAiChat, "OpenAI"),
            ("https://notapi.openai.com/v1", Wire::OpenAiChat, "OpenAI-compatible"),
            ("https://openrouter.ai/api/v1", Wire::OpenAiChat, "OpenRouter"),
            ("http://localhost:11434/v1", Wire::OpenAiChat, "Ollama"),
            ("http://127.0.0.1:8099/v1", Wire::OpenAiChat, "OpenAI-compatible"),
            ("https://api.anthropic.com", Wire::Anthropic, "Anthropic"),
            ("http://127.0.0.1:11434", Wire::Anthropic, "Anthropic-compatible"),
        ];
        for (url, wire, name) in rows {
            let origin = Origin::parse(url, false).expect(url);
            assert_eq!(of(wire, &origin).map(|profile| profile.name), Some(name), "{url}");
        }
    }

    #[test]
    fn every_wire_has_a_last_row_and_anthropic_a_version() {
        for wire in [Wire::OpenAiChat, Wire::Anthropic] {
            let last = PROFILES.iter().rfind(|profile| profile.wire == wire).expect("a row");
            assert!(matches!(last.known_by, KnownBy::Nothing));
        }
        for profile in PROFILES {
            assert_eq!(profile.version.is_some(), profile.wire == Wire::Anthropic, "{}", profile.name);
        }
    }
}
