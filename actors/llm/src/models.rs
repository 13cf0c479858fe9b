//! Which models a server has, and which of them is meant by no name at all.

use std::{cell::RefCell, collections::VecDeque};

use ipc::{Code, Refusal, messages::llm::Wire};

use crate::{
    access::Access,
    errors::{Trouble, refusal},
    http::Http,
    wire,
};

/// Leases whose first model is remembered.
const MOST: usize = 64;

/// Asks a server for its models.
pub(crate) async fn list(http: &Http, access: &Access) -> Result<Vec<String>, Refusal> {
    let body = http.get(access, wire::models_path(access.profile().wire, access.origin())).await?;
    wire::models(&body).map_err(|trouble: Trouble| refusal(access, &trouble))
}

/// The first model of each lease, for as long as the process lives. Belongs to the thread of the service.
#[derive(Default)]
pub(crate) struct FirstModels {
    known: RefCell<VecDeque<(u64, Wire, String)>>,
}

impl FirstModels {
    /// The first model that the server lists.
    pub(crate) async fn get(&self, http: &Http, access: &Access, lease: u64) -> Result<String, Refusal> {
        let wire = access.profile().wire;
        if let Some(model) = self.known(lease, wire) {
            return Ok(model);
        }
        let model = list(http, access).await?.into_iter().next().ok_or_else(|| {
            let server = access.origin().name();
            Refusal::new(Code::ModelRefused, format!("{server} has no model; load one there, or name the one you mean"))
        })?;
        let mut known = self.known.borrow_mut();
        if known.len() == MOST {
            known.pop_front();
        }
        known.push_back((lease, wire, model.clone()));
        Ok(model)
    }

    fn known(&self, lease: u64, wire: Wire) -> Option<String> {
        let known = self.known.borrow();
        known.iter().find(|(of, over, _)| (*of, *over) == (lease, wire)).map(|(_, _, model)| model.clone())
    }
}
