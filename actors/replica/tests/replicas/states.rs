//! States as people would look at them: what two devices did at the same time, and what became of it.

use insta::assert_snapshot;
use replica::{
    By, Draft, Form,
    body::Body,
    state::{Act, Change, Element, Operation, Step, Value},
};

use crate::{
    dump::dump,
    world::{Device, begin, file, give, meet, on, rename, say},
};

const STATE: u8 = 0x30;

fn two() -> (Device, Device) {
    (Device::new(1), Device::new(2))
}

fn both(one: &mut Device, two: &mut Device) -> String {
    meet(one, two);
    assert_eq!(one.fingerprint(), two.fingerprint());
    let told = |device: &Device| dump(&device.replica.snapshot().unwrap(), &[one.id(), two.id()], &[[STATE; 16]]);
    assert_eq!(told(one), told(two));
    // How the state lies there is enough; the heads above it are in other tests.
    let all = told(one);
    all.split_once("  state").unwrap_or(("", "\n")).1.lines().skip(1).map(|line| format!("{}\n", &line[4..])).collect()
}

fn set(name: &str, value: impl Into<Value>) -> Operation {
    on(&[name], Act::Set(value.into()))
}

fn element(device: &Device, sequence: u64, operation: u32) -> Element {
    Element { device: replica::state::Device(device.id()), sequence, operation }
}

fn write(device: &mut Device, text: &str, chance: u64) {
    let state = device.replica.snapshot().unwrap().state(&[STATE; 16]).unwrap().unwrap_or_default();
    let edit = state.edit(&[Step::from("text")], text, chance).unwrap();
    device.change(STATE, vec![edit]);
}

#[test]
fn the_last_writer_wins_and_the_others_stay_in_history() {
    let (mut one, mut two) = two();
    one.change(STATE, vec![set("title", "first"), set("size", 3), set("gone", "x")]);
    meet(&mut one, &mut two);
    one.tick(5);
    two.tick(9);
    one.change(STATE, vec![set("title", "by one"), on(&["gone"], Act::Clear)]);
    two.change(STATE, vec![set("title", "by two"), set("gone", "written meanwhile")]);
    assert_snapshot!(both(&mut one, &mut two), @r#"
    gone:
      = "written meanwhile"
    size:
      = 3
    title:
      = "by two"
    "#);
    let snapshot = one.replica.snapshot().unwrap();
    assert_eq!(snapshot.history(&[STATE; 16], 0, 9).unwrap().len(), 3);
    assert_eq!(snapshot.entity_heads(&[STATE; 16]).unwrap().len(), 2, "two that were made at the same time");
    drop(snapshot);
    one.change(STATE, vec![set("title", "after both")]);
    assert_eq!(one.replica.snapshot().unwrap().entity_heads(&[STATE; 16]).unwrap().len(), 1);
    let last = one.replica.snapshot().unwrap().history(&[STATE; 16], 3, 9).unwrap().remove(0);
    assert_eq!(last.header.seen.len(), 2, "its author had seen both");
}

#[test]
fn adding_wins_over_removing() {
    let (mut one, mut two) = two();
    let member = |act: fn(Value) -> Act, number: i64| on(&["tags"], act(number.into()));
    one.change(STATE, vec![member(Act::Add, 1), member(Act::Add, 2), member(Act::Add, 3)]);
    meet(&mut one, &mut two);
    one.change(STATE, vec![member(Act::Remove, 1), member(Act::Remove, 2)]);
    two.change(STATE, vec![member(Act::Add, 1), member(Act::Remove, 3)]);
    assert_snapshot!(both(&mut one, &mut two), @r"
    tags:
      {1}
    ");
}

#[test]
fn a_list_keeps_its_places() {
    let (mut one, mut two) = two();
    let insert = |after: Option<Element>, text: &str| on(&["steps"], Act::Insert(after, Some(text.into())));
    let (a, b, c) = (element(&one, 1, 0), element(&one, 1, 1), element(&one, 1, 2));
    one.change(STATE, vec![insert(None, "a"), insert(Some(a), "b"), insert(Some(b), "c")]);
    meet(&mut one, &mut two);
    // Both write in a row behind the same; both move the same; one removes what the other writes behind.
    let mine = element(&one, 2, 0);
    let behind = on(&["steps"], Act::Move(c, None));
    one.change(STATE, vec![insert(Some(a), "one 1"), insert(Some(mine), "one 2"), behind]);
    two.tick(1);
    let theirs = element(&two, 1, 0);
    two.change(
        STATE,
        vec![insert(Some(a), "two 1"), insert(Some(theirs), "two 2"), on(&["steps"], Act::Delete(a)), {
            let path = vec![Step::from("steps"), Step::Element(b), Step::from("note")];
            Operation { path, act: Act::Set("inside".into()) }
        }],
    );
    assert_snapshot!(both(&mut one, &mut two), @r#"
    steps:
      - A1.2
        = "c"
      - A1.0 removed
      - B1.0
        = "two 1"
      - B1.1
        = "two 2"
      - A2.0
        = "one 1"
      - A2.1
        = "one 2"
      - A1.1
        = "b"
        note:
          = "inside"
    "#);
}

#[test]
fn maps_nest_and_what_is_cleared_takes_what_was_seen() {
    let (mut one, mut two) = two();
    one.change(STATE, vec![on(&["model", "limits", "tokens"], Act::Set(5.into())), on(&["model", "name"], Act::Set("m".into()))]);
    meet(&mut one, &mut two);
    one.change(STATE, vec![on(&["model"], Act::Clear)]);
    two.change(STATE, vec![on(&["model", "limits", "seconds"], Act::Set(Value::fraction(0.5)))]);
    assert_snapshot!(both(&mut one, &mut two), @r"
    model:
      limits:
        seconds:
          = 0.5
    ");
    let deep: Vec<&str> = vec!["x"; replica::state::MAX_DEPTH + 1];
    let body = Body::Change(Change { operations: vec![on(&deep, Act::Set(1.into()))] });
    let draft = Draft { entity: [STATE; 16], body, once: None };
    assert_eq!(one.try_append(&draft), Err(replica::Refused::TooLarge));
    let many = Body::Change(Change { operations: vec![on(&["n"], Act::Increment(1)); replica::state::MAX_OPERATIONS + 1] });
    assert_eq!(one.try_append(&Draft { body: many, ..draft }), Err(replica::Refused::TooLarge));
}

#[test]
fn a_field_used_as_two_things_at_once_is_both() {
    let (mut one, mut two) = two();
    one.change(STATE, vec![set("x", "words")]);
    two.change(STATE, vec![on(&["x"], Act::Add(7.into())), on(&["x"], Act::Increment(2))]);
    assert_snapshot!(both(&mut one, &mut two), @r#"
    x:
      = "words"
      {7}
      + 2
    "#);
}

#[test]
fn no_count_is_lost() {
    let (mut one, mut two) = two();
    for _ in 0..3 {
        one.change(STATE, vec![on(&["n"], Act::Increment(2))]);
        two.change(STATE, vec![on(&["n"], Act::Increment(-1))]);
    }
    meet(&mut one, &mut two);
    two.change(STATE, vec![on(&["n"], Act::Increment(i64::MAX))]);
    two.change(STATE, vec![on(&["n"], Act::Increment(-10))]);
    assert!(both(&mut one, &mut two).contains(&format!("+ {}", i64::MAX - 7)));
}

#[test]
fn texts_merge_and_say_so_until_someone_has_looked() {
    let (mut one, mut two) = two();
    write(&mut one, "Ask before you delete.", 1);
    meet(&mut one, &mut two);
    write(&mut one, "Always ask before you delete.", 2);
    write(&mut two, "Ask before you delete. 東京", 3);
    assert_snapshot!(both(&mut one, &mut two), @r#"
    text:
      text "Always ask before you delete. 東京" merged
    "#);
    assert!(two.replica.snapshot().unwrap().state(&[STATE; 16]).unwrap().unwrap().is_merged());
    // Going on writing is not looking.
    write(&mut one, "Always ask before you delete anything. 東京", 4);
    assert!(both(&mut one, &mut two).contains("merged"));
    two.change(STATE, vec![on(&["text"], Act::Reviewed)]);
    assert_snapshot!(both(&mut one, &mut two), @r#"
    text:
      text "Always ask before you delete anything. 東京"
    "#);
    // A review that had not seen the other's change does not count for it.
    write(&mut one, "One.", 5);
    two.change(STATE, vec![on(&["text"], Act::Reviewed)]);
    write(&mut two, "Two.", 6);
    assert!(both(&mut one, &mut two).contains("merged"));
}

#[test]
fn a_text_written_in_turn_is_not_marked() {
    let (mut one, mut two) = two();
    for turn in 0..6 {
        let text = format!("version {turn}");
        write(if turn % 2 == 0 { &mut one } else { &mut two }, &text, turn + 1);
        meet(&mut one, &mut two);
    }
    assert_snapshot!(both(&mut one, &mut two), @r#"
    text:
      text "version 5"
    "#);
}

#[test]
fn a_text_is_written_as_it_stands_in_the_transaction() {
    let (mut one, mut two) = two();
    let path = [Step::from("text")];
    for text in ["one", "one and two", "two, not one"] {
        one.writer.write(|batch| batch.write_text(&[STATE; 16], &path, text)).unwrap().unwrap();
    }
    assert_snapshot!(both(&mut one, &mut two), @r#"
    text:
      text "two, not one"
    "#);
}

#[test]
fn an_update_that_is_none_changes_nothing() {
    let (mut one, mut two) = two();
    write(&mut one, "words", 1);
    one.change(STATE, vec![on(&["text"], Act::Text(b"no update".to_vec()))]);
    assert_snapshot!(both(&mut one, &mut two), @r#"
    text:
      text "words"
    "#);
}

#[test]
fn who_refers_to_a_thing_is_known() {
    let (mut one, mut two) = two();
    let refer = |target: u8| Act::Set(Value::Reference([target; 16]));
    one.change(STATE, vec![on(&["parent"], refer(1)), on(&["others"], Act::Add(Value::Reference([2; 16])))]);
    one.change(0x31, vec![on(&["parent"], refer(1))]);
    meet(&mut one, &mut two);
    // By states, and how many events ever said so.
    let to = |device: &Device, target: u8| {
        let found = device.replica.snapshot().unwrap().references_to(&[target; 16], None, 9).unwrap();
        assert!(!found.more && found.items.iter().all(|found| found.target == [target; 16]));
        let (states, events): (Vec<_>, Vec<_>) = found.items.into_iter().partition(|found| found.by == By::State);
        (states.into_iter().map(|found| found.source[0]).collect::<Vec<_>>(), events.len())
    };
    assert_eq!(to(&two, 1), (vec![STATE, 0x31], 2));
    two.change(STATE, vec![on(&["parent"], refer(3))]);
    meet(&mut one, &mut two);
    // What a state says no more, an event of its history says still.
    assert_eq!((to(&one, 1), to(&one, 2), to(&one, 3)), ((vec![0x31], 2), (vec![STATE], 1), (vec![STATE], 1)));
    one.append(&Draft::erase_entity([STATE; 16], None));
    assert_eq!((to(&one, 1), to(&one, 2), to(&one, 3)), ((vec![0x31], 1), (vec![], 0), (vec![], 0)));
}

#[test]
fn one_change_is_erased_and_the_others_stay() {
    let (mut one, mut two) = two();
    one.change(STATE, vec![set("a", 1)]);
    let kept = one.change(STATE, vec![set("a", 2), set("secret", "x")]);
    one.change(STATE, vec![set("b", 3)]);
    meet(&mut one, &mut two);
    two.append(&Draft::erase_event([STATE; 16], kept.id));
    assert_snapshot!(both(&mut one, &mut two), @r"
    a:
      = 1
    b:
      = 3
    ");
}

#[test]
fn everything_there_is() {
    let (mut one, mut two) = two();
    one.append(&begin(1, "Plans"));
    one.append(&say(1, 1, "hello"));
    two.append(&file(0x20, b"bytes"));
    meet(&mut one, &mut two);
    one.tick(1);
    one.append(&rename(1, "Plans for May"));
    two.append(&rename(1, "Plans for June"));
    two.append(&Draft { entity: [1; 16], body: Body::Unknown(999), once: None });
    let body = Body::Change(Change { operations: vec![on(&["chat"], Act::Set(Value::Reference([1; 16])))] });
    two.append(&Draft { entity: [STATE; 16], body, once: None });
    let erased = one.append(&say(1, 2, "not for long"));
    one.append(&Draft::erase_event([1; 16], erased.id));
    meet(&mut one, &mut two);
    give(&mut one, &mut two, Form::Open);
    let all = |device: &Device| {
        let entities = [[1; 16], [0x20; 16], [STATE; 16], replica::body::ERASURES];
        dump(&device.replica.snapshot().unwrap(), &[one.id(), two.id()], &entities)
    };
    assert_eq!(all(&one), all(&two));
    assert_snapshot!(all(&one));
}
