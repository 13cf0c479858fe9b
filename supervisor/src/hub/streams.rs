//! The streams of a call: who may send how much, counted on both sides.

use ipc::{
    frame::Frame,
    header::{Direction, Kind},
};

use super::{Hub, Misconduct, Pending, Place};

impl Hub {
    /// A piece, a credit or an end from the process that asked.
    pub(super) fn piece_from_caller(&mut self, from: Place, mut frame: Frame) -> Result<(), Misconduct> {
        let member = self.members.get(&from).ok_or(Misconduct::NoStream)?;
        let Some(&id) = member.asked.get(&frame.header.call) else {
            // Sent before the answer was seen, unless there never was such a call.
            return if frame.header.call <= member.newest { Ok(()) } else { Err(Misconduct::NoStream) };
        };
        let call = self.calls.get_mut(&id).ok_or(Misconduct::NoStream)?;
        check_piece(call, &frame)?;
        frame.header.call = id;
        match call.callee {
            Some(callee) => self.deliver(callee, frame),
            None => {
                if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.id == id) {
                    waiting.frames.push(frame);
                }
            }
        }
        Ok(())
    }

    /// A piece, a credit or an end from the process that works on the call.
    pub(super) fn piece_from_callee(&mut self, from: Place, mut frame: Frame) -> Result<(), Misconduct> {
        let id = frame.header.call;
        if self.members.get(&from).is_some_and(|member| member.abandoned.contains(&id)) {
            // Nobody gives credit for it any more, so that its sender would wait for ever.
            if frame.header.kind == Kind::Data {
                self.tell_to_stop(from, id);
            }
            return Ok(());
        }
        let call = self.calls.get_mut(&id).filter(|call| call.callee == Some(from)).ok_or(Misconduct::NoStream)?;
        check_piece(call, &frame)?;
        frame.header.call = call.asked_as;
        let caller = call.caller;
        self.deliver(caller, frame);
        Ok(())
    }
}

/// Whether a piece, a credit or an end is one that the stream has.
fn check_piece(call: &mut Pending, frame: &Frame) -> Result<(), Misconduct> {
    let flows = call.streams.as_mut().ok_or(Misconduct::NoStream)?;
    let flow = match frame.header.direction {
        Some(Direction::Up) => &mut flows[0],
        Some(Direction::Down) => &mut flows[1],
        None => return Err(Misconduct::NoStream),
    };
    let length = frame.body.len() as u64;
    match frame.header.kind {
        Kind::Data if flow.send(frame.body.len()) => {
            call.streamed += length;
            match frame.header.direction {
                Some(Direction::Up) => call.up += length,
                _ => call.down += length,
            }
            Ok(())
        }
        Kind::Data => Err(Misconduct::NoCredit),
        Kind::Credit if flow.give_back(frame.header.credit) => Ok(()),
        Kind::Credit => Err(Misconduct::FalseCredit),
        _ if flow.end() => Ok(()),
        _ => Err(Misconduct::NoStream),
    }
}
