//! Opening what a person names: a folder, a remote place, or both as one, of which the near one answers and the far one
//! follows; which of these, is the environment's profile.

use std::{
    env,
    fs::{self, File, TryLockError},
    io::{IsTerminal as _, Read as _},
    path::{Path as FilePath, PathBuf},
    rc::Rc,
};

use backends::{BackOff, Hybrid, Kind as Uses, Memory, Path, Profile, Pushed, Refused, Remote, Storage, StorageError, Tree};
use courier::{BadTarget, Kind, Target};
use ipc::{
    Role,
    messages::{courier as wire, crypto::Lend, supervisor::AllowPorts},
    secret::Secret,
};
use zeroize::Zeroizing;

use super::{
    super::{
        models::port,
        session::Session,
        words::{Failure, line, tell},
    },
    carried::Carried,
    code,
};
use crate::exit;

/// Where the secret of a place is looked for.
const SECRET: &str = "LAMOS_PLACE_SECRET";

/// Where the profile is looked for.
const PROFILE: &str = "LAMOS_PROFILE";

/// Largest description of a place, in bytes.
const MAX_DESCRIPTION: u64 = 64 << 10;

/// A place that a command holds.
pub(crate) struct Place {
    /// Where values lie.
    pub(crate) storage: Rc<dyn Storage>,
    hybrid: Option<Rc<Hybrid>>,
    /// The folder of this machine in it.
    near: Option<PathBuf>,
    /// Two commands would each miss what the other leaves unsent.
    _alone: Option<File>,
}

/// A place that a person named, before it is opened. Its secret has been asked for.
pub(crate) enum Named {
    /// A folder.
    Folder(PathBuf),
    /// What a file describes: where it is, its secret, and the folder near it.
    Described(Box<Target>, Zeroizing<String>, Option<PathBuf>),
}

impl Named {
    /// Reads what a person named.
    pub(crate) fn read(named: &FilePath) -> Result<Named, Failure> {
        if !named.is_file() {
            return Ok(Named::Folder(named.to_owned()));
        }
        let (near, target) = described(named)?;
        let secret = secret(&target)?;
        Ok(Named::Described(Box::new(target), secret, near))
    }

    /// Folders of this machine that are written to.
    pub(crate) fn folders(&self) -> Vec<&FilePath> {
        match self {
            Named::Folder(folder) => vec![folder],
            Named::Described(_, _, near) => near.iter().map(PathBuf::as_path).collect(),
        }
    }

    /// Whether what is written there is gone when the command ends.
    pub(crate) fn keeps_nothing(&self) -> Result<bool, Failure> {
        Ok(matches!(self, Named::Described(..)) && matches!(profile()?.kind(), Uses::Memory))
    }
}

impl Place {
    /// Opens what a person names.
    pub(crate) async fn open(session: &Session, named: &FilePath) -> Result<Place, Failure> {
        Place::open_named(session, &Named::read(named)?).await
    }

    /// Opens it.
    pub(crate) async fn open_named(session: &Session, named: &Named) -> Result<Place, Failure> {
        let (target, secret, near) = match named {
            Named::Folder(folder) => {
                return Place::folder(folder).await;
            }
            Named::Described(target, secret, near) => (target, secret, near.as_ref()),
        };
        match (profile()?.kind(), near) {
            (Uses::Memory, _) => Ok(Place::of(Rc::new(Memory::new()))),
            (Uses::Local, Some(near)) => Place::folder(near).await,
            (Uses::Local, None) => Err(Failure::new(
                exit::GIVEN,
                format!(
                    "{PROFILE} says that nothing leaves this machine, and the place names no folder of it; give it one as “near”"
                ),
            )),
            (Uses::Blob, None) => Ok(Place::of(remote(session, target, secret).await?)),
            (Uses::Blob, Some(near)) => {
                let alone = alone(near)?;
                let place = Place::folder(near).await?;
                let far = remote(session, target, secret).await?;
                let hybrid = Hybrid::open(Rc::clone(&place.storage), far, BackOff::default()).await;
                let hybrid = Rc::new(hybrid.map_err(|error| place.failure(&error))?);
                let storage = Rc::clone(&hybrid) as Rc<dyn Storage>;
                Ok(Place { storage, hybrid: Some(hybrid), _alone: Some(alone), ..place })
            }
        }
    }

    fn of(storage: Rc<dyn Storage>) -> Place {
        Place { storage, hybrid: None, near: None, _alone: None }
    }

    /// A folder of this machine.
    pub(crate) async fn folder(folder: &FilePath) -> Result<Place, Failure> {
        let cannot = |error: StorageError| match error {
            StorageError::Refused(Refused::Place(_)) => {
                Failure::new(exit::GIVEN, format!("failed to find the folder {}; it must be made first", folder.display()))
            }
            error => Failure::new(code(&error), format!("failed to use {}: failed to {error}", folder.display())),
        };
        let tree = Tree::open(folder).await.map_err(cannot)?;
        Ok(Place { near: Some(folder.to_owned()), ..Place::of(Rc::new(tree)) })
    }

    /// Whether something lies at a path, as far as this machine knows: a place outside is not asked.
    pub(crate) async fn had(&self, path: &Path) -> Result<bool, StorageError> {
        match (&self.near, &self.hybrid) {
            (Some(_), None) => Ok(self.storage.head(path).await?.is_some()),
            _ => Ok(true),
        }
    }

    /// A failed operation, by whom it is up to.
    pub(crate) fn failure(&self, error: &StorageError) -> Failure {
        Failure::new(code(error), format!("failed to {}", self.words(error)))
    }

    /// What could not be done. A place outside names itself; a folder that is at fault is named here.
    pub(crate) fn words(&self, error: &StorageError) -> String {
        match (error, &self.near) {
            (StorageError::Refused(Refused::NoRight(_) | Refused::NoRoom(_) | Refused::Disk(_)), Some(near)) => {
                format!("{error} (in {})", near.display())
            }
            _ => error.to_string(),
        }
    }

    /// Carries what waits as far as it goes now. What is left stays on disk and is said.
    pub(crate) async fn carry(&self) {
        let Some(hybrid) = &self.hybrid else { return };
        while matches!(hybrid.push().await, Pushed::Done(_) | Pushed::Refused(_)) {}
        let status = hybrid.status();
        if status.waiting > 0 {
            let why = status.trouble.as_ref().or(status.refused.first().map(|(_, why)| why));
            let why = why.map(|why| format!(" (failed to {})", self.words(why))).unwrap_or_default();
            tell(&format!("{} kept here, not there yet{why}; `lamos place push` goes on.", waiting(status.waiting)));
        }
    }

    /// Carries until nothing waits any more, however long the other side is away. It ends early where waiting does not help.
    pub(crate) async fn carry_all(&self) -> Result<(), Failure> {
        let Some(hybrid) = &self.hybrid else {
            return Err(Failure::new(exit::GIVEN, "nothing waits at a place without a “near” folder"));
        };
        tokio::select! {
            () = hybrid.run(4) => {}
            settled = self.settled(hybrid) => settled?,
        }
        let status = hybrid.status();
        let Some((path, why)) = status.refused.first() else { return Ok(()) };
        let (refused, first) = (waiting(status.refusals), line(path.as_str()));
        Err(Failure::new(
            code(why),
            format!("{refused} refused by the place; for the first of them, {first}, it failed to {}", self.words(why)),
        ))
    }

    /// Until nothing waits but what the place refused. Why nothing goes on is told, once until it is another reason.
    async fn settled(&self, hybrid: &Hybrid) -> Result<(), Failure> {
        let (mut said, mut reason) = (0, String::new());
        loop {
            let status = hybrid.status();
            let left = status.waiting.saturating_sub(status.refusals);
            if left == 0 {
                return Ok(());
            }
            if left != said {
                tell(&format!("{} not there yet.", waiting(left)));
                said = left;
            }
            if let Some(trouble) = &status.trouble {
                let words = self.words(trouble);
                // It was asked several times by now. Somebody has to sign in, or to correct the address.
                if matches!(trouble, StorageError::Remote(Remote::Nonsense(_))) {
                    return Err(Failure::new(code(trouble), format!("failed to {words}; {} not there yet", waiting(left))));
                }
                if words != reason {
                    tell(&format!("Failed to {words}; it is tried again until it goes through, ever more rarely."));
                    reason = words;
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
}

fn profile() -> Result<Profile, Failure> {
    match env::var(PROFILE) {
        Ok(profile) => profile.parse().map_err(|bad| Failure::new(exit::USAGE, format!("failed to {bad}"))),
        Err(_) => Ok(Profile::Production),
    }
}

/// Values, and removals of some.
fn waiting(count: usize) -> String {
    if count == 1 { "1 change is".to_owned() } else { format!("{count} changes are") }
}

/// Takes a folder for this command alone.
fn alone(near: &FilePath) -> Result<File, Failure> {
    let unusable =
        |error: &dyn std::fmt::Display| Failure::new(exit::GIVEN, format!("failed to use {}: {error}", near.display()));
    let folder = File::open(near).map_err(|error| unusable(&error))?;
    match folder.try_lock() {
        Ok(()) => Ok(folder),
        Err(TryLockError::WouldBlock) => {
            Err(Failure::new(exit::ELSEWHERE, format!("another command uses {}; wait until it has ended", near.display())))
        }
        Err(TryLockError::Error(error)) => Err(unusable(&error)),
    }
}

/// Reads the description of a place: the folder near it, if one is named, and where it is.
fn described(file: &FilePath) -> Result<(Option<PathBuf>, Target), Failure> {
    let unreadable = |error: std::io::Error| Failure::new(exit::GIVEN, format!("failed to read {}: {error}", file.display()));
    let given = |bad: BadTarget| Failure::new(exit::GIVEN, format!("{}: failed to {bad}", file.display()));
    let mut json = String::new();
    File::open(file).and_then(|file| file.take(MAX_DESCRIPTION).read_to_string(&mut json)).map_err(unreadable)?;
    let mut fields: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&json).map_err(|_| given(BadTarget::Form))?;
    let near = match fields.remove("near") {
        None => None,
        Some(serde_json::Value::String(near)) => {
            // Beside the description, so that both can be moved together.
            let near = file.parent().unwrap_or(FilePath::new("")).join(near);
            fs::create_dir_all(&near).map_err(unreadable)?;
            Some(near)
        }
        Some(_) => return Err(given(BadTarget::Form)),
    };
    Ok((near, Target::parse(&serde_json::Value::Object(fields).to_string()).map_err(given)?))
}

async fn remote(session: &Session, target: &Target, secret: &str) -> Result<Rc<dyn Storage>, Failure> {
    let given = |bad: BadTarget| Failure::new(exit::GIVEN, format!("failed to {bad}"));
    let (base_url, server) = (target.base_url().map_err(given)?, target.server().map_err(given)?);
    let port = port(&base_url).ok_or_else(|| Failure::new(exit::GIVEN, "the endpoint of the place names no port to go to"))?;
    session.client.call(&AllowPorts { role: Role::Courier, ports: vec![port] }).await?;
    let lend = Lend { base_url, key: Secret::new(secret.as_bytes().to_vec()), holder: Role::Courier };
    let lease = session.client.call(&lend).await?.number;
    let kind = match target.kind.clone() {
        Kind::S3 { bucket, region } => wire::Kind::S3 { bucket, region },
        Kind::WebDav => wire::Kind::WebDav,
        Kind::VercelBlob { content } => wire::Kind::VercelBlob { content: content.unwrap_or_default() },
    };
    let target = wire::Target { kind, lease, folder: target.folder.clone().unwrap_or_default() };
    Ok(Rc::new(Carried::new(session.client.clone(), target, &server)))
}

/// The secret of a place that wants one: from the environment, or from the person.
fn secret(target: &Target) -> Result<Zeroizing<String>, Failure> {
    if let Ok(words) = env::var(SECRET) {
        return Ok(Zeroizing::new(words));
    }
    let Some(token) = &target.token else { return Ok(Zeroizing::default()) };
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(exit::GIVEN, format!("the place wants the secret {:?}; give it in {SECRET}", line(token))));
    }
    Ok(Zeroizing::new(rpassword::prompt_password(format!("Secret {}: ", line(token)))?))
}
