//! The window's instance as an attached command line sees it: what it says of itself, what it is given, and when it holds
//! what the archive holds.

use std::time::{Duration, Instant};

use ipc::{
    Client, Code, Refusal,
    id::{CommandId, ConversationId, MessageId, TurnId},
    messages::{
        chat::{Author, Message, Part, Status},
        instance::{Give, Given, Link, ListRecent, ReadRecent, Standing, Stands},
        storage::{
            Act, Conversation, CreateConversation, Cursor, ListConversations, MAX_PAGE, ReadConversation, SetTitle, Statistics,
        },
    },
    policy::Permits,
    role::source,
    service::Method,
};

/// How long the two may take to agree before it counts as never.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(5);

type Cli = Client<source::Cli>;

/// Waits until the instance says that this is so.
pub async fn until(client: &Cli, what: &str, mut so: impl FnMut(&Stands) -> bool) -> Stands {
    let until = Instant::now() + PATIENCE;
    let mut last = None;
    while Instant::now() < until {
        let said = client.call(&Standing).await;
        if let Ok(stands) = &said
            && so(stands)
        {
            return stands.clone();
        }
        last = Some(said);
        tokio::time::sleep(LOOK).await;
    }
    panic!("it never came to this: {what}; the instance says {last:?}");
}

/// Waits until the instance lives beside the archive, everything it was given is done, and it holds everything the archive
/// holds.
pub async fn agree(client: &Cli) -> Stands {
    let until = Instant::now() + PATIENCE;
    let mut last = None;
    while Instant::now() < until {
        // What was carried between two questions would be counted in one answer and not in the other: so it is asked whether
        // anything waits before the archive counts.
        let before = client.call(&Standing).await;
        let counts = client.call(&Statistics).await;
        let stands = client.call(&Standing).await;
        if let (Ok(before), Ok(counts), Ok(stands)) = (&before, &counts, &stands)
            && (before.outbox.commands, stands.link, counts.unsigned) == (0, Link::Live, 0)
            && stands.held.events == counts.events
        {
            return stands.clone();
        }
        last = Some((counts, stands));
        tokio::time::sleep(LOOK).await;
    }
    panic!("the two never agree: {last:?}");
}

/// Asks again when it was asked too often in this second.
pub async fn patiently<M: Method>(client: &Cli, request: &M) -> M::Answer
where
    source::Cli: Permits<M>,
{
    loop {
        match client.call(request).await {
            Ok(answer) => return answer,
            Err(refusal) if refusal.code == Code::Busy => tokio::time::sleep(LOOK).await,
            Err(refusal) => panic!("{}: {refusal}", M::NAME),
        }
    }
}

/// All conversations the archive lists, and all the instance lists.
pub async fn lists(client: &Cli) -> [Vec<Conversation>; 2] {
    let (mut archive, mut instance) = (Vec::new(), Vec::new());
    let mut after: Option<Cursor> = None;
    loop {
        let page = patiently(client, &ListConversations { after, limit: MAX_PAGE }).await;
        archive.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    loop {
        let page = patiently(client, &ListRecent { after, limit: MAX_PAGE }).await;
        instance.extend(page.items);
        after = page.next;
        if after.is_none() {
            return [archive, instance];
        }
    }
}

/// The messages of a conversation as the archive has them, and as the instance has them.
pub async fn both(client: &Cli, id: ConversationId) -> [Vec<Message>; 2] {
    let (mut archive, mut instance) = (Vec::new(), Vec::new());
    let mut skip = Some(0);
    while let Some(from) = skip {
        let request = ReadConversation { id, skip: from, limit: MAX_PAGE };
        let page = patiently(client, &request).await;
        archive.extend(page.messages);
        skip = page.next;
    }
    let mut before = None;
    loop {
        // The newest come first.
        let page = patiently(client, &ReadRecent { id, before, limit: MAX_PAGE }).await;
        assert!(!page.missing, "something of {id:?} is not held and does not come");
        instance.splice(0..0, page.messages);
        before = page.next;
        if before.is_none() {
            return [archive, instance];
        }
    }
}

/// Fails if the archive and the instance do not list and hold the same, to the last word. They must agree.
pub async fn same(client: &Cli) -> Vec<(Conversation, Vec<Message>)> {
    let [archive, instance] = lists(client).await;
    assert_eq!(archive, instance, "the two list other conversations");
    let mut all = Vec::new();
    for conversation in archive {
        let [archive, instance] = both(client, conversation.id).await;
        assert_eq!(archive, instance, "the two hold other messages of {:?}", conversation.id);
        all.push((conversation, archive));
    }
    all
}

/// Gives a command.
pub async fn give(client: &Cli, id: [u8; 16], act: Act) -> Result<Given, Refusal> {
    client.call(&Give { id: CommandId(id), act }).await
}

/// To begin a conversation.
pub fn begin(id: [u8; 16], title: &str) -> Act {
    Act::Begin(CreateConversation { id: ConversationId(id), title: title.to_owned() })
}

/// To call it otherwise.
pub fn rename(id: [u8; 16], title: &str) -> Act {
    Act::Rename(SetTitle { id: ConversationId(id), title: title.to_owned() })
}

/// To note something in it.
pub fn note(id: [u8; 16], message: [u8; 16], words: &str) -> Act {
    Act::Say(Message {
        id: MessageId(message),
        conversation: ConversationId(id),
        turn: TurnId(message),
        author: Author::Person,
        parts: vec![Part::Text(words.to_owned())],
        attachments: Vec::new(),
        status: Status::Complete,
        made_by: String::new(),
        at_ms: 0,
    })
}
