//! The methods as calls: who asked, whether he may, and who does it.

use std::{future::Future, path::PathBuf, rc::Rc, sync::Arc};

use actix::Addr;
use credentials::membership::Permission;
use ipc::{
    Code, Instance, Refusal, Role,
    endpoint::{Events, Incoming, Reply},
    id::ConversationId,
    messages::{
        common::Done,
        storage::{self as wire, Counts, Journalled, Request},
    },
    service::Method,
};
use replica::Replica;

use crate::{
    anchor::Anchors,
    attachments,
    bindings::Bindings,
    contents, conversations,
    errors::{ours, refusal},
    follow,
    grants::{self, Rights},
    inspect,
    journal::{Append, Journals, Recover},
    keep::{Derived, Keep, backup, erase, export, restore, verify},
    memory::{self, Memory},
    references,
    search::Search,
    secrets,
    signer::Signer,
    sync,
    volumes::{
        self,
        branches::{compare, manage, merge},
        commit::Gathering,
        history,
        names::Names,
        walk,
    },
    writer::WriterHandle,
};

/// What of that which the window may ask changes something.
const WRITES: &[u16] = &[
    wire::SetTitle::NUMBER,
    wire::CommitFiles::NUMBER,
    wire::RollBack::NUMBER,
    wire::MakeBranch::NUMBER,
    wire::MergeBranch::NUMBER,
    wire::EndBranch::NUMBER,
    wire::Carry::NUMBER,
];

/// What an answer is made with.
pub(crate) struct Service {
    replica: Replica,
    writer: WriterHandle,
    journals: Addr<Journals>,
    signer: Signer,
    search: Search,
    bindings: Bindings,
    directory: PathBuf,
    names: Names,
    gathering: Gathering,
    keep: Keep,
    memory: Memory,
    anchors: Anchors,
    rights: Rights,
}

/// Answers until the supervisor has gone or wants no more; then signs what is left.
pub(crate) async fn run(service: Service, events: Events) {
    let service = Rc::new(service);
    let handler = Rc::clone(&service);
    let (restoring, signer) = (Rc::downgrade(&service), service.signer.clone());
    let busy = move || restoring.upgrade().is_none_or(|service| service.keep.is_restoring());
    memory::hourly(&service.memory, busy, Rc::new(move || signer.kept()));
    let mending = Rc::downgrade(&service);
    actix::spawn(async move {
        if let Some(service) = mending.upgrade() {
            restore::go_on(&service.derived(), &service.directory).await;
        }
    });
    ipc::endpoint::serve(events, move |incoming| {
        let service = Rc::clone(&handler);
        async move { service.answer(incoming).await }
    })
    .await;
    service.anchors.if_due().await;
    // What could not be signed now is signed at the next start.
    let _ = service.signer.sign_all().await;
}

impl Service {
    #[expect(clippy::too_many_arguments, reason = "each is a room of the archive, and all are made where it opens")]
    pub(crate) fn new(
        directory: PathBuf,
        replica: Replica,
        writer: WriterHandle,
        journals: Addr<Journals>,
        signer: Signer,
        search: Search,
        anchors: Anchors,
        rights: Rights,
    ) -> Service {
        let names = Names::new(replica.clone());
        let clearing = erase::Clearing::new(&directory);
        clearing.go_on(&replica, &writer);
        let (bindings, gathering, keep) = (Bindings::default(), Gathering::default(), Keep::default());
        let memory = Memory::new(replica.clone(), writer.clone(), clearing, Arc::new(contents::now));
        Service {
            replica,
            writer,
            journals,
            signer,
            search,
            bindings,
            directory,
            names,
            gathering,
            keep,
            memory,
            anchors,
            rights,
        }
    }

    async fn answer(&self, incoming: Incoming) {
        let who = incoming.source();
        let may = |conversation| self.bindings.check(who, conversation);
        let (replica, writer, journals, names) = (&self.replica, &self.writer, &self.journals, &self.names);
        if let Err(refusal) = self.lets_in(who.0, incoming.method()) {
            incoming.refuse(&refusal);
            return;
        }
        match Request::decode(incoming.method(), incoming.body()) {
            Ok(Request::CreateConversation(request)) => {
                let work = async {
                    may(request.id)?;
                    conversations::create(replica, writer, request).await
                };
                self.write::<wire::CreateConversation>(incoming, work).await;
            }
            Ok(Request::AppendMessage(request)) => {
                let work = async {
                    may(request.message.conversation)?;
                    conversations::append(writer, journals, request).await
                };
                self.write::<wire::AppendMessage>(incoming, work).await;
            }
            Ok(Request::SetTitle(request)) => {
                let work = async {
                    may(request.id)?;
                    conversations::set_title(writer, request).await
                };
                self.write::<wire::SetTitle>(incoming, work).await;
            }
            Ok(Request::AppendTrace(request)) => {
                let work = async {
                    may(request.trace.conversation)?;
                    conversations::append_trace(writer, request).await
                };
                self.write::<wire::AppendTrace>(incoming, work).await;
            }
            Ok(Request::RemoveFile(request)) => {
                self.write::<wire::RemoveFile>(incoming, volumes::remove(replica, writer, who.0, request)).await
            }
            Ok(Request::PutAttachment(request)) => {
                let mut reply = incoming.reply::<wire::PutAttachment>();
                let work = async {
                    may(request.conversation)?;
                    attachments::put(replica, writer, request, &mut reply).await
                };
                let result = work.await;
                self.kept(reply, result);
            }
            Ok(Request::WriteFile(request)) => {
                let mut reply = incoming.reply::<wire::WriteFile>();
                let result = volumes::write(replica, writer, request, &mut reply).await;
                self.kept(reply, result);
            }
            Ok(Request::GetAttachment(request)) => {
                let reply = incoming.reply::<wire::GetAttachment>();
                let work = async {
                    may(request.conversation)?;
                    attachments::get(replica, request, &reply).await
                };
                let result = work.await;
                reply.finish(result);
            }
            Ok(Request::ReadFile(request)) => {
                let reply = incoming.reply::<wire::ReadFile>();
                let result = volumes::read(replica, request, &reply).await;
                reply.finish(result);
            }
            Ok(Request::Follow(request)) => {
                let reply = incoming.reply::<wire::Follow>();
                let result = follow::follow(replica, writer, request, &reply).await;
                reply.finish(result);
            }
            Ok(Request::ReadConversation(request)) => {
                let work = async {
                    may(request.id)?;
                    conversations::read(replica, journals, request).await
                };
                read::<wire::ReadConversation>(incoming, work).await;
            }
            Ok(Request::Journal(request)) => read::<wire::Journal>(incoming, self.journal(who, request)).await,
            Ok(Request::BindAgent(request)) => read::<wire::BindAgent>(incoming, self.bind(request)).await,
            Ok(Request::ReleaseAgent(request)) => read::<wire::ReleaseAgent>(incoming, self.release(request)).await,
            Ok(Request::ListConversations(request)) => {
                read::<wire::ListConversations>(incoming, async { conversations::list(replica, request) }).await;
            }
            Ok(Request::ListTraces(request)) => {
                read::<wire::ListTraces>(incoming, async { conversations::traces(replica, request) }).await
            }
            Ok(Request::ListFiles(request)) => read::<wire::ListFiles>(incoming, volumes::list(names, who.0, &request)).await,
            Ok(Request::Search(request)) => read::<wire::Search>(incoming, self.search.find(request)).await,
            Ok(Request::Reindex(_)) => read::<wire::Reindex>(incoming, self.search.reindex()).await,
            Ok(Request::ListMemory(request)) => read::<wire::ListMemory>(incoming, self.memory.list(request)).await,
            Ok(Request::QueryMemory(request)) => read::<wire::QueryMemory>(incoming, self.memory.query(request)).await,
            Ok(Request::ShowMemory(request)) => read::<wire::ShowMemory>(incoming, self.memory.show(request)).await,
            Ok(Request::RunMemory(_)) => self.write::<wire::RunMemory>(incoming, self.move_memory()).await,
            Ok(Request::UploadStatus(request)) => {
                read::<wire::UploadStatus>(incoming, async { contents::status(replica, request) }).await;
            }
            Ok(Request::Statistics(_)) => read::<wire::Statistics>(incoming, async { self.counts() }).await,
            Ok(Request::CommitFiles(request)) => {
                let mut reply = incoming.reply::<wire::CommitFiles>();
                let result = volumes::commit::commit(replica, writer, &self.gathering, request, &mut reply).await;
                self.kept(reply, result);
            }
            Ok(Request::ListVersions(request)) => {
                read::<wire::ListVersions>(incoming, async { history::versions(replica, who.0, &request) }).await;
            }
            Ok(Request::ReadVersion(request)) => {
                let reply = incoming.reply::<wire::ReadVersion>();
                let result = history::read(replica, request, &reply).await;
                reply.finish(result);
            }
            Ok(Request::RollBack(request)) => {
                self.write::<wire::RollBack>(incoming, history::roll_back(replica, writer, who.0, request)).await;
            }
            Ok(Request::MakeBranch(request)) => {
                self.write::<wire::MakeBranch>(incoming, manage::make(replica, writer, who.0, request)).await;
            }
            Ok(Request::ListBranches(request)) => {
                read::<wire::ListBranches>(incoming, manage::list(names, who.0, &request)).await;
            }
            Ok(Request::CompareBranch(request)) => {
                read::<wire::CompareBranch>(incoming, compare::compare(names, who.0, &request)).await;
            }
            Ok(Request::MergeBranch(request)) => {
                let mut reply = incoming.reply::<wire::MergeBranch>();
                let result = merge::merge(names, writer, &self.gathering, request, &mut reply).await;
                self.kept(reply, result);
            }
            Ok(Request::EndBranch(request)) => {
                self.write::<wire::EndBranch>(incoming, manage::end(names, writer, who.0, request)).await;
            }
            Ok(Request::FindFile(request)) => {
                read::<wire::FindFile>(incoming, async { history::find(replica, who.0, &request) }).await;
            }
            Ok(Request::GlobFiles(request)) => {
                read::<wire::GlobFiles>(incoming, walk::glob(names, who.0, &request)).await;
            }
            Ok(Request::ListRemoved(request)) => {
                read::<wire::ListRemoved>(incoming, volumes::list_removed(names, who.0, &request)).await;
            }
            Ok(Request::ListFolder(request)) => {
                read::<wire::ListFolder>(incoming, walk::list(names, who.0, &request)).await;
            }
            Ok(Request::ListObjects(request)) => {
                read::<wire::ListObjects>(incoming, async { inspect::list(replica, request) }).await;
            }
            Ok(Request::FindObjects(request)) => {
                read::<wire::FindObjects>(incoming, async { inspect::find(replica, &request) }).await;
            }
            Ok(Request::ShowObject(request)) => {
                read::<wire::ShowObject>(incoming, async { inspect::show(replica, request) }).await;
            }
            Ok(Request::ListReferences(request)) => {
                read::<wire::ListReferences>(incoming, async { references::list(replica, request) }).await;
            }
            Ok(Request::ListHeads(_)) => read::<wire::ListHeads>(incoming, async { inspect::heads(replica) }).await,
            Ok(Request::Measure(_)) => {
                read::<wire::Measure>(incoming, inspect::measure(replica, names, &self.directory)).await;
            }
            Ok(Request::Erase(request)) => {
                let known = (&self.memory, names);
                self.write::<wire::Erase>(incoming, erase::erase(replica, writer, journals, known, who.0, request)).await;
            }
            Ok(Request::VerifyAll(_)) => {
                let reply = incoming.reply::<wire::VerifyAll>();
                let result = verify::all(replica, &self.memory, &self.keep, &reply).await;
                reply.finish(result);
            }
            Ok(Request::Rebuild(_)) => {
                let work = async { self.derived().rebuild().await.map(|()| Done) };
                read::<wire::Rebuild>(incoming, work).await;
            }
            Ok(Request::FindBackup(_)) => read::<wire::FindBackup>(incoming, backup::folder(replica, &self.signer)).await,
            Ok(Request::BeginBackup(_)) => {
                let mut reply = incoming.reply::<wire::BeginBackup>();
                let result = backup::begin(replica, &self.keep, &mut reply).await;
                reply.finish(result);
            }
            Ok(Request::NextPack(_)) => {
                let reply = incoming.reply::<wire::NextPack>();
                let result = backup::next(&self.keep, &reply).await;
                reply.finish(result);
            }
            Ok(Request::EndBackup(request)) => {
                let reply = incoming.reply::<wire::EndBackup>();
                let result = backup::end(replica, &self.signer, &self.keep, request, &reply).await;
                reply.finish(result);
            }
            Ok(Request::OpenPoint(request)) => {
                let mut reply = incoming.reply::<wire::OpenPoint>();
                let result = restore::open(replica, &self.keep, &self.directory, request, &mut reply).await;
                reply.finish(result);
            }
            Ok(Request::TakePack(request)) => {
                let mut reply = incoming.reply::<wire::TakePack>();
                let result = restore::take(replica, writer, &self.keep, &self.directory, request, &mut reply).await;
                reply.finish(result);
            }
            Ok(Request::EndRestore(_)) => {
                read::<wire::EndRestore>(incoming, restore::end(replica, &self.derived(), &self.keep, &self.directory)).await;
            }
            Ok(Request::Export(request)) => {
                let reply = incoming.reply::<wire::Export>();
                let result = export::export(replica, &self.signer, request, &reply).await;
                reply.finish(result);
            }
            Ok(Request::Sync(_)) => {
                let mut reply = incoming.reply::<wire::Sync>();
                let result = sync::speak(replica, writer, &self.signer, &self.rights, &mut reply).await;
                reply.finish(result);
            }
            Ok(Request::Carry(request)) => {
                self.write::<wire::Carry>(incoming, sync::carry(writer, request)).await;
            }
            Ok(Request::PutSecret(request)) => {
                let work = async { secrets::put(replica, writer, self.memory.clearing(), request).await.map(|()| Done) };
                self.write::<wire::PutSecret>(incoming, work).await;
            }
            Ok(Request::ListSecrets(_)) => read::<wire::ListSecrets>(incoming, async { secrets::list(replica) }).await,
            Ok(Request::RemoveSecret(request)) => {
                let work = secrets::remove(replica, writer, self.memory.clearing(), request);
                self.write::<wire::RemoveSecret>(incoming, work).await;
            }
            Ok(Request::AnchorAudit(request)) => {
                read::<wire::AnchorAudit>(incoming, self.anchors.anchor(request)).await;
            }
            Ok(Request::Provision(request)) => {
                read::<wire::Provision>(incoming, async { grants::provision(&self.rights, &request) }).await;
            }
            Ok(Request::KeepMember(request)) => {
                self.write::<wire::KeepMember>(incoming, grants::keep(&self.rights, writer, request)).await;
            }
            Ok(Request::ListMembers(request)) => {
                read::<wire::ListMembers>(incoming, async { grants::list(&self.rights, request) }).await;
            }
            Ok(Request::ShowMember(request)) => {
                read::<wire::ShowMember>(incoming, async { grants::show(&self.rights, &request) }).await;
            }
            Ok(Request::RevokeMember(request)) => {
                self.write::<wire::RevokeMember>(incoming, grants::revoke(&self.rights, writer, request)).await;
            }
            Ok(Request::ChangeAccess(request)) => {
                self.write::<wire::ChangeAccess>(incoming, grants::change_access(&self.rights, writer, request)).await;
            }
            Ok(Request::ChangeGroup(request)) => {
                self.write::<wire::ChangeGroup>(incoming, grants::change_group(&self.rights, writer, request)).await;
            }
            Ok(Request::ListAccess(request)) => {
                read::<wire::ListAccess>(incoming, async { Ok(grants::list_access(&self.rights, request)) }).await;
            }
            Err(refusal) => incoming.refuse(&refusal),
        }
    }

    /// Whether a process may ask for this now: the window only what its membership permits, and nothing before it has shown it.
    fn lets_in(&self, role: Role, method: u16) -> Result<(), Refusal> {
        if role != Role::Ui || method == wire::Provision::NUMBER {
            return Ok(());
        }
        self.rights.window_may(if WRITES.contains(&method) { Permission::Write } else { Permission::Read })
    }

    fn derived(&self) -> Derived<'_> {
        Derived { writer: &self.writer, memory: &self.memory, names: &self.names, search: &self.search }
    }

    /// Answers with what a write gave.
    async fn write<M: Method>(&self, incoming: Incoming, work: impl Future<Output = Result<M::Answer, Refusal>>) {
        let reply = incoming.reply::<M>();
        let result = work.await;
        self.kept(reply, result);
    }

    fn kept<M: Method>(&self, reply: Reply<M>, result: Result<M::Answer, Refusal>) {
        if result.is_ok() {
            tracing::info!(what = M::NAME, "kept");
            self.signer.kept();
        }
        reply.finish(result);
    }

    async fn journal(&self, who: (Role, Instance), request: wire::Journal) -> Result<Journalled, Refusal> {
        let wire::Journal { conversation, turn, index, text } = request;
        self.bindings.check(who, conversation)?;
        let next = self
            .journals
            .send(Append { conversation, turn, index, text })
            .await
            .map_err(|error| ours("write the journal", &error))??;
        Ok(Journalled { next })
    }

    /// A new agent has a conversation. What the one before it left unfinished ends here.
    async fn bind(&self, request: wire::BindAgent) -> Result<Done, Refusal> {
        if self.bindings.bind(Instance(request.instance), request.conversation) {
            self.close_left(request.conversation).await?;
        }
        Ok(Done)
    }

    /// An agent has ended, and with it what it had not finished.
    async fn release(&self, request: wire::ReleaseAgent) -> Result<Done, Refusal> {
        if let Some(conversation) = self.bindings.release(Instance(request.instance)) {
            self.close_left(conversation).await?;
        }
        Ok(Done)
    }

    /// Makes messages of the turns of a conversation that nobody goes on with.
    async fn close_left(&self, conversation: ConversationId) -> Result<(), Refusal> {
        let recover = Recover { conversation: Some(conversation) };
        let left = self.journals.send(recover).await.map_err(|error| ours("read the journal", &error))?;
        conversations::close_left(&self.writer, &self.journals, left).await
    }

    /// Does the jobs of the memory, but not into what is being put back.
    async fn move_memory(&self) -> Result<wire::MemoryMoved, Refusal> {
        if self.keep.is_restoring() {
            return Err(Refusal::new(Code::Busy, "a backup is being put back; the memory moves when that is done"));
        }
        self.memory.run().await
    }

    fn counts(&self) -> Result<Counts, Refusal> {
        let (events, unsigned, conversations) =
            self.replica.snapshot().and_then(|snapshot| snapshot.counts()).map_err(|error| refusal(&error))?;
        let bytes = self.replica.bytes_on_disk().map_err(|error| refusal(&error.into()))?;
        let large = self.replica.blob_usage().map_err(|error| refusal(&error))?;
        Ok(Counts {
            events,
            unsigned,
            conversations,
            bytes,
            chunks: large.chunks,
            chunk_bytes: large.bytes,
            restoring: restore::is_going_on(&self.directory),
        })
    }
}

/// Answers with what a reading gave.
async fn read<M: Method>(incoming: Incoming, work: impl Future<Output = Result<M::Answer, Refusal>>) {
    let reply = incoming.reply::<M>();
    reply.finish(work.await);
}
