//! How much one turn may do, so that no model can go on for ever at somebody's cost.

/// Contributions a model may make in one turn.
pub(crate) const MAX_ROUNDS: u32 = 12;

/// Tools a model may use in one turn.
pub(crate) const MAX_STEPS: usize = 24;

/// Longest text of a tool that is kept and given to a model, in bytes.
pub(crate) const MAX_TOOL_TEXT: usize = 16 << 10;

/// The beginning of a text, and a word about the rest.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    format!("{}\n… ({} more bytes)", &text[..end], text.len() - end)
}
