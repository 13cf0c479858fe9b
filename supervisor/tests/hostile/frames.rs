//! Every lie in the table, told by every role that can tell it: its sender is ended, or not, as the rules say; whoever
//! asked it hears one answer; everybody else answers meanwhile and afterwards; and the role comes back.

use ipc::{Code, Role};

use crate::{
    scripts::{Asked, SCRIPTS, Script, Who},
    world::{Cli, World, in_world},
};

pub(crate) fn an_archive_that_lies() {
    tell(Role::Storage);
}

pub(crate) fn a_key_process_that_lies() {
    tell(Role::Crypto);
}

pub(crate) fn a_model_process_that_lies() {
    tell(Role::Llm);
}

pub(crate) fn a_courier_that_lies() {
    tell(Role::Courier);
}

pub(crate) fn an_agent_that_lies() {
    tell(Role::Agent);
}

pub(crate) fn a_run_that_lies() {
    tell(Role::Code);
}

pub(crate) fn a_window_that_lies() {
    tell(Role::Ui);
}

/// The conversation of an agent that never lies.
const HONEST: u8 = 255;

/// The other roles that answer while this one does not. Without keys there is no archive.
pub(crate) fn honest(role: Role) -> Vec<Role> {
    let without = |other: &Role| *other != role && !(role == Role::Crypto && *other == Role::Storage);
    [Role::Storage, Role::Crypto, Role::Llm, Role::Courier, Role::Code].into_iter().filter(without).collect()
}

fn tell(role: Role) {
    in_world(role.name(), |world| {
        let mut cli = Cli::attach(world.home);
        if role != Role::Crypto {
            cli.demo();
        }
        let has_row = ipc::policy::TABLE.iter().any(|row| row.source == role);
        let can = |script: &&Script| match script.who {
            Who::Anybody | Who::Asked => true,
            Who::Asks => has_row,
            Who::Cli => false,
        };
        let scripts: Vec<&Script> = SCRIPTS.iter().filter(can).collect();
        assert!(scripts.len() > 50, "the table is told");
        for (index, script) in scripts.into_iter().enumerate() {
            play(world, &mut cli, role, script, u8::try_from(index).expect("fewer lies than conversations"));
        }
        if role != Role::Agent {
            // The last of them still does nothing but echo.
            world.restart(role);
        }
        cli.demo();
        cli.all_answer(&[Role::Storage]);
        cli.one_answer_each();
    });
}

fn play(world: &World<'_>, cli: &mut Cli, role: Role, script: &Script, conversation: u8) {
    let name = script.name;
    let mark = world.mark();
    let why = |world: &World<'_>| world.ended(role, mark);
    let ended = |world: &World<'_>| why(world).iter().any(|why| why.contains(script.ends.unwrap_or_default()));
    world.next_is(role, name);
    let place = if role == Role::Agent {
        match cli.engage(conversation) {
            Ok(instance) => (role, instance),
            Err(refusal) => {
                assert_eq!((script.asked == Asked::Never, refusal.code), (true, Code::CannotStart), "{name}: {refusal}");
                (role, 0)
            }
        }
    } else {
        world.restart(role);
        (role, 0)
    };
    if script.asked != Asked::Never {
        let call = if script.asked == Asked::Stream { cli.source(place) } else { cli.give_word(place) };
        cli.all_answer(&honest(role));
        let answer = cli.answer(call);
        match answer {
            Ok(_) => assert!(script.answers, "{role}, {name}: it got an answer"),
            Err(refusal) => assert_eq!((script.answers, refusal.code), (false, Code::PeerDied), "{role}, {name}: {refusal}"),
        }
    }
    match script.ends {
        Some(_) => {
            world.until(&format!("{role}, {name}: ended for {:?}, but for {:?}", script.ends, why(world)), || ended(world))
        }
        None => assert!(why(world).is_empty(), "{role}, {name}: ended for {:?}", why(world)),
    }
    // Its successor answers, and so do all others.
    let again = if role == Role::Agent { cli.engage(HONEST).expect("an agent") } else { 0 };
    let answer = cli.echo((role, again), b"again");
    assert!(answer.is_ok(), "{role}, {name}: it does not come back: {answer:?}");
    cli.all_answer(&honest(role));
}
