//! Asking a model: the request, and its answer as events of the turn.

use ipc::{
    Client, Refusal,
    endpoint::Options,
    id::CallId,
    messages::llm::{Complete, ModelChoice, Said},
    role::source,
};
use tokio::sync::mpsc;

use crate::{prompt, turn::Event};

/// Most tokens a model may write at once.
const MAX_TOKENS: u32 = 8192;

/// Asks, and passes on what comes until it ends.
pub(crate) async fn ask(
    client: Client<source::Agent>,
    parent: CallId,
    model: ModelChoice,
    system: String,
    messages: Vec<Said>,
    events: mpsc::Sender<Event>,
) {
    let request = Complete { model, system, messages, tools: prompt::tools(), max_tokens: MAX_TOKENS };
    let ended = match client.open(&request, Options::default().for_call(parent)) {
        Ok(mut stream) => loop {
            match stream.next().await {
                Some(Ok(piece)) => {
                    if events.send(Event::Model(piece)).await.is_err() {
                        return;
                    }
                }
                Some(Err(refusal)) => break Err(refusal),
                None => break stream.answer().await,
            }
        },
        Err(refusal) => Err(refusal),
    };
    // The turn may be over.
    let _ = events.send(Event::ModelEnded(ended.map_err(in_words))).await;
}

/// The model process itself has died: what to do is to ask again.
fn in_words(refusal: Refusal) -> Refusal {
    match refusal.death {
        Some(death) => Refusal { sentence: format!("the model process {death} while it spoke"), ..refusal },
        None => refusal,
    }
}
