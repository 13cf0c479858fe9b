//! What there is to ask: a face has routes, each of them one path, and answers what is asked of one with the body as it came.
//! A path is compared as it is written: there is no other spelling of one.

use bytes::Bytes;

use crate::{
    credentials::Credentials,
    problem::{Answer, Problem},
};

/// What is served. A face that is added is a line in each of the two functions.
pub(crate) enum Face {
    /// The VC-API.
    Credentials(Credentials),
}

/// One thing that can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// Its path.
    pub(crate) path: &'static str,
}

impl Face {
    /// What is asked for, if it is there.
    pub(crate) fn find(&self, path: &str) -> Option<Route> {
        let routes = match self {
            Face::Credentials(_) => Credentials::ROUTES,
        };
        routes.iter().find(|route| route.path == path).copied()
    }

    /// Answers what was asked.
    pub(crate) async fn answer(&self, route: Route, body: Bytes) -> Result<Answer, Problem> {
        match self {
            Face::Credentials(face) => face.answer(route, &body).await,
        }
    }
}
