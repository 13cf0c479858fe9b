//! What is kept: conversations with messages of words, the same in every run.

use std::path::Path;

use replica::{
    Draft, Replica, StoreKeys,
    body::{Author, Body, Message, Part, Status, Title},
};

/// Numbers that are the same in every run (xorshift, Marsaglia 2003).
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Words, which compress about as well as those of people.
    pub fn text(&mut self, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes + 20);
        while text.len() < bytes {
            let mut word = Chance(self.below(5000) as u64 * 7919 + 88_172_645_463_325_252);
            (0..2 + word.below(3))
                .for_each(|_| text.push_str(["ka", "mer", "lo", "tun", "si", "bra", "ve", "on"][word.below(8)]));
            text.push(' ');
        }
        text
    }
}

pub fn keys() -> StoreKeys {
    StoreKeys::new(&[1; 32], [2; 16], [3; 32])
}

pub fn open(directory: &Path) -> Replica {
    Replica::open(directory, keys()).unwrap()
}

pub fn name(number: usize) -> [u8; 16] {
    let mut id = [0x5a; 16];
    id[..8].copy_from_slice(blake3::hash(&(number as u64).to_le_bytes()).as_bytes().first_chunk::<8>().unwrap());
    id[8..].copy_from_slice(&(number as u64).to_le_bytes());
    id
}

pub fn begin(entity: [u8; 16], title: String) -> Draft {
    Draft { entity, body: Body::Conversation(Title { title }), once: Some(entity) }
}

pub fn say(entity: [u8; 16], number: usize, text: String) -> Draft {
    let id = name(number);
    let message = Message {
        id,
        turn: id,
        author: if number.is_multiple_of(2) { Author::Person } else { Author::Assistant },
        parts: vec![Part::Text(text)],
        attachments: Vec::new(),
        status: Status::Complete,
        made_by: String::new(),
    };
    Draft { entity, body: Body::Message(message), once: Some(id) }
}
