//! What is said of one turn is one hit; and who may look into the directory.

use super::*;

/// What a turn was for.
fn goal(turn: [u8; 16], words: &str) -> Body {
    Body::Trace(Trace {
        turn,
        goal: words.to_owned(),
        skill: String::new(),
        model: String::new(),
        steps: Vec::new(),
        outcome: body::Outcome::Answered,
        millis: 1,
        tokens_in: 1,
        tokens_out: 1,
    })
}

#[test]
fn what_belongs_to_one_turn_is_one_hit() {
    story(async |mut world| {
        world.begin(1, "Where do herons nest?").await;
        for turn in 1..=2 {
            for text in ["Where do herons nest?", "Herons nest in colonies, as herons do."] {
                world.ids += 1;
                let said = body::Message { turn: [turn; 16], ..message(world.ids, text) };
                world.keep(entity(1), Body::Message(said)).await;
            }
            world.keep(entity(1), goal([turn; 16], "Where do herons nest?")).await;
        }
        let hits = world.find("herons nest").await;
        assert_eq!(hits.len(), 2, "one for each turn: {hits:?}");
        assert!(hits.iter().all(|hit| hit.kind == HitKind::Message), "words that were said show more than goals: {hits:?}");
        // Whoever asks for one kind gets all of it.
        for (question, count) in [("herons kind:trace", 2), ("herons kind:title", 1), ("herons author:assistant", 2)] {
            assert_eq!(world.find(question).await.len(), count, "{question}");
        }
        // Nothing comes again on the next page, and nothing is left out between two.
        let (mut all, mut skip) = (Vec::new(), 0);
        loop {
            let found = world.ask("herons", skip, 1).await;
            all.extend(found.hits);
            match found.next {
                Some(next) => skip = next,
                None => break,
            }
        }
        assert_eq!(all.len(), 2, "{all:?}");
    });
}

#[test]
fn the_page_does_not_change_what_is_found() {
    story(async |mut world| {
        // The goal of a turn says it more shortly than what was said, and so fits better.
        for number in 1..=12 {
            let turn = [number; 16];
            world.begin(number, "The loan").await;
            for text in ["What does the loan cost in all, if I pay it back in ten years?", "It is about a third more."] {
                world.ids += 1;
                world.keep(entity(number), Body::Message(body::Message { turn, ..message(world.ids, text) })).await;
            }
            world.keep(entity(number), goal(turn, "loan")).await;
        }
        world.find("loan").await;
        let all = world.ask("loan", 0, MAX_HITS).await;
        assert_eq!((all.hits.len(), all.next), (12, None));
        assert!(all.hits.iter().all(|hit| hit.kind == HitKind::Message && hit.snippet.contains("the loan cost")), "{all:?}");
        for limit in [1, 2, 3, 5, 11, 12, 13] {
            let (mut hits, mut skip) = (Vec::new(), 0);
            loop {
                let found = world.ask("loan", skip, limit).await;
                hits.extend(found.hits);
                // There is more if there is more, and only then.
                assert_eq!(found.next, (hits.len() < 12).then_some(skip + u32::from(limit)));
                match found.next {
                    Some(next) => skip = next,
                    None => break,
                }
            }
            assert_eq!(hits, all.hits, "{limit} at a time");
        }
        // What does not fit the rest of the question is not shown for what does.
        let goals = world.ask("loan -pay", 0, MAX_HITS).await;
        assert!(goals.hits.len() == 12 && goals.hits.iter().all(|hit| hit.kind != HitKind::Message), "{goals:?}");
    });
}

#[test]
fn its_directory_is_for_this_person_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    story(async |world| {
        let path = world.directory.path().join(DIRECTORY);
        assert_eq!(fs::metadata(path).expect("a directory").permissions().mode() & 0o777, 0o700);
    });
}
