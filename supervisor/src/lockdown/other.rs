//! Systems on which nothing is enforced yet. Not tested, and not usable: what must be refused is tried at every start,
//! and where it is not refused no process starts.

use ipc::messages::start::Wall;

use super::{Birthright, Breach, Lockdown, rights::Rights, wall};

/// macOS and Windows, for now.
pub struct Other;

impl Lockdown for Other {
    fn lock(_: &Rights, _: &Birthright) -> Result<Vec<Wall>, Breach> {
        Ok(vec![wall("sandbox", false, "nothing is enforced on this system: a process may do what the person may do")])
    }

    fn seal(_: &Rights) -> Result<Vec<Wall>, Breach> {
        Ok(Vec::new())
    }
}
