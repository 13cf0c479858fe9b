//! The methods as calls.

use std::{collections::BTreeMap, future::Future, rc::Rc, time::Duration};

use ipc::{
    Code, Refusal,
    endpoint::{Events, Incoming},
    messages::{
        common::Done,
        instance::{
            Give, Given, KindHeld, Kinds, ListKinds, ListRecent, Pin, ReadRecent, Recent, Request, Standing as StandingOf, Stands,
        },
        storage::Conversations,
    },
};
use replica::{chum::kind_name, sparse::Sparse};
use tokio::time::Instant;

use crate::{
    carrier::Carrier,
    fetches::Fetches,
    held::Held,
    reading::{self, Acts},
    standing::Standing,
};

/// How long a page waits for what is fetched for it.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often something is fetched for one page, at most: what came may show that there is more.
const FETCHES: usize = 3;

/// How many events are counted at a time.
const COUNTED: usize = 4096;

/// What an answer is made with.
pub(crate) struct Service {
    held: Held,
    carrier: Carrier,
    fetches: Fetches,
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
    pub(crate) fn new(held: Held, carrier: Carrier, fetches: Fetches, standing: Rc<Standing>) -> Service {
        Service { held, carrier, fetches, standing }
    }

    async fn answer(&self, incoming: Incoming) {
        match Request::decode(incoming.method(), incoming.body()) {
            Ok(Request::ListRecent(request)) => {
                let reply = incoming.reply::<ListRecent>();
                reply.finish(self.list(request).await);
            }
            Ok(Request::ReadRecent(request)) => {
                let reply = incoming.reply::<ReadRecent>();
                reply.finish(self.read(request).await);
            }
            Ok(Request::Give(request)) => {
                let reply = incoming.reply::<Give>();
                let given = self.carrier.give(request.id, &request.act).await;
                reply.finish(given.map(|waiting| Given { waiting }));
            }
            Ok(Request::Standing(_)) => {
                let reply = incoming.reply::<StandingOf>();
                reply.finish(self.stands().await);
            }
            Ok(Request::Pin(request)) => {
                let reply = incoming.reply::<Pin>();
                reply.finish(self.pin(request).await);
            }
            Ok(Request::ListKinds(_)) => {
                let reply = incoming.reply::<ListKinds>();
                reply.finish(self.kinds().await);
            }
            Err(refusal) => incoming.refuse(&refusal),
        }
    }

    /// What a person did that may not be held yet.
    fn acts(&self) -> Result<Acts, Refusal> {
        // Both at one moment: what is acknowledged has been noted as done before.
        Ok(Acts { done: self.standing.on_their_way(), waiting: self.carrier.acts()? })
    }

    async fn list(&self, request: ListRecent) -> Result<Conversations, Refusal> {
        let acts = self.acts()?;
        let told = self.held.ask_or(move |sparse| reading::list(sparse, acts, request)).await?;
        self.standing.came(&told.came);
        Ok(told.answer)
    }

    async fn read(&self, request: ReadRecent) -> Result<Recent, Refusal> {
        let until = Instant::now() + PATIENCE;
        let mut fetched = 0;
        loop {
            let (acts, again) = (self.acts()?, fetched > 0);
            let told = self.held.ask_or(move |sparse| reading::read(sparse, acts, request, again)).await?;
            self.standing.came(&told.came);
            if let Some(missing) = told.missing
                && fetched < FETCHES
                && self.fetches.fetch(missing, until).await
            {
                fetched += 1;
                continue;
            }
            return told.answer.ok_or_else(|| {
                Refusal::new(Code::NotFound, "nothing is held of such a conversation; `lamos history` asks the archive")
            });
        }
    }

    async fn pin(&self, Pin { id, pinned }: Pin) -> Result<Done, Refusal> {
        let set = move |sparse: &mut Sparse| if pinned { sparse.pin(&id.0) } else { sparse.unpin(&id.0) };
        self.held.ask(set).await?;
        self.fetches.plan_anew();
        Ok(Done)
    }

    /// Counts what is held by kind, some of it at a time: others may read in between.
    async fn kinds(&self) -> Result<Kinds, Refusal> {
        let (mut sizes, mut after) = (BTreeMap::new(), Some(0));
        while let Some(from) = after {
            let step = move |sparse: &mut Sparse| sparse.add_up(from, COUNTED, &mut sizes).map(|last| (sizes, last));
            (sizes, after) = self.held.ask(step).await?;
        }
        let name = |kind| kind_name(kind).unwrap_or_default().to_owned();
        let kinds = sizes.into_iter().map(|(kind, size)| KindHeld { kind, name: name(kind), events: size.events }).collect();
        Ok(Kinds { rules: self.held.ask(|sparse| Ok(sparse.rules().to_string())).await?, kinds })
    }

    async fn stands(&self) -> Result<Stands, Refusal> {
        let (held, reads) = self.held.ask_or(|sparse| reading::counts(sparse)).await?;
        Ok(Stands {
            link: self.standing.link(),
            trouble: self.standing.trouble(),
            held,
            outbox: self.carrier.waiting()?,
            reads,
            counted: self.standing.counted(),
        })
    }
}
