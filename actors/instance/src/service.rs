//! The methods as calls.

use std::{future::Future, rc::Rc};

use ipc::{
    Code, Refusal,
    endpoint::{Events, Incoming},
    messages::{
        instance::{Give, Given, ListRecent, ReadRecent, Request, Standing as StandingOf, Stands},
        storage::{Act, Conversations, MAX_PAGE, Transcript},
    },
};

use crate::{carrier::Carrier, held::Held, overlay::Overlay, standing::Standing};

/// What an answer is made with.
pub(crate) struct Service {
    held: Held,
    carrier: Carrier,
    standing: Rc<Standing>,
}

/// Answers until the supervisor has gone or wants no more.
pub(crate) fn run(service: Service, events: Events) -> impl Future<Output = ()> {
    let service = Rc::new(service);
    ipc::endpoint::serve(events, move |incoming| {
        let service = Rc::clone(&service);
        async move { service.answer(incoming).await }
    })
}

impl Service {
    pub(crate) fn new(held: Held, carrier: Carrier, standing: Rc<Standing>) -> Service {
        Service { held, carrier, standing }
    }

    async fn answer(&self, incoming: Incoming) {
        match Request::decode(incoming.method(), incoming.body()) {
            Ok(Request::ListRecent(request)) => incoming.reply::<ListRecent>().finish(self.list(request)),
            Ok(Request::ReadRecent(request)) => incoming.reply::<ReadRecent>().finish(self.read(request)),
            Ok(Request::Give(request)) => {
                let reply = incoming.reply::<Give>();
                let given = self.carrier.give(request.id, &request.act).await;
                reply.finish(given.map(|waiting| Given { waiting }));
            }
            Ok(Request::Standing(_)) => incoming.reply::<StandingOf>().finish(self.stands()),
            Err(refusal) => incoming.refuse(&refusal),
        }
    }

    fn list(&self, request: ListRecent) -> Result<Conversations, Refusal> {
        let overlay = self.overlay()?;
        Ok(overlay.conversations(self.held.list(request)?, request.after.is_none()))
    }

    fn read(&self, request: ReadRecent) -> Result<Transcript, Refusal> {
        let overlay = self.overlay()?;
        let (skip, limit) = (request.skip, usize::from(request.limit.clamp(1, MAX_PAGE)));
        overlay.transcript(request.id, self.held.read(request)?, skip, limit)?.ok_or_else(|| {
            Refusal::new(Code::NotFound, "nothing is held of such a conversation; `lamos history` asks the archive")
        })
    }

    /// What is not held yet: what is done comes before what waits.
    fn overlay(&self) -> Result<Overlay, Refusal> {
        let mut acts = self.standing.on_their_way(|event| self.held.has(event));
        acts.extend(self.carrier.acts()?);
        // The archive may have done it and died before it said so.
        acts.retain(|act| !matches!(act, Act::Say(message) if self.held.has_message(&message.id.0)));
        Ok(Overlay(acts))
    }

    fn stands(&self) -> Result<Stands, Refusal> {
        Ok(Stands {
            link: self.standing.link(),
            trouble: self.standing.trouble(),
            held: self.held.counts()?,
            outbox: self.carrier.waiting()?,
            counted: self.standing.counted(),
        })
    }
}
