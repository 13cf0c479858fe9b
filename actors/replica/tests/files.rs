//! Versions of files and the inspector's numbers, of a store alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::collections::BTreeMap;

use replica::{
    Beginning, Draft, KindSize, Replica, StoreKeys, Which,
    body::{self, Body, Commit, Content, FileBody, FileRemoved, Title},
};

const DEVICE: [u8; 32] = [2; 32];

fn open() -> (tempfile::TempDir, Replica) {
    let directory = tempfile::tempdir().unwrap();
    let replica = Replica::open(directory.path(), StoreKeys::new(&[7; 32], [1; 16], DEVICE)).unwrap();
    (directory, replica)
}

fn file(entity: u8, text: &str) -> Draft {
    let commit = Some(Commit { id: [9; 16], message: text.to_owned(), merge: None });
    let body =
        Body::File(FileBody { commit, ..FileBody::new(format!("user/{entity}"), Content::Bytes(text.as_bytes().to_vec())) });
    Draft { entity: [entity; 16], body, once: None }
}

fn removed(entity: u8) -> Draft {
    let body = Body::FileRemoved(FileRemoved::new(format!("user/{entity}")));
    Draft { entity: [entity; 16], body, once: None }
}

fn keep(replica: &Replica, drafts: &[Draft]) -> Vec<[u8; 32]> {
    let mut writer = replica.writer().unwrap();
    writer.write(|batch| drafts.iter().map(|draft| Ok(batch.append(draft)?.unwrap().id)).collect()).unwrap()
}

#[test]
fn versions_come_newest_first_page_by_page_and_of_one_file_alone() {
    let (_directory, replica) = open();
    let drafts: Vec<Draft> = (0..9).map(|number| if number == 4 { removed(5) } else { file(5, &number.to_string()) }).collect();
    let ids = keep(&replica, &drafts);
    // Neighbours in the index.
    keep(&replica, &[file(4, "x"), file(6, "y")]);
    let snapshot = replica.snapshot().unwrap();
    for (limit, bytes) in [(1, 1 << 20), (4, 1 << 20), (100, 1 << 20), (100, 1)] {
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = snapshot.versions(&[5; 16], before, limit, bytes).unwrap();
            assert!(!page.items.is_empty() && page.items.len() <= limit);
            before = page.items.last().map(|version| (version.event.clock().0, version.event.position));
            found.extend(page.items);
            if !page.more {
                break;
            }
        }
        let expected: Vec<[u8; 32]> = ids.iter().rev().copied().collect();
        assert_eq!(found.iter().map(|version| version.event.id).collect::<Vec<_>>(), expected, "{limit} {bytes}");
        assert!(matches!(&found[4].body, Some(Body::FileRemoved(_))));
    }
    assert_eq!(snapshot.versions(&[7; 16], None, 10, 1).unwrap().items, []);
    assert!(matches!(snapshot.version(&ids[0]).unwrap().unwrap().body, Some(Body::File(file)) if file.bytes == b"0"));
    assert_eq!(snapshot.version(&[0; 32]).unwrap(), None);
    assert_eq!(snapshot.file_view(&[5; 16]).unwrap().unwrap().length, 1);
    let views = snapshot.file_views(None, 2).unwrap();
    assert_eq!(views.len(), 2);
    assert_eq!(snapshot.file_views(Some(&views[1].0), 9).unwrap().len(), 1);
}

#[test]
fn events_are_listed_and_added_up_as_they_are() {
    let (_directory, replica) = open();
    let title = |entity: u8| Draft { entity: [entity; 16], body: Body::Conversation(Title { title: "t".into() }), once: None };
    let ids = keep(&replica, &[title(1), file(5, "a"), title(2), file(5, &"long ".repeat(500)), removed(5)]);
    let snapshot = replica.snapshot().unwrap();
    let listed = |which| -> Vec<[u8; 32]> {
        let (mut found, mut next) = (Vec::new(), 0);
        loop {
            let page = snapshot.listed(which, next, 1).unwrap();
            found.extend(page.items.iter().map(|listed| listed.event.id));
            if !page.more {
                return found;
            }
            next = if let Which::Entity(_) = which { next + 1 } else { page.items[0].event.position };
        }
    };
    let pick = |indexes: &[usize]| indexes.iter().map(|index| ids[*index]).collect::<Vec<_>>();
    assert_eq!(listed(Which::All), pick(&[4, 3, 2, 1, 0]));
    assert_eq!(listed(Which::Kind(body::FILE)), pick(&[3, 1]));
    assert_eq!(listed(Which::Kind(999)), pick(&[]));
    assert_eq!(listed(Which::Entity([5; 16])), pick(&[4, 3, 1]));

    let heads = snapshot.newest_of_authors().unwrap();
    assert_eq!((heads.len(), heads[0].author, heads[0].sequence, heads[0].id), (1, DEVICE, 5, ids[4]));
    let digits: String = ids[3].iter().map(|byte| format!("{byte:02x}")).collect();
    // A beginning of one digit fits others too, now and then.
    assert!(snapshot.beginning(&digits[..1], 10).unwrap().events.contains(&ids[3]));
    for length in [9, 10, 64] {
        assert_eq!(snapshot.beginning(&digits[..length], 4).unwrap().events, [ids[3]], "odd and even numbers of digits");
    }
    assert_eq!(snapshot.beginning("050505", 4).unwrap().entities, [[5; 16]]);
    assert_eq!(snapshot.beginning("", 2).unwrap().events.len(), 2, "no more than asked for");
    assert_eq!(snapshot.beginning("xyz", 4).unwrap(), Beginning::default());

    let sizes = |limit: usize| -> BTreeMap<u16, KindSize> {
        let (mut sizes, mut after) = (BTreeMap::new(), 0);
        while let Some(last) = snapshot.add_up(after, limit, &mut sizes).unwrap() {
            after = last;
        }
        sizes
    };
    let whole = sizes(100);
    assert_eq!(whole, sizes(1));
    assert_eq!((whole[&body::FILE].events, whole[&body::FILE].unsigned, whole[&body::FILE].erased), (2, 2, 0));
    assert_eq!(whole.values().map(|size| size.events).sum::<u64>(), 5);
    let all = snapshot.listed(Which::All, 0, 100).unwrap().items;
    assert_eq!(whole.values().map(|size| size.sealed).sum::<u64>(), all.iter().map(|listed| listed.sealed.unwrap()).sum::<u64>());
    let tables = snapshot.tables().unwrap();
    let rows = |name: &str| tables.iter().find(|size| size.name == name).unwrap().entries;
    assert_eq!((rows("event"), rows("body"), rows("file"), rows("conversation")), (5, 5, 1, 2));
    let room = replica.room().unwrap();
    assert!(tables.iter().map(|size| size.bytes).sum::<u64>() <= room.file && room.file < room.reserved);
}
