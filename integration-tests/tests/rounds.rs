//! Kills at random moments, again and again, while everything is in progress at once: an answer is being spoken, an
//! attached command line writes, runs scripts, reads streams and follows the changes. 200 rounds, or as many as
//! `cargo verify --rounds N` says.
//!
//! In each round one process is killed, whichever it is. Then every call has had its one answer, nothing is left of the
//! round but the data, the next start works, and it has all that was acknowledged and all that was shown.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{collections::BTreeMap, thread, time::Duration};

use integration_tests::{
    asking::{Asking, answer_of},
    busy::{Busy, Done, title},
    chance::Chance,
    home::Home,
    rounds,
    serve::Serve,
    wire::{Attached, on_wire},
};
use ipc::{
    endpoint::Options,
    id::ConversationId,
    messages::{
        chat::{Author, Message},
        common::Echo,
        storage::{ListConversations, ReadConversation, ReadFile},
    },
    role::Role,
};

/// Homes side by side: most of a round is waiting.
const HOMES: usize = 4;

/// What must be there.
struct Expected {
    /// The conversation that is renamed all the time, and its last title that was acknowledged.
    renamed: ConversationId,
    titled: usize,
    /// What was shown of the newest answer.
    shown: String,
    files: Vec<(String, Vec<u8>)>,
    /// How it came to be so.
    told: String,
}

#[test]
fn whatever_dies_whenever_it_dies_nothing_is_lost_and_every_call_is_answered_once() {
    let mut chance = Chance::new();
    let all = rounds(200);
    let homes: Vec<_> = (0..HOMES)
        .map(|number| {
            let mut chance = chance.branch();
            thread::spawn(move || play((all + number) / HOMES, &mut chance))
        })
        .collect();
    let mut victims: BTreeMap<String, usize> = BTreeMap::new();
    for home in homes {
        home.join().unwrap().into_iter().for_each(|victim| *victims.entry(victim).or_default() += 1);
    }
    println!("{all} rounds; killed: {victims:?}");
}

/// Plays so many rounds in a home of their own; who was killed.
fn play(rounds: usize, chance: &mut Chance) -> Vec<String> {
    let home = Home::new();
    home.run(["ask", "5 miles in km"]).good();
    let renamed = home.run(["--json", "history"]).json()[0]["id"].as_str().unwrap().parse().unwrap();
    let (shown, files) = (String::new(), Vec::new());
    let mut expected = Expected { renamed, titled: 0, shown, files, told: "before the first round".into() };
    let mut victims = Vec::new();
    for round in 0..rounds {
        let serve = Serve::start(&home);
        is_there(&home, &expected);
        let server = answer_of(Duration::from_millis(10));
        let role = [Role::Storage, Role::Crypto, Role::Llm][chance.below(3) as usize];
        let busy = Busy::begin(&home, round, expected.titled + 1, expected.renamed, role);
        let asking = Asking::begin(&home, &server, chance.below(40) as usize);
        thread::sleep(Duration::from_millis(chance.below(60)));
        let processes = home.processes();
        let victim = &processes[chance.below(processes.len() as u64) as usize];
        let name = victim.command.split('\0').skip(1).find(|word| !word.is_empty()).unwrap_or_default().to_owned();
        victim.signal(libc::SIGKILL);
        let (shown, outcome) = asking.end();
        if victim.command.contains("--role=") && !victim.is("supervisor") {
            the_rest_works(&home);
        }
        let Done { files, titled, good, refused } = busy.end();
        let told = format!(
            "round {round}, {name} killed; {} files, {good} runs and streams; refused: {refused:?}; asked: {outcome:?}",
            files.len()
        );
        assert!(!files.is_empty() && titled > expected.titled, "{told}");
        drop(serve);
        home.assert_empty_but_for_the_socket();
        expected = Expected { renamed, titled, shown, files, told };
        victims.push(name);
    }
    let serve = Serve::start(&home);
    is_there(&home, &expected);
    drop(serve);
    home.assert_empty();
    let list = home.run(["--json", "history", "-n", "100000"]).json();
    assert_eq!(list.as_array().unwrap().len(), rounds + 1, "every question is there");
    victims
}

/// Every role answers again, in the same supervisor.
fn the_rest_works(home: &Home) {
    on_wire(async {
        let attached = Attached::to(home);
        // The death of the key process locks; the same pair opens again. It may be tried too early.
        for _ in 0..500 {
            attached.demo().await;
            let echo = Echo { bytes: vec![1; 100] };
            let to = |role| Options { role: Some(role), ..Options::default() };
            let mut well = true;
            for role in [Role::Storage, Role::Crypto, Role::Llm, Role::Code, Role::Courier] {
                well &= attached.client.call_with(&echo, to(role)).await.is_ok();
            }
            if well {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("not all roles answer again: {:#}", home.run(["--json", "ps"]).json());
    });
}

/// All that was acknowledged and all that was shown.
fn is_there(home: &Home, expected: &Expected) {
    let told = &expected.told;
    on_wire(async {
        let attached = Attached::to(home);
        attached.demo().await;
        for (path, bytes) in &expected.files {
            let mut stream = attached.client.open(&ReadFile::whole(path.clone()), Options::default()).unwrap();
            let mut found = Vec::new();
            while let Some(chunk) = stream.next().await {
                found.extend(chunk.unwrap().0);
            }
            let answer = stream.answer().await;
            assert!(answer.is_ok() && found == *bytes, "{path} was acknowledged: {answer:?}; {told}");
        }
        let list = attached.client.call(&ListConversations { after: None, limit: 3 }).await.unwrap();
        let renamed = read(&attached, expected.renamed).await.0;
        let holds = (expected.titled..).take(3).any(|number| renamed == title(number));
        assert!(expected.titled == 0 || holds, "{renamed:?} for {:?}; {told}", title(expected.titled));
        if expected.shown.is_empty() {
            return;
        }
        let asked = list.items.iter().find(|conversation| conversation.id != expected.renamed).unwrap();
        let last = read(&attached, asked.id).await.1.pop().unwrap();
        let kept = last.author == Author::Assistant && last.text().starts_with(expected.shown.trim_end());
        assert!(kept, "shown {:?}, kept {last:?}; {told}", expected.shown);
    });
}

/// The title and the messages of a conversation.
async fn read(attached: &Attached, id: ConversationId) -> (String, Vec<Message>) {
    let found = attached.client.call(&ReadConversation { id, skip: 0, limit: 10 }).await.unwrap();
    (found.conversation.title, found.messages)
}
