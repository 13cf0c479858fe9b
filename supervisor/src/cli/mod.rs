//! The person's command line: it reads what the person typed, asks the processes over an attached connection, and prints.
//!
//! Progress goes to standard error and the answer alone to standard output. It holds a password only on its way to the key
//! process, and a key only on its way there too.
//!
//! **Architecture Invariant:** a command does what it does by the rows of the policy whose source is `cli`; it opens no
//! archive, calls no model and runs no script itself.

mod access;
mod args;
mod audit;
mod backup;
mod backup_place;
mod credential;
mod doctor;
mod entries;
mod erase;
mod export;
mod flight;
mod group;
mod history;
mod instance;
mod keys;
mod look;
mod member;
mod memory;
mod models;
mod objects;
mod password;
mod place;
mod policy;
mod prove;
mod ps;
mod put_back;
mod recovery;
mod reset;
mod restore;
mod search;
mod session;
mod sign_in;
mod skills;
mod stats;
mod strength;
mod tail;
mod turn;
mod vc_api;
mod verify;
mod vol;
mod words;

use std::{
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
};

use args::{Command, Common, Lamos, ServeArgs, VerifyArgs};
use clap::{CommandFactory as _, Parser as _};
use ipc::messages::{common::Done, crypto::Lock};
use session::{Serves, Session};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::LocalSet,
};
use words::{Failure, Outcome, complain, tell};

use crate::exit;

/// Runs the command that was typed.
pub fn run() -> ExitCode {
    let lamos = match Lamos::try_parse() {
        Ok(lamos) => lamos,
        Err(error) => {
            let code = if error.use_stderr() { exit::USAGE } else { exit::GOOD };
            // Where it cannot be printed there is nobody to read it.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let as_json = lamos.common.json;
    // Before anything here opens a descriptor: one that was not inherited would be found to be another thing later.
    let key_fd = if let Command::Keys(keys) = &lamos.command { keys.key_fd() } else { None };
    let checked = entries::check_descriptor(lamos.common.password_fd, "--password-fd");
    if let Err(failure) = checked.and_then(|()| entries::check_descriptor(key_fd, "--key-fd")) {
        complain(&failure, as_json);
        return ExitCode::from(failure.exit);
    }
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::from(exit::OURS);
    };
    let result = LocalSet::new().block_on(&runtime, command(lamos));
    // A line that is being read from a terminal must not keep the command from ending.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::from(exit::GOOD),
        Err(failure) => {
            complain(&failure, as_json);
            ExitCode::from(failure.exit)
        }
    }
}

async fn command(lamos: Lamos) -> Outcome {
    let common = &lamos.common;
    match lamos.command {
        Command::Ps(args) => ps::ps(common, &args).await,
        Command::Stop(args) if args.force => reset::stop_by_force(common).await,
        Command::Stop(_) => ps::stop(common).await,
        Command::Reset(args) => reset::reset(common, &args).await,
        Command::Restart(args) => ps::restart(common, &args),
        Command::Tail(args) => tail::tail(common, &args),
        Command::Log(args) => tail::log(common, &args),
        Command::Flight(args) => flight::flight(common, &args),
        Command::Drain => ps::drain(common).await,
        Command::Doctor => doctor::doctor(common).await,
        Command::Policy(args) => policy::policy(common, &args.action),
        Command::Completions(args) => {
            // In memory first: it does not say when it could not be written.
            let mut script = Vec::new();
            clap_complete::generate(args.shell, &mut Lamos::command(), "lamos", &mut script);
            Ok(std::io::stdout().write_all(&script)?)
        }
        Command::Man => Ok(clap_mangen::Man::new(Lamos::command()).render(&mut std::io::stdout())?),
        Command::Verify(VerifyArgs { export: Some(file), .. }) => verify::export(common, &file),
        Command::Restore(args) => restore::restore(common, args).await,
        attached => {
            let session = Session::open(common, Serves::of(&attached)).await?;
            let result = with_session(&session, common, attached).await;
            session.close().await;
            result
        }
    }
}

/// The commands that ask the processes.
async fn with_session(session: &Session, common: &Common, command: Command) -> Outcome {
    match command {
        Command::Ask(args) => turn::ask(session, common, args).await,
        Command::Run(args) => turn::run(session, common, args).await,
        Command::Chat(args) => turn::chat(session, common, args).await,
        Command::History(args) => history::history(session, common, args).await,
        Command::Instance(args) => instance::instance(session, common, args).await,
        Command::Search(args) => search::search(session, common, args).await,
        Command::Reindex => search::reindex(session, common).await,
        Command::Memory(args) => memory::memory(session, common, args).await,
        Command::Skills(args) => skills::skills(session, common, args).await,
        Command::Vol(args) => vol::vol(session, common, args).await,
        Command::Place(args) => place::place(session, args, common.json).await,
        Command::Credential(args) => credential::credential(session, common, args).await,
        Command::Objects(args) => objects::objects(session, common, args).await,
        Command::Stats => stats::stats(session, common).await,
        Command::Erase(args) => erase::erase(session, common, args).await,
        Command::Verify(args) => verify::verify(session, common, args).await,
        Command::Backup(args) => backup::backup(session, common, args).await,
        Command::Export(args) => export::export(session, common, args).await,
        Command::VcApi(args) => vc_api::vc_api(session, common, args).await,
        Command::Audit(args) => audit::audit(session, common, args).await,
        Command::Keys(args) => keys::keys(session, common, args).await,
        Command::Member(args) => member::member(session, common, args).await,
        Command::Access(args) => access::access(session, common, args).await,
        Command::Group(args) => group::group(session, common, args).await,
        Command::Lock => lock(session).await,
        Command::Password(args) => password::password(session, common, args).await,
        Command::Recovery(args) => recovery::recovery(session, common, args).await,
        Command::Whoami => password::whoami(session, common).await,
        Command::Serve(args) => serve(session, common, &args).await,
        _ => Err(Failure::new(exit::OURS, "failed to find the command")),
    }
}

async fn lock(session: &Session) -> Outcome {
    let Done = session.client.call(&Lock).await?;
    Ok(())
}

/// `lamos serve`: stays attached, and so keeps the tree up, until it is told to end.
async fn serve(session: &Session, common: &Common, args: &ServeArgs) -> Outcome {
    if common.user.is_some() {
        sign_in::sign_in(session, common).await?;
    }
    let locked = match args.lock_after.0 {
        Some(time) => format!(" An open space is locked after {} without a command.", humantime::format_duration(time)),
        None => String::new(),
    };
    if std::io::stderr().is_terminal() {
        tell(&format!("Lamos is up.{locked} Ctrl-C or `lamos stop` ends it."));
    } else {
        tell(&format!("Lamos is up.{locked}"));
    }
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        () = session.ended() => {}
    }
    Ok(())
}
