//! Bytes that are to leave over a stream of chunks, a piece at a time.

use super::halves::Sending;
use crate::{messages::common::Chunk, refusal::Refusal, service::Method};

/// What is to leave: the piece that goes next, and what comes behind it. It is as long as what was put into it; who fills it
/// only when it is empty holds no more than he put in at once.
pub struct Outgoing {
    piece: Chunk,
    rest: Vec<u8>,
    at: usize,
}

impl Default for Outgoing {
    fn default() -> Outgoing {
        Outgoing { piece: Chunk(Vec::new()), rest: Vec::new(), at: 0 }
    }
}

impl Outgoing {
    /// Nothing is to leave.
    pub fn is_empty(&self) -> bool {
        self.piece.0.is_empty()
    }

    /// More is to leave.
    pub fn add(&mut self, mut bytes: Vec<u8>) {
        if self.rest.is_empty() {
            self.rest = bytes;
        } else {
            self.rest.append(&mut bytes);
        }
        if self.is_empty() {
            self.advance();
        }
    }

    /// Sends the next piece when the other side has room for it. False if the call has ended. Given up before it is ready, it
    /// has sent nothing.
    pub async fn send<M: Method>(&mut self, sending: &Sending<'_, M, Chunk>) -> Result<bool, Refusal> {
        let sent = sending.send(&self.piece).await?;
        if sent {
            self.advance();
        }
        Ok(sent)
    }

    /// Sends all of it. False if the call has ended.
    pub async fn send_all<M: Method>(&mut self, sending: &Sending<'_, M, Chunk>) -> Result<bool, Refusal> {
        while !self.is_empty() {
            if !self.send(sending).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn advance(&mut self) {
        let end = self.rest.len().min(self.at + Chunk::SIZE);
        self.piece = Chunk(self.rest.get(self.at..end).unwrap_or_default().to_vec());
        self.at = end;
        if self.at == self.rest.len() {
            (self.rest, self.at) = (Vec::new(), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_their_order_and_in_pieces_that_fit() {
        let mut outgoing = Outgoing::default();
        let bytes: Vec<u8> = (0..200_000u32).map(|number| number as u8).collect();
        outgoing.add(bytes[..150_000].to_vec());
        let mut left = Vec::new();
        let mut leaves = |outgoing: &mut Outgoing| {
            assert!(outgoing.piece.0.len() <= Chunk::SIZE);
            left.extend_from_slice(&outgoing.piece.0);
            outgoing.advance();
        };
        leaves(&mut outgoing);
        outgoing.add(bytes[150_000..].to_vec());
        while !outgoing.is_empty() {
            leaves(&mut outgoing);
        }
        assert!(left == bytes && outgoing.rest.is_empty());
    }
}
