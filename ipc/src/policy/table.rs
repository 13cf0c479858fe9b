//! The rows. Read top to bottom, this is everything one process may ever ask of another.
//!
//! A call to a model is not marked as egress: it goes to the one origin the person chose for this very question, and
//! the agent can name neither another origin nor a key. Egress rows come with the first tool that reaches elsewhere.

use super::{KIB, MIB, Marks, Permits, Row, policy};
use crate::{
    messages::{agent, code, common, courier, crypto, gate, instance, llm, storage, supervisor, verifier},
    role::{Role, source},
    service::Method,
};

const NONE: Marks = Marks::NONE;
const PRIVATE: Marks = Marks::READS_PRIVATE;
const UNTRUSTED: Marks = Marks::BRINGS_UNTRUSTED;
const BOTH: Marks = Marks::READS_PRIVATE.with(Marks::BRINGS_UNTRUSTED);

#[rustfmt::skip]
policy! {
//  who        asks for what                    largest body  in flight  a second  seconds  marks
    Cli     -> supervisor::Engage:              KIB,                 16,      50,      15,  NONE;
    Cli     -> supervisor::AllowPorts:          KIB,                  2,       5,      15,  NONE;
    Cli     -> supervisor::OpenGate:            KIB,                  1,       5,      15,  NONE;
    Cli     -> gate::ServeCredentials:          KIB,                  1,       5,  604800,  NONE;
    Cli     -> crypto::Unlock:                  16 * KIB,             1,       2,      60,  NONE;
    Cli     -> crypto::Deploy:                  16 * KIB,             1,       2,      60,  NONE;
    Cli     -> crypto::UnlockAnew:              16 * KIB,             1,       2,      60,  NONE;
    Cli     -> crypto::ChangePassword:          16 * KIB,             1,       2,      60,  NONE;
    Cli     -> crypto::MakeKit:                 16 * KIB,             1,       2,      60,  NONE;
    Cli     -> crypto::Recover:                 16 * KIB,             1,       2,      60,  NONE;
    Cli     -> crypto::Remember:                16 * KIB,             1,       2,      60,  NONE;
    Cli     -> crypto::UnlockRemembered:        KIB,                  1,       2,      60,  NONE;
    Cli     -> crypto::ForgetRemembered:        KIB,                  1,       2,      15,  NONE;
    Cli     -> crypto::ShowPicture:             KIB,                  2,      50,       5,  NONE;
    Cli     -> crypto::ShowCost:                KIB,                  2,      50,       5,  NONE;
    Cli     -> crypto::Lock:                    KIB,                  1,       5,      15,  NONE;
    Cli     -> crypto::KeyStatus:               KIB,                  2,      50,       5,  NONE;
    Cli     -> crypto::ShowIdentity:            KIB,                  2,      50,       5,  NONE;
    Cli     -> crypto::SignCredential:          MIB,                  2,      50,      15,  NONE;
    Cli     -> crypto::Lend:                    16 * KIB,             4,      10,       5,  NONE;
    Cli     -> crypto::ReadAudit:               KIB,                  1,       5,     600,  PRIVATE;
    Cli     -> crypto::KeepKey:                 16 * KIB,             1,       5,      15,  NONE;
    Cli     -> crypto::LendKept:                16 * KIB,             4,      10,       5,  NONE;
    Cli     -> crypto::IssueMembership:         16 * KIB,             2,      10,      15,  NONE;
    Cli     -> llm::ListModels:                 KIB,                  2,      10,      60,  NONE;
    Cli     -> storage::ListConversations:      KIB,                  4,     500,      30,  PRIVATE;
    Cli     -> storage::ReadConversation:       KIB,                  4,     500,      30,  PRIVATE;
    Cli     -> storage::SetTitle:               4 * KIB,              4,     100,      30,  NONE;
    Cli     -> storage::GetAttachment:          KIB,                  4,     100,   86400,  PRIVATE;
    Cli     -> storage::ListTraces:             KIB,                  2,     100,      30,  PRIVATE;
    Cli     -> storage::WriteFile:              4 * KIB,              4,     200,   86400,  NONE;
    Cli     -> storage::ReadFile:               4 * KIB,              4,     500,   86400,  PRIVATE;
    Cli     -> storage::ListFiles:              4 * KIB,              4,     500,      30,  PRIVATE;
    Cli     -> storage::UploadStatus:           KIB,                  4,     100,      30,  NONE;
    Cli     -> storage::RemoveFile:             4 * KIB,              4,     200,      30,  NONE;
    Cli     -> storage::Follow:                 KIB,                  2,      10,  604800,  PRIVATE;
    Cli     -> storage::Statistics:             KIB,                  2,      50,      30,  NONE;
    Cli     -> storage::Search:                 4 * KIB,              4,     100,      30,  PRIVATE;
    Cli     -> storage::Reindex:                KIB,                  1,       5,    3600,  NONE;
    Cli     -> storage::CommitFiles:            16 * KIB,             2,      50,     600,  NONE;
    Cli     -> storage::ListVersions:           4 * KIB,              4,     500,      30,  PRIVATE;
    Cli     -> storage::ReadVersion:            4 * KIB,              4,     500,   86400,  PRIVATE;
    Cli     -> storage::RollBack:               16 * KIB,             4,     200,      60,  NONE;
    Cli     -> storage::FindFile:               8 * KIB,              4,     500,      30,  PRIVATE;
    Cli     -> storage::MakeBranch:             4 * KIB,              4,      50,      60,  NONE;
    Cli     -> storage::ListBranches:           4 * KIB,              4,     200,      60,  PRIVATE;
    Cli     -> storage::CompareBranch:          4 * KIB,              4,     200,     600,  PRIVATE;
    Cli     -> storage::MergeBranch:            16 * KIB,             2,      50,     600,  NONE;
    Cli     -> storage::EndBranch:              4 * KIB,              4,      50,     600,  NONE;
    Cli     -> storage::GlobFiles:              8 * KIB,              4,     500,      60,  PRIVATE;
    Cli     -> storage::ListFolder:             8 * KIB,              4,     500,      60,  PRIVATE;
    Cli     -> storage::ListRemoved:            8 * KIB,              4,     500,      60,  PRIVATE;
    Cli     -> storage::ListObjects:            KIB,                  4,     500,      30,  NONE;
    Cli     -> storage::FindObjects:            KIB,                  4,     100,      30,  NONE;
    Cli     -> storage::ShowObject:             KIB,                  4,     100,      30,  PRIVATE;
    Cli     -> storage::ListReferences:         KIB,                  4,     500,      30,  PRIVATE;
    Cli     -> storage::ListHeads:              KIB,                  4,     100,      30,  NONE;
    Cli     -> storage::Measure:                KIB,                  1,      10,     600,  NONE;
    Cli     -> storage::Erase:                  8 * KIB,              1,      50,     600,  NONE;
    Cli     -> storage::VerifyAll:              KIB,                  1,       5,   86400,  PRIVATE;
    Cli     -> storage::Rebuild:                KIB,                  1,       5,   86400,  NONE;
    Cli     -> storage::FindBackup:             KIB,                  1,      10,      60,  NONE;
    Cli     -> storage::BeginBackup:            KIB,                  1,      10,    3600,  NONE;
    Cli     -> storage::NextPack:               KIB,                  1,     500,     600,  NONE;
    Cli     -> storage::EndBackup:              KIB,                  1,      50,    3600,  NONE;
    Cli     -> storage::OpenPoint:              KIB,                  1,     100,    3600,  NONE;
    Cli     -> storage::TakePack:               KIB,                  1,     500,     600,  NONE;
    Cli     -> storage::EndRestore:             KIB,                  1,      10,   86400,  NONE;
    Cli     -> storage::Export:                 KIB,                  1,       5,   86400,  PRIVATE;
    Cli     -> storage::AnchorAudit:            KIB,                  1,       5,      30,  NONE;
    Cli     -> storage::PutSecret:              16 * KIB,             1,       5,     600,  NONE;
    Cli     -> storage::ListSecrets:            KIB,                  2,      50,      30,  PRIVATE;
    Cli     -> storage::RemoveSecret:           KIB,                  1,       5,     600,  NONE;
    Cli     -> storage::ListMemory:             KIB,                  2,     100,      30,  PRIVATE;
    Cli     -> storage::QueryMemory:            16 * KIB,             2,     100,      30,  PRIVATE;
    Cli     -> storage::ShowMemory:             KIB,                  2,     100,      30,  PRIVATE;
    Cli     -> storage::RunMemory:              KIB,                  1,      10,    3600,  NONE;
    Cli     -> storage::KeepMember:             512 * KIB,            1,      20,      30,  UNTRUSTED;
    Cli     -> storage::ListMembers:            KIB,                  2,     200,      30,  PRIVATE;
    Cli     -> storage::ShowMember:             KIB,                  2,     100,      30,  PRIVATE;
    Cli     -> storage::RevokeMember:           KIB,                  2,      50,      30,  NONE;
    Cli     -> storage::ChangeAccess:           KIB,                  2,      50,      30,  NONE;
    Cli     -> storage::ChangeGroup:            KIB,                  2,      50,      30,  NONE;
    Cli     -> storage::ListAccess:             KIB,                  2,     200,      30,  PRIVATE;
    Cli     -> agent::Take:                     MIB,                  4,      20,    3600,  BOTH;
    Cli     -> agent::ListSkills:               KIB,                  2,      50,      30,  NONE;
    Cli     -> agent::ShowSkill:                KIB,                  2,      50,      30,  NONE;
    Cli     -> agent::CheckSkill:               64 * KIB,             2,      20,      30,  UNTRUSTED;
    Cli     -> courier::Put:                    8 * KIB,              4,     100,    3600,  NONE;
    Cli     -> courier::Get:                    8 * KIB,              4,     100,    3600,  UNTRUSTED;
    Cli     -> courier::Head:                   8 * KIB,              4,     100,      60,  NONE;
    Cli     -> courier::List:                   8 * KIB,              4,     100,      60,  NONE;
    Cli     -> courier::Delete:                 8 * KIB,              4,     100,      60,  NONE;
    Cli     -> code::Run:                       MIB,                  4,      20,     330,  UNTRUSTED, fresh;
    Cli     -> verifier::Check:                 MIB,                  4,      50,      30,  UNTRUSTED, fresh;
    Cli     -> verifier::Compose:               MIB,                  4,      50,      30,  UNTRUSTED, fresh;
    Cli     -> instance::ListRecent:            KIB,                  4,     500,      30,  PRIVATE;
    Cli     -> instance::ReadRecent:            KIB,                  4,     500,      30,  PRIVATE;
    Cli     -> instance::Give:                  MIB,                  4,     500,      30,  NONE;
    Cli     -> instance::Standing:              KIB,                  2,     500,      30,  NONE;
    Cli     -> instance::Pin:                   KIB,                  2,      50,      30,  NONE;
    Cli     -> instance::ListKinds:             KIB,                  2,      50,      30,  NONE;

    Ui      -> supervisor::Engage:              KIB,                 16,      50,      15,  NONE;
    Ui      -> crypto::Unlock:                  16 * KIB,             1,       2,      60,  NONE;
    Ui      -> crypto::Deploy:                  16 * KIB,             1,       2,      60,  NONE;
    Ui      -> crypto::Lock:                    KIB,                  1,       5,      15,  NONE;
    Ui      -> crypto::KeyStatus:               KIB,                  2,      50,       5,  NONE;
    Ui      -> crypto::ShowIdentity:            KIB,                  2,      50,       5,  NONE;
    Ui      -> storage::ListConversations:      KIB,                  4,     200,      30,  PRIVATE;
    Ui      -> storage::ReadConversation:       KIB,                  8,     200,      30,  PRIVATE;
    Ui      -> storage::SetTitle:               4 * KIB,              4,      50,      30,  NONE;
    Ui      -> storage::GetAttachment:          KIB,                  4,     100,   86400,  PRIVATE;
    Ui      -> storage::Follow:                 KIB,                  1,      10,  604800,  PRIVATE;
    Ui      -> storage::Search:                 4 * KIB,              4,      50,      30,  PRIVATE;
    Ui      -> storage::ReadFile:               4 * KIB,              4,     200,   86400,  PRIVATE;
    Ui      -> storage::CommitFiles:            16 * KIB,             2,      50,     600,  NONE;
    Ui      -> storage::ListVersions:           4 * KIB,              4,     200,      30,  PRIVATE;
    Ui      -> storage::ReadVersion:            4 * KIB,              4,     200,   86400,  PRIVATE;
    Ui      -> storage::RollBack:               16 * KIB,             4,      50,      60,  NONE;
    Ui      -> storage::FindFile:               8 * KIB,              4,     200,      30,  PRIVATE;
    Ui      -> storage::MakeBranch:             4 * KIB,              4,      50,      60,  NONE;
    Ui      -> storage::ListBranches:           4 * KIB,              4,     200,      60,  PRIVATE;
    Ui      -> storage::CompareBranch:          4 * KIB,              4,     200,     600,  PRIVATE;
    Ui      -> storage::MergeBranch:            16 * KIB,             2,      50,     600,  NONE;
    Ui      -> storage::EndBranch:              4 * KIB,              4,      50,     600,  NONE;
    Ui      -> storage::GlobFiles:              8 * KIB,              4,     200,      60,  PRIVATE;
    Ui      -> storage::ListFolder:             8 * KIB,              4,     200,      60,  PRIVATE;
    Ui      -> storage::ListObjects:            KIB,                  4,     200,      30,  NONE;
    Ui      -> storage::FindObjects:            KIB,                  4,      50,      30,  NONE;
    Ui      -> storage::ShowObject:             KIB,                  4,      50,      30,  PRIVATE;
    Ui      -> storage::ListReferences:         KIB,                  4,     200,      30,  PRIVATE;
    Ui      -> storage::ListHeads:              KIB,                  4,      50,      30,  NONE;
    Ui      -> storage::Measure:                KIB,                  1,       2,     600,  NONE;
    Ui      -> crypto::ReadAudit:               KIB,                  1,       5,     600,  PRIVATE;
    Ui      -> crypto::ReleaseCacheKey:         KIB,                  1,       5,      15,  NONE;
    Ui      -> crypto::IssueMembership:         KIB,                  2,      10,      15,  NONE;
    Ui      -> storage::Provision:              128 * KIB,            1,      20,      15,  NONE;
    Ui      -> storage::Sync:                   KIB,                  1,      20,  604800,  PRIVATE;
    Ui      -> storage::Carry:                  MIB,                  1,     200,      60,  NONE;
    Ui      -> agent::Take:                     MIB,                  4,      20,    3600,  BOTH;
    Ui      -> agent::ListSkills:               KIB,                  2,      50,      30,  NONE;
    Ui      -> agent::ShowSkill:                KIB,                  2,      50,      30,  NONE;

    Agent   -> storage::CreateConversation:     4 * KIB,              2,      50,      30,  NONE;
    Agent   -> storage::AppendMessage:          MIB,                  4,     200,      60,  NONE;
    Agent   -> storage::ReadConversation:       KIB,                  2,     200,      30,  BOTH;
    Agent   -> storage::Journal:                64 * KIB,            64,   20000,      30,  NONE;
    Agent   -> storage::AppendTrace:            256 * KIB,            4,     100,      30,  NONE;
    Agent   -> storage::PutAttachment:          4 * KIB,              4,      50,      60,  NONE;
    Agent   -> storage::GetAttachment:          KIB,                  4,     100,      60,  BOTH;
    Agent   -> storage::ReadFile:               4 * KIB,              4,     500,      60,  PRIVATE;
    Agent   -> storage::ListFiles:              4 * KIB,              4,     500,      30,  PRIVATE;
    Agent   -> storage::QueryMemory:            16 * KIB,             2,      20,      30,  BOTH;
    Agent   -> llm::Complete:                   MIB,                  4,      20,    1800,  UNTRUSTED;
    Agent   -> code::Run:                       MIB,                  4,      20,     330,  UNTRUSTED, fresh;

    Storage -> crypto::ReleaseStoreKey:         KIB,                  1,       5,      15,  NONE;
    Storage -> crypto::SignEvents:              64 * KIB,             2,     500,      30,  NONE;
    Storage -> crypto::AuditHead:               KIB,                  1,       5,      15,  NONE;
    Storage -> courier::Put:                    8 * KIB,              4,     200,    3600,  NONE;
    Storage -> courier::Get:                    8 * KIB,              4,     200,    3600,  NONE;
    Storage -> courier::Head:                   8 * KIB,              4,     200,      60,  NONE;
    Storage -> courier::List:                   8 * KIB,              4,     200,      60,  NONE;
    Storage -> courier::Delete:                 8 * KIB,              4,     200,      60,  NONE;
    Courier -> crypto::ReleaseApiKey:           KIB,                 16,     200,       5,  NONE;
    Llm     -> crypto::ReleaseApiKey:           KIB,                 16,     100,       5,  NONE;
    Gate    -> verifier::Check:                 MIB,                  4,     500,      30,  UNTRUSTED, fresh;
    Gate    -> verifier::Compose:               MIB,                  4,     500,      30,  UNTRUSTED, fresh;
    Gate    -> crypto::ShowIdentity:            KIB,                  4,     500,       5,  NONE;
    Gate    -> crypto::SignCredential:          MIB,                  4,     200,      15,  NONE;
    Crypto  -> supervisor::Opened:              KIB,                  1,     100,      30,  NONE;
    Crypto  -> supervisor::Closed:              KIB,                  1,     100,      30,  NONE;
    Supervisor -> crypto::Lock:                 KIB,                  2,      10,      15,  NONE;
    Supervisor -> crypto::NoteForbidden:        KIB,                 16,     200,      15,  NONE;
    Supervisor -> storage::BindAgent:           KIB,                 64,     200,      15,  NONE;
    Supervisor -> storage::ReleaseAgent:        KIB,                 64,     200,      15,  NONE;

//  what every process answers, so that the way to it can be checked and measured
    * Cli   -> [Storage Crypto Llm Agent Code Courier Verifier Ui Gate] Echo:   MIB,   8,   65535,      15;
    * Cli   -> [Storage Crypto Llm Agent Code Courier Verifier Ui Gate] Source: KIB,   2,      50,      60;
//  a person wants to see more of what it does
    * Supervisor -> [Storage Crypto Llm Agent Code Courier Verifier Ui Gate] SetLevel: KIB, 36, 200,     15;
}
