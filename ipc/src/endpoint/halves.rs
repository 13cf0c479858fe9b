//! The two directions of a stream apart, for who must listen while he waits to speak: two who both wait until the other
//! has read would wait for ever.

use std::marker::PhantomData;

use tokio::sync::mpsc;

use super::{
    call::piece_body,
    window::{Allowance, Taken},
};
use crate::{
    frame::{Body, Frame},
    header::{Direction, Header, Kind},
    id::CallId,
    link::Outbox,
    refusal::Refusal,
    service::{Method, Piece, malformed},
};

/// Where the frames of one stream go.
pub(super) struct Line<'a> {
    pub(super) data: &'a Outbox,
    pub(super) call: CallId,
    /// The direction that is written or read.
    pub(super) direction: Direction,
}

/// The direction in which pieces are sent.
pub struct Sending<'a, M, P> {
    pub(super) line: Line<'a>,
    pub(super) allowance: &'a Allowance,
    pub(super) of: PhantomData<(M, P)>,
}

impl<M: Method, P: Piece> Sending<'_, M, P> {
    /// Sends a piece when the other side has room for it. False if the call has ended. Given up before it is ready, it has
    /// sent nothing.
    pub async fn send(&self, piece: &P) -> Result<bool, Refusal> {
        let body = piece_body::<M, _>(piece)?;
        if !self.allowance.take(body.len()).await {
            return Ok(false);
        }
        let Line { data, call, direction } = self.line;
        let header = Header { direction: Some(direction), call, ..Header::new(Kind::Data) };
        data.send(Frame { header, body });
        Ok(true)
    }
}

/// The direction in which pieces come.
pub struct Receiving<'a, M, P> {
    pub(super) line: Line<'a>,
    pub(super) pieces: &'a mut mpsc::Receiver<Body>,
    pub(super) taken: &'a Taken,
    pub(super) of: PhantomData<(M, P)>,
}

impl<M: Method, P: Piece> Receiving<'_, M, P> {
    /// The next piece; `None` when there are no more. Given up before it is ready, it has taken nothing.
    pub async fn next(&mut self) -> Option<Result<P, Refusal>> {
        let body = self.pieces.recv().await?;
        if let Some(credit) = self.taken.piece(body.len()) {
            let Line { data, call, direction } = self.line;
            data.send(Frame::bare(Header { direction: Some(direction), call, credit, ..Header::new(Kind::Credit) }));
        }
        Some(P::from_bytes(body.as_slice()).map_err(|error| malformed(M::NAME, &error)))
    }
}
