//! The window's instance shows the memberships of this device. They are kept in memory: with the next process of the archive
//! they are shown anew, and renewed ones take the place of those before.

use credentials::{PublicKey, Refused};
use ipc::{
    Code, Refusal,
    messages::storage::{Provision, Provisioned as Shown},
};

use super::{
    Provisioned, Rights,
    admit::{Admitted, Roots, admit},
    unreadable,
};

/// Checks both and keeps them, or says what is wrong with which.
pub(crate) fn provision(rights: &Rights, request: &Provision) -> Result<Shown, Refusal> {
    let own = rights.0.own;
    let archive = own_membership(rights, "the archive", &request.archive, &own.device)?;
    let window = own_membership(rights, "the window", &request.window, &own.window)?;
    let until = archive.period().1.min(window.period().1);
    tracing::info!(%until, "the window is let in");
    rights.write().provisioned = Some(Provisioned { archive, window });
    Ok(Shown { until_s: until.seconds() })
}

fn own_membership(rights: &Rights, whose: &str, text: &[u8], subject: &PublicKey) -> Result<Admitted, Refusal> {
    let refused = |why: &dyn std::fmt::Display| {
        Refusal::new(Code::MembershipRefused, format!("the membership of {whose} is not taken: {why}"))
    };
    let now = rights.now();
    let beginning = rights.beginning().map_err(|error| unreadable(&error))?;
    let admitted = admit(&[text.to_vec()], Roots::These(&[rights.0.own.person]), beginning, now);
    let admitted = admitted.map_err(|why: Refused| refused(&why))?;
    if admitted.subject != *subject {
        return Err(refused(&format!("it is about {}, who is somebody else", admitted.subject)));
    }
    admitted.holds(&rights.read().table, now).map_err(|why| refused(&why))?;
    Ok(admitted)
}
