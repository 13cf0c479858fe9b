//! What is in a volume, asked over the wire while the archive may be dying.

use std::time::{Duration, Instant};

use ipc::messages::storage::{ListFiles, MAX_PAGE};

use crate::wire::Attached;

/// The paths that begin so. Who asks in the moment of a death asks again.
pub async fn there(attached: &Attached, prefix: &str) -> Vec<String> {
    let mut request = ListFiles { prefix: prefix.to_owned(), after: String::new(), limit: MAX_PAGE };
    let mut paths: Vec<String> = Vec::new();
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        match attached.client.call(&request).await {
            Ok(page) => {
                paths.extend(page.items.into_iter().map(|file| file.path));
                match paths.last() {
                    Some(last) if page.more => request.after.clone_from(last),
                    _ => return paths,
                }
            }
            // It is being started again.
            Err(refusal) => {
                assert!(Instant::now() < until, "it never comes back: {refusal}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
