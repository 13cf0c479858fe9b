//! A query finds at most three, like enough, and not too old.

use ipc::messages::storage::MAX_MEMORY_QUESTION;

use super::*;

impl World {
    async fn query(&self, question: &str) -> Vec<(String, u16)> {
        let found = self.memory.query(QueryMemory { question: question.to_owned() }).await.expect("an answer");
        found.items.into_iter().map(|hit| (hit.entry.goal, hit.similarity)).collect()
    }

    async fn enter(&self, number: u32, goal: &str, age: u64) {
        self.writer.append(self.entry(number, goal, age)).await.expect("kept");
    }
}

fn found(goal: &str, similarity: u16) -> (String, u16) {
    (goal.to_owned(), similarity)
}

#[test]
fn the_most_alike_come_first_and_no_more_than_three() {
    story(async |world| {
        world.begin(CHAT).await;
        for (number, goal) in ["plan the trip", "plan the trip home", "plan a trip", "plan", "東京都へ行く"].iter().enumerate()
        {
            world.enter(number as u32, goal, 10 - number as u64).await;
        }
        let three = [found("plan the trip", 1000), found("plan the trip home", 866), found("plan a trip", 666)];
        assert_eq!(world.query("Plan the TRIP!").await, three);
        // Of equal ones the newest.
        assert_eq!(world.query("plan").await[0], found("plan", 1000));
        world.enter(9, "plan", 0).await;
        let newest = world.memory.query(QueryMemory { question: "plan".to_owned() }).await.expect("an answer");
        assert_eq!((newest.items[0].entry.at_ms, newest.items.len()), (world.now(), 3));
        assert_eq!(world.query("東京都").await, [found("東京都へ行く", 471)]);
        assert_eq!(world.query("nothing alike").await, []);
        assert_eq!(world.query("!?").await, []);
        for wrong in [String::new(), "a".repeat(MAX_MEMORY_QUESTION + 1)] {
            let refused = world.memory.query(QueryMemory { question: wrong }).await.expect_err("refused");
            assert_eq!(refused.code, ipc::Code::QuestionUnclear);
        }
    });
}

#[test]
fn the_least_similarity_is_a_third_and_a_little_less() {
    story(async |world| {
        world.begin(CHAT).await;
        // The word three times, and so many others once: 3 / √(9 + others).
        let text = |others: usize| (0..others).fold("sea sea sea".to_owned(), |text, other| format!("{text} w{other}"));
        world.enter(1, &text(92), 0).await;
        assert_eq!(world.query("sea").await, []);
        world.enter(2, &text(91), 0).await;
        assert_eq!(world.query("sea").await, [(text(91), 300)]);
    });
}

#[test]
fn the_window_is_ninety_days_and_what_is_archived_is_not_asked() {
    story(async |world| {
        world.begin(CHAT).await;
        world.enter(1, "plan", WINDOW).await;
        world.enter(2, "plan it", WINDOW + 1).await;
        assert_eq!(world.query("plan").await, [found("plan", 1000)]);
        world.pass(1);
        assert_eq!(world.query("plan").await, []);
        let many = (10..10 + LIVE_ENTRIES as u32).map(|number| world.entry(number, "other", 0)).collect();
        world.enter(3, "plan", 5).await;
        world.writer.append_all(many, Vec::new()).await.expect("kept");
        assert_eq!(world.query("plan").await, [found("plan", 1000)]);
        assert_eq!(world.run().await.archived_entries, 3);
        assert_eq!(world.query("plan").await, []);
    });
}
