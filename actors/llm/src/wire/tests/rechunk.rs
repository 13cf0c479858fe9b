//! However the network cuts a stream, and whatever line ends and comments a server puts in, it is the same turn.

use proptest::prelude::*;

use super::*;

/// A stream as another server might write it.
fn rewritten(stream: &str, line_end: &str, comments: bool, mark: bool) -> Vec<u8> {
    let mut written = String::new();
    if mark {
        written.push('\u{feff}');
    }
    for (at, line) in stream.split_inclusive('\n').enumerate() {
        if comments && at % 2 == 0 {
            written.push_str(": ping");
            written.push_str(line_end);
        }
        let line = line.trim_end_matches('\n');
        written.push_str(&if comments { line.replacen("data: ", "data:", 1) } else { line.to_owned() });
        written.push_str(line_end);
        if comments && line.is_empty() {
            written.push(':');
            written.push_str(line_end);
            written.push_str(line_end);
        }
    }
    written.into_bytes()
}

/// Cuts `bytes` at these places, modulo their number.
fn cut<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([0, bytes.len()]).collect();
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

/// A stream of Anthropic's with everything that may overlap: thinking, its seal late, text and two calls at once, pings.
const OVERLAPPING: &str = include_str!("../recordings/overlapping.sse");

fn overlapping() -> (Vec<ModelEvent>, Completed) {
    let calls = vec![call("toolu_1", "python", r#"{"code":"東"}"#), call("toolu_2", "clock", "{}")];
    let events = vec![thinking("Hm "), text("Ja, "), thinking("…京"), text("nun."), sealed("c2VhbA==")];
    (events, completed(Stop::ToolUse, calls, (1110, 42), "claude-x"))
}

#[test]
fn recordings_are_the_turns_they_were() {
    for recording in recordings() {
        let (events, completed) = read(ANY, recording.wire, [recording.stream.as_bytes()]);
        assert_eq!(events, recording.events);
        assert_eq!(completed.expect("a turn"), recording.completed);
    }
    let (events, completed) = read(ANTHROPIC, Wire::Anthropic, [OVERLAPPING.as_bytes()]);
    assert_eq!((events, completed.expect("a turn")), overlapping());
}

#[test]
fn every_single_cut_gives_the_same_turn() {
    for recording in recordings() {
        let bytes = recording.stream.as_bytes();
        for at in 0..=bytes.len() {
            let (events, completed) = read(ANY, recording.wire, [&bytes[..at], &bytes[at..]]);
            assert_eq!(
                (events, completed.expect("a turn")),
                (recording.events.clone(), recording.completed.clone()),
                "cut at {at}"
            );
        }
        let (events, completed) = read(ANY, recording.wire, bytes.chunks(1));
        assert_eq!((events, completed.expect("a turn")), (recording.events, recording.completed));
    }
}

#[test]
fn a_stream_that_breaks_off_anywhere_is_no_answer() {
    for recording in recordings() {
        let bytes = recording.stream.as_bytes();
        // The end is the last event on one wire; on the other a proper end may also follow the reason, without a call.
        let end = match recording.wire {
            Wire::Anthropic => bytes.len() - 1,
            Wire::OpenAiChat => recording.stream.find("\"finish_reason\":\"").expect("a reason"),
        };
        for at in 0..end {
            let (events, completed) = read(ANY, recording.wire, [&bytes[..at]]);
            assert!(completed.is_err(), "cut at {at} gave {completed:?}");
            assert!(events.len() <= recording.events.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cutting_gives_the_same_turn(
        which in 0_usize..6,
        cuts in prop::collection::vec(any::<usize>(), 0..40),
        line_end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
        comments: bool,
        mark: bool,
    ) {
        let recording = recordings().swap_remove(which);
        let bytes = rewritten(recording.stream, line_end, comments, mark);
        let (events, completed) = read(ANY, recording.wire, cut(&bytes, &cuts));
        prop_assert_eq!(events, recording.events);
        prop_assert_eq!(completed.expect("a turn"), recording.completed);
    }

    #[test]
    fn any_cutting_of_overlapping_blocks_gives_the_same_turn(
        cuts in prop::collection::vec(any::<usize>(), 0..40),
        line_end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
        comments: bool,
    ) {
        let bytes = rewritten(OVERLAPPING, line_end, comments, false);
        let (events, completed) = read(ANTHROPIC, Wire::Anthropic, cut(&bytes, &cuts));
        prop_assert_eq!((events, completed.expect("a turn")), overlapping());
    }

    #[test]
    fn no_bytes_break_the_reader(
        anthropic: bool,
        which in 0_usize..6,
        noise in prop::collection::vec(any::<u8>(), 1..30),
        at in any::<prop::sample::Index>(),
        replaced in 0_usize..30,
    ) {
        let wire = if anthropic { Wire::Anthropic } else { Wire::OpenAiChat };
        let mut bytes = recordings().swap_remove(which).stream.as_bytes().to_vec();
        let at = at.index(bytes.len());
        let end = (at + replaced).min(bytes.len());
        bytes.splice(at..end, noise);
        // Whatever comes of it, calls are whole or absent.
        if let (_, Ok(completed)) = read(ANY, wire, [&bytes[..]]) {
            for call in completed.calls {
                prop_assert!(serde_json::from_str::<serde_json::Map<_, _>>(&call.arguments).is_ok());
            }
        }
    }
}
