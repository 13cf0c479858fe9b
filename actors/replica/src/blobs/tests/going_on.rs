//! Uploads that are put down and taken up.

use super::*;

#[test]
fn an_upload_goes_on_where_it_was_put_down_and_gives_the_same() {
    let bytes = noise(1, 90 << 20);
    let mut other = Store::new();
    let expected = other.whole(1, &bytes);
    let mut store = Store::new();
    let begin = Begin { resumable: true, ..store.begin(1, bytes.len()) };
    let mut pieces = 0;
    let mut from = 0;
    let blob = loop {
        let mut upload = store.upload(begin);
        assert_eq!(upload.offset() as usize, from);
        // What lies between the last checkpoint and the end of the process comes again.
        for piece in bytes[from..].chunks(777_777).take(20) {
            upload.push(piece).expect("taken");
        }
        pieces += 1;
        let done = from + 20 * 777_777 >= bytes.len();
        if done {
            break store.finish(1, upload);
        }
        store.checkpoint(&mut upload);
        from = upload.offset() as usize;
        upload.push(b"something that is lost").expect("taken");
        drop(upload);
        store = store.reopened();
        let state = store.replica.snapshot().expect("a snapshot").upload(&begin.id).expect("read").expect("there");
        assert_eq!((state.offset as usize, state.length), (from, bytes.len() as u64));
    };
    assert!(pieces > 4);
    assert_eq!(blob, expected);
    assert!(store.read(&blob, 0..u64::MAX).expect("read") == bytes);
    assert_eq!(store.replica.snapshot().expect("a snapshot").upload(&begin.id).expect("read"), None, "it has ended");
}

#[test]
fn an_upload_is_one_and_for_one_thing() {
    let mut store = Store::new();
    let begin = Begin { resumable: true, ..store.begin(1, 9 << 20) };
    let mut upload = store.upload(begin);
    assert_eq!(store.replica.upload(begin).expect("asked").err(), Some(UploadRefused::Busy));
    upload.push(&noise(1, 5 << 20)).expect("taken");
    store.checkpoint(&mut upload);
    drop(upload);
    for other in [Begin { entity: [2; 16], ..begin }, Begin { length: 1, ..begin }] {
        assert_eq!(store.replica.upload(other).expect("asked").err(), Some(UploadRefused::Other));
    }
    assert!(store.upload(begin).offset() > 4 << 20);
}

#[test]
fn what_one_upload_gives_up_another_that_relies_on_it_keeps() {
    let mut store = Store::new();
    let bytes = noise(2, 5 << 20);
    let (first, second) = (store.begin(1, bytes.len()), store.begin(2, bytes.len()));
    let mut first = store.upload(first);
    first.push(&bytes).expect("taken");
    let mut second = store.upload(second);
    second.push(&bytes).expect("taken");
    drop(first);
    store.collect(0);
    let blob = store.finish(2, second);
    store.collect(0);
    let store = store.reopened();
    assert!(store.read(&blob, 0..u64::MAX).expect("read") == bytes);
}
