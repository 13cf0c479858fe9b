//! A session: bytes in, bytes out. It greets, agrees, and lets `import` and `export` speak in turn.

use std::{collections::VecDeque, sync::Arc};

use ipc::event::EventHeader;

use super::{
    deal::{Deal, News, Settings},
    export::Export,
    fault::{Fault, PeerFault, Reason},
    frame::{Input, Raw},
    grant::{Grants, Reach},
    import::Import,
    limits::{self, LEAST_CREDIT, MAX_CONTROL, VERSION},
    message::{Fin, Heads, Hello, Message, State, Wants},
    policy::Rules,
    progress::{Progress, Tally},
    records::{self, Id, Packed},
    side::{Side, SideError},
};

/// One exchange with one peer. See the module.
pub struct Session {
    settings: Settings,
    grants: Box<dyn Grants + Send>,
    input: Input,
    control: VecDeque<Message>,
    greeted: Option<[u8; 32]>,
    deal: Option<Deal>,
    import: Import,
    export: Export,
    news: News,
    fault: Option<Fault>,
    fin_sent: bool,
    peer_done: bool,
    finishing: bool,
}

impl Session {
    /// A session that has said nothing yet. What the other side may have is asked of `grants` each time something leaves, and
    /// whether it may say something each time something comes.
    pub fn new(mut settings: Settings, grants: Box<dyn Grants + Send>) -> Session {
        settings.credit = settings.credit.max(LEAST_CREDIT);
        settings.rules.0.truncate(limits::MAX_RULES);
        Session {
            import: Import::new(settings.credit),
            finishing: !settings.live,
            settings,
            grants,
            input: Input::default(),
            control: VecDeque::new(),
            greeted: None,
            deal: None,
            export: Export::default(),
            news: News::default(),
            fault: None,
            fin_sent: false,
            peer_done: false,
        }
    }

    /// Takes what has come from the other side. After a fault, [`Session::send`] has one more message for the other side.
    pub fn receive<S: Side + ?Sized>(&mut self, side: &mut S, mut bytes: &[u8]) -> Result<(), Fault> {
        self.check_fault()?;
        self.news.tally.bytes_in += bytes.len() as u64;
        while !bytes.is_empty() {
            let result = match self.input.next(&mut bytes) {
                Ok(Some(raw)) => self.message(side, raw),
                Ok(None) => Ok(()),
                Err(fault) => Err(fault.into()),
            };
            result.map_err(|fault| self.fail(fault))?;
        }
        Ok(())
    }

    /// Writes what is to be sent behind what is in `out`, until that is `room` bytes long or a message longer, or there is
    /// nothing to say. It is to be called after each [`Session::receive`] and whenever there is room again.
    pub fn send<S: Side + ?Sized>(&mut self, side: &mut S, out: &mut Vec<u8>, room: usize) -> Result<(), Fault> {
        let result = if self.fault.is_none() { self.speak(side, out, room) } else { Ok(()) };
        let result = result.map_err(|fault| self.fail(fault));
        if let Some(fault) = &self.fault
            && !self.fin_sent
        {
            self.fin_sent = true;
            if !matches!(fault, Fault::Ended(_)) {
                let fin = Message::Fin(Fin { reason: fault.reason() });
                self.put(&fin, out);
            }
        }
        result
    }

    /// The own replica has something new, which may be for the other side.
    pub fn changed(&mut self) {
        self.export.changed();
    }

    /// Asks whether both still have the same heads, which takes some 90 bytes if they have.
    pub fn check<S: Side + ?Sized>(&mut self, side: &S) -> Result<(), SideError> {
        if let Some(deal) = &self.deal
            && deal.reach == Reach::Whole
        {
            let state = records::state(&side.heads()?);
            self.control.push_back(Message::State(State { state, answer: false }));
        }
        Ok(())
    }

    /// Compares all that is held here with all that is held there.
    pub fn audit(&mut self) {
        self.import.audit();
    }

    /// Asks for events by id, ahead of everything else. Says so with [`Progress::Fetched`] under the number it gives, once for
    /// every 512 of them.
    pub fn fetch(&mut self, ids: Vec<Id>) -> u32 {
        self.import.fetch(ids)
    }

    /// Asks for the newest events of an entity that are older than `before`, [`limits::MAX_ENTITY`] of them at most.
    pub fn fetch_entity(&mut self, entity: [u8; 16], before: u64, limit: u32) -> u32 {
        self.import.fetch_entity(entity, before, limit.min(limits::MAX_ENTITY))
    }

    /// Ends the session once everything that was asked for is here.
    pub fn finish(&mut self) {
        self.finishing = true;
    }

    /// Both sides have what they want. The transport can be closed when all that was sent has left.
    pub fn is_finished(&self) -> bool {
        self.fin_sent && self.peer_done && self.control.is_empty() && self.export.is_idle() && self.import.is_idle()
    }

    /// Nothing is on its way or to be done until one of the sides has news.
    pub fn is_idle(&self) -> bool {
        self.deal.is_some() && self.control.is_empty() && self.export.is_idle() && self.import.is_idle()
    }

    /// What happened since this was called last.
    pub fn progress(&mut self) -> Vec<Progress> {
        self.news.progress.drain(..).collect()
    }

    /// What was counted.
    pub fn tally(&self) -> Tally {
        self.news.tally
    }

    /// Bytes held of a message that is not whole.
    pub fn held(&self) -> usize {
        self.input.held()
    }

    fn check_fault(&self) -> Result<(), Fault> {
        self.fault.clone().map_or(Ok(()), Err)
    }

    fn fail(&mut self, fault: Fault) -> Fault {
        self.control.clear();
        self.fault.get_or_insert(fault).clone()
    }

    /// Puts a message among those that go first.
    fn say(&mut self, message: Message) -> Result<(), Fault> {
        if self.control.len() >= MAX_CONTROL {
            return Err(PeerFault::Flood.into());
        }
        self.control.push_back(message);
        Ok(())
    }

    fn put(&mut self, message: &Message, out: &mut Vec<u8>) {
        let before = out.len();
        message.put(out);
        let bytes = out.len() - before;
        self.news.tally.messages_out += 1;
        self.news.tally.bytes_out += bytes as u64;
        if matches!(message, Message::Parcels(_)) {
            self.export.spent(bytes - super::frame::PREFIX);
        }
    }

    /// Greets, once.
    fn greet<S: Side + ?Sized>(&mut self, side: &S) -> Result<(), Fault> {
        if self.greeted.is_some() {
            return Ok(());
        }
        let heads = side.heads()?;
        let whole = self.grants.reach(&self.settings.peer) == Reach::Whole;
        let state = if whole { records::state(&heads) } else { [0; 32] };
        self.export.knows(&heads);
        self.greeted = Some(state);
        let Settings { wants, complete, credit, .. } = self.settings;
        let rules = self.settings.rules.0.clone();
        let hello =
            Hello { oldest: VERSION, newest: VERSION, features: 0, space: side.space(), wants, complete, credit, rules, state };
        self.say(Message::Hello(hello))
    }

    fn speak<S: Side + ?Sized>(&mut self, side: &mut S, out: &mut Vec<u8>, room: usize) -> Result<(), Fault> {
        self.greet(side)?;
        while out.len() < room {
            let next = match self.control.pop_front() {
                Some(message) => Some(message),
                None => self.next(side)?,
            };
            let Some(message) = next else { break };
            self.put(&message, out);
        }
        Ok(())
    }

    fn next<S: Side + ?Sized>(&mut self, side: &mut S) -> Result<Option<Message>, Fault> {
        let Some(deal) = &self.deal else { return Ok(None) };
        // What was granted beyond that counts from the next session on.
        if self.grants.reach(&deal.peer) < deal.reach {
            return Err(Fault::Revoked);
        }
        if let Some(message) = self.import.step(side, deal, &mut self.export, &mut self.news)? {
            return Ok(Some(message));
        }
        if let Some(message) = self.export.next(side, &*self.grants, deal, &mut self.news.tally)? {
            return Ok(Some(message));
        }
        if self.finishing && !self.fin_sent && self.import.is_idle() {
            self.fin_sent = true;
            return Ok(Some(Message::Fin(Fin { reason: Reason::Done })));
        }
        Ok(None)
    }

    fn message<S: Side + ?Sized>(&mut self, side: &mut S, raw: Raw) -> Result<(), Fault> {
        self.news.tally.messages_in += 1;
        let Raw { kind, payload } = raw;
        // A kind of tomorrow; the frame has seen that it may be skipped.
        let Some(message) = Message::read(kind, &payload)? else { return Ok(()) };
        let out_of_turn = || Fault::Peer(PeerFault::OutOfTurn(kind));
        if let Message::Fin(Fin { reason }) = message {
            return self.fin(reason);
        }
        let Some(deal) = &self.deal else {
            let Message::Hello(hello) = message else { return Err(out_of_turn()) };
            return self.hello(side, hello);
        };
        let (import, export, news) = (&mut self.import, &mut self.export, &mut self.news);
        match message {
            Message::Hello(_) | Message::Fin(_) => Err(out_of_turn()),
            Message::Heads(heads) => self.heads(side, heads),
            Message::State(state) => self.state(side, &state),
            Message::Pull(pull) => export.pull(pull, side, deal),
            Message::Parcels(parcels) => {
                let may = |header: &EventHeader| self.grants.may_import(&deal.peer, header);
                import.parcels(parcels, payload.len(), side, (deal, &may), export, news)
            }
            Message::Credit(credit) => {
                export.credit(credit.bytes);
                Ok(())
            }
            Message::Done(done) => Ok(import.done(done, deal, export, news)?),
            Message::Reconcile(question) => export.reconcile(question),
            Message::Reconciled(answer) => {
                news.tally.rounds += 1;
                Ok(import.reconciled(&answer)?)
            }
            Message::Want(want) => {
                if want.offer != 0 {
                    import.offer_answered(want.offer)?;
                }
                export.want(want, side)
            }
            Message::WantEntity(want) => export.want_entity(&want, side),
            Message::Offer(offer) => Ok(import.offer(offer)?),
            Message::Live(_) => {
                export.go_live();
                Ok(())
            }
        }
    }

    fn hello<S: Side + ?Sized>(&mut self, side: &S, hello: Hello) -> Result<(), Fault> {
        if hello.oldest > VERSION || hello.newest < VERSION {
            return Err(Fault::Version { oldest: hello.oldest, newest: hello.newest, ours: VERSION });
        }
        if hello.space != side.space() {
            return Err(PeerFault::ForeignSpace.into());
        }
        if hello.credit < LEAST_CREDIT {
            return Err(PeerFault::Credit(hello.credit).into());
        }
        self.greet(side)?;
        self.export.credit(hello.credit);
        let told = self.greeted.unwrap_or_default();
        let Settings { peer, wants, live, credit, .. } = self.settings;
        let deal = Deal {
            peer,
            wants,
            live,
            credit,
            spans: self.settings.spans.clone(),
            rules: self.settings.rules.clone(),
            reach: self.grants.reach(&peer),
            gives_heads: hello.state != [0; 32],
            their_rules: Rules(hello.rules.clone()),
            theirs: hello,
        };
        let same = deal.gives_heads && told == deal.theirs.state;
        if !same && deal.reach == Reach::Whole && deal.theirs.wants != Wants::OnDemand {
            let heads = Message::Heads(Heads { heads: Packed(side.heads()?), answer: true });
            self.control.push_back(heads);
        }
        if same || wants == Wants::OnDemand {
            self.import.nothing_to_do();
        } else if !deal.gives_heads {
            self.import.without_heads(&deal);
        }
        if self.settings.audit {
            self.import.audit();
        }
        self.deal = Some(deal);
        self.news.push(Progress::Agreed { version: VERSION });
        Ok(())
    }

    fn heads<S: Side + ?Sized>(&mut self, side: &S, heads: Heads) -> Result<(), Fault> {
        let Some(deal) = &self.deal else { return Ok(()) };
        if deal.theirs.wants == Wants::Everything {
            self.export.knows(&heads.heads.0);
            self.export.changed();
        }
        self.import.heads(heads.heads.0);
        if !heads.answer && deal.reach == Reach::Whole {
            let heads = Packed(side.heads()?);
            self.say(Message::Heads(Heads { heads, answer: true }))?;
        }
        Ok(())
    }

    fn state<S: Side + ?Sized>(&mut self, side: &S, state: &State) -> Result<(), Fault> {
        let granted = self.deal.as_ref().is_some_and(|deal| deal.reach == Reach::Whole);
        if state.answer || !granted {
            return Ok(());
        }
        let heads = side.heads()?;
        let own = records::state(&heads);
        if own == state.state {
            return self.say(Message::State(State { state: own, answer: true }));
        }
        self.say(Message::Heads(Heads { heads: Packed(heads), answer: false }))
    }

    fn fin(&mut self, reason: Reason) -> Result<(), Fault> {
        if reason != Reason::Done {
            return Err(Fault::Ended(reason));
        }
        self.peer_done = true;
        self.news.push(Progress::PeerDone);
        Ok(())
    }
}

/// A failure of the reconciliation with what this side put into it.
pub(crate) fn engine(error: negentropy::Error) -> Fault {
    Fault::Here(Arc::new(error))
}
