//! The index beside a real archive: what is kept is found, what is gone is not, and whatever happens to its files is mended.

use std::{collections::BTreeSet, fs, path::PathBuf, time::Instant};

use ipc::{
    id::ConversationId,
    messages::storage::{Hit, HitKind},
};
use proptest::prelude::*;
use replica::{
    Draft, Kept, StoreKeys,
    body::{self, Body, Content, FileBody, FileRemoved, Part, Title, Trace},
};
use tantivy::{Directory as _, IndexWriter, ReloadPolicy, TantivyDocument, directory::META_LOCK};

use super::{best::Best, *};

mod power_cut;
mod turns;

/// How long anything is waited for before the test gives up.
const GIVE_UP: Duration = Duration::from_secs(120);

struct World {
    directory: tempfile::TempDir,
    replica: Replica,
    writer: WriterHandle,
    search: Search,
    ids: u16,
}

fn story(story: impl AsyncFnOnce(World)) {
    actix::System::new().block_on(async { story(World::new()).await });
}

fn entity(number: u8) -> [u8; 16] {
    [number; 16]
}

impl World {
    fn new() -> World {
        let directory = tempfile::tempdir().expect("a directory");
        let replica = Replica::open(directory.path(), StoreKeys::new(&[1; 32], [2; 16], [3; 32])).expect("a store");
        let writer = WriterHandle::start(replica.writer().expect("a writer")).expect("a thread");
        let search = Search::start(directory.path(), replica.clone()).expect("a thread");
        search.follow(&writer);
        World { directory, replica, writer, search, ids: 0 }
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.directory.path().join(DIRECTORY)).expect("files");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }

    /// The search of another process, after `meanwhile` was done to the files of the one before.
    async fn restart(self, meanwhile: impl FnOnce(&World)) -> World {
        let progress = self.search.progress.clone();
        let World { directory, replica, writer, search, ids } = self;
        search.orders.stop();
        until(|| progress.has_changed().is_err()).await;
        let before = World { directory, replica, writer, search, ids };
        meanwhile(&before);
        let World { directory, replica, writer, ids, .. } = before;
        let search = Search::start(directory.path(), replica.clone()).expect("a thread");
        search.follow(&writer);
        World { directory, replica, writer, search, ids }
    }

    async fn keep(&mut self, of: [u8; 16], body: Body) -> Kept {
        self.writer.append(Draft { entity: of, body, once: None }).await.expect("kept")
    }

    async fn begin(&mut self, conversation: u8, title: &str) -> Kept {
        self.keep(entity(conversation), Body::Conversation(Title { title: title.to_owned() })).await
    }

    async fn say(&mut self, conversation: u8, text: &str) -> Kept {
        self.ids += 1;
        let body = message(self.ids, text);
        self.keep(entity(conversation), Body::Message(body)).await
    }

    async fn file(&mut self, number: u8, path: &str, text: &str) -> Kept {
        let body = FileBody::new(path.to_owned(), Content::Bytes(text.as_bytes().to_vec()));
        self.keep(entity(number), Body::File(body)).await
    }

    async fn ask(&self, question: &str, skip: u32, limit: u16) -> Found {
        let request = wire::Search { question: question.to_owned(), skip, limit };
        self.search.find(request).await.expect("an answer")
    }

    /// What is found when everything was looked through.
    async fn find(&self, question: &str) -> Vec<Hit> {
        let begun = Instant::now();
        loop {
            let found = self.ask(question, 0, MAX_HITS).await;
            if found.complete {
                return found.hits;
            }
            assert!(begun.elapsed() < GIVE_UP, "{question}: {found:?}");
        }
    }

    async fn check(&self, question: &str, events: &[Kept]) {
        let found: Vec<_> = self.find(question).await.iter().map(|hit| hit.event).collect();
        assert_eq!(found, events.iter().map(|kept| kept.id).collect::<Vec<_>>(), "{question}");
    }
}

async fn until(mut what: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < GIVE_UP, "it never came");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn message(number: u16, text: &str) -> body::Message {
    let mut id = [0; 16];
    id[..2].copy_from_slice(&number.to_le_bytes());
    body::Message {
        id,
        turn: [0; 16],
        author: if number % 2 == 1 { body::Author::Person } else { body::Author::Assistant },
        parts: vec![Part::Thinking("ponderous".to_owned(), String::new()), Part::Text(text.to_owned())],
        attachments: vec![body::Attached { id: [9; 16], name: format!("sheet{number}.csv"), length: 1 }],
        status: body::Status::Complete,
        made_by: String::new(),
    }
}

#[test]
fn what_is_kept_is_found_and_what_is_gone_is_not() {
    story(async |mut world| {
        let title = world.begin(1, "Ärger mit der Steuer").await;
        let one = world.say(1, "Where is the xylophone?").await;
        let two = world.say(1, "東京都の天気はどうですか").await;
        let goal = Trace {
            turn: [1; 16],
            goal: "weigh the xylophone".to_owned(),
            skill: String::new(),
            model: String::new(),
            steps: Vec::new(),
            outcome: body::Outcome::Answered,
            millis: 1,
            tokens_in: 0,
            tokens_out: 0,
        };
        let trace = world.keep(entity(1), Body::Trace(goal)).await;
        let file = world.file(2, "user/notes/Zürich.md", "a marimba is no xylophone at all, it is larger").await;
        world.check("arger", &[title]).await;
        world.check("xylophon*", &[file, trace, one]).await;
        world.check("xylophone -marimba -kind:trace", &[trace, one]).await;
        world.check("xylophone kind:trace", &[trace]).await;
        world.check("zurich", &[file]).await;
        world.check("都の天", &[two]).await;
        world.check("京", &[two]).await;
        world.check("京天", &[]).await;
        world.check("sheet1", &[one]).await;
        world.check("ponderous", &[]).await;
        world.check("\"the xylophone where\"", &[]).await;
        let hit = world.find("天気").await.remove(0);
        assert_eq!(
            (hit.kind, hit.title.as_str(), hit.conversation),
            (HitKind::Message, "Ärger mit der Steuer", Some(ConversationId([1; 16])))
        );
        let (start, end) = hit.marks[0];
        assert_eq!(&hit.snippet[start as usize..end as usize], "天気");

        let renamed = world.keep(entity(1), Body::Title(Title { title: "Freude".to_owned() })).await;
        world.check("arger", &[]).await;
        world.check("freude", &[renamed]).await;
        let written = world.file(2, "user/notes/Zürich.md", "nothing of it").await;
        world.check("marimba", &[]).await;
        world.check("nothing", &[written]).await;
        world.keep(entity(2), Body::FileRemoved(FileRemoved::new("user/notes/Zürich.md".to_owned()))).await;
        world.check("nothing", &[]).await;
        world.check("zurich", &[]).await;
        let world = world.restart(|_| {}).await;
        world.check("freude", &[renamed]).await;
        world.check("arger", &[]).await;
    });
}

#[test]
fn filters_rank_and_pages() {
    story(async |mut world| {
        world.begin(1, "one").await;
        world.begin(2, "two").await;
        let mut said = Vec::new();
        for number in 0..30 {
            said.push(world.say(1 + number % 2, "equal words").await);
        }
        said.reverse();
        world.check("equal", &said).await;
        let page = world.ask("equal", 10, 10).await;
        assert_eq!(
            page.hits.iter().map(|hit| hit.event).collect::<Vec<_>>(),
            said[10..20].iter().map(|kept| kept.id).collect::<Vec<_>>()
        );
        assert_eq!((page.next, world.ask("equal", 20, 10).await.next), (Some(20), None));
        let of_two: Vec<Kept> = said.iter().filter(|kept| kept.entity == entity(2)).copied().collect();
        world.check(&format!("equal in:{}", ConversationId(entity(2))), &of_two).await;
        world.check("equal author:assistant", &of_two).await;
        world.check("equal author:me after:2020-01-01 before:2020-01-02", &[]).await;
        let better = world.say(1, "equal equal equal").await;
        assert_eq!(world.find("equal").await[0].event, better.id, "who says it more often comes first");
        let request = wire::Search { question: "x".to_owned(), skip: MAX_SKIP + 1, limit: 1 };
        assert_eq!(world.search.find(request).await.map_err(|refusal| refusal.code), Err(Code::QuestionUnclear));
    });
}

#[test]
fn a_title_of_before_that_is_given_again_is_found_once() {
    story(async |mut world| {
        world.begin(1, "alpha").await;
        world.keep(entity(1), Body::Title(Title { title: "beta".to_owned() })).await;
        world.check("beta kind:title", &[world_last(&world)]).await;
        let again = world.keep(entity(1), Body::Title(Title { title: "alpha".to_owned() })).await;
        world.check("alpha", &[again]).await;
        world.check("beta", &[]).await;
    });
}

/// The newest event.
fn world_last(world: &World) -> Kept {
    let (position, id) = world.replica.snapshot().expect("open").newest_event().expect("read").expect("one");
    Kept { position, id, kind: 0, entity: entity(1), again: false }
}

#[test]
fn an_index_that_is_missing_damaged_or_of_others_is_made_again() {
    story(async |mut world| {
        world.begin(1, "title").await;
        let kept = world.say(1, "the xylophone again").await;
        for number in 0..200 {
            world.say(1, &format!("filler {number} 東京都{number}")).await;
        }
        world.check("xylophone", &[kept]).await;
        let mut world =
            world.restart(|before| fs::remove_dir_all(before.directory.path().join(DIRECTORY)).expect("removed")).await;
        world.check("xylophone", &[kept]).await;
        let files = world.files().len();
        assert!(files > 3, "{files}");
        for number in 0..files {
            // The first bit of the head, one in the middle, one of the last block; and a file cut off, and one gone.
            for way in 0..5 {
                let rebuilds = world.search.progress.borrow().rebuilds;
                world = world
                    .restart(|before| {
                        let mut files = before.files();
                        files.sort();
                        let Some(path) = files.get(number) else { return };
                        let mut bytes = fs::read(path).expect("a file");
                        let at = [0, bytes.len() / 2, bytes.len() - 1, 0, 0][way];
                        match way {
                            3 => bytes.truncate(bytes.len() - 1),
                            4 => return fs::remove_file(path).expect("removed"),
                            _ => bytes[at] ^= 4,
                        }
                        fs::write(path, bytes).expect("written");
                    })
                    .await;
                world.check("xylophone", &[kept]).await;
                assert_eq!(world.find("京都").await.len(), usize::from(MAX_HITS), "{rebuilds}");
            }
        }
        // Of an archive that went another way since.
        let payload = index::Reached { position: 2, event: [0; 32] }.payload();
        let world = world
            .restart(|before| {
                before.search.directory.clear().expect("cleared");
                let (index, _) = index::create(&before.search.directory).expect("an index");
                let mut writer: IndexWriter = index.writer_with_num_threads(1, 15_000_000).expect("a writer");
                let mut commit = writer.prepare_commit().expect("prepared");
                commit.set_payload(&payload);
                commit.commit().expect("committed");
            })
            .await;
        world.check("xylophone", &[kept]).await;
    });
}

/// What the archive has no longer is not shown, and is gone from the index when anything happens to what it belonged to.
#[test]
fn what_was_erased_is_gone_from_the_index() {
    story(async |mut world| {
        world.begin(1, "title").await;
        let kept = world.say(1, "kept words").await;
        world.check("kept", &[kept]).await;
        let gone = 9999;
        let mut world = world
            .restart(|before| {
                let (index, fields) = index::open(&before.search.directory).expect("an index");
                let payload = index.load_metas().expect("read").payload.expect("a payload");
                let mut writer: IndexWriter = index.writer_with_num_threads(1, 15_000_000).expect("a writer");
                let mut document = TantivyDocument::new();
                document.add_bytes(fields.slot, &index::slot_of(index::MESSAGE, gone, &entity(1)));
                document.add_bytes(fields.entity, &entity(1));
                document.add_u64(fields.kind, index::MESSAGE);
                document.add_u64(fields.position, gone);
                document.add_u64(fields.at, 0);
                document.add_text(fields.text, "erasedword kept");
                writer.add_document(document).expect("taken");
                let mut commit = writer.prepare_commit().expect("prepared");
                commit.set_payload(&payload);
                commit.commit().expect("committed");
                writer.wait_merging_threads().expect("done");
            })
            .await;
        let documents_with = |world: &World, word: &str| {
            let (index, fields) = index::open(&world.search.directory).expect("an index");
            let reader: tantivy::IndexReader =
                index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().expect("a reader");
            reader.searcher().doc_freq(&tantivy::Term::from_field_text(fields.text, word)).expect("a number")
        };
        assert_eq!((documents_with(&world, "erasedword"), documents_with(&world, "kept")), (1, 2));
        world.check("erasedword", &[]).await;
        world.check("kept", &[kept]).await;
        // What a newer program writes about it, as an erasure is to this one.
        world.keep(entity(1), Body::Unknown(999)).await;
        world.check("kept", &[kept]).await;
        // Those that are only marked as removed would be counted.
        until(|| documents_with(&world, "erasedword") == 0).await;
        assert_eq!(documents_with(&world, "kept"), 1);
        assert_eq!(world.search.progress.borrow().rebuilds, 0);
    });
}

#[test]
fn no_write_waits_for_an_index_that_stands_still() {
    story(async |mut world| {
        world.begin(1, "title").await;
        world.say(1, "before").await;
        world.find("before").await;
        // The engine takes this lock in each commit: from now on its thread stands still.
        let lock = world.search.directory.acquire_lock(&META_LOCK).expect("a lock");
        let mut last = world.say(1, "while it stands still").await;
        for number in 0..500 {
            last = world.say(1, &format!("number {number}")).await;
        }
        let found = world.ask("still", 0, 1).await;
        assert!(!found.complete && found.newest == last.position, "{found:?}");
        drop(lock);
        assert_eq!(world.find("still").await.len(), 1);
    });
}

#[test]
fn making_it_again_answers_when_it_is_done() {
    story(async |mut world| {
        world.begin(1, "title").await;
        let kept = world.say(1, "xylophone").await;
        let reindexed = world.search.reindex().await.expect("made");
        assert_eq!(reindexed.searched, kept.position);
        assert!(reindexed.bytes > 0);
        assert_eq!(world.ask("xylophone", 0, 1).await.hits.len(), 1);
        let again = world.say(1, "xylophone again").await;
        world.check("again", &[again]).await;
    });
}

#[test]
fn nothing_of_it_lies_on_disk_in_the_clear() {
    story(async |mut world| {
        world.begin(1, "canarytitle").await;
        world.say(1, "canarywords 東京都").await;
        world.file(2, "user/canarypath.md", "canarycontent").await;
        assert_eq!(world.find("canary*").await.len(), 3);
        world.find("東京").await;
        let canaries: [&[u8]; 6] = [b"canary", "東京".as_bytes(), b"meta.json", b"managed", b"tantivy", b".term"];
        for path in world.files() {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            assert!(name.chars().all(|letter| letter.is_ascii_hexdigit()), "{name}");
            let bytes = fs::read(&path).expect("a file");
            for canary in canaries {
                assert!(!bytes.windows(canary.len()).any(|window| window == canary), "{name}");
            }
        }
    });
}

/// A text of scripts without spaces, in runs with something between.
fn unspaced() -> impl Strategy<Value = String> {
    let letters = prop_oneof![
        proptest::char::range('一', '丅'),
        proptest::char::range('あ', 'お'),
        proptest::char::range('ア', 'オ'),
        proptest::char::range('가', '갅'),
        Just('𠮷'),
    ];
    let between = prop::sample::select(vec!["", "", "、", " ", "a", "Test", "！", "\n", "é"]);
    prop::collection::vec((prop::collection::vec(letters, 1..12), between), 1..6)
        .prop_map(|runs| runs.into_iter().map(|(run, between)| run.into_iter().collect::<String>() + between).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    /// Each row of one to three characters is found in exactly those texts that have it.
    #[test]
    fn every_short_row_of_characters_is_found_where_it_is(texts in prop::collection::vec(unspaced(), 1..30)) {
        let directory = tempfile::tempdir().expect("a directory");
        let replica = Replica::open(directory.path(), StoreKeys::new(&[1; 32], [2; 16], [3; 32])).expect("a store");
        let sealed = SealedDirectory::open(directory.path().join(DIRECTORY), replica.index_seal()).expect("a directory");
        let (index, fields) = index::create(&sealed).expect("an index");
        let mut writer: IndexWriter = index.writer_with_num_threads(1, 15_000_000).expect("a writer");
        for (number, text) in texts.iter().enumerate() {
            let mut document = TantivyDocument::new();
            document.add_u64(fields.position, number as u64);
            document.add_u64(fields.at, 0);
            document.add_text(fields.text, text);
            document.add_text(fields.characters, text);
            writer.add_document(document).expect("taken");
        }
        writer.commit().expect("committed");
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().expect("a reader");
        let searcher = reader.searcher();
        let mut rows = BTreeSet::new();
        for text in &texts {
            let letters: Vec<char> = text.chars().collect();
            for length in 1..=3 {
                let whole = |row: &&[char]| row.iter().all(|letter| tokens::is_unspaced(*letter));
                rows.extend(letters.windows(length).filter(whole).map(|row| row.iter().collect::<String>()));
            }
        }
        for row in rows {
            let question = query::parse(&row).expect("a question");
            let found = searcher.search(&question.query(&fields), &Best(texts.len() + 1)).expect("an answer");
            let found: BTreeSet<u64> = found.iter().map(|rank| rank.position).collect();
            let having: BTreeSet<u64> = (0..).zip(&texts).filter(|(_, text)| text.contains(&row)).map(|(number, _)| number).collect();
            prop_assert_eq!(found, having, "{}", row);
        }
        prop_assert!(!sealed.damaged());
    }
}

#[test]
fn the_old_index_stays_until_there_is_another() {
    story(async |mut world| {
        world.begin(1, "Instruments").await;
        let one = world.say(1, "a xylophone").await;
        world.check("xylophone", &[one]).await;
        let beside = |ending: &str| world.directory.path().join(DIRECTORY).with_extension(ending);
        let (next, former) = (beside("next"), beside("former"));
        fs::write(&next, "in the way").expect("written");
        let refused = world.search.reindex().await.expect_err("refused");
        assert!(refused.code == Code::ArchiveUnavailable && refused.sentence.contains("the old one stays"), "{refused:?}");
        world.check("xylophone", &[one]).await;
        fs::remove_file(&next).expect("removed");
        let two = world.say(1, "another xylophone").await;
        let made = world.search.reindex().await.expect("made again");
        assert!(made.bytes > 0 && !next.exists() && !former.exists());
        world.check("xylophone", &[two, one]).await;
        // What a killed process left is no index, and does not stay.
        let mut world = world
            .restart(|_| {
                fs::create_dir(&former).expect("a directory");
                fs::write(former.join("left"), "half").expect("written");
            })
            .await;
        assert!(!former.exists());
        let three = world.say(1, "this xylophone").await;
        world.check("xylophone", &[three, two, one]).await;
    });
}
