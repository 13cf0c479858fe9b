//! Kills at random moments while the window's instance is given commands and the archive is written to: 40 rounds, or as many
//! as `cargo verify --rounds N` says.
//!
//! In each round the archive, the instance, the keys or the supervisor itself is killed, whatever it is doing. Then the two
//! come to hold the same, every command that was taken was done, and none was done twice.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    thread,
    time::Duration,
};

use integration_tests::{
    chance::Chance,
    home::Home,
    rounds,
    serve::Serve,
    window::{agree, begin, give, note, rename, same},
    wire::{Attached, on_wire},
};
use ipc::{
    Code,
    id::ConversationId,
    messages::storage::{Act, Measure, SetTitle},
};

/// Homes side by side: most of a round is waiting.
const HOMES: usize = 4;

/// Of whom one is killed: the two that agree more often than the others.
const VICTIMS: [&str; 8] = ["storage", "ui", "storage", "ui", "storage", "ui", "crypto", "supervisor"];

/// How often something may be done, by what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sure {
    /// It was acknowledged: once.
    Yes,
    /// Its answer never came: once or not at all.
    Perhaps,
}

/// The conversation of a note, its words, and how often it may be there.
type Note = ([u8; 16], String, Sure);

/// All that was ever asked for in a home.
#[derive(Default)]
struct Ledger {
    conversations: RefCell<BTreeMap<[u8; 16], Sure>>,
    /// Notes by their id.
    notes: RefCell<BTreeMap<[u8; 16], Note>>,
    /// Renamings by the instance that were acknowledged, and those that perhaps were done.
    renamed: Cell<(u64, u64)>,
    /// Renamings by the archive itself, likewise.
    titled: Cell<(u64, u64)>,
}

#[test]
fn whoever_dies_nothing_is_missing_and_nothing_is_double() {
    let mut chance = Chance::new();
    let all = rounds(40);
    let homes: Vec<_> = (0..HOMES)
        .map(|number| {
            let mut chance = chance.branch();
            thread::spawn(move || play((all + number) / HOMES, &mut chance))
        })
        .collect();
    let mut victims: BTreeMap<&str, usize> = BTreeMap::new();
    let mut commands = 0;
    for home in homes {
        let (killed, done) = home.join().unwrap();
        killed.into_iter().for_each(|victim| *victims.entry(victim).or_default() += 1);
        commands += done;
    }
    println!("{all} rounds, {commands} commands; killed: {victims:?}");
}

/// Plays so many rounds in a home of their own: who was killed, and how many commands were acknowledged.
fn play(rounds: usize, chance: &mut Chance) -> (Vec<&'static str>, usize) {
    let home = Home::new();
    let ledger = Ledger::default();
    let mut victims = Vec::new();
    for round in 0..rounds {
        let serve = Serve::start(&home);
        let victim = VICTIMS[chance.below(VICTIMS.len() as u64) as usize];
        let wait = Duration::from_millis(chance.below(150));
        let numbers = chance.branch();
        on_wire(async {
            let attached = Attached::to(&home);
            attached.demo().await;
            // In the first rounds there is nothing to compare yet, in later ones what the round before left.
            if round % 2 == 0 {
                agree(&attached.client).await;
                ledger.check(&attached).await;
            }
            let stop = Cell::new(false);
            let numbers = RefCell::new(numbers);
            let kill = async {
                tokio::time::sleep(wait).await;
                let found = home.processes().into_iter().find(|process| process.is(victim));
                if let Some(process) = found {
                    process.signal(libc::SIGKILL);
                }
                // What is given while it is away counts, too.
                tokio::time::sleep(Duration::from_millis(60)).await;
                stop.set(true);
            };
            tokio::join!(ledger.commands(&attached, &stop, &numbers), ledger.titles(&attached, &stop), kill);
            if victim != "supervisor" {
                // The death of the keys locks; the same pair opens again. It may be tried too early.
                settled(&attached).await;
                agree(&attached.client).await;
                ledger.check(&attached).await;
            }
        });
        drop(serve);
        home.assert_empty_but_for_the_socket();
        victims.push(victim);
    }
    let serve = Serve::start(&home);
    on_wire(async {
        let attached = Attached::to(&home);
        attached.demo().await;
        agree(&attached.client).await;
        ledger.check(&attached).await;
    });
    drop(serve);
    home.assert_empty();
    let done = ledger.notes.borrow().len() + ledger.conversations.borrow().len();
    (victims, done)
}

/// The space is open, whatever happened to the keys.
async fn settled(attached: &Attached) {
    for _ in 0..500 {
        attached.demo().await;
        if attached.client.call(&ipc::messages::storage::Statistics).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the space does not open again");
}

impl Ledger {
    /// Gives the instance commands, one after the other, until it is to stop or nobody is there.
    async fn commands(&self, attached: &Attached, stop: &Cell<bool>, chance: &RefCell<Chance>) {
        let random = || -> [u8; 16] {
            let mut chance = chance.borrow_mut();
            let (high, low) = (chance.below(u64::MAX), chance.below(u64::MAX));
            let mut id = [0; 16];
            id[..8].copy_from_slice(&high.to_be_bytes());
            id[8..].copy_from_slice(&low.to_be_bytes());
            id
        };
        let mut number = 0u32;
        while !stop.get() {
            let (conversation, begun) = (random(), format!("begun {number}"));
            let begun = self.surely(attached, stop, conversation, begin(conversation, &begun)).await;
            let Some(sure) = begun else { continue };
            self.conversations.borrow_mut().insert(conversation, sure);
            if sure == Sure::Perhaps {
                // What is said in a conversation that was never begun is refused, and rightly so.
                continue;
            }
            for _ in 0..3 {
                number += 1;
                let (id, words) = (random(), format!("note {number}"));
                if let Some(sure) = self.surely(attached, stop, id, note(conversation, id, &words)).await {
                    self.notes.borrow_mut().insert(id, (conversation, words, sure));
                }
            }
            let (yes, perhaps) = self.renamed.get();
            let renamed = rename(conversation, &format!("renamed {number}"));
            self.renamed.set(match self.surely(attached, stop, random(), renamed).await {
                Some(Sure::Yes) => (yes + 1, perhaps),
                Some(Sure::Perhaps) => (yes, perhaps + 1),
                None => (yes, perhaps),
            });
        }
    }

    /// Gives a command until it is taken, as often as that needs; `None` if it surely was not.
    async fn surely(&self, attached: &Attached, stop: &Cell<bool>, id: [u8; 16], act: Act) -> Option<Sure> {
        let mut perhaps = false;
        loop {
            match give(&attached.client, id, act.clone()).await {
                Ok(_) => return Some(Sure::Yes),
                Err(refusal) => {
                    let not_taken = matches!(refusal.code, Code::NotSignedIn | Code::Busy | Code::Draining);
                    assert!(not_taken || refusal.code == Code::PeerDied, "{refusal:?}");
                    perhaps |= !not_taken;
                }
            }
            if stop.get() {
                return perhaps.then_some(Sure::Perhaps);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Renames what is there in the archive itself. That has no id, so nothing is tried again.
    async fn titles(&self, attached: &Attached, stop: &Cell<bool>) {
        let mut number = 0;
        while !stop.get() {
            let known = self.conversations.borrow().iter().find(|(_, sure)| **sure == Sure::Yes).map(|(id, _)| *id);
            let Some(id) = known else {
                tokio::time::sleep(Duration::from_millis(2)).await;
                continue;
            };
            number += 1;
            let (yes, perhaps) = self.titled.get();
            let set = SetTitle { id: ConversationId(id), title: format!("titled {number}") };
            match attached.client.call(&set).await {
                Ok(_) => self.titled.set((yes + 1, perhaps)),
                Err(refusal) if refusal.code == Code::PeerDied => self.titled.set((yes, perhaps + 1)),
                // It is not begun yet.
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The two hold the same, and it is what was asked for. They must agree.
    async fn check(&self, attached: &Attached) {
        let all = same(&attached.client).await;
        let measured = attached.client.call(&Measure).await.unwrap();
        let mut conversations = self.conversations.borrow_mut();
        let mut notes = self.notes.borrow_mut();
        // What perhaps was done is done now or never will be: nothing waits any more.
        let found: BTreeMap<[u8; 16], usize> =
            all.iter().enumerate().map(|(place, (conversation, _))| (conversation.id.0, place)).collect();
        assert_eq!(found.len(), all.len(), "one is listed twice");
        conversations.retain(|id, sure| {
            assert!(found.contains_key(id) || *sure == Sure::Perhaps, "a conversation is missing");
            found.contains_key(id)
        });
        conversations.values_mut().for_each(|sure| *sure = Sure::Yes);
        assert_eq!(found.len(), conversations.len(), "there is one that nobody began");
        notes.retain(|id, (conversation, words, sure)| {
            let held = found.get(conversation).map_or(&[][..], |place| &all[*place].1);
            let same: Vec<_> = held.iter().filter(|message| message.id.0 == *id).collect();
            assert!(same.len() <= 1 && same.iter().all(|message| message.text() == *words), "{same:?}");
            let begun = found.contains_key(conversation);
            assert!(same.len() == 1 || *sure == Sure::Perhaps, "{words:?} is missing; its conversation is there: {begun}");
            same.len() == 1
        });
        notes.values_mut().for_each(|(_, _, sure)| *sure = Sure::Yes);
        assert_eq!(all.iter().map(|(_, messages)| messages.len()).sum::<usize>(), notes.len(), "there is one that nobody said");
        let titles: u64 = measured.kinds.iter().filter(|kind| kind.name == "Title").map(|kind| kind.events).sum();
        let ((renamed, perhaps), (titled, also)) = (self.renamed.get(), self.titled.get());
        let (least, most) = (renamed + titled, renamed + titled + perhaps + also);
        assert!((least..=most).contains(&titles), "{titles} renamings; {least} were acknowledged and {most} asked for");
    }
}
