//! What a process has read and heard decides where it may send.

use super::*;

/// A table with a way out of the machine, which the real one does not have yet.
const LEAKY: &[Row] = &[
    Row { marks: Marks::READS_PRIVATE, ..ROW },
    Row { method: 2, marks: Marks::BRINGS_UNTRUSTED, ..ROW },
    Row { method: 3, marks: Marks::EGRESS, ..ROW },
];
const ROW: Row = Row {
    source: Role::Agent,
    destination: Role::Storage,
    method: 1,
    name: "Test",
    stream: false,
    sensitive: false,
    max_body: 10,
    in_flight: 10,
    per_second: 10,
    deadline_s: 10,
    marks: Marks::NONE,
    fresh: false,
};

#[test]
fn a_liar_cannot_send_out_what_it_read_once_a_stranger_has_spoken() {
    let mut stage = Stage::with(LEAKY, &[AGENT, STORAGE]);
    let mut call = 0;
    let mut ask = |stage: &mut Stage, method| {
        call += 1;
        let header = Header { destination: Some(STORAGE), method, call: CallId(call), ..Header::new(Kind::Call) };
        stage.send(AGENT, Frame::bare(header));
        stage.next(AGENT).map(|frame| Refusal::from_body(frame.body.as_slice()).code)
    };
    assert_eq!(ask(&mut stage, 3), None);
    assert_eq!(ask(&mut stage, 1), None);
    assert_eq!(ask(&mut stage, 3), None);
    assert_eq!(ask(&mut stage, 2), None);
    assert_eq!(ask(&mut stage, 3), Some(Code::NeedsApproval));
}
