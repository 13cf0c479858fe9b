//! The window's instance beside the archive: from a commit in the archive to its being visible in the instance, and what the
//! two say to each other when there is nothing to say.

use std::time::{Duration, Instant};

use integration_tests::{
    home::Home,
    serve::Serve,
    window::{agree, begin, give, until},
    wire::{Attached, on_wire},
};
use ipc::{
    id::ConversationId,
    messages::{
        instance::{Link, ListRecent},
        storage::SetTitle,
    },
};

use super::figures::{Samples, aim, line, ratio, time};

/// Commits that are waited for.
const COMMITS: usize = 200;

/// Sessions of two that hold the same.
const IDLE: usize = 5;

pub fn measure() {
    let home = Home::new();
    let serve = Serve::start(&home);
    on_wire(async {
        let attached = Attached::to(&home);
        let client = &attached.client;
        attached.demo().await;
        agree(client).await;
        let id = [1; 16];
        give(client, id, begin(id, "measured")).await.unwrap();
        agree(client).await;
        let (mut committed, mut visible, mut given) = (Samples::default(), Samples::default(), Samples::default());
        let shows = async |title: &str| {
            let list = ListRecent { after: None, limit: 1 };
            while client.call(&list).await.unwrap().items[0].title != title {
                // As often as the policy lets it be asked, with some to spare.
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        for number in 0..COMMITS {
            // From the archive's answer, which it gives when it has committed.
            let title = format!("title {number}");
            let begun = Instant::now();
            client.call(&SetTitle { id: ConversationId(id), title: title.clone() }).await.unwrap();
            let done = Instant::now();
            committed.push(done - begun);
            shows(&title).await;
            visible.push(done.elapsed());
        }
        for number in 0..COMMITS {
            let mut command = [2; 16];
            command[..8].copy_from_slice(&(number as u64).to_be_bytes());
            let begun = Instant::now();
            give(client, command, integration_tests::window::rename(id, &format!("given {number}"))).await.unwrap();
            until(client, "it is done", |stands| stands.outbox.commands == 0).await;
            given.push(begun.elapsed());
        }
        let both = |samples: &mut Samples| format!("median {}   p99 {}", time(samples.median()), time(samples.percentile(99)));
        line("commit in the archive, by itself", &both(&mut committed));
        line("from there to visible in the window", &both(&mut visible));
        line("against a commit", &format!("{:.2} ×", ratio(visible.median(), committed.median())));
        aim("against the original's poll of 5 s", ratio(visible.median(), Duration::from_secs(5)), " ×", 1.0);
        line("a command, given to done", &both(&mut given));
        // A session of two that hold the same: greetings, and the word that what is new is wanted.
        let mut before = agree(client).await.counted;
        let mut most = 0;
        for _ in 0..IDLE {
            serve.process("storage").signal(libc::SIGKILL);
            let sessions = before.sessions;
            let now =
                until(client, "a new session", |stands| stands.counted.sessions > sessions && stands.link == Link::Live).await;
            most = most.max(now.counted.bytes_in + now.counted.bytes_out - before.bytes_in - before.bytes_out);
            before = now.counted;
            // More of them in half a minute would be a crash loop.
            tokio::time::sleep(Duration::from_secs(7)).await;
        }
        aim("idle session, both directions", most as f64, " bytes", 400.0);
        let status = serve.of_role("ui");
        line("memory of the instance", &format!("{} bytes", status[0]["memory"]["pss"]));
    });
}
