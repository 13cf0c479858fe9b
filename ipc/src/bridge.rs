//! Typed clients, made from the rows of the policy: a call for which the caller's role has no row does not compile.
//!
//! The window's client is [`Bridge`]; that it can ask for so little is not a rule it keeps but the list of methods it
//! has. What it holds is bytes and answers, never a socket, a key or a path.

use std::{marker::PhantomData, rc::Rc};

use crate::{
    endpoint::{Caller, Options, StreamCall},
    id::{Instance, TraceId},
    policy::Permits,
    refusal::Refusal,
    role::{Role, Source, source},
    service::Method,
};

/// What a process of role `S` may ask of the others.
pub struct Client<S> {
    caller: Rc<Caller>,
    trace: Option<TraceId>,
    source: PhantomData<S>,
}

/// The window's client: it *is* the rows whose source is `ui`.
pub type Bridge = Client<source::Ui>;

impl<S> Clone for Client<S> {
    fn clone(&self) -> Client<S> {
        Client { caller: Rc::clone(&self.caller), trace: self.trace, source: PhantomData }
    }
}

impl<S: Source> Client<S> {
    /// A client that speaks over `caller`.
    pub fn new(caller: Rc<Caller>) -> Client<S> {
        Client { caller, trace: None, source: PhantomData }
    }

    /// The same client for one request: all that it asks for belongs together and has this trace, unless it is asked on
    /// behalf of a call, whose trace it has then.
    #[must_use]
    pub fn within(&self, trace: TraceId) -> Client<S> {
        Client { trace: Some(trace), ..self.clone() }
    }

    fn traced(&self, options: Options) -> Options {
        Options { trace: options.trace.or(self.trace), ..options }
    }

    /// Asks the process that answers `M` and waits for its one answer.
    pub async fn call<M: Method>(&self, request: &M) -> Result<M::Answer, Refusal>
    where
        S: Permits<M>,
    {
        self.call_with(request, Options::default()).await
    }

    /// Like [`call`](Self::call), with a place, a deadline or a parent.
    pub async fn call_with<M: Method>(&self, request: &M, options: Options) -> Result<M::Answer, Refusal>
    where
        S: Permits<M>,
    {
        self.caller.call(request, destination::<M>(options)?, self.traced(options)).await
    }

    /// Opens a stream to the process that answers `M`.
    pub fn open<M: Method>(&self, request: &M, options: Options) -> Result<StreamCall<M>, Refusal>
    where
        S: Permits<M>,
    {
        self.caller.open(request, destination::<M>(options)?, self.traced(options))
    }
}

fn destination<M: Method>(options: Options) -> Result<(Role, Instance), Refusal> {
    let role = M::ROLE.or(options.role).ok_or_else(|| Refusal::internal(format!("know whom to ask for {}", M::NAME)))?;
    Ok((role, options.instance))
}
