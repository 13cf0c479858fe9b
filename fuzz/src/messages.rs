//! Every message of every service. A method without a line here fails `ipc/tests/corpus.rs`.

use ipc::{messages as wire, service::Method};

use super::{Read, round};

/// One type of a method: which service, which method, which of its types, and what reads it.
pub type Decoder = (u8, u16, u8, Read);

macro_rules! lines {
    ($($number:literal $service:ident: $($request:ident)*;)*) => {
        /// The name and the methods of each service, as they are listed here.
        pub const LINES: &[(&str, &[u16])] =
            &[$((stringify!($service), &[$(<wire::$service::$request as Method>::NUMBER),*]),)*];

        /// The request, the answer and the pieces up and down of each method.
        pub const DECODERS: &[Decoder] = &[$($(
            ($number, <wire::$service::$request as Method>::NUMBER, 0, round::<wire::$service::$request>),
            ($number, <wire::$service::$request as Method>::NUMBER, 1, round::<<wire::$service::$request as Method>::Answer>),
            ($number, <wire::$service::$request as Method>::NUMBER, 2, round::<<wire::$service::$request as Method>::Up>),
            ($number, <wire::$service::$request as Method>::NUMBER, 3, round::<<wire::$service::$request as Method>::Down>),
        )*)*];

        /// What a process does with the request of a call.
        fn dispatch(service: u8, method: u16, body: &[u8]) {
            match service {
                $($number => drop(wire::$service::Request::decode(method, body)),)*
                _ => {}
            }
        }
    };
}

// The numbers are those of the roles; 0 is what every process answers.
lines! {
    0 common: Echo Source SetLevel;
    1 supervisor: Engage Opened Closed AllowPorts OpenGate;
    3 instance: ListRecent ReadRecent Give Standing Pin ListKinds;
    4 storage:
        CreateConversation AppendMessage ListConversations ReadConversation SetTitle Journal AppendTrace ListTraces
        PutAttachment GetAttachment WriteFile ReadFile ListFiles RemoveFile Follow Statistics BindAgent ReleaseAgent
        Search Reindex UploadStatus CommitFiles ListVersions ReadVersion RollBack FindFile GlobFiles ListFolder ListRemoved ListObjects
        FindObjects ShowObject ListHeads Measure Sync Carry Erase VerifyAll FindBackup BeginBackup NextPack EndBackup
        OpenPoint TakePack EndRestore Export ListMemory QueryMemory ShowMemory RunMemory MakeBranch ListBranches
        CompareBranch MergeBranch EndBranch Rebuild ListReferences PutSecret ListSecrets RemoveSecret AnchorAudit
        Provision KeepMember ListMembers ShowMember RevokeMember ChangeAccess ChangeGroup ListAccess;
    5 crypto: Unlock Deploy Lock KeyStatus ReleaseStoreKey SignEvents Lend ReleaseApiKey ReleaseCacheKey ShowIdentity UnlockAnew
        ChangePassword MakeKit Recover ShowPicture ShowCost AuditHead ReadAudit KeepKey LendKept NoteForbidden SignCredential
        IssueMembership Remember UnlockRemembered ForgetRemembered;
    6 llm: Complete ListModels;
    7 agent: Take ListSkills ShowSkill CheckSkill;
    8 code: Run;
    9 courier: Put Get Head List Delete;
    10 verifier: Check Compose;
    11 gate: ServeCredentials;
}

/// The body of a message: a byte for the service, two for the method, one for which of its types, and the bytes.
pub fn messages(bytes: &[u8]) {
    let [service, low, high, part, body @ ..] = bytes else { return };
    let method = u16::from_le_bytes([*low, *high]);
    dispatch(*service, method, body);
    for (_, _, _, read) in DECODERS.iter().filter(|(of, number, which, _)| (*of, *number, *which) == (*service, method, *part)) {
        // Bytes that are none of these are refused, which is as it should be.
        let _ = read(body);
    }
}
