//! What is on disk for ever has these bytes.

use super::*;

fn message() -> Message {
    Message {
        id: [1; 16],
        turn: [2; 16],
        author: Author::Assistant,
        parts: vec![Part::Text("hi".into()), Part::Result("c".into(), true, "4".into())],
        attachments: vec![Attached { id: [3; 16], name: "a.csv".into(), length: 5 }],
        status: Status::Stopped,
        made_by: "m".into(),
    }
}

/// What was written once must be read for ever: these bytes may not change.
#[test]
fn a_message_has_these_bytes() {
    let bytes = Body::Message(message()).to_bytes();
    let mut expected = vec![0x87, 0x50];
    expected.extend([1; 16]);
    expected.push(0x50);
    expected.extend([2; 16]);
    expected.extend([0x01, 0x82, 0x82, 0x00, 0x81, 0x62, b'h', b'i', 0x82, 0x03, 0x83, 0x61, b'c', 0xf5, 0x61, b'4']);
    expected.extend([0x81, 0x83, 0x50]);
    expected.extend([3; 16]);
    expected.extend([0x65, b'a', b'.', b'c', b's', b'v', 0x05, 0x01, 0x61, b'm']);
    assert_eq!(bytes, expected);
    assert_eq!(Body::from_bytes(MESSAGE, &bytes), Some(Body::Message(message())));
}

/// Small content is written as it was before there were blobs, and what was written then is read.
#[test]
fn content_has_these_bytes() {
    let small = Body::File(FileBody::new("user/a".into(), Content::Bytes(b"hi".to_vec())));
    let bytes = [&[0x82, 0x66][..], b"user/a", &[0x42], b"hi"].concat();
    assert_eq!(small.to_bytes(), bytes);
    assert_eq!(Body::from_bytes(FILE, &bytes), Some(small));
    let small = Body::Attachment(Attachment::new(None, Content::Bytes(b"hi".to_vec())));
    assert_eq!(small.to_bytes(), [0x81, 0x42, b'h', b'i']);
    assert_eq!(Body::from_bytes(ATTACHMENT, &[0x81, 0x42, b'h', b'i']), Some(small));

    let blob = Blob { length: 1 << 33, hash: [4; 32], levels: 1, entries: vec![5; 40] };
    let large = Body::File(FileBody::new("user/a".into(), Content::Blob(blob.clone())));
    let mut blob_bytes = vec![0x84, 0x1b, 0, 0, 0, 2, 0, 0, 0, 0, 0x58, 32];
    blob_bytes.extend([4; 32]);
    blob_bytes.extend([1, 0x58, 40]);
    blob_bytes.extend([5; 40]);
    let bytes = [&[0x83, 0x66][..], b"user/a", &[0x40], &blob_bytes].concat();
    assert_eq!(large.to_bytes(), bytes);
    assert_eq!(large.blob(), Some(&blob));
    assert_eq!(Body::from_bytes(FILE, &bytes), Some(large));
    let large = Body::Attachment(Attachment::new(Some([3; 16]), Content::Blob(blob)));
    let bytes = [&[0x83, 0x40, 0x50][..], &[3; 16], &blob_bytes].concat();
    assert_eq!(large.to_bytes(), bytes);
    assert_eq!(Body::from_bytes(ATTACHMENT, &bytes), Some(large));
}

/// Files were written before there were commits, and what was written without one has the same bytes still.
#[test]
fn a_file_without_a_commit_has_the_bytes_of_before() {
    let file = || FileBody::new("user/a".into(), Content::Bytes(vec![7]));
    let written = Body::File(file());
    assert_eq!(written.to_bytes(), [&[0x82, 0x66][..], b"user/a", &[0x41, 7]].concat());
    let removed = Body::FileRemoved(FileRemoved::new("user/a".into()));
    assert_eq!(removed.to_bytes(), [&[0x81, 0x66][..], b"user/a"].concat());
    let commit = Some(Commit { id: [1; 16], message: "why".into(), merge: None });
    for body in [
        written,
        removed,
        Body::File(FileBody { commit: commit.clone(), ..file() }),
        Body::FileRemoved(FileRemoved { commit, ..FileRemoved::new("user/a".into()) }),
    ] {
        assert_eq!(Body::from_bytes(body.kind(), &body.to_bytes()), Some(body));
    }
}

#[test]
fn kinds_have_names() {
    assert_eq!((name(FILE), name(999)), (Some("File"), None));
    assert_eq!((kind_called("fileremoved"), kind_called("nothing")), (Some(FILE_REMOVED), None));
}

#[test]
fn a_field_of_tomorrow_is_skipped() {
    #[derive(Encode)]
    struct Tomorrow {
        #[n(0)]
        title: String,
        #[n(7)]
        colour: String,
    }
    let bytes = minicbor::to_vec(Tomorrow { title: "t".into(), colour: "red".into() }).expect("bytes");
    assert_eq!(Body::from_bytes(TITLE, &bytes), Some(Body::Title(Title { title: "t".into() })));
}

#[test]
fn a_kind_of_tomorrow_is_carried() {
    assert_eq!(Body::from_bytes(999, b"anything"), Some(Body::Unknown(999)));
    assert_eq!(Body::from_bytes(MESSAGE, b"anything"), None);
}
