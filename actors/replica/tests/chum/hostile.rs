//! A peer that lies, floods or forges: the session ends, says whose fault it was, and nothing that was held is lost.

use ed25519_dalek::SigningKey;
use ipc::event::{Clock, EventHeader};
use replica::chum::{
    BadParcel, Blame, Fault, Head, Parcel, PeerFault, Range, Session, Settings, Side, Span,
    limits::{self, LEAST_CREDIT, MAX_FRAME},
    message::{Done, Fin, Heads, Hello, Live, Message, Offer, Parcels, Pull, Reconcile, Reconciled, Want, WantEntity, Wants},
    records::Packed,
};

use crate::{
    line::{archive, end},
    memory::{Memory, sign},
};

/// An honest archive of one event, and what a liar says to it.
struct Puppet {
    session: Session,
    side: Memory,
    heard: Vec<u8>,
}

fn hello() -> Hello {
    Hello {
        oldest: 1,
        newest: 1,
        features: 0,
        space: [7; 16],
        wants: Wants::Everything,
        complete: true,
        credit: limits::CREDIT,
        rules: Vec::new(),
        state: [9; 32],
    }
}

impl Puppet {
    fn new(settings: Settings) -> Puppet {
        let mut side = Memory::new(1);
        side.write(2, 1, b"held");
        Puppet { session: end(settings).session, side, heard: Vec::new() }
    }

    /// An archive that was greeted.
    fn greeted() -> Puppet {
        let mut puppet = Puppet::new(archive());
        puppet.say(Message::Hello(hello())).unwrap();
        puppet
    }

    fn say(&mut self, message: Message) -> Result<(), Fault> {
        let mut bytes = Vec::new();
        message.put(&mut bytes);
        self.raw(&bytes)
    }

    fn raw(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let heard = self.session.receive(&mut self.side, bytes);
        self.heard.clear();
        let said = self.session.send(&mut self.side, &mut self.heard, 1 << 20);
        assert!(self.session.held() <= MAX_FRAME + 5);
        heard.and(said)
    }

    /// It says it holds so much of the liar's, and is asked for it as request 1.
    fn promise(&mut self, liar: &Memory, sequence: u64) {
        let head = Head { author: liar.author(), sequence, id: [3; 32] };
        self.say(Message::Heads(Heads { heads: Packed(vec![head]), answer: true })).unwrap();
    }
}

fn parcels(request: u32, parcels: Vec<Parcel>) -> Message {
    Message::Parcels(Parcels { request, parcels })
}

fn done(request: u32) -> Message {
    Message::Done(Done { request, absent: Packed(vec![]), forked: Packed(vec![]), short: Packed(vec![]) })
}

fn blamed(result: Result<(), Fault>) -> PeerFault {
    let fault = result.unwrap_err();
    assert_eq!(fault.blame(), Blame::Peer, "{fault}");
    assert!(!fault.to_string().is_empty());
    match fault {
        Fault::Peer(fault) => fault,
        other => panic!("{other}"),
    }
}

/// A chain by a device that the archive has never seen.
fn chain(length: u8) -> (Memory, Vec<Parcel>) {
    let mut liar = Memory::new(66);
    let parcels = (0..length)
        .map(|number| {
            let parcel = liar.compose(2, 1, &[number; 40]);
            liar.write(2, 1, &[number; 40]);
            parcel
        })
        .collect();
    (liar, parcels)
}

#[test]
fn the_honest_one_passes() {
    let (liar, good) = chain(3);
    let mut puppet = Puppet::greeted();
    puppet.promise(&liar, 3);
    puppet.say(parcels(1, good)).unwrap();
    puppet.say(done(1)).unwrap();
    assert_eq!(puppet.side.ids().len(), 4);
}

#[test]
fn another_version_is_refused_by_name() {
    let mut puppet = Puppet::new(archive());
    let fault = puppet.say(Message::Hello(Hello { oldest: 2, newest: 5, ..hello() })).unwrap_err();
    assert_eq!(fault.blame(), Blame::Nobody);
    assert!(fault.to_string().contains("speaks versions 2 to 5"), "{fault}");
    // A newer one that still speaks this version is welcome, whatever else it can.
    let mut puppet = Puppet::new(archive());
    puppet.say(Message::Hello(Hello { newest: 5, features: u64::MAX, ..hello() })).unwrap();
}

#[test]
fn greetings_that_make_no_sense() {
    let refused = |hello| blamed(Puppet::new(archive()).say(Message::Hello(hello)));
    assert_eq!(refused(Hello { space: [8; 16], ..hello() }), PeerFault::ForeignSpace);
    assert_eq!(refused(Hello { credit: LEAST_CREDIT - 1, ..hello() }), PeerFault::Credit(LEAST_CREDIT - 1));
    assert_eq!(refused(Hello { oldest: 2, newest: 1, ..hello() }), PeerFault::Malformed(1));
    assert_eq!(blamed(Puppet::new(archive()).say(Message::Live(Live {}))), PeerFault::OutOfTurn(13));
    assert_eq!(blamed(Puppet::greeted().say(Message::Hello(hello()))), PeerFault::OutOfTurn(1));
}

#[test]
fn messages_of_tomorrow_are_skipped_where_they_say_so() {
    let mut puppet = Puppet::greeted();
    let mut skippable = Vec::new();
    replica::chum::frame::put(&mut skippable, 0x80 | 77, &[1; 1000]);
    puppet.raw(&skippable).unwrap();
    let mut other = Vec::new();
    replica::chum::frame::put(&mut other, 77, &[1; 1000]);
    assert_eq!(blamed(puppet.raw(&other)), PeerFault::UnknownMessage(77));
    // Nothing is waited for: the five bytes are enough to know.
    assert_eq!(blamed(Puppet::greeted().raw(&[0, 0, 0, 1, 5])), PeerFault::TooLong { kind: 5, length: 1 << 24 });
    assert_eq!(blamed(Puppet::greeted().raw(&[0, 0, 2, 0, 0x80])), PeerFault::TooLong { kind: 0x80, length: 128 << 10 });
}

#[test]
fn forged_events() {
    let (liar, good) = chain(3);
    let forge = |change: &dyn Fn(&mut Parcel)| {
        let mut puppet = Puppet::greeted();
        puppet.promise(&liar, 3);
        let mut bad = good.clone();
        change(&mut bad[1]);
        let fault = blamed(puppet.say(parcels(1, bad)));
        // The next session with an honest peer brings what this one would not.
        let mut line = crate::line::sync(&mut puppet.side, &mut chain(3).0);
        assert!(line.is_finished() && line.ends[0].session.progress().is_empty());
        assert_eq!(puppet.side.ids().len(), 4);
        match fault {
            PeerFault::Bad(_, why) => why,
            other => panic!("{other}"),
        }
    };
    assert_eq!(forge(&|parcel| parcel.signature[5] ^= 1), BadParcel::Signature);
    assert_eq!(forge(&|parcel| parcel.header[120] ^= 1), BadParcel::Signature);
    assert_eq!(forge(&|parcel| parcel.header[0] = 9), BadParcel::Header);
    assert_eq!(forge(&|parcel| parcel.body = replica::chum::Carried::Here(vec![1; 70])), BadParcel::Body);
    let key = SigningKey::from_bytes(&[66; 32]);
    let resign = |change: &dyn Fn(&mut EventHeader)| {
        forge(&|parcel| {
            let mut header = parcel.header().unwrap();
            change(&mut header);
            let replica::chum::Carried::Here(body) = &parcel.body else { panic!() };
            *parcel = sign(&key, &header, body.clone());
        })
    };
    assert_eq!(resign(&|header| header.previous = [5; 32]), BadParcel::Parent);
}

#[test]
fn events_of_another_space() {
    let mut liar = Memory::new(66);
    liar.space = [8; 16];
    let foreign = liar.compose(2, 1, b"foreign");
    let mut puppet = Puppet::greeted();
    puppet.promise(&liar, 1);
    assert_eq!(blamed(puppet.say(parcels(1, vec![foreign]))), PeerFault::ForeignSpace);
}

#[test]
fn what_nobody_asked_for() {
    let (liar, good) = chain(5);
    let case = |promised: u64, message: &dyn Fn() -> Message| {
        let mut puppet = Puppet::greeted();
        puppet.promise(&liar, promised);
        blamed(puppet.say(message()))
    };
    // Pushed before this side said it wants to be pushed to; another request; another author; beyond the range.
    assert_eq!(case(3, &|| parcels(0, good.clone())), PeerFault::Unasked);
    assert_eq!(case(3, &|| parcels(9, good.clone())), PeerFault::Unasked);
    assert_eq!(case(3, &|| parcels(1, vec![Memory::new(67).compose(2, 1, b"x")])), PeerFault::Unasked);
    assert_eq!(case(3, &|| parcels(1, good.clone())), PeerFault::Unasked);
    assert_eq!(case(5, &|| parcels(1, vec![good[0].clone(), good[2].clone()])), PeerFault::OutOfOrder);
    assert_eq!(case(5, &|| parcels(1, vec![good[0].clone(), good[0].clone()])), PeerFault::OutOfOrder);
    assert_eq!(case(5, &|| done(2)), PeerFault::Unasked);
    assert_eq!(case(5, &|| Message::Reconciled(Reconciled { request: 1, message: vec![0x61] })), PeerFault::OutOfTurn(9));
    assert_eq!(case(5, &|| Message::Want(want(1, 4))), PeerFault::OutOfTurn(10));
}

fn want(request: u32, offer: u32) -> Want {
    Want { request, offer, newest_first: false, ids: Packed(vec![[1; 32]]) }
}

#[test]
fn ranges_that_never_come_or_never_end() {
    let (liar, good) = chain(3);
    // It says it has all there can be, and gives three.
    let mut puppet = Puppet::greeted();
    puppet.promise(&liar, u64::MAX);
    puppet.say(parcels(1, good)).unwrap();
    assert_eq!(blamed(puppet.say(done(1))), PeerFault::BrokenPromise);
    assert_eq!(puppet.side.ids().len(), 4, "what was good is kept");
    // Ranges that run backwards, two of one author, and two requests at once.
    let range = |after, upto| Range { author: [1; 32], after, after_id: [0; 32], upto };
    let pull = |ranges| Message::Pull(Pull { request: 1, ranges: Packed(ranges) });
    assert_eq!(blamed(Puppet::greeted().say(pull(vec![range(5, 5)]))), PeerFault::BadRange([1; 32]));
    assert_eq!(blamed(Puppet::greeted().say(pull(vec![range(0, 5), range(5, 9)]))), PeerFault::Malformed(4));
    let mut two = Vec::new();
    pull(vec![range(0, u64::MAX)]).put(&mut two);
    pull(vec![range(0, u64::MAX)]).put(&mut two);
    assert_eq!(blamed(Puppet::greeted().raw(&two)), PeerFault::Flood);
}

#[test]
fn floods_of_requests() {
    let flood = |message: &dyn Fn(u32) -> Message| {
        let mut puppet = Puppet::greeted();
        let mut bytes = Vec::new();
        (1..200).for_each(|request| message(request).put(&mut bytes));
        blamed(puppet.raw(&bytes))
    };
    assert_eq!(flood(&|request| Message::Want(want(request, 0))), PeerFault::Flood);
    let entity = |request| Message::WantEntity(WantEntity { request, entity: [1; 16], before: 9, limit: 9 });
    assert_eq!(flood(&entity), PeerFault::Flood);
    assert_eq!(flood(&|offer| Message::Offer(Offer { offer, ids: Packed(vec![]) })), PeerFault::Flood);
    let ask = |request| Message::Reconcile(Reconcile { request, span: Span::ALL, message: vec![0x61] });
    assert_eq!(flood(&ask), PeerFault::Flood);
    let state = |_| Message::State(replica::chum::message::State { state: [1; 32], answer: false });
    assert_eq!(flood(&state), PeerFault::Flood);
    // One at a time it may ask for many spans, but not for ever: each makes this side list what it holds.
    let mut puppet = Puppet::greeted();
    let fault = (1..1000).find_map(|request| puppet.say(ask(request)).err());
    assert_eq!(blamed(Err(fault.unwrap())), PeerFault::Flood);
}

#[test]
fn more_parcels_than_there_is_credit() {
    let (liar, _) = chain(1);
    let mut puppet = Puppet::greeted();
    puppet.promise(&liar, 100);
    let mut liar = Memory::new(66);
    // This side is not asked to speak, so it gives no new credit.
    let fault = (0..100).find_map(|_| {
        let parcel = liar.compose(2, 1, &vec![1; 1 << 20]);
        liar.write(2, 1, &vec![1; 1 << 20]);
        let mut bytes = Vec::new();
        parcels(1, vec![parcel]).put(&mut bytes);
        puppet.session.receive(&mut puppet.side, &bytes).err()
    });
    assert_eq!(blamed(Err(fault.unwrap())), PeerFault::OverCredit);
    assert!(puppet.side.kept <= 5);
}

/// An archive that compares everything with the liar: the numbers of the question it asks.
fn asked_to_compare() -> (Puppet, u32) {
    let mut puppet = Puppet::new(Settings { audit: true, ..archive() });
    puppet.say(Message::Hello(hello())).unwrap();
    puppet.say(Message::Heads(Heads { heads: Packed(vec![]), answer: true })).unwrap();
    let question = messages(&puppet.heard).into_iter().find_map(|message| match message {
        Message::Reconcile(question) => Some(question.request),
        _ => None,
    });
    (puppet, question.unwrap())
}

fn messages(bytes: &[u8]) -> Vec<Message> {
    let (mut input, mut rest, mut found) = (replica::chum::frame::Input::default(), bytes, Vec::new());
    while let Some(raw) = input.next(&mut rest).unwrap() {
        found.extend(Message::read(raw.kind, &raw.payload).unwrap());
    }
    found
}

#[test]
fn fingerprints_that_lie() {
    let (mut puppet, request) = asked_to_compare();
    let lie = [&[0x61, 0, 0, 1][..], &[0xab; 16]].concat();
    let fault = (0..10_000).find_map(|_| puppet.say(Message::Reconciled(Reconciled { request, message: lie.clone() })).err());
    assert_eq!(blamed(Err(fault.unwrap())), PeerFault::NeverConverges);
    let (mut puppet, request) = asked_to_compare();
    let nonsense = Message::Reconciled(Reconciled { request, message: vec![0x61, 0, 0, 9] });
    assert_eq!(blamed(puppet.say(nonsense)), PeerFault::Malformed(9));
}

#[test]
fn ids_that_were_invented() {
    let (mut puppet, request) = asked_to_compare();
    // An id list of one, up to the end of time.
    let list = [&[0x61, 0, 0, 2, 1][..], &[0xcd; 32]].concat();
    puppet.say(Message::Reconciled(Reconciled { request, message: list.clone() })).unwrap();
    let wants = |puppet: &Puppet| {
        messages(&puppet.heard).into_iter().find_map(|message| match message {
            Message::Want(want) => Some((want.request, want.ids.0)),
            _ => None,
        })
    };
    let (request, ids) = wants(&puppet).unwrap();
    assert_eq!(ids, [[0xcd; 32]]);
    // It says it has not got it after all; or gives another event; or says nothing of it.
    let absent = Done { request, absent: Packed(ids), forked: Packed(vec![]), short: Packed(vec![]) };
    assert_eq!(blamed(puppet.say(Message::Done(absent))), PeerFault::BrokenPromise);
    let (mut puppet, question) = asked_to_compare();
    puppet.say(Message::Reconciled(Reconciled { request: question, message: list })).unwrap();
    let (request, _) = wants(&puppet).unwrap();
    assert_eq!(blamed(puppet.say(parcels(request, chain(1).1))), PeerFault::Unasked);
}

#[test]
fn a_clock_far_ahead_is_no_crime() {
    let mut ahead = Memory::new(66);
    ahead.now += 40 * 86_400_000;
    let late = ahead.compose(2, 1, b"from the future");
    let mut puppet = Puppet::greeted();
    puppet.promise(&ahead, 1);
    puppet.say(parcels(1, vec![late])).unwrap();
    puppet.say(done(1)).unwrap();
    assert_eq!(puppet.side.ids().len(), 1);
    assert!(Clock::from_millis(puppet.side.now) < Clock::from_millis(ahead.now));
}

/// Two events by two devices, the second of which has seen the first; both are ahead of the archive's clock.
fn cause_and_effect() -> (Memory, Memory) {
    let (mut cause, mut effect) = (Memory::new(66), Memory::new(67));
    (cause.now, effect.now) = (cause.now + 2 * 3_600_000, effect.now + 2 * 3_600_000);
    cause.write(2, 1, b"cause");
    crate::line::sync(&mut cause, &mut effect);
    effect.write(2, 1, b"effect");
    (cause, effect)
}

fn only(side: &Memory) -> Parcel {
    let heads = side.heads().unwrap();
    let own = heads.iter().find(|head| head.author == side.author()).unwrap();
    side.parcels(&[own.id], 1).unwrap().remove(0).unwrap()
}

#[test]
fn time_that_passes_within_a_range_lets_no_effect_in_before_its_cause() {
    let (cause, effect) = cause_and_effect();
    let mut puppet = Puppet::greeted();
    let heads = Packed(effect.heads().unwrap());
    puppet.say(Message::Heads(Heads { heads, answer: true })).unwrap();
    puppet.say(parcels(1, vec![only(&cause)])).unwrap();
    puppet.side.now = effect.now;
    puppet.say(parcels(1, vec![only(&effect)])).unwrap();
    puppet.side.check_no_hole();
    assert_eq!(puppet.side.ids().len(), 1);
}

#[test]
fn time_that_passes_between_news_lets_no_effect_in_before_its_cause() {
    let (cause, effect) = cause_and_effect();
    let mut puppet = Puppet::greeted();
    puppet.say(Message::Heads(Heads { heads: Packed(vec![]), answer: true })).unwrap();
    assert!(messages(&puppet.heard).contains(&Message::Live(Live {})));
    puppet.say(parcels(0, vec![only(&cause)])).unwrap();
    puppet.side.now = effect.now;
    puppet.say(parcels(0, vec![only(&effect)])).unwrap();
    puppet.side.check_no_hole();
    assert_eq!(puppet.side.ids().len(), 1);
    // The heads are compared again, and both come.
    let heads = Packed(effect.heads().unwrap());
    puppet.say(Message::Heads(Heads { heads, answer: true })).unwrap();
    puppet.say(parcels(1, vec![only(&cause), only(&effect)])).unwrap();
    puppet.say(done(1)).unwrap();
    assert_eq!(puppet.side.ids().len(), 3);
    let news = effect.compose(2, 1, b"news");
    puppet.say(parcels(0, vec![news])).unwrap();
    assert_eq!(puppet.side.ids().len(), 4, "news are taken again");
}

#[test]
fn who_gives_no_credit_gets_no_more() {
    let mut puppet = Puppet::greeted();
    for number in 0..12 {
        puppet.side.write(2, 1, &vec![number; 1 << 20]);
    }
    let range = Range { author: puppet.side.author(), after: 0, after_id: [0; 32], upto: 13 };
    let mut heard = 0;
    puppet.say(Message::Pull(Pull { request: 1, ranges: Packed(vec![range]) })).unwrap();
    for _ in 0..100 {
        heard += puppet.heard.len();
        puppet.raw(&[]).unwrap();
    }
    assert!((3 << 20..limits::CREDIT as usize).contains(&heard), "{heard} bytes");
    puppet.say(Message::Credit(replica::chum::message::Credit { bytes: 4 << 20 })).unwrap();
    for _ in 0..100 {
        heard += puppet.heard.len();
        puppet.raw(&[]).unwrap();
    }
    assert!((7 << 20..2 * limits::CREDIT as usize).contains(&heard), "{heard} bytes");
}

#[test]
fn after_the_end_there_is_nothing() {
    let mut puppet = Puppet::greeted();
    let reason = replica::chum::Reason::Leaving;
    let fault = puppet.say(Message::Fin(Fin { reason })).unwrap_err();
    assert_eq!((fault.blame(), fault.to_string()), (Blame::Nobody, "the other side ended it: it goes down".to_owned()));
    assert!(puppet.say(Message::Live(Live {})).is_err());
    assert!(puppet.heard.is_empty(), "who has left is told nothing");
    // Who broke the protocol is told so, once.
    let mut puppet = Puppet::greeted();
    blamed(puppet.raw(&[0, 0, 0, 0, 99]));
    assert!(matches!(messages(&puppet.heard)[..], [Message::Fin(Fin { reason: replica::chum::Reason::Protocol })]));
    assert!(puppet.raw(&[0]).is_err() && puppet.heard.is_empty());
}
